"""What reads stored rows: `batch --resume`, `results` and `compare`, each against a plain script."""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from batch import line, write_rows
from measure import NOXCLI, Goal, measure, middle, serving, take_turns, times
from server import Plan

ROWS, PARALLEL, CHANGED = (
    100_000,
    64,
    100,
)  # one row in a hundred has another answer in the second directory
PRINT = """
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1] + "/results.jsonl")]
for row in sorted(rows, key=lambda row: row["row"]):
    print(json.dumps(row))
"""
COMPARE = """
import json, sys
base, new = ({row["row"]: row for row in map(json.loads, open(place + "/results.jsonl"))} for place in sys.argv[1:])
for number in sorted(base.keys() | new.keys()):
    before, after = (side[number]["result"]["output"] if number in side else None for side in (base, new))
    if before != after:
        print("changed", number, json.dumps(before), json.dumps(after))
"""
RESUME = """
import json, sys
done = {json.loads(line)["row"] for line in open(sys.argv[1] + "/results.jsonl")}
print([number for number, line in enumerate(open(sys.argv[2]), 1) if json.loads(line) and number not in done])
"""


def goals(quick: bool) -> Iterator[Goal]:
    """Yield the CPU and the memory of the batch, and of each command."""
    rows = ROWS // 50 if quick else ROWS
    with tempfile.TemporaryDirectory() as place, serving(Plan()) as env:
        file = Path(place) / "rows.jsonl"
        write_rows(file, rows)
        again = [*line(file, PARALLEL, 0.0), "--resume"]
        ran = measure(again, env)
        yield Goal(
            f"`batch` of {rows:,} rows, {PARALLEL} at a time, CPU of a row",
            ran.cpu / rows * 1000,
            None,
            "ms",
        )
        yield Goal(f"`batch` of {rows:,} rows, memory", ran.mib, None, "MiB")
        base, new = f"{file}.batch", f"{place}/new"
        shutil.copytree(base, new)
        change(Path(new))
        contenders = {
            "`batch --resume`": (again, [RESUME, base, str(file)]),
            "`results`": ([NOXCLI, "results", base], [PRINT, base]),
            "`results --csv`": (
                [NOXCLI, "results", base, "--csv", f"{place}/all.csv"],
                [PRINT, base],
            ),
            "`compare`": ([NOXCLI, "compare", base, new], [COMPARE, base, new]),
        }
        for name, (ours, plain) in contenders.items():
            turns = {
                "ours": partial(measure, ours, env),
                "plain": partial(measure, [sys.executable, "-c", *plain], env),
            }
            taken = take_turns(turns, 1 if quick else 3)
            what = f"{name} of {rows:,} rows"
            of_ours = middle(taken["ours"])
            yield times(
                f"{what}, CPU compared with a plain script", taken["ours"], taken["plain"], 5
            )
            yield Goal(f"{what}, CPU", of_ours.cpu, None, "s")
            yield Goal(f"{what}, memory", of_ours.mib, None, "MiB")


def change(directory: Path) -> None:
    """Make it the directory of another batch: other runs, and a few other answers."""
    for path in directory.glob("*.jsonl"):
        text = re.sub(r'"(\d+-\d+\.\d+)"', r'"again-\1"', path.read_text())
        lines = text.splitlines(keepends=True)
        if path.name == "results.jsonl":
            lines[::CHANGED] = [
                line.replace("an answer", "another answer") for line in lines[::CHANGED]
            ]
        path.write_text("".join(lines))
