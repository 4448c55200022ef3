"""Measure every performance goal, and print the measured figure next to it.

Usage: python scripts/bench.py [--quick] [--json FILE] [PART...]. The parts are startup, events, path, live, bytes,
wait, batch and sizes. Without an argument all of them run except sizes, which takes eleven minutes on two idle cores,
or three with --quick. Sizes takes seven minutes. The contenders of a part take turns, and the medians are compared.
FILE gets the goals and all tables as JSON, and keeps those of the other parts; scripts/make_performance.py writes them
into docs/performance.md.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench_batch import (
    BARE_SCRIPT,
    SDK_NAME,
    SIZES,
    Reached,
    Sizes,
    noxcli,
    official_sdk,
    rate_goals,
    refused,
    throughput_goals,
)
from bench_download import (
    CURL,
    CURL_HASH,
    INLINE,
    LARGE,
    MANY,
    MANY_CURL,
    MANY_FILES,
    NOTHING,
    RECORD,
    SENT_CURL,
    SENT_FILES,
    SENT_MANY_CURL,
    SENT_MANY_FILES,
    SIDE_BY_SIDE,
    TO_FILES,
    downloads,
)
from bench_live import ROUNDS as LIVE_ROUNDS
from bench_live import shown
from bench_path import steps_taken
from bench_process import SDK_PYTHON, Taken
from bench_startup import GOALS, starts
from bench_stream import RATE, latencies, percentile, took
from bench_wait import FEW, wait_for
from bench_wait import MANY as MANY_RUNS

EVENTS, LIVE_RATE = 50_000, 20_000
FORMATS = ("ndjson", "content", "json")
MOST_REFUSED = 0.03
QUICK_SIZES: Sizes = {0.2: ((1, 10), (8, 80))}
EVENT_SIZES, ROW_SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000), (1, 10, 100, 1_000, 10_000, 100_000)
MOST_FOR_SDK = {"events": 100_000, "rows": 10_000}  # with more, it would take most of the time
NDJSON = (
    "bare script, ndjson",
    "noxcli stream --format ndjson",
    "curl, sed and jq, ndjson",
    "official SDK, ndjson",
)
SHORT_RUN, AT_A_TIME = 0.05, 64  # the runs of those rows, in seconds


@dataclass(frozen=True)
class Goal:
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


@dataclass(frozen=True)
class Table:
    """Figures of a part, by contender or size."""

    part: str
    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]  # texts, numbers, and None for what was not measured


Measured = Iterator[Goal | Table]


def startup(quick: bool) -> Measured:
    """Compare commands with Python, Typer and a bare script, in wall-clock and CPU time."""
    middle = starts(5 if quick else 25)
    for name, (by, goal) in GOALS.items():
        yield Goal(
            "startup", f"`{name}`, time compared with {by}", "ratio", middle[name].seconds / middle[by].seconds, goal
        )
        yield Goal(
            "startup", f"`{name}`, CPU time compared with {by}", "ratio", middle[name].cpu / middle[by].cpu, goal
        )
    rows = [(name, short(one.seconds * 1000), short(one.cpu * 1000), short(one.mib)) for name, one in middle.items()]
    yield Table("startup", "startup", ("", "ms", "CPU ms", "MiB"), rows)


def events(quick: bool) -> Measured:
    """Compare a stream of one chunk per event with a bare script that prints the same format."""
    middle = took(EVENTS, 1 if quick else 5)
    for form in FORMATS:
        bare, ours = middle[f"bare script, {form}"], middle[f"noxcli stream --format {form}"]
        what = f"{EVENTS:,} events, `{form}`"
        yield Goal("events", f"{what}, time compared with the bare script", "ratio", ours.seconds / bare.seconds, 1.0)
        yield Goal("events", f"{what}, CPU time compared with the bare script", "ratio", ours.cpu / bare.cpu, 1.0)
        yield Goal("events", f"{what}, memory", "MiB", ours.mib, 40)
    yield Table("events", "events", ("", "s", "CPU s", "MiB"), [(name, *of(one)) for name, one in middle.items()])
    late = latencies()
    goal = f"from the server to stdout at {RATE} events/s, p99"
    yield Goal("events", goal, "ms", percentile(late["noxcli stream --format ndjson"], 99), 2.0)
    rows = [(name, *(short(percentile(each, share)) for share in (50, 99, 100))) for name, each in late.items()]
    yield Table("events", "latency", ("", "p50 ms", "p99 ms", "max ms"), rows)


def path(quick: bool) -> Measured:
    """Measure where the time of one event goes."""
    steps = steps_taken(EVENTS // 5 if quick else EVENTS, 3)
    rows = [(name, short(micro)) for name, micro in {**steps, "total": sum(steps.values())}.items()]
    yield Table("path", "path", ("step", "µs"), rows)


def live(quick: bool) -> Measured:
    """Measure what the live view costs beyond --quiet, as a share of one core."""
    taken = shown(2 if quick else 5, LIVE_RATE, 1 if quick else LIVE_ROUNDS)
    for name, one in list(taken.items())[-2:]:
        yield Goal("live", f"{name}, {LIVE_RATE:,} events/s", "of a core", one.share, 0.1)
    rows = [(name, short(one.cpu), f"{one.share:.1%}") for name, one in taken.items()]
    yield Table("live", "live", ("shown", "CPU s", "share of a core"), rows)


def bytes_(quick: bool) -> Measured:
    """Compare a large file and many files with curl, and measure a large output in the record."""
    size, each, inline = LARGE // (4 if quick else 1), SIDE_BY_SIDE // (4 if quick else 1), INLINE
    middle = downloads(size, each, inline, rounds=1 if quick else 3)
    nothing = middle[NOTHING].seconds
    large, many = f"a file of {size // 10**6:,} MB", f"{MANY} files of {each // 10**6:,} MB"
    for what, ours, other, goal in (
        (f"{large}, speed compared with curl", TO_FILES, CURL, 0.9),
        (f"{large} from nginx, speed compared with curl", SENT_FILES, SENT_CURL, 0.9),
        (f"{large}, speed compared with curl, sha256sum and sync", TO_FILES, CURL_HASH, 1.0),
        (f"{many}, speed compared with curl", MANY_FILES, MANY_CURL, 0.9),
        (f"{many} from nginx, speed compared with curl", SENT_MANY_FILES, SENT_MANY_CURL, 0.9),
    ):
        # The time of a run without output is not part of the download.
        speed = middle[other].seconds / (middle[ours].seconds - nothing)
        yield Goal("bytes", what, "ratio", speed, goal, at_least=True)
    # Several downloads at once have no goal of their own for memory; the table has it.
    yield Goal("bytes", f"{large}, memory", "MiB", middle[TO_FILES].mib, 50)
    times = middle[RECORD].mib * 2**20 / inline
    yield Goal(
        "bytes", f"an output of {inline // 10**6} MB in the record, memory compared with its size", "ratio", times, 3
    )
    yield Table("bytes", "bytes", ("", "s", "CPU s", "MiB"), [(name, *of(one)) for name, one in middle.items()])


def wait(quick: bool) -> Measured:
    """Measure the wait for many runs that end one after another."""
    counts = (FEW,) if quick else (FEW, MANY_RUNS)
    waited = {count: wait_for(count) for count in counts}
    many, one = list(waited.items())[-1]
    yield Goal("wait", f"`wait` of {many:,} runs, from an end to its line, max", "s", one.late[-1], 1.0)
    yield Goal("wait", f"`wait` of {many:,} runs, connections", "", one.connections, 64)
    yield Goal(
        "wait", f"`wait` of {many:,} runs, memory compared with {FEW} runs", "ratio", one.mib / waited[FEW].mib, 1.1
    )
    rows = [
        (f"{count:,}", *map(short, (percentile(each.late, 50), each.late[-1], each.connections, each.mib, each.cpu)))
        for count, each in waited.items()
    ]
    columns = ("runs", "late p50 s", "late max s", "connections", "MiB", "CPU s")
    yield Table("wait", "wait", columns, rows)


def batch(quick: bool) -> Measured:
    """Compare rows with the ideal, with the official SDK if the tests have installed it, and under a request limit."""
    reached = []
    for goal in throughput_goals(QUICK_SIZES if quick else SIZES, 1 if quick else 2):
        reached.append(goal)
        yield Goal("batch", f"{goal.name}, speed compared with the ideal", "ratio", goal.share(), 0.95, at_least=True)
        if SDK_NAME in goal.rounds:
            ahead = goal.share() / goal.share(SDK_NAME)
            yield Goal(
                "batch", f"{goal.name}, speed compared with the official SDK", "ratio", ahead, 1.0, at_least=True
            )
    others = (BARE_SCRIPT, SDK_NAME)
    columns = ("", "noxcli", *others, "CPU ms per row", *others, "requests per row", "MiB", *others)
    yield Table("batch", "batch", columns, [row_of(goal) for goal in reached])
    if quick:
        return
    rows = []
    for goal in rate_goals():
        share = refused(goal.last())
        rows.append((goal.name, short(goal.share()), f"{share:.1%}"))
        yield Goal(
            "batch", f"limit ({goal.name}), speed compared with the ideal", "ratio", goal.share(), 0.9, at_least=True
        )
        yield Goal("batch", f"limit ({goal.name}), refused", "ratio", share, MOST_REFUSED)
    yield Table("batch", "rate", ("limit", "share of the ideal", "refused"), rows)


def row_of(goal: Reached) -> Sequence[object]:
    """Return a line of the table of batches."""
    taken = [goal.taken(name) if name in goal.rounds else None for name in ("noxcli", BARE_SCRIPT, SDK_NAME)]
    return (
        goal.name,
        *(short(goal.ideal / one.seconds) if one else None for one in taken),
        *(short(one.cpu / goal.rows * 1000) if one else None for one in taken),
        short(goal.last().requests / goal.rows),
        *(short(one.mib) if one else None for one in taken),
    )


def sizes(quick: bool) -> Measured:
    """Measure how time and memory grow with events and rows."""
    rows = []
    for count in EVENT_SIZES[: 4 if quick else None]:
        found = took(count, 3 if count <= 10_000 else 1, 1, ["ndjson"], sdk=count <= MOST_FOR_SDK["events"])
        ours = found["noxcli stream --format ndjson"]
        rows.append(
            (count, *(short(found[name].seconds) if name in found else None for name in NDJSON), short(ours.mib))
        )
    yield Table("sizes", "sizes of events", ("events", "bare script", "noxcli", "curl and jq", "SDK", "MiB"), rows)
    rows = []
    for count in ROW_SIZES[: 4 if quick else None]:
        ours = noxcli([SHORT_RUN], count, AT_A_TIME).taken
        sdk = None
        if SDK_PYTHON.exists() and count <= MOST_FOR_SDK["rows"]:
            sdk = short(official_sdk([SHORT_RUN], count, AT_A_TIME).taken.seconds)
        ideal = SHORT_RUN * -(-count // AT_A_TIME)
        rows.append((count, short(ideal), short(ours.seconds), sdk, short(ours.mib)))
    yield Table("sizes", "sizes of batches", ("rows", "ideal", "noxcli", "SDK", "MiB"), rows)


PARTS: Mapping[str, Callable[[bool], Measured]] = {
    "startup": startup,
    "events": events,
    "path": path,
    "live": live,
    "bytes": bytes_,
    "wait": wait,
    "batch": batch,
    "sizes": sizes,
}


def short(figure: float) -> float:
    """Return the figure with three significant digits."""
    return float(f"{figure:.3g}")


def of(one: Taken) -> tuple[float, float, float]:
    """Return seconds, CPU seconds and MiB."""
    return short(one.seconds), short(one.cpu), short(one.mib)


def machine() -> dict[str, object]:
    """Return what the figures were measured on; `load` is the load of the last minute before the first measurement."""
    return {
        "system": f"{platform.system()}, {platform.machine()}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def told(goal: Goal) -> str:
    """Return the line of a goal."""
    bound, verdict = "at least" if goal.at_least else "at most", "met" if goal.met else "MISSED"
    return f"{goal.what:76}{goal.figure:8.2f} {goal.unit:10}{bound} {goal.goal:<6g}{verdict}"


def keep(file: Path, part: str, found: Sequence[Goal | Table], about: Mapping[str, object]) -> None:
    """Write the results of a part into the file, which keeps those of the other parts."""
    document = json.loads(file.read_text()) if file.exists() else {"parts": {}}
    goals = [{**asdict(one), "met": one.met} for one in found if isinstance(one, Goal)]
    tables = [asdict(one) for one in found if isinstance(one, Table)]
    document["parts"][part] = {**about, "goals": goals, "tables": tables}
    document["parts"] = {name: document["parts"][name] for name in PARTS if name in document["parts"]}
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Print a line for each goal as soon as it is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write goals and tables into this file")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    print(*(f"{name} {value}" for name, value in machine().items()), sep=", ", flush=True)
    for name in asked.parts or [part for part in PARTS if part != "sizes"]:
        began, about = time.monotonic(), {**machine(), "quick": asked.quick}
        found = []
        for one in PARTS[name](asked.quick):
            found.append(one)
            if isinstance(one, Goal):
                print(told(one), flush=True)
        took_seconds = round(time.monotonic() - began)
        print(f"{name}: {took_seconds} s", flush=True)
        if asked.json:
            keep(asked.json, name, found, {**about, "seconds": took_seconds})


if __name__ == "__main__":
    main()
