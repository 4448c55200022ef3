"""Measure every performance goal, and print the measured ratio next to it.

Usage: python scripts/bench.py [--quick] [--json] [PART...]. The parts are startup, events, live, bytes and batch. All
of them take half an hour, or a few minutes with --quick. The contenders of a part take turns within one run, and the
medians are compared. A missed goal is marked as missed.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

from bench_batch import SIZES, rate_goals, throughput_goals
from bench_download import CURL, NOTHING, TO_FILES, downloads
from bench_live import shown
from bench_startup import GOALS, starts
from bench_stream import BARE, took

EVENTS, LIVE_RATE, FILE = 50_000, 20_000, 2_000_000_000


@dataclass(frozen=True)
class Measured:
    """One goal: what is compared with what, the figure, and the figure that it must not exceed."""

    part: str
    what: str
    unit: str
    figure: float
    goal: float
    at_least: bool = False  # True: the goal is a minimum

    @property
    def met(self) -> bool:
        return self.figure >= self.goal if self.at_least else self.figure <= self.goal


def startup(quick: bool) -> Iterator[Measured]:
    """Compare commands with Python, Typer and a bare script, in wall-clock and CPU time."""
    middle = starts(5 if quick else 25)
    for name, (by, goal) in GOALS.items():
        yield Measured("startup", f"{name}: time to {by}", "ratio", middle[name].seconds / middle[by].seconds, goal)
        yield Measured("startup", f"{name}: CPU time to {by}", "ratio", middle[name].cpu / middle[by].cpu, goal)


def events(quick: bool) -> Iterator[Measured]:
    """Compare a stream of one chunk per event with a bare script that prints the same format."""
    middle = list(took(EVENTS, 3 if quick else 7).values())
    for form, bare, ours in zip(BARE, middle[::2], middle[1::2], strict=True):
        what = f"{EVENTS:,} events, --format {form}"
        yield Measured("events", f"{what}: time to a bare script", "ratio", ours.seconds / bare.seconds, 1.0)
        yield Measured("events", f"{what}: CPU time to a bare script", "ratio", ours.cpu / bare.cpu, 1.0)
        yield Measured("events", f"{what}: memory", "MiB", ours.memory, 40)


def live(quick: bool) -> Iterator[Measured]:
    """Measure what the live view costs beyond --quiet, as a share of one core."""
    (least, _, _), *rest = (row for name, row in shown(5, LIVE_RATE, 1 if quick else 3).items() if name != "plain log")
    for size, (cpu, wall, _) in zip(("80x24", "200x50"), rest, strict=True):
        yield Measured("live", f"live view, {size}, {LIVE_RATE:,} events/s", "of a core", (cpu - least) / wall, 0.1)


def bytes_(quick: bool) -> Iterator[Measured]:
    """Compare a large file with curl, minus what a run without output takes."""
    size = 400_000_000 if quick else FILE
    middle = downloads(size, None, 3)
    ours, memory = middle[TO_FILES]
    speed = middle[CURL][0] / (ours - middle[NOTHING][0])
    yield Measured(
        "bytes", f"{size // 1_000_000:,} MB to --output-dir: speed to curl -o", "ratio", speed, 0.9, at_least=True
    )
    yield Measured("bytes", f"{size // 1_000_000:,} MB to --output-dir: memory", "MiB", memory, 50)


def batch(quick: bool) -> Iterator[Measured]:
    """Compare rows with the ideal, with the official SDK if the tests have installed it, and under a request limit."""
    for goal in throughput_goals({0.2: [(1, 25), (8, 200)]} if quick else SIZES):
        yield Measured("batch", f"{goal.name}: speed to the ideal", "ratio", goal.share(), 0.95, at_least=True)
        if "SDK" in goal.rounds:
            ahead = goal.share() / goal.share("SDK")
            yield Measured("batch", f"{goal.name}: speed to the official SDK", "ratio", ahead, 1.0, at_least=True)
    for goal in () if quick else rate_goals():
        yield Measured("batch", f"limit ({goal.name}): speed to the ideal", "ratio", goal.share(), 0.9, at_least=True)


PARTS: Mapping[str, Callable[[bool], Iterator[Measured]]] = {
    "startup": startup,
    "events": events,
    "live": live,
    "bytes": bytes_,
    "batch": batch,
}


def machine() -> dict[str, object]:
    """Return what the figures were measured on; `load` is the load of the last minute before the first measurement."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Print a line for each goal as soon as it is measured, or one document at the end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    on, goals = machine(), []
    if not asked.json:
        print(*(f"{name} {value}" for name, value in on.items()), sep=", ")
    for name in asked.parts or PARTS:
        for one in PARTS[name](asked.quick):
            goals.append({**asdict(one), "met": one.met})
            if not asked.json:
                bound = "at least" if one.at_least else "at most"
                verdict = "met" if one.met else "MISSED"
                print(f"{one.what:66}{one.figure:8.2f} {one.unit:10}{bound} {one.goal:<6g}{verdict}", flush=True)
    if asked.json:
        json.dump({"machine": on, "quick": asked.quick, "goals": goals}, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
