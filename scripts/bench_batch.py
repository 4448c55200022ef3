"""Measure `noxcli batch`: against the official SDK and the ideal, under request limits, and its memory.

Usage: python scripts/bench_batch.py [throughput] [rate] [memory]; without an argument all of them, which takes half an
hour. Each round has its own server process. The official SDK is the one that tests/sdk installs; memory and threads are
read from Linux. `throughput_goals` and `rate_goals` return the figures for another script.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench_server import WORKFLOW

ROUNDS = 3
SDK_PYTHON = Path(__file__).parents[1] / ".sdk-venv" / "noxus-sdk-0.6.0" / "bin" / "python"
NOXCLI = [sys.executable, "-m", "noxcli"]
# Parallel rows, and rows: enough that the start of the process hardly counts.
Sizes = Mapping[float, Sequence[tuple[int, int]]]
SIZES: Sizes = {0.2: ((1, 50), (8, 400), (64, 1600), (256, 5120)), 5.0: ((1, 3), (8, 40), (64, 320), (256, 1280))}
ALLOWED, LIMITED_ROWS = 20, 200  # requests per second
LIMITS = tuple(
    f"{kind}{retry_after}{headers}"
    for kind in ("bucket", "window")
    for retry_after in ("", ",retry-after")
    for headers in ("", ",headers")
)

# A process inherits the peak memory of the process that forked it, so a small process starts the contender.
LAUNCHER = """
import json, os, subprocess, sys, time
began, threads, done = time.perf_counter(), 0, 0
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
while not done:
    time.sleep(0.01)
    with open(f"/proc/{process.pid}/status") as status:
        threads = max([threads, *(int(line.split()[1]) for line in status if line.startswith("Threads:"))])
    done, status, usage = os.wait4(process.pid, os.WNOHANG)
print(json.dumps({
    "seconds": time.perf_counter() - began, "cpu": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024,
    "threads": threads, "code": os.waitstatus_to_exitcode(status),
}))
"""

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


@dataclass(frozen=True)
class Taken:
    """What a process used (`mib` and `threads` are peaks), and what the server counted."""

    seconds: float
    cpu: float
    mib: float
    threads: int
    seen: Mapping[str, Any]

    @property
    def requests(self) -> int:
        return sum(self.seen["requests"].values())


def one_round(server: Sequence[str], rows: int, parallel: int, contender: Sequence[str] = ()) -> Taken:
    """Run a batch, or the contender instead, against a freshly started server."""
    with (
        tempfile.TemporaryDirectory() as place,
        subprocess.Popen([sys.executable, *server], stdin=-1, stdout=-1, text=True) as serving,
    ):
        assert serving.stdout is not None
        url, key = serving.stdout.readline().split()
        file = Path(place) / "rows.jsonl"
        file.write_text("".join(f'{{"Q": "row {number}"}}\n' for number in range(rows)))
        batch = [*NOXCLI, "batch", WORKFLOW, str(file), "--max-parallel", str(parallel), "--quiet"]
        argv = [sys.executable, "-S", "-c", LAUNCHER, *(contender or batch)]
        env = {**os.environ, "NOXUS_BACKEND_URL": url, "NOXUS_API_KEY": key, "NO_PROXY": "*"}
        done = subprocess.run(argv, env=env, capture_output=True, check=True)
        seen = json.loads(serving.communicate("")[0] or "{}")
    taken = json.loads(done.stdout)
    if code := taken.pop("code"):
        raise SystemExit(f"{argv[4:]}: exit {code}\n{done.stderr.decode()}")
    return Taken(**taken, seen=seen)


def fast_server(*arguments: object) -> list[str]:
    """Return the command line of a server; the arguments are documented there."""
    return [str(Path(__file__).with_name("bench_server.py")), *map(str, arguments)]


def print_line(first: str, *cells: str) -> None:
    """Print one line of a table."""
    print(f"{first:40}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


@dataclass(frozen=True)
class Reached:
    """The contenders' results for one task: the share of the ideal's speed, and the median round of each."""

    name: str
    ideal: float
    rounds: Mapping[str, Taken]

    def share(self, contender: str = "noxcli") -> float:
        return self.ideal / self.rounds[contender].seconds


def reached(name: str, ideal: float, contenders: Mapping[str, Callable[[], Taken]], rounds: int) -> Reached:
    """Let the contenders take turns."""
    taken = [{contender: run() for contender, run in contenders.items()} for _ in range(rounds)]
    medians = {
        contender: sorted((each[contender] for each in taken), key=lambda one: one.seconds)[rounds // 2]
        for contender in contenders
    }
    return Reached(name, ideal, medians)


def throughput_goals(sizes: Sizes = SIZES, rounds: int = ROUNDS) -> Iterator[Reached]:
    """Measure noxcli without a limit, and the official SDK if it is installed.

    The goal is 0.95, and more than the SDK.
    """
    for seconds, tasks in sizes.items():
        for parallel, rows in tasks:
            server = fast_server(seconds)
            contenders = {"noxcli": partial(one_round, server, rows, parallel)}
            if SDK_PYTHON.exists():
                sdk = [str(SDK_PYTHON), "-c", SDK, WORKFLOW, str(rows), str(parallel)]
                contenders["SDK"] = partial(one_round, server, rows, parallel, sdk)
            name = f"{rows} runs of {seconds} s, {parallel} at a time"
            yield reached(name, seconds * rows / parallel, contenders, rounds)


def rate_goals(rounds: int = ROUNDS) -> Iterator[Reached]:
    """Measure noxcli under request limits; each row takes at least two. The goal is 0.9, with 3 % rejected requests."""
    for limit in LIMITS:
        run = partial(one_round, fast_server(0.05, ALLOWED, limit), LIMITED_ROWS, 64)
        yield reached(limit, 2 * LIMITED_ROWS / ALLOWED, {"noxcli": run}, rounds)


def throughput() -> None:
    """Print a line for each task and contender."""
    print_line("whole processes", "seconds", "of the ideal", "CPU ms/row", "requests/row", "MiB")
    for goal in throughput_goals():
        print(goal.name)
        for contender, taken in goal.rounds.items():
            rows = taken.seen["requests"]["start"]
            cpu, requests = f"{taken.cpu / rows * 1000:.1f}", f"{taken.requests / rows:.2f}"
            share = f"{goal.share(contender):.3f}"
            print_line(f"  {contender}", f"{taken.seconds:.2f}", share, cpu, requests, f"{taken.mib:.0f}")


def rate() -> None:
    """Print a line for each kind of limit."""
    print_line(f"{ALLOWED} requests/s, {LIMITED_ROWS} rows", "seconds", "of the ideal", "requests", "refused")
    for goal in rate_goals():
        taken = goal.rounds["noxcli"]
        refused = taken.seen["requests"].get("429", 0) / taken.requests
        print_line(goal.name, f"{taken.seconds:.1f}", f"{goal.share():.3f}", f"{taken.requests}", f"{refused:.1%}")


def memory() -> None:
    """Print peak memory for few and for many rows, with 64 runs of 100 ms in parallel."""
    print_line(
        "64 in parallel, 100 ms runs", "seconds", "rows/s", "ms/row", "to ideal", "CPU ms/row", "MiB", "requests"
    )
    for rows in (1_000, 100_000):
        taken = one_round(fast_server(0.1), rows, 64)
        speed = _speed(taken.seconds, rows, 0.1 * rows / 64)
        cpu, mib = f"{taken.cpu / rows * 1000:.1f}", f"{taken.mib:.1f}"
        print_line(f"{rows:,} rows", *speed, cpu, mib, f"{taken.requests:,}")


def _speed(seconds: float, rows: int, ideal: float) -> tuple[str, str, str, str]:
    return f"{seconds:.2f}", f"{rows / seconds:.1f}", f"{seconds / rows * 1000:.2f}", f"{seconds / ideal:.2f}"


PARTS: Mapping[str, Callable[[], None]] = {
    "throughput": throughput,
    "rate": rate,
    "memory": memory,
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
