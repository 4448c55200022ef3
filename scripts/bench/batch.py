"""Batches against the ideal: the time that the runs alone take, or that a limit of requests leaves."""

import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from batch_server import WORKFLOW
from measure import NOXCLI, Goal, Taken, measure, serving

# Seconds of a run, rows at a time, rows, and the share of the ideal's speed that is to be reached.
TASKS = ((0.2, 8, 400, 0.9), (5.0, 8, 16, 0.95))
RATE, LIMITED_ROWS, AT_A_TIME = 10, (120, 400), 32  # requests per second
MOST_REFUSED = 0.05


def batch(rows: int, parallel: int, seconds: float, *limit: object) -> tuple[Taken, dict[str, float]]:
    """Run a batch; return what it used, and what the server counted."""
    with tempfile.TemporaryDirectory() as place, serving("batch_server.py", seconds, *limit) as (env, seen):
        file = Path(place) / "rows.jsonl"
        file.write_text("".join(f'{{"Q": "row {number}"}}\n' for number in range(rows)))
        argv = [NOXCLI, "batch", WORKFLOW, str(file), "--max-parallel", str(parallel), "--quiet"]
        taken = measure(argv, env)
    return taken, seen


def goals(quick: bool) -> Iterator[Goal]:
    """Yield the speed of batches without a limit."""
    batch(1, 1, 0.0)  # writes the bytecode once
    for seconds, parallel, rows, goal in TASKS:
        rows = parallel * 2 if quick else rows
        taken, _ = batch(rows, parallel, seconds)
        what = f"{rows} runs of {seconds} s, {parallel} at a time, speed compared with the ideal"
        yield Goal(what, seconds * rows / parallel / taken.seconds, goal, at_least=True)


def limited(quick: bool) -> Iterator[Goal]:
    """Yield how far six kinds of limits are used, and how many starts they refuse."""
    for rows, kinds, window in product(
        LIMITED_ROWS[: 1 if quick else None], ("all", "starts"), ("fixed", "sliding", "bucket")
    ):
        taken, seen = batch(rows, AT_A_TIME, 0.05, RATE, kinds, window)
        needed = 2 * rows if kinds == "all" else rows  # a start, and a read of the record
        what = f"{rows} rows, a limit of {RATE}/s on {kinds}, {window}"
        yield Goal(f"{what}, share used", needed / RATE / taken.seconds, 0.9, at_least=True)
        refused = seen.get("refused start", 0)
        yield Goal(f"{what}, starts refused", refused / (refused + seen["start"]), MOST_REFUSED)
