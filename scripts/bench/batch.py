"""Batches against the ideal, which is the time that the runs alone take, and against a bare script with threads."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from measure import NOXCLI, Goal, Taken, measure, middle, serving, times
from server import WORKFLOW, Plan

# Seconds of a run, rows at a time, rows; the share of the ideal's speed, and the CPU compared with the script's.
TASKS = (
    (0.2, 1, 50, 0.9, None),
    (0.2, 8, 400, 0.9, 2.2),
    (2.0, 16, 128, 0.96, None),
    (0.2, 64, 3200, None, 2.2),
    (0.2, 256, 6400, None, 1.8),
)
ROUNDS = 3
BEHIND = 0.9  # of the script's speed, where the machine is busy
# A run of a script: a start, and reads of the record until it has ended. No journal, no retries, no limits.
RUN = """
import json, os, requests, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
local = threading.local()
def run(workflow, inputs, seconds):
    if not hasattr(local, "session"):
        local.session = requests.Session()
        local.session.headers["X-API-Key"] = os.environ["NOXUS_API_KEY"]
    url = os.environ["NOXUS_BACKEND_URL"] + "/v1/workflows/" + workflow + "/runs"
    record = local.session.post(url, json={"input": inputs}).json()
    time.sleep(seconds)
    while record["status"] == "running":
        record = local.session.get(url + "/" + record["id"]).json()
        if record["status"] == "running":
            time.sleep(0.02)
    return record
"""
# A line for the result of each row.
SCRIPT = f"""{RUN}
def of_row(row):
    return run("{WORKFLOW}", row, float(sys.argv[3]))
with open(sys.argv[1]) as file, ThreadPoolExecutor(int(sys.argv[2])) as pool:
    for record in pool.map(of_row, map(json.loads, file)):
        print(json.dumps(record))
"""


def batch(rows: int, parallel: int, seconds: float, *, bare: bool = False) -> Taken:
    """Run a batch, or with `bare` the script; return what it used."""
    with tempfile.TemporaryDirectory() as place, serving(Plan(seconds)) as env:
        file = Path(place) / "rows.jsonl"
        write_rows(file, rows)
        return measure(line(file, parallel, seconds, bare=bare), env)


def write_rows(file: Path, rows: int) -> None:
    file.write_text("".join(f'{{"Q": "row {number}"}}\n' for number in range(rows)))


def line(file: Path, parallel: int, seconds: float, *, bare: bool = False) -> Sequence[str]:
    """Return the command line of a batch, or of the script."""
    if bare:
        return [sys.executable, "-c", SCRIPT, str(file), str(parallel), str(seconds)]
    return [NOXCLI, "batch", WORKFLOW, str(file), "--max-parallel", str(parallel), "--quiet"]


def goals(quick: bool) -> Iterator[Goal]:
    """Yield the speed and the CPU of batches."""
    batch(1, 1, 0.0)  # writes the bytecode once
    for seconds, parallel, rows, share, cpu in TASKS:
        rows = parallel * 2 if quick else rows
        ours, theirs = list[Taken](), list[Taken]()
        for _ in range(1 if quick else ROUNDS):
            ours.append(batch(rows, parallel, seconds))
            theirs.append(batch(rows, parallel, seconds, bare=True))
        what = f"{rows:,} runs of {seconds} s, {parallel} at a time"
        ideal, taken, other = seconds * rows / parallel, middle(ours), middle(theirs)
        yield Goal(
            f"{what}, speed compared with the ideal", ideal / taken.seconds, share, at_least=True
        )
        yield Goal(
            f"{what}, compared with the script",
            other.seconds / taken.seconds,
            BEHIND,
            at_least=True,
        )
        if cpu is not None:
            yield times(f"{what}, CPU compared with the script", ours, theirs, cpu)
            yield Goal(f"{what}, CPU of a row", taken.cpu / rows * 1000, None, "ms")
    yield Goal("rows that one process takes", rows / taken.seconds, None, "a second")
