"""CONTRIBUTING's section about a release, followed to the letter in a clone: all stays green, also the next time."""

import os
import re
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from noxcli import __version__
from tests.docs.test_readme import SETUPS
from tests.release.conftest import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## Release\n")[2]
BLOCKS = re.findall(r"```release\n(.*?)```", PAGE, re.DOTALL)
# Other names than any other test has.
ADDRESS = "--repository umbrella-labs/nox_cli.v2 --email team@umbrella.example.org"
# A checkout of a release has its own version in CHANGELOG.md, and no news.
RELEASED = f"\n## {__version__} - " in (ROOT / "CHANGELOG.md").read_text()
FIRST, CANDIDATE, NEXT = ("98.0.1" if RELEASED else __version__), "99.1.0rc1", "99.1.0"
# What reads a version, a date or an address.
TOUCHED = [
    "tests/release",
    "tests/docs/test_readme.py",
    "tests/test_quality.py",
    "tests/commands/test_help.py",
]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the checkout as it stands, on `main`, with a bare repository to push to."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin")
    git(tmp_path, "clone", "-q", "origin", "clone")
    clone = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tarfile.open(tmp_path / "files.tar", "w") as archive:
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).exists():
                archive.add(ROOT / name, name)
    with tarfile.open(tmp_path / "files.tar") as archive:
        archive.extractall(clone, filter="tar")
    if RELEASED:
        add_news(clone)
    git(clone, "config", "user.email", "noxcli@example.com")
    git(clone, "config", "user.name", "noxcli")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "Begin")
    git(clone, "push", "-q", "origin", "HEAD:main")
    return clone


def git(where: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=where, check=True, capture_output=True, text=True
    ).stdout


def walk(clone: Path, tested: str) -> None:
    """Follow the page to a tag: this version, a candidate, and the final one; `tested` stands for its tests."""
    for version in (FIRST, CANDIDATE, NEXT):
        first = ADDRESS if "OWNER/" in (clone / "pyproject.toml").read_text() else ""
        for block in BLOCKS:
            lines = block.replace(".venv/bin/pytest\n", f"{tested}\n").replace(
                "prepare 1.2.3", f"prepare 1.2.3 {first}"
            )
            run(lines.replace("1.2.3", version), clone)
        assert git(clone, "status", "--porcelain") == ""
        assert (
            f"\n## {version} - {datetime.now(UTC).date()}\n" in (clone / "CHANGELOG.md").read_text()
        )
        run(f".venv/bin/python scripts/release.py check v{version}", clone)
        tagged = git(clone, "ls-remote", "origin", f"v{version}").split()[0]
        assert git(clone, "rev-parse", "origin/main").strip() == tagged
        if version != CANDIDATE:
            add_news(clone)
            git(clone, "commit", "-qam", "Change more")


def add_news(clone: Path) -> None:
    changelog = (clone / "CHANGELOG.md").read_text()
    (clone / "CHANGELOG.md").write_text(
        changelog.replace("## Unreleased\n", "## Unreleased\n\n- More.\n", 1)
    )


def run(lines: str, clone: Path) -> str:
    """Run lines of a page in the clone; return what they print."""
    env = {
        **os.environ,
        "PYTHONPATH": str(clone),
        "CI": "",
    }  # where CI is set, no program may be missing
    done = subprocess.run(
        ["bash", "-euc", lines], cwd=clone, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    return done.stdout


@pytest.mark.nightly
@pytest.mark.timeout(
    1200
)  # it installs the clone, tests it three times, and builds all that is released
def test_all_stays_green_up_to_the_files_of_a_release(clone: Path) -> None:
    """Wheel, source archive, single file and bill of materials are what `--dry-run` builds and tries."""
    run(f"{SETUPS[1]} tests/test_codec.py", clone)
    walk(clone, f".venv/bin/pytest -q -n 2 {' '.join(TOUCHED)} --ignore tests/release/test_walk.py")
    git(clone, "checkout", "-q", f"v{NEXT}")
    told = run(".venv/bin/python scripts/release.py --dry-run", clone)
    assert "You asked: hello" in told  # the single file has run the demo
    assert f"\nTo release {NEXT}, fill in:\n- at the package index: a trusted publisher" in told
    run(f".venv/bin/python scripts/release.py check v{NEXT} --notes notes.md", clone)
    assert (clone / "notes.md").read_text().startswith("- More.\n\n## As an action\n")
