"""The suite's own marks: long tests start first, and a test without its program is skipped, except on CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MARKED = """
import pytest

def test_short(): pass

@pytest.mark.long(2)
def test_long(): pass

@pytest.mark.long(30)
def test_longest(): pass

@pytest.mark.engine("sh", "no-such-program")
def test_with_an_engine(): pass

@pytest.mark.engine("sh")
def test_with_a_shell(): pass
"""


@pytest.mark.wide
@pytest.mark.parametrize(
    ("ci", "code", "ending"), [("", 0, "4 passed, 1 skipped"), ("true", 1, "4 passed, 1 error")], ids=["here", "ci"]
)
def test_marks(tmp_path: Path, ci: str, code: int, ending: str) -> None:
    (tmp_path / "test_marked.py").write_text(MARKED)
    command = [sys.executable, "-m", "pytest", "-v", "-n0", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--basetemp", tmp_path / "own", "--rootdir", tmp_path, tmp_path],
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert ending in done.stdout
    assert "no-such-program is not installed" in done.stdout
    names = [line.split("::")[1].split()[0] for line in done.stdout.splitlines() if "::test_" in line and "%]" in line]
    assert names == ["test_longest", "test_long", "test_short", "test_with_an_engine", "test_with_a_shell"]
