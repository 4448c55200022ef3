"""The packages: what an index says about them, what is in them, and what the Containerfile copies to build one."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest
from markdown_it import MarkdownIt

from tests.engines.farm import SEARCHED, needs_engine
from tests.release.conftest import ROOT, build

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHIPPED = sorted(
    path.relative_to(ROOT).as_posix()
    for name in ("completions", "man")
    for path in (ROOT / name).iterdir()
)
SHARED = {
    "completions/noxcli.bash": "share/bash-completion/completions/noxcli",
    "completions/_noxcli": "share/zsh/site-functions/_noxcli",
    "completions/noxcli.fish": "share/fish/vendor_completions.d/noxcli.fish",
}
CONTAINERFILE = ROOT / "Containerfile"


@pytest.fixture(scope="module")
def metadata(built: dict[str, Path]) -> "Message[str, str]":
    with ZipFile(built["wheel"]) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(wheel.read(name))


def test_pyproject_is_valid() -> None:
    tool = Path(sys.executable).with_name("validate-pyproject")
    done = subprocess.run(
        [tool, "pyproject.toml"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, (done.stdout + done.stderr)[:10]) == (0, "Valid file"), done.stderr


@pytest.mark.wide
def test_the_description_is_readme_without_links_to_files(metadata: "Message[str, str]") -> None:
    description = metadata.get_payload()
    assert isinstance(description, str)
    found = [
        child
        for token in MarkdownIt("commonmark").parse(description)
        for child in token.children or []
    ]
    targets = {str(child.attrs["href"]) for child in found if child.type == "link_open"}
    assert targets
    assert {target for target in targets if not target.startswith("https://")} == set()
    assert not [child for child in found if child.type == "image"]
    assert "* Ten minutes with noxcli, from the first run to a script" in description
    headings = re.findall(r"^## .*", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert re.findall(r"^## .*", description, re.MULTILINE) == headings


def test_a_classifier_for_each_python_that_ci_tests() -> None:
    tested = re.search(r"python: \[(.*)\]", (ROOT / ".github/workflows/ci.yml").read_text())
    assert tested
    named = [
        line.rpartition(" :: ")[2]
        for line in PROJECT["classifiers"]
        if re.search(r":: 3\.\d+$", line)
    ]
    assert re.findall(r"[\d.]+", tested[1]) == named
    assert PROJECT["requires-python"] == f">={named[0]}"


# Their content: the scripts and pages next to the package in a checkout, as files and once each.


@pytest.mark.wide
def test_the_sdist_has_real_files(built: dict[str, Path]) -> None:
    assert SHIPPED
    for name in SHIPPED:
        copied = built["unpacked"] / name
        assert not copied.is_symlink()
        assert copied.read_bytes() == (ROOT / name).read_bytes()
    with tarfile.open(built["sdist"]) as archive:
        assert not [member.name for member in archive if member.issym() or member.islnk()]


@pytest.mark.wide
@pytest.mark.parametrize("kind", ["wheel", "wheel of the sdist"])
def test_a_wheel_has_them_where_shells_and_man_look(built: dict[str, Path], kind: str) -> None:
    with ZipFile(built[kind]) as wheel:
        names = wheel.namelist()
        assert len(names) == len({*names})
        data = next(name.split("/")[0] for name in names if ".data/" in name)
        for name in SHIPPED:
            shared = SHARED.get(name) or f"share/man/man1/{PurePosixPath(name).name}"
            places = [f"noxcli/{name}"] if name.startswith("completions/") else []
            places.append(f"{data}/data/{shared}")
            for place in places:
                assert wheel.read(place) == (ROOT / name).read_bytes(), place


# The Containerfile, without a daemon.


@pytest.mark.wide
@pytest.mark.engine
def test_hadolint_finds_no_mistake() -> None:
    needs_engine("hadolint")
    line = ["hadolint", "--no-color", "-"]
    with CONTAINERFILE.open() as file:
        done = subprocess.run(
            line, stdin=file, env={"PATH": SEARCHED}, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_does_not_run_as_root() -> None:
    last = CONTAINERFILE.read_text().rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)$", last, re.MULTILINE) == ["10001"]


@pytest.mark.wide
def test_what_the_image_copies_is_all_that_a_build_needs(
    built: dict[str, Path], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for line in re.findall(r"^COPY (?!--)(.*)$", CONTAINERFILE.read_text(), re.MULTILINE):
        *names, target = line.split()
        for name in names:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name if target != "./" else source)
    assert build("wheel", source, tmp_path / "made").read_bytes() == built["wheel"].read_bytes()
