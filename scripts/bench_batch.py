"""Measure `noxcli batch`: against a bare script, the official SDK and the ideal, and under request limits.

Usage: python scripts/bench_batch.py [throughput] [rate]; without an argument both. Each round has its own server
process. The official SDK is the one that tests/sdk installs. `throughput_goals` and `rate_goals` return the figures for
another script.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from bench_process import FOREVER, NOXCLI, SDK_PYTHON, Taken, environment, measure, median
from bench_server import WORKFLOW

ROUNDS = 2
# For each duration of runs in seconds: parallel rows, and rows. The longest batch shows what the start of the process
# costs the others.
Sizes = Mapping[float, Sequence[tuple[int, int]]]
SIZES: Sizes = {
    0.2: ((1, 50), (8, 400), (64, 3_200), (64, 12_800), (256, 5_120)),
    5.0: ((1, 2), (8, 16), (64, 128), (256, 1_280)),
}
TAKES_LONG = 20.0  # seconds: such a batch is measured once
BARE_SCRIPT, SDK_NAME = "bare script", "SDK"
PATIENCE, MORE = 2, 10.0  # a contender is killed after this many times the ideal time, and this many seconds more
AT_ONCE = 4  # batches under a limit wait most of the time, so a few can run at once
ALLOWED, LIMITED_ROWS = 20, 200  # requests per second
LIMITS = tuple(
    f"{kind}{retry_after}{headers}"
    for kind in ("bucket", "window")
    for retry_after in ("", ",retry-after")
    for headers in ("", ",headers")
)

# The loop from the SDK's documentation, with as many parallel rows as noxcli.
SDK = """
import asyncio, os, sys
from noxus_sdk.client import Client

async def main(workflow_id, rows, parallel):
    workflow = Client(api_key=os.environ["NOXUS_API_KEY"]).workflows.get(workflow_id)
    inputs = [{"Q": f"row {number}"} for number in range(rows)]
    places = asyncio.Semaphore(parallel)

    async def one_row(one):
        async with places:
            run = await workflow.arun(body=one)
            return await run.a_wait()

    return await asyncio.gather(*map(one_row, inputs))

results = asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
assert all(run.status == "completed" for run in results)
"""

# What a script without a journal would do, with requests and sseclient-py: a thread for each parallel row.
BARE = """
import json, os, sys, threading, requests, sseclient
from concurrent.futures import ThreadPoolExecutor

base, workflow, here = os.environ["NOXUS_BACKEND_URL"] + "/v1", sys.argv[1], threading.local()

def one_row(number):
    if not hasattr(here, "session"):
        here.session = requests.Session()
        here.session.headers["X-API-Key"] = os.environ["NOXUS_API_KEY"]
    runs = f"{base}/workflows/{workflow}/runs"
    run = here.session.post(runs, json={"input": {"Q": f"row {number}"}}).json()["id"]
    with here.session.get(f"{base}/runs/{run}/events", stream=True) as answer:
        for event in sseclient.SSEClient(answer).events():
            json.loads(event.data)
    return here.session.get(f"{runs}/{run}").json()

rows, parallel = map(int, sys.argv[2:])
with ThreadPoolExecutor(parallel) as pool:
    for run in pool.map(one_row, range(rows)):
        assert run["status"] == "completed"
        print(json.dumps(run))
"""


@dataclass(frozen=True)
class Round:
    """What a process used, and what the server counted."""

    taken: Taken
    seen: Mapping[str, Any]

    @cached_property
    def requests(self) -> int:
        return sum(self.seen["requests"].values())


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Run a new server; yield the environment that leads to it, and its counts, which are there once it has ended."""
    argv = [sys.executable, str(Path(__file__).with_name("bench_server.py")), *map(str, arguments)]
    seen: dict[str, Any] = {}
    with subprocess.Popen(argv, stdin=-1, stdout=-1, text=True) as server:
        assert server.stdout is not None
        yield environment(*server.stdout.readline().split()), seen
        seen |= json.loads(server.communicate("")[0])


def noxcli(server: Sequence[object], rows: int, parallel: int) -> Round:
    """Run a batch."""
    with tempfile.TemporaryDirectory() as place, serving(*server) as (env, seen):
        file = Path(place) / "rows.jsonl"
        file.write_text("".join(f'{{"Q": "row {number}"}}\n' for number in range(rows)))
        argv = [NOXCLI, "batch", WORKFLOW, str(file), "--max-parallel", str(parallel), "--quiet"]
        taken = measure(argv, env)
    return Round(taken, seen)


def bare_script(server: Sequence[object], rows: int, parallel: int, limit: float = FOREVER) -> Round:
    """Run the same batch with the bare script, for at most `limit` seconds."""
    return _script([sys.executable, "-c", BARE], server, rows, parallel, limit)


def official_sdk(server: Sequence[object], rows: int, parallel: int, limit: float = FOREVER) -> Round:
    """Run the same batch with the SDK, for at most `limit` seconds."""
    return _script([str(SDK_PYTHON), "-c", SDK], server, rows, parallel, limit)


def _script(command: Sequence[str], server: Sequence[object], rows: int, parallel: int, limit: float) -> Round:
    """Run a script; a failed one counts as one that took as long as the limit."""
    with serving(*server) as (env, seen):
        try:
            taken = measure([*command, WORKFLOW, str(rows), str(parallel)], env, limit)
        except SystemExit as failure:
            print(str(failure).splitlines()[-1], file=sys.stderr)
            taken = Taken(limit, limit, 0.0, 0)
    return Round(taken, seen)


def print_line(first: str, *cells: str) -> None:
    """Print one line of a table."""
    print(f"{first:40}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


@dataclass(frozen=True)
class Reached:
    """The contenders' results for one task: the share of the ideal's speed, and the medians of each."""

    name: str
    rows: int
    ideal: float  # seconds
    rounds: Mapping[str, Sequence[Round]]

    def taken(self, contender: str = "noxcli") -> Taken:
        return median([each.taken for each in self.rounds[contender]])

    def share(self, contender: str = "noxcli") -> float:
        """Return the share of the ideal's speed; for a contender that was killed, an upper bound."""
        return self.ideal / self.taken(contender).seconds

    def last(self, contender: str = "noxcli") -> Round:
        return self.rounds[contender][-1]


def throughput_goals(sizes: Sizes = SIZES, rounds: int = ROUNDS) -> Iterator[Reached]:
    """Measure noxcli without a limit, the bare script, and the official SDK if it is installed."""
    others: dict[str, Callable[..., Round]] = {BARE_SCRIPT: bare_script}
    if SDK_PYTHON.exists():
        others[SDK_NAME] = official_sdk
    for run in [noxcli, *others.values()]:
        run([0.0], 1, 1)  # writes the bytecode once
    for seconds, tasks in sizes.items():
        for parallel, rows in tasks:
            ideal = seconds * rows / parallel
            limit = PATIENCE * ideal + MORE
            limited = {name: partial(run, limit=limit) for name, run in others.items()}
            contenders: dict[str, Callable[..., Round]] = {"noxcli": noxcli, **limited}
            varies = seconds < 1 and parallel < 256 and ideal < TAKES_LONG
            turns = [
                {name: run([seconds], rows, parallel) for name, run in contenders.items()}
                for _ in range(rounds if varies else 1)
            ]
            each = {name: [turn[name] for turn in turns] for name in contenders}
            yield Reached(f"{rows:,} runs of {seconds} s, {parallel} at a time", rows, ideal, each)


def rate_goals() -> Iterator[Reached]:
    """Measure noxcli under request limits; each row takes at least two."""
    noxcli([0.0], 1, 1)  # writes the bytecode once
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for limit, run in zip(LIMITS, pool.map(_limited, LIMITS), strict=True):
            yield Reached(limit, LIMITED_ROWS, 2 * LIMITED_ROWS / ALLOWED, {"noxcli": [run]})


def _limited(limit: str) -> Round:
    return noxcli([0.05, ALLOWED, limit], LIMITED_ROWS, 64)


def refused(run: Round) -> float:
    """Return the share of rejected requests."""
    return float(run.seen["requests"].get("429", 0) / run.requests)


def throughput() -> None:
    """Print a line for each task and contender."""
    print_line("whole processes", "seconds", "of the ideal", "CPU ms/row", "requests/row", "MiB")
    for goal in throughput_goals():
        print(goal.name)
        for contender in goal.rounds:
            taken, last = goal.taken(contender), goal.last(contender)
            cpu, requests = f"{taken.cpu / goal.rows * 1000:.1f}", f"{last.requests / goal.rows:.2f}"
            share = f"{goal.share(contender):.3f}"
            print_line(f"  {contender}", f"{taken.seconds:.2f}", share, cpu, requests, f"{taken.mib:.0f}")


def rate() -> None:
    """Print a line for each kind of limit."""
    print_line(f"{ALLOWED} requests/s, {LIMITED_ROWS} rows", "seconds", "of the ideal", "requests", "refused")
    for goal in rate_goals():
        taken, last = goal.taken(), goal.last()
        print_line(goal.name, f"{taken.seconds:.1f}", f"{goal.share():.3f}", f"{last.requests}", f"{refused(last):.1%}")


PARTS: Mapping[str, Callable[[], None]] = {
    "throughput": throughput,
    "rate": rate,
}


def main() -> None:
    """Measure the requested parts."""
    names = sys.argv[1:]
    if unknown := set(names) - set(PARTS):
        raise SystemExit(f"unknown part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    for name in names or PARTS:
        PARTS[name]()
        print()


if __name__ == "__main__":
    main()
