"""What is generated is current, and `scripts/regenerate.py` says what is not."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest
import regenerate

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "regenerate.py"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The files that are generated, and those with generated parts."""
    for name in ("noxcli/cli", "docs", "man", "templates"):
        copytree(ROOT / name, tmp_path / name)
    for name in ("README.md", "noxcli/__init__.py", "requirements/component.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


# Sets of words have another order in each process.
@pytest.mark.parametrize("seed", ["1", pytest.param("2", marks=pytest.mark.wide)])
def test_all_that_is_generated_is_fresh(seed: str) -> None:
    env = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_stale_files_are_named_and_written_anew(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = copied / "docs" / "reference" / "scenarios.md"
    page.write_text(page.read_text().replace("| `start` |", "| `gone` |"))
    (copied / "docs" / "reference" / "switches.md").unlink()
    (copied / "noxcli/cli/complete.tsv").write_text("")
    (copied / "man" / "noxcli-gone.1").touch()
    before = page.read_bytes()

    assert regenerate.main(["--check"], copied) == 1
    stale = {
        line.partition(" is stale: run python scripts/regenerate.py")[0]
        for line in capsys.readouterr().err.splitlines()
    }
    assert stale == {"complete.tsv", "scenarios.md", "noxcli-gone.1", "switches.md"}
    assert page.read_bytes() == before
    assert regenerate.main([], copied) == regenerate.main(["--check"], copied) == 0
    assert not (copied / "man" / "noxcli-gone.1").exists()
