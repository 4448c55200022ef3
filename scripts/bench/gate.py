"""A gate with a judge, against a plain loop with the same runs."""

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from batch import RUN, write_rows
from measure import NOXCLI, Goal, measure, middle, serving, take_turns, times
from server import JUDGE, VERSIONS, WORKFLOW, Plan

ROWS, PARALLEL, SECONDS, ROUNDS = 100, 8, 0.5, 3
MOST = 1.15  # times the loop
# Each version answers each row, and each answer is judged: four runs a row.
SCRIPT = f"""{RUN}
seconds = float(sys.argv[3])
def judged(row):
    answer = run("{WORKFLOW}", row, seconds)["output"]["A"]
    return run("{JUDGE}", {{"Q": answer}}, seconds)["output"]["A"]
with open(sys.argv[1]) as file:
    rows = [json.loads(line) for line in file for version in {VERSIONS}]
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    print(sum(verdict == "an answer" for verdict in pool.map(judged, rows)))
"""


def goals(quick: bool) -> Iterator[Goal]:
    """Yield the time and the CPU of a gate that finds no difference."""
    rows = 2 * PARALLEL if quick else ROWS
    with tempfile.TemporaryDirectory() as place, serving(Plan(SECONDS)) as env:
        file = Path(place) / "rows.jsonl"
        write_rows(file, rows)
        plain = [sys.executable, "-c", SCRIPT, str(file), str(PARALLEL), str(SECONDS)]
        turns = {"ours": partial(measure, line(file), env), "plain": partial(measure, plain, env)}
        taken = take_turns(turns, 1 if quick else ROUNDS)
    what = f"a judged gate of {rows} rows, {PARALLEL} runs at a time"
    ratio = middle(taken["ours"]).seconds / middle(taken["plain"]).seconds
    yield Goal(f"{what}, time compared with a plain loop", ratio, MOST)
    yield times(f"{what}, CPU compared with a plain loop", taken["ours"], taken["plain"], None)


def line(file: Path) -> list[str]:
    """Return the command line of a gate."""
    base, new = VERSIONS
    of_judge = [
        "--judge",
        JUDGE,
        "--judge-input",
        "Q=output.A",
        "--assert",
        "judge.A == 'an answer'",
    ]
    at_once = ["--max-parallel", str(PARALLEL), "--quiet", "--fresh"]
    return [NOXCLI, "gate", WORKFLOW, str(file), "--base", base, "--new", new, *of_judge, *at_once]
