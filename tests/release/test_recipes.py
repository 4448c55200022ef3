"""The Containerfile, checked without a daemon."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.engines.farm import SEARCHED, needs_engine
from tests.release.conftest import ROOT, build

CONTAINERFILE = ROOT / "Containerfile"


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
