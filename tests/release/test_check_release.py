"""What blocks the release of a tag, each mistake by itself."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import release

from tests.release.conftest import ROOT

CHANGELOG = """\
# Changelog

## Unreleased

## 1.2.3 - 2030-01-31

### Added

- A thing.

## 1.2.2 - 2030-01-01

- Old.
"""
UNRELEASED = "## Unreleased\n"


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A checkout that may be released as v1.2.3."""
    for name in ("noxcli/__init__.py", "templates/run/template.yml", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/ci.md").write_text("uses: a/noxcli@v1\n")
    change("noxcli/__init__.py", '"0.2.0"', '"1.2.3"')(tmp_path)
    change("templates/run/template.yml", "default: 0.2.0", "default: 1.2.3")(tmp_path)
    change("pyproject.toml", "noxcli@noxcli.invalid", "noxcli@example.com")(tmp_path)
    return tmp_path


def change(name: str, before: str, after: str) -> Callable[[Path], None]:
    """Return a function that changes a file of a checkout."""

    def apply(root: Path) -> None:
        text = (root / name).read_text()
        assert before in text
        (root / name).write_text(text.replace(before, after))

    return apply


def test_a_checkout_that_agrees_is_released_with_its_notes(
    ready: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "notes.md"
    assert release.main(["check", "v1.2.3", "--root", str(ready), "--notes", str(notes)]) == 0
    assert notes.read_text() == "### Added\n\n- A thing.\n"
    assert capsys.readouterr().err == ""


@pytest.mark.nightly
@pytest.mark.timeout(1000)  # it downloads packages, and installs them twice
def test_a_rehearsal_builds_all_and_lists_what_is_left(capfd: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--dry-run"]) == 0
    told = capfd.readouterr().out
    assert "You asked: hello" in told
    assert "\n- pyproject.toml: the authors' address does not work; write one that does\n" in told
    assert "\n- at the package index: a trusted publisher" in told


@pytest.mark.parametrize(
    ("tag", "spoil", "told"),
    [
        ("v1.2.4", None, "the tag 'v1.2.4' is not for version 1.2.3; tag v1.2.3, or change noxcli/__init__.py"),
        ("1.2.3", None, "the tag '1.2.3' is not for version 1.2.3"),
        ("v1.2.3", change("CHANGELOG.md", "2030-01-31", "unreleased"), "CHANGELOG.md says nothing of 1.2.3; add"),
        ("v1.2.3", change("CHANGELOG.md", UNRELEASED, f"{UNRELEASED}\n- More.\n"), "changes under 'Unreleased'"),
        ("v1.2.3", change("CHANGELOG.md", UNRELEASED, "## 1.3.0 - 2030-02-01\n\n- New.\n"), "1.3.0 as the newest"),
        ("v1.2.3", change("templates/run/template.yml", "1.2.3", "1.2.2"), "template.yml installs another version"),
        ("v1.2.3", change("pyproject.toml", "@example.com", "@noxcli.invalid"), "does not work; write one that does"),
        ("v1.2.3", change("docs/ci.md", "a/noxcli", "OWNER/noxcli"), "docs/ci.md has OWNER/noxcli; write the"),
        ("v1.x", change("noxcli/__init__.py", "1.2.3", "1.x"), "'1.x' is not a version; write 1.2.3 or 1.2.3rc1"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_a_line(
    ready: Path, capsys: pytest.CaptureFixture[str], tag: str, spoil: Callable[[Path], None] | None, told: str
) -> None:
    if spoil:
        spoil(ready)
    assert release.main(["check", "--root", str(ready), tag, "--notes", str(ready / "notes.md")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("release: ") for line in lines)
    assert any(told in line for line in lines), lines
    assert not (ready / "notes.md").exists()
