"""What blocks the release of a tag, each mistake by itself."""

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import release
import release_text

from noxcli import __version__
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
UNRELEASED_THING = "# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n"


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A checkout that may be released as v1.2.3."""
    for name in (
        "noxcli/__init__.py",
        "templates/run/template.yml",
        "pyproject.toml",
        "docs/gitlab.md",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(UNRELEASED_THING)
    unname(tmp_path)
    change("noxcli/__init__.py", f'"{__version__}"', '"1.2.2"')(tmp_path)
    for name in ("templates/run/template.yml", "docs/gitlab.md"):
        change(name, __version__, "1.2.2")(tmp_path)
    assert not list(
        release_text.write_release(
            tmp_path, "1.2.3", date(2030, 1, 31), "acme/noxcli", "cli@example.com"
        )
    )
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "-q", "-b", "main")
    commit_all(tmp_path)
    return tmp_path


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=noxcli", "-c", "user.email=noxcli@example.com"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def commit_all(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Change")


def unname(root: Path) -> None:
    """Take the name and address back, which a checkout has from its first release on."""
    texts = release_text.texts_of(root)
    for file, text in texts.items():
        unnamed = text.replace(release_text.repository(texts), "OWNER/noxcli")
        (root / file).write_text(re.sub(r'(?<=email = ")[^"]*', "noxcli@noxcli.invalid", unnamed))


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
    assert (
        release.main(
            ["check", "v1.2.3", "--root", str(ready), "--notes", str(notes), "--commit", commit]
        )
        == 0
    )
    assert notes.read_text().startswith("### Added\n\n- A thing.\n\n## As an action\n")
    assert f"\nuses: acme/noxcli@{commit} # v1.2.3\n" in notes.read_text()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("tag", "spoil", "told"),
    [
        ("v1.2.4", None, "the tag 'v1.2.4' is not for version 1.2.3; tag v1.2.3, or change noxcli/__init__.py"),
        ("1.2.3", None, "the tag '1.2.3' is not for version 1.2.3"),
        ("v1.2.3", change("CHANGELOG.md", "2030-01-31", "unreleased"), "CHANGELOG.md says nothing of 1.2.3; add"),
        ("v1.2.3", change("CHANGELOG.md", UNRELEASED, f"{UNRELEASED}\n- More.\n"), "changes under 'Unreleased'"),
        ("v1.2.3", change("CHANGELOG.md", UNRELEASED, "## 1.3.0 - 2030-02-01\n\n- New.\n"), "1.3.0 as the newest"),
        ("v1.2.3", change("templates/run/template.yml", "1.2.3", "1.2.2"), "template.yml shows 1.2.2; write 1.2.3"),
        ("v1.2.3", change("pyproject.toml", "@example.com", "@noxcli.invalid"), "does not work; give `release.py prep"),
        ("v1.2.3", change("docs/gitlab.md", "acme/noxcli", "OWNER/noxcli"), "gitlab.md has OWNER/noxcli; give `rele"),
        ("v1.2.3", change("docs/gitlab.md", "run@v1.2.3", "run@v1.2.2"), "docs/gitlab.md shows 1.2.2; write 1.2.3"),
        ("v1.x", change("noxcli/__init__.py", "1.2.3", "1.x"), "'1.x' is not a version; write 1.2.3 or 1.2.3rc1"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_a_line(
    ready: Path,
    capsys: pytest.CaptureFixture[str],
    tag: str,
    spoil: Callable[[Path], None] | None,
    told: str,
) -> None:
    if spoil:
        spoil(ready)
    assert (
        release.main(["check", "--root", str(ready), tag, "--notes", str(ready / "notes.md")]) == 1
    )
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("release: ") for line in lines)
    assert any(told in line for line in lines), lines
    assert not (ready / "notes.md").exists()


@pytest.mark.parametrize(
    ("version", "more", "told"),
    [
        (
            "1.2.3",
            [],
            "1.2.3 is not newer than 1.2.3, which CHANGELOG.md has as released; choose a higher version",
        ),
        ("1.2.3rc1", [], "1.2.3rc1 is not newer than 1.2.3"),
        ("1.1.9", [], "1.1.9 is not newer than 1.2.3"),
        ("1.3", [], "'1.3' is not a version; write 1.2.3 or 1.2.3rc1"),
        ("v1.3.0", [], "'v1.3.0' is not a version"),
        (
            "1.3.0",
            ["--repository", "https://github.com/acme/noxcli"],
            "is not a repository; write OWNER/NAME",
        ),
        ("1.3.0", ["--repository", "acme/noxcli.git"], "is not a repository"),
        ("1.3.0", ["--repository", "acme"], "'acme' is not a repository"),
        ("1.3.0", ["--email", "nobody"], "'nobody' is not an address that works; write NAME@HOST"),
        ("1.3.0", ["--email", "a@b.invalid"], "'a@b.invalid' is not an address that works"),
    ],
)
def test_an_odd_release_is_refused_and_nothing_written(
    ready: Path, capsys: pytest.CaptureFixture[str], version: str, more: list[str], told: str
) -> None:
    change("CHANGELOG.md", UNRELEASED, f"{UNRELEASED}\n- More.\n")(ready)
    commit_all(ready)
    before = contents(ready)
    assert release.main(["prepare", "--root", str(ready), version, *more]) == 1
    assert told in capsys.readouterr().err
    assert contents(ready) == before


def test_a_refused_release_can_be_prepared_again(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a name, nothing is written; with it, all is."""
    unname(ready)
    change("CHANGELOG.md", UNRELEASED, f"{UNRELEASED}\n- More.\n")(ready)
    commit_all(ready)
    before, today = contents(ready), date(2030, 2, 1)
    assert release.main(["prepare", "--root", str(ready), "1.3.0"]) == 1
    assert "give `release.py prepare` --repository and --email" in capsys.readouterr().err
    assert contents(ready) == before
    assert not list(
        release_text.write_release(ready, "1.3.0", today, "acme/noxcli", "cli@example.com")
    )
    assert list(release_text.mistakes("v1.3.0", release_text.texts_of(ready))) == []
    assert "\n## 1.3.0 - 2030-02-01\n\n- More.\n" in (ready / "CHANGELOG.md").read_text()


def test_without_news_nothing_is_written(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(ready)
    assert release.main(["prepare", "--root", str(ready), "1.3.0"]) == 1
    assert (
        "CHANGELOG.md has nothing under 'Unreleased'; there is nothing to release"
        in capsys.readouterr().err
    )
    assert contents(ready) == before


def spoil_a_page(root: Path) -> None:
    change("docs/gitlab.md", "acme/noxcli", "acme/other")(root)


def leave_main(root: Path) -> None:
    git(root, "switch", "-qc", "topic")


def detach(root: Path) -> None:
    git(root, "checkout", "-q", "--detach")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_a_page, "1 edited files, such as docs/gitlab.md; commit them first, or: git stash"),
        (leave_main, "this checkout is on topic; run: git switch main"),
        (detach, "this checkout is on no branch; run: git switch main"),
    ],
)
def test_a_release_starts_from_what_main_has(
    ready: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], told: str
) -> None:
    change("CHANGELOG.md", UNRELEASED, f"{UNRELEASED}\n- More.\n")(ready)
    commit_all(ready)
    spoil(ready)
    before = contents(ready)
    assert release.main(["prepare", "--root", str(ready), "1.3.0"]) == 1
    assert capsys.readouterr().err == f"release: {told}\n"
    assert contents(ready) == before


@pytest.mark.parametrize("more", ["", "\n- A mend.\n"])
def test_a_candidate_becomes_final_with_its_notes(ready: Path, more: str) -> None:
    change("CHANGELOG.md", UNRELEASED, f"{UNRELEASED}\n- More.\n")(ready)
    write("1.3.0rc1", ready)
    write("1.3.0rc2", ready, news="\n- Still more.\n")
    write("1.3.0", ready, news=more)
    assert list(release_text.mistakes("v1.3.0", release_text.texts_of(ready))) == []
    told = release_text.notes(release_text.texts_of(ready), "89abcdef" * 5)
    lines = [*more.split("\n")[1:-1], "- Still more.", "- More.", "## As an action"]
    assert told.startswith("\n\n".join(lines))
    changelog = (ready / "CHANGELOG.md").read_text()
    assert "rc" not in changelog
    assert changelog.endswith("\n## 1.2.3 - 2030-01-31\n" + CHANGELOG.partition("2030-01-31\n")[2])


def write(version: str, root: Path, news: str = "") -> None:
    change("CHANGELOG.md", UNRELEASED, f"{UNRELEASED}{news}")(root)
    assert not list(release_text.write_release(root, version, date(2030, 2, 1), None, None))


def test_notes_name_no_other_version() -> None:
    text = release_text.unreleased((ROOT / "CHANGELOG.md").read_text())
    assert not re.findall(r"\b\d+\.\d+\.\d+\b", text)


def test_sums_are_what_sha256sum_checks(tmp_path: Path) -> None:
    names = ["noxcli", "a wheel.whl"]
    for name in names:
        (tmp_path / name).write_text(name)
    files = [str(tmp_path / name) for name in names]
    assert release.main(["sums", *files, "-o", str(tmp_path / "SHA256SUMS")]) == 0
    checked = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout) == (0, "a wheel.whl: OK\nnoxcli: OK\n")


def test_a_first_version_is_not_lower_than_the_written_one(ready: Path) -> None:
    (ready / "CHANGELOG.md").write_text(UNRELEASED_THING)
    [told] = release_text.write_release(ready, "1.2.2", date(2030, 2, 1), None, None)
    assert (
        told
        == "1.2.2 is lower than 1.2.3, the version of noxcli/__init__.py; choose a higher version"
    )


def test_links_in_notes_are_absolute(ready: Path) -> None:
    text = "- See [CI](docs/ci.md#keys), [above](#added) and [a site](https://example.com/x).\n"
    change("CHANGELOG.md", "- A thing.\n", text)(ready)
    files = "https://github.com/acme/noxcli/blob/v1.2.3"
    told = release_text.notes(release_text.texts_of(ready), "89abcdef" * 5)
    assert (
        f"[CI]({files}/docs/ci.md#keys), [above]({files}/CHANGELOG.md#added) and [a site](https://example.com/x)"
        in told
    )


def contents(root: Path) -> dict[str, bytes]:
    files = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path): path.read_bytes() for path in files}
