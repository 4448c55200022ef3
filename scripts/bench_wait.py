"""Measure `noxcli wait` of many runs: how soon it reports the end of each, its connections and its memory.

Usage: python scripts/bench_wait.py [RUNS...]. The runs end one after another within twenty seconds. A run's id has the
time of its end, on the clock that all processes of a machine share.
"""

import subprocess
import sys
import time
from os import wait4
from typing import NamedTuple

import requests
from bench_batch import serving
from bench_process import NOXCLI
from bench_server import WORKFLOW

MANY, FEW = 1000, 100
DURATIONS = "5-25"  # seconds


class Waited(NamedTuple):
    """Seconds from each run's end to its line, in order; peaks of connections and MiB; CPU seconds; requests."""

    late: list[float]
    connections: int
    mib: float
    cpu: float
    requests: int


def wait_for(runs: int) -> Waited:
    """Start that many runs, and wait for them."""
    with serving(DURATIONS) as (env, seen):
        with requests.Session() as session:
            url = f"{env['NOXUS_BACKEND_URL']}/v1/workflows/{WORKFLOW}/runs"
            ids = [session.post(url, json={"input": {}}).json()["id"] for _ in range(runs)]
        names = "".join(f"{WORKFLOW}/{each}\n" for each in ids)
        argv = [NOXCLI, "wait", "-", "--quiet"]
        with subprocess.Popen(argv, env=env, stdin=-1, stdout=-1, text=True, bufsize=1) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(names)
            process.stdin.close()
            lines = [(time.monotonic(), line) for line in process.stdout]
            _, status, usage = wait4(process.pid, 0)
            process.returncode = status
    assert (status, len(lines)) == (0, runs), f"{len(lines)} of {runs} runs, status {status}"
    late = sorted(at - float(line.split("\t")[0].rpartition("-")[2]) for at, line in lines)
    requests_sent = sum(seen["requests"].values()) - runs
    return Waited(late, seen["connections"], usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime, requests_sent)


def main() -> None:
    """Print a line for each number of runs."""
    print(f"{'runs':>7}{'p50 s':>8}{'p99':>7}{'most':>7}{'connections':>13}{'MiB':>7}{'CPU s':>7}{'requests':>10}")
    for runs in map(int, sys.argv[1:] or (FEW, MANY)):
        one = wait_for(runs)
        late = "".join(f"{one.late[runs * share // 100]:{width}.2f}" for share, width in ((50, 8), (99, 7)))
        sizes = f"{one.connections:13}{one.mib:7.1f}{one.cpu:7.2f}{one.requests:10,}"
        print(f"{runs:7,}{late}{one.late[-1]:7.2f}{sizes}", flush=True)


if __name__ == "__main__":
    main()
