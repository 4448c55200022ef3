"""Measure streaming: noxcli against a bare requests + sseclient-py script, one HTTP chunk per event as servers send it.

Usage: python scripts/bench_stream.py [EVENTS [ROUNDS [JOINED]]]. All events are available at once, so each contender
reads as fast as it can; JOINED puts that many events into one chunk. Contenders take turns, and the medians are
printed: wall-clock and CPU seconds of the whole process including its start, its peak memory, and the ratios to a bare
script that does the same. Then it prints the latency at 100 events a second, from the server's write to the line on
stdout.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

RATE, PACED = 100, 1000  # events per second, and in total
OPEN = """
import json, os, sys, requests, sseclient
session = requests.Session()
session.headers["X-API-Key"] = os.environ["NOXUS_API_KEY"]
url = os.environ["NOXUS_BACKEND_URL"]
answer = session.get(url + "/v1/runs/" + sys.argv[1] + "/events", headers={"Accept": "text/event-stream"}, stream=True)
events = (json.loads(event.data) for event in sseclient.SSEClient(answer).events())
"""
BARE = {
    "ndjson": f"{OPEN}\nfor event in events:\n    print(json.dumps(event), flush=True)\n",
    "content": f"{OPEN}\nfor event in events:\n    print(event['data'].get('content', ''), end='', flush=True)\n",
    "json": f"{OPEN}\nfor event in events:\n    pass\n"
    "print(session.get(url + '/v1/workflows/workflow/runs/' + sys.argv[1]).json())\n",
}
# A process inherits the peak memory of the process that forked it, so a small process starts the contender.
LAUNCHER = """
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
lines = 0
while piece := process.stdout.read(1 << 20):
    lines += piece.count(b"\\n")
_, status, usage = os.wait4(process.pid, 0)
cpu = usage.ru_utime + usage.ru_stime
print(time.perf_counter() - began, cpu, usage.ru_maxrss / 1024, lines, os.waitstatus_to_exitcode(status))
"""


class Taken(NamedTuple):
    """What one process used: wall-clock and CPU seconds, MiB, lines on stdout."""

    seconds: float
    cpu: float
    memory: float
    lines: int


@contextmanager
def serving(*args: int) -> Iterator[dict[str, str]]:
    """Run the server in its own process; yield the environment that leads to it."""
    argv = [sys.executable, str(Path(__file__).with_name("bench_events.py")), *map(str, args)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        url = server.stdout.readline().strip()
        yield {**os.environ, "NOXUS_BACKEND_URL": url, "NOXUS_API_KEY": "bench-key"}
        server.stdin.close()


def follower(run: str, *options: str) -> list[str]:
    """Return the command line that follows the run."""
    return [sys.executable, "-m", "noxcli", "stream", f"workflow/{run}", *options]


def measure(argv: Sequence[str], env: dict[str, str]) -> Taken:
    """Run a contender until it exits."""
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *argv], env=env, capture_output=True, check=True)
    seconds, cpu, memory, lines, code = done.stdout.split()
    assert code == b"0", done.stderr.decode()
    return Taken(float(seconds), float(cpu), float(memory), int(lines))


def median(rounds: Sequence[Taken]) -> Taken:
    """Return the median of each figure, and the highest peak memory."""
    seconds, cpu = (statistics.median(column) for column in list(zip(*rounds, strict=True))[:2])
    return Taken(seconds, cpu, max(one.memory for one in rounds), rounds[0].lines)


def took(events: int, rounds: int, joined: int = 1, forms: Sequence[str] = tuple(BARE)) -> dict[str, Taken]:
    """Return the results of each contender: for each format, the bare script and then noxcli."""
    taken: dict[str, list[Taken]] = {}
    with serving(events, 0, joined) as env:
        for number in range(rounds):
            for form in forms:
                # Each has its own run: its record says `completed` once its events were sent, like that of a real
                # stream.
                bare = measure([sys.executable, "-c", BARE[form], f"bare-{form}-{number}"], env)
                ours = measure(follower(f"{form}-{number}", "--format", form, "--quiet"), env)
                taken.setdefault(f"bare script, {form}", []).append(bare)
                taken.setdefault(f"noxcli stream --format {form}", []).append(ours)
    return {name: median(each) for name, each in taken.items()}


def throughput(events: int, rounds: int, joined: int) -> None:
    """Print the results of each contender."""
    middle = took(events, rounds, joined)
    print(f"{events:,} events, {joined} in a chunk, medians of {rounds}")
    print(f"{'':32}{'seconds':>9}{'ratio':>7}{'CPU s':>8}{'ratio':>7}{'MiB':>7}{'lines':>9}")
    for place, (name, one) in enumerate(middle.items()):
        of = list(middle.values())[place // 2 * 2]
        print(
            f"{name:32}{one.seconds:9.2f}{one.seconds / of.seconds:7.2f}"
            f"{one.cpu:8.2f}{one.cpu / of.cpu:7.2f}{one.memory:7.1f}{one.lines:9,}"
        )


def latency() -> None:
    """Print how long an event takes from the server's write to the line on stdout."""
    print(f"{RATE} events a second: milliseconds from the server to stdout")
    print(f"{'':32}{'p50':>9}{'p99':>7}{'most':>8}")
    contenders = {
        "bare script, ndjson": [sys.executable, "-c", BARE["ndjson"], "run"],
        "noxcli stream --format ndjson": follower("run", "--format", "ndjson", "--quiet"),
    }
    for name, argv in contenders.items():
        with serving(PACED, RATE) as env, subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as process:
            assert process.stdout
            arrivals = [(time.monotonic_ns(), line) for line in process.stdout]
        late = sorted(
            (at - sent) / 1e6 for at, line in arrivals if (sent := (json.loads(line).get("data") or {}).get("sent"))
        )
        print(f"{name:32}{late[len(late) // 2]:9.2f}{late[len(late) * 99 // 100]:7.2f}{late[-1]:8.2f}")


def main() -> None:
    """Print everything."""
    events, rounds, joined = (int(text) for text in (*sys.argv[1:], *["50000", "7", "1"][len(sys.argv) - 1 :]))
    throughput(events, rounds, joined)
    latency()


if __name__ == "__main__":
    main()
