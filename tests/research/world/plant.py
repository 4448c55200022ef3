"""Defects planted in a copy of noxcli, which the random world has to see."""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.forks import ROOT
from tests.research.world.plan import KEPT

DEFECTS: Mapping[str, Mapping[str, str]] = tomllib.loads((KEPT / "defects.toml").read_text())
PLAYED = re.compile(r"(\d+) seeds")


def sources(tree: Path = ROOT) -> list[Path]:
    return sorted((tree / "noxcli").rglob("*.py"))


@contextmanager
def planted(name: str) -> Iterator[Path]:
    """Yield a copy of the project with a defect."""
    defect = DEFECTS[name]
    with tempfile.TemporaryDirectory(prefix="noxcli-planted-") as directory:
        tree = Path(directory)
        ignored = shutil.ignore_patterns("__pycache__")
        for part in ("noxcli", "tests"):
            shutil.copytree(ROOT / part, tree / part, ignore=ignored)
        for path in sources(tree):
            text = path.read_text()
            if defect["old"] in text:
                path.write_text(text.replace(defect["old"], defect["new"]))
        yield tree


def seeds_to_see(tree: Path, first: int, most: int, at_once: int) -> tuple[int, str] | None:
    """Return how many seeds of a tree it takes until one fails, and how; None if none does."""
    command = [sys.executable, "-m", "tests.research.world", str(most), "--first", str(first)]
    command += ["--at-once", str(at_once), "--until-found", "--no-shrink"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    match = PLAYED.search(done.stdout)
    lines = [line for line in done.stdout.splitlines() if line.startswith("seed ")]
    if match is None:
        raise RuntimeError(done.stdout + done.stderr)
    if not lines:
        return None
    return int(match[1]), lines[0][:300]
