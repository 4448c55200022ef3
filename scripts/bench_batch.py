"""Measure `noxcli batch`: beside the official SDK and the ideal, its memory, its polling, and its pace at a rate limit.

Usage: python scripts/bench_batch.py [throughput] [memory] [following] [rate]; without a word all of them, which takes
twenty minutes. Each round has a server process of its own. The official SDK is the one that tests/sdk installs; memory
and threads are read as Linux tells them.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_server import WORKFLOW

ROUNDS = 3
SDK_PYTHON = Path(__file__).parents[1] / ".sdk-venv" / "noxus-sdk-0.6.0" / "bin" / "python"
NOXCLI = [sys.executable, "-m", "noxcli"]
SANDBOX, STREAM = "--sandbox", "--stream"

# A process starts with the memory mark of the one that made it: so a small one in between starts the contender.
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

# The loop of the SDK's documentation, with as many rows under way as noxcli has; 0: all of them, as documented.
SDK = """
import asyncio, os, sys
from noxus_sdk.client import Client

async def main(workflow_id, rows, parallel):
    workflow = Client(api_key=os.environ["NOXUS_API_KEY"]).workflows.get(workflow_id)
    inputs = [{"Q": f"row {number}"} for number in range(rows)]
    if parallel == 0:
        runs = [await workflow.arun(body=one) for one in inputs]
        return [await run.a_wait() for run in runs]
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
    """What a process took, peaks in the case of `mib` and `threads`; and what the server says of it."""

    seconds: float
    cpu: float
    mib: float
    threads: int
    seen: Mapping[str, Any]

    @property
    def requests(self) -> int:
        return sum(self.seen["requests"].values())


def one_round(server: Sequence[str], rows: int, parallel: int, contender: Sequence[str] = ()) -> Taken:
    """Run a batch, or the contender in its place, against a server that has just been started."""
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


def median_round(server: Sequence[str], rows: int, parallel: int, contender: Sequence[str] = ()) -> Taken:
    """Return the one of a few rounds that was of median length."""
    rounds = [one_round(server, rows, parallel, contender) for _ in range(ROUNDS)]
    return sorted(rounds, key=lambda taken: taken.seconds)[ROUNDS // 2]


def fast_server(*arguments: float) -> list[str]:
    """Return the command line of a server of runs that take so many seconds, and of so many requests per second."""
    return [str(Path(__file__).with_name("bench_server.py")), *map(str, arguments)]


def print_line(first: str, *cells: str) -> None:
    """Print one line of a table."""
    print(f"{first:40}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


def throughput() -> None:
    """Runs of 200 ms on the sandbox; what starting up takes shows in a single row.

    "All at once" keeps to no number in parallel, and may thus beat the ideal of those that do.
    """
    if not SDK_PYTHON.exists():
        raise SystemExit("the official SDK is not installed; the tests of tests/sdk do that")
    print_line("200 ms runs, whole processes", "seconds", "rows/s", "ms/row", "to ideal", "CPU ms/row")
    for parallel, rows in ((1, 1), (1, 25), (8, 200), (64, 1600)):
        ideal = 0.2 * rows / parallel
        print_line(f"{rows} rows, {parallel} in parallel: ideal", *_speed(ideal, rows, ideal))
        sdk = [str(SDK_PYTHON), "-c", SDK, WORKFLOW, str(rows)]
        contenders = {
            "noxcli batch": [],
            "official SDK": [*sdk, str(parallel)],
            "official SDK, all at once": [*sdk, "0"],
        }
        for name, argv in contenders.items():
            taken = median_round([__file__, SANDBOX], rows, parallel, argv)
            print_line(f"  {name}", *_speed(taken.seconds, rows, ideal), f"{taken.cpu / rows * 1000:.1f}")


def memory() -> None:
    """Peak memory for few and for many rows, 64 of 100 ms in parallel."""
    print_line(
        "64 in parallel, 100 ms runs", "seconds", "rows/s", "ms/row", "to ideal", "CPU ms/row", "MiB", "requests"
    )
    for rows in (1_000, 100_000):
        taken = one_round(fast_server(0.1), rows, 64)
        speed = _speed(taken.seconds, rows, 0.1 * rows / 64)
        cpu, mib = f"{taken.cpu / rows * 1000:.1f}", f"{taken.mib:.1f}"
        print_line(f"{rows:,} rows", *speed, cpu, mib, f"{taken.requests:,}")


def following() -> None:
    """Polling beside streaming: as many threads as places, each of which follows one run's stream after the other."""
    print_line("2 s runs", "seconds", "to ideal", "CPU s", "requests", "connections", "threads", "MiB")
    for rows, parallel in ((100, 100), (500, 500), (500, 100)):
        streams = [sys.executable, __file__, STREAM, str(rows), str(parallel)]
        for name, argv in {"noxcli batch": [], "streams": streams}.items():
            taken = median_round(fast_server(2), rows, parallel, argv)
            times = f"{taken.seconds:.2f}", f"{taken.seconds / (2 * rows / parallel):.2f}", f"{taken.cpu:.2f}"
            counts = f"{taken.requests}", f"{taken.seen['connections']}", f"{taken.threads}"
            print_line(f"{rows} rows, {parallel} in parallel: {name}", *times, *counts, f"{taken.mib:.1f}")


def rate() -> None:
    """100 rows where a server serves 20 requests per second; two for each row are the least."""
    allowed, rows = 20, 100
    print_line(f"{allowed} requests/s allowed, {rows} rows", "seconds", "to ideal", "served", "429s", "served/s")
    for seconds, parallel in ((0.05, 8), (0.05, 64), (2, 64)):
        ideal = max(2 * rows / allowed, seconds * rows / parallel)
        taken = median_round(fast_server(seconds, allowed), rows, parallel)
        granted = taken.seen["granted"]
        middle = (granted[0] + granted[-1]) / 2
        settled = sum(at > middle for at in granted) / (granted[-1] - middle)
        counts = f"{len(granted)}", f"{taken.seen['requests'].get('429', 0)}", f"{settled:.1f}"
        name = f"{seconds * 1000:.0f} ms runs, {parallel} in parallel"
        print_line(name, f"{taken.seconds:.1f}", f"{taken.seconds / ideal:.2f}", *counts)


def _speed(seconds: float, rows: int, ideal: float) -> tuple[str, str, str, str]:
    return f"{seconds:.2f}", f"{rows / seconds:.1f}", f"{seconds / rows * 1000:.2f}", f"{seconds / ideal:.2f}"


def serve_sandbox() -> None:
    """Be the sandbox until stdin closes."""
    from noxcli.sandbox.scenario import Scenario, input_node
    from noxcli.sandbox.server import Sandbox
    from noxcli.sandbox.steps import Sleep

    script, output = [Sleep(0.2)], {"A": "an answer"}
    scenario = Scenario("bench", nodes=[input_node("Q")], script=script, output=output, workflow_id=WORKFLOW)
    with Sandbox([scenario]) as sandbox:
        print(sandbox.url, sandbox.key, flush=True)
        sys.stdin.read()


def stream_all(rows: int, parallel: int) -> None:
    """Start and follow so many runs, with so many threads."""
    from noxcli.api import NoxusApi
    from noxcli.config.settings import load_settings
    from noxcli.runs.follow import Follower
    from noxcli.timing import Clock, Deadline

    clock = Clock()
    with NoxusApi(load_settings()) as api, ThreadPoolExecutor(parallel) as threads:

        def follow(number: int) -> str:
            run = api.create_run(WORKFLOW, {"Q": f"row {number}"})
            follower = Follower(api, run, deadline=Deadline(clock, None), just_started=True)
            for _ in follower.updates():
                pass
            return follower.run.status

        assert set(threads.map(follow, range(rows))) == {"completed"}


PARTS: Mapping[str, Callable[[], None]] = {
    "throughput": throughput,
    "memory": memory,
    "following": following,
    "rate": rate,
}


def main() -> None:
    """Be the server or contender that this script started, or measure what was asked for."""
    names = sys.argv[1:]
    if names[:1] == [SANDBOX]:
        serve_sandbox()
    elif names[:1] == [STREAM]:
        stream_all(*map(int, names[1:]))
    elif unknown := set(names) - set(PARTS):
        raise SystemExit(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    else:
        for name in names or PARTS:
            PARTS[name]()
            print()


if __name__ == "__main__":
    main()
