"""What blocks the release of a tag, each mistake by itself."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import release
import release_text

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
    for name in ("noxcli/__init__.py", "templates/run/template.yml", "pyproject.toml", "docs/ci.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n")
    release_text.name_project(tmp_path, "acme/noxcli", "noxcli@example.com")
    assert not list(release_text.write_version(tmp_path, "1.2.3", date(2030, 1, 31)))
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
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
    commit = "89abcdef" * 5
    assert release.main(["check", "v1.2.3", "--root", str(ready), "--notes", str(notes), "--commit", commit]) == 0
    assert notes.read_text().startswith("### Added\n\n- A thing.\n\n## As an action\n")
    assert f"\nuses: acme/noxcli@{commit} # v1.2.3\n" in notes.read_text()
    assert capsys.readouterr().err == ""


@pytest.mark.nightly
@pytest.mark.timeout(1000)  # it downloads packages, and installs them twice
def test_a_rehearsal_builds_all_and_lists_what_is_left(capfd: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--dry-run"]) == 0
    told = capfd.readouterr().out
    assert "You asked: hello" in told
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
        ("v1.2.3", change("pyproject.toml", "@example.com", "@noxcli.invalid"), "does not work; give `release.py prep"),
        ("v1.2.3", change("docs/ci.md", "acme/noxcli", "OWNER/noxcli"), "docs/ci.md has OWNER/noxcli; give `release"),
        ("v1.2.3", change("docs/ci.md", "run@v1.2.3", "run@v1.2.2"), "docs/ci.md shows 1.2.2; write 1.2.3"),
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
