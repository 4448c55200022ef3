"""The random world: plans that have found something, and defects that it has to see."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forks import ROOT
from tests.research.world.many import found_by, script
from tests.research.world.plan import KEPT, SAYS
from tests.research.world.plant import DEFECTS, sources
from tests.research.world.user import user_of


@pytest.fixture(scope="module")
def texts() -> str:
    return "\0".join(path.read_text() for path in sources())


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_still_fits(name: str, texts: str) -> None:
    """After a change, plant what breaks the same promise in the place of the old text."""
    assert texts.count(DEFECTS[name]["old"]) == 1, DEFECTS[name]["breaks"]


def test_the_user_says_each_of_its_lines() -> None:
    said: set[str] = set()
    for seed in range(300):
        said |= user_of(seed).said
    assert said == {*SAYS["lines"]}


@pytest.mark.parametrize("name", sorted(path.name for path in KEPT.glob("*.json")))
def test_a_kept_plan_breaks_nothing(name: str) -> None:
    assert found_by(json.loads((KEPT / name).read_text())) == []


def test_a_plan_that_is_printed_is_a_script_that_runs() -> None:
    plan = json.loads((KEPT / "stream-begins-with-the-next-event.json").read_text())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["sh", "-ec", script(plan)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"seed {plan['seed']}: nothing is broken\n"
    assert (done.returncode, done.stdout) == (0, said), done.stderr
