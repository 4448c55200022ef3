"""The Containerfile and the Homebrew formula, checked without a daemon and without Homebrew."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import make_formula
import pytest

from tests.engines.farm import SEARCHED, needs_engine
from tests.release.conftest import ROOT, build

CONTAINERFILE = ROOT / "Containerfile"
ADDRESS = "https://example.com/noxcli-0.1.0.tar.gz"


@pytest.mark.wide
@pytest.mark.engine
def test_hadolint_finds_no_mistake() -> None:
    needs_engine("hadolint")
    line = ["hadolint", "--no-color", "-"]
    with CONTAINERFILE.open() as file:
        done = subprocess.run(line, stdin=file, env={"PATH": SEARCHED}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_does_not_run_as_root() -> None:
    last = CONTAINERFILE.read_text().rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)$", last, re.MULTILINE) == ["10001"]


@pytest.mark.wide
def test_what_the_image_copies_is_all_that_a_build_needs(built: dict[str, Path], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for line in re.findall(r"^COPY (?!--)(.*)$", CONTAINERFILE.read_text(), re.MULTILINE):
        *names, target = line.split()
        for name in names:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name if target != "./" else source)
    assert build("wheel", source, tmp_path / "made").read_bytes() == built["wheel"].read_bytes()


@pytest.mark.wide
@pytest.mark.long(15)
@pytest.mark.engine("ruby")
def test_the_formula_installs_what_the_lock_file_has(built: dict[str, Path], tmp_path: Path) -> None:
    formula = tmp_path / "noxcli.rb"
    assert make_formula.main([str(built["sdist"]), ADDRESS, "--output", str(formula)]) == 0
    told = subprocess.run(["ruby", "-cw", formula], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("Syntax OK\n", "")
    text = formula.read_text()
    assert not re.search(r"@[A-Z0-9]+@", text)
    assert hashlib.sha256(built["sdist"].read_bytes()).hexdigest() in text
    resources = re.findall(r'resource "(.+)" do\n    url "(\S+)"\n    sha256 "([0-9a-f]{64})"\n', text)
    locked = dict(re.findall(r"^(\S+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {"typer", "requests", "starlette"} <= {name for name, _, _ in resources}
    assert "mypy" not in {name for name, _, _ in resources}
    for name, address, _ in resources:
        assert f"-{locked[name]}-" in address
        assert address.endswith("-none-any.whl")
    assert len(resources) == text.count("resource ")


def test_a_formula_of_nothing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        make_formula.main([str(tmp_path / "no.tar.gz"), ADDRESS])
    assert ended.value.code == 2
    assert "no.tar.gz is not a file; build it with: " in capsys.readouterr().err
