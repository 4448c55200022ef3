"""A batch that is killed again and again still runs each row once, even if the time of day changes.

`python -m tests.batch.test_kills 100` for more.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import LostAnswer
from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.process import environment

ROWS = 300
KILLS = 5  # per batch
FEW = 2  # in the plain run
DIFFERENT = 250  # texts: some rows have the same
# noxcli with a time of day that is off by that many seconds.
JUMPED = """
import sys
from datetime import timedelta
from noxcli.__main__ import main
from noxcli.timing import Clock
right, off = Clock.now, timedelta(seconds=float(sys.argv.pop(1)))
Clock.now = lambda clock: right(clock) + off
sys.exit(main())
"""
JUMPS = (0, 0, 3, -3, 600, -600, 86400, -86400)


@dataclass
class Tally:
    """The results of many batches."""

    batches: int = 0
    kills: int = 0
    rows: int = 0
    twice: int = 0
    lost: int = 0
    doubts_left: int = 0
    were_in_doubt: int = 0

    def add(self, other: "Tally") -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def killed_batch(sandbox: Sandbox, directory: Path, seed: int, *, kills: int = KILLS) -> Tally:
    """Run one batch, kill it now and then, and count its rows' runs."""
    rng = random.Random(seed)
    lost = [LostAnswer()] if seed % 2 else []
    workflow = sandbox.add(
        Scenario(
            f"killed-{seed}",
            nodes=[input_node("Q")],
            script=lambda inputs: [Sleep(50 + 100 * (len(inputs["Q"]) % 5))],
            output=lambda inputs: {"A": inputs["Q"]},
            faults={"start": lost},
        )
    )
    inputs = [f"{seed}-{rng.randrange(DIFFERENT)}" for _ in range(ROWS)]
    rows = directory / "rows.jsonl"
    rows.write_text("".join(f"{json.dumps({'Q': text})}\n" for text in inputs))
    argv = ["batch", workflow, str(rows), "--resume", "--max-parallel", "16"]
    tally = Tally(batches=1, rows=ROWS)
    told: dict[int, Any] = {}
    for kill in range(kills + 1):
        jumped = [sys.executable, "-c", JUMPED, str(rng.choice(JUMPS)), *argv]
        done = run_for(jumped, environment(sandbox.url), rng.uniform(0.3, 1.2) if kill < kills else None, told)
        tally.kills += not done
        tally.were_in_doubt = max(tally.were_in_doubt, doubts_in(rows.parent / "rows.jsonl.batch/batch.jsonl"))
    in_doubt = [row for row, result in told.items() if result["exit_code"] == 7]
    assert set(told) == set(range(1, ROWS + 1)), "a row that finished was not printed"
    assert all(result["exit_code"] in {0, 7} for result in told.values()), Counter(
        r["exit_code"] for r in told.values()
    )
    kept = [json.loads(line) for line in (rows.parent / "rows.jsonl.batch/results.jsonl").read_text().splitlines()]
    assert sorted(line["row"] for line in kept) == sorted(set(told) - set(in_doubt)), "each result is there once"
    assert all(line["result"]["output"] == {"A": inputs[line["row"] - 1]} for line in kept)
    # The server can't tell rows with the same input apart, so they are counted together.
    wanted, had = Counter(inputs), Counter(run.input["Q"] for run in sandbox.runs(workflow))
    maybe = Counter(inputs[row - 1] for row in in_doubt)
    tally.twice = sum(max(0, had[text] - count) for text, count in wanted.items())
    tally.lost = sum(max(0, count - had[text] - maybe[text]) for text, count in wanted.items())
    tally.doubts_left = len(in_doubt)
    return tally


def run_for(argv: list[str], env: Mapping[str, str], seconds: float | None, told: dict[int, Any]) -> bool:
    """Run the command, and kill it after that long; False if it was killed. A line that this tore is not counted."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(argv, env=env, stdout=out, stderr=subprocess.PIPE, start_new_session=True)
        try:
            _, err = process.communicate(timeout=60 if seconds is None else seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        else:
            assert process.returncode in {0, 7}, err.decode()
        out.seek(0)
        for line in out:
            if line.endswith(b"\n"):
                document = json.loads(line)
                told[document["row"]] = document["result"]
    return process.returncode != -signal.SIGKILL


def doubts_in(journal: Path) -> int:
    started, intended = set(), set()
    for line in journal.read_bytes().splitlines() if journal.exists() else []:
        try:
            step = json.loads(line)
        except ValueError:
            continue
        match step.get("step"):
            case "sent":
                intended.add(step["row"])
            case "started":
                started.add(step["row"])
    return len(intended - started)


@pytest.mark.long(7)
@pytest.mark.parametrize(("seed", "kills"), [(1, FEW), pytest.param(2, KILLS, marks=pytest.mark.wide)])
def test_a_killed_batch_runs_each_row_once(sandbox: Sandbox, tmp_path: Path, seed: int, kills: int) -> None:
    tally = killed_batch(sandbox, tmp_path, seed, kills=kills)
    assert (tally.twice, tally.lost) == (0, 0)
    assert tally.kills
    assert tally.doubts_left <= 2 * (kills + 1), "only what was just being sent, or lost its answer in the last call"


def main(kills: int) -> None:
    """Print the result of that many kills."""
    total, seed, began = Tally(), 0, time.monotonic()
    with Sandbox([], speed=1000) as sandbox:
        while total.kills < kills:
            seed += 1
            with tempfile.TemporaryDirectory() as directory:
                total.add(killed_batch(sandbox, Path(directory), seed))
    print(f"{total} in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
