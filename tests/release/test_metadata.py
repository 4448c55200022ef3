"""What an index and its readers would say about the packages."""

import re
import subprocess
import sys
import tomllib
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest
from markdown_it import MarkdownIt

from tests.release.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def says(*argv: str) -> str:
    """Run a tool of this environment, which must succeed, and return what it prints."""
    tool = Path(sys.executable).with_name(argv[0])
    done = subprocess.run([tool, *argv[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def metadata(built: dict[str, Path]) -> "Message[str, str]":
    with ZipFile(built["wheel"]) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(wheel.read(name))


@pytest.mark.wide
def test_twine_would_upload_them(built: dict[str, Path]) -> None:
    told = says("twine", "--no-color", "check", "--strict", str(built["sdist"]), str(built["wheel"]))
    assert told.count("PASSED") == 2


@pytest.mark.wide
def test_the_wheel_has_what_a_wheel_should_have(built: dict[str, Path]) -> None:
    assert says("check-wheel-contents", str(built["wheel"])).rstrip().endswith("OK")


def test_pyproject_is_valid() -> None:
    assert says("validate-pyproject", "pyproject.toml").startswith("Valid file")


@pytest.mark.wide
def test_the_description_is_readme_without_links_to_files(metadata: "Message[str, str]") -> None:
    description = metadata.get_payload()
    assert isinstance(description, str)
    found = [child for token in MarkdownIt("commonmark").parse(description) for child in token.children or []]
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
    named = [line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert re.findall(r"[\d.]+", tested[1]) == named
    assert PROJECT["requires-python"] == f">={named[0]}"
