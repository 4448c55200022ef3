"""The processes that benchmarks measure: each from start to exit, all under the same conditions."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

NOXCLI = str(Path(sys.executable).with_name("noxcli"))  # as users call it: `python -m` takes 3 ms more
# The official SDK, if the tests have installed it.
SDK_PYTHON = Path(__file__).parents[1] / ".sdk-venv" / "noxus-sdk-0.6.0" / "bin" / "python"
# A process inherits the peak memory of the process that forked it, so a small process starts the contender. It counts
# the lines on stdout, and kills the contender after `limit` seconds.
LAUNCHER = """
import json, os, subprocess, sys, threading, time
limit, *argv = sys.argv[1:]
began = time.perf_counter()
process = subprocess.Popen(argv, stdout=subprocess.PIPE)
timer = threading.Timer(float(limit), process.kill)
timer.daemon = True
timer.start()
lines = 0
while piece := os.read(process.stdout.fileno(), 1 << 20):
    lines += piece.count(b"\\n")
_, status, usage = os.wait4(process.pid, 0)
seconds, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
print(json.dumps([seconds, cpu, usage.ru_maxrss / 1024, lines, os.waitstatus_to_exitcode(status)]))
"""
FOREVER, KILLED = 3600.0, -9


class Taken(NamedTuple):
    """What one process used: wall-clock and CPU seconds, peak memory in MiB, lines on stdout."""

    seconds: float
    cpu: float
    mib: float
    lines: int


def environment(url: str, key: str) -> dict[str, str]:
    """Return the environment that leads to the server.

    It has no variables that change how Python runs. The bytecode is kept in the benchmark's own directory, since
    packages may have been installed without it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NOXCLI_", "XDG_"))}
    return {
        **kept,
        "PYTHONPYCACHEPREFIX": f"{_scratch().name}/compiled",
        "HOME": _scratch().name,
        "NOXUS_BACKEND_URL": url,
        "NOXUS_API_KEY": key,
        "NO_PROXY": "*",
    }


def measure(argv: Sequence[str], env: Mapping[str, str], limit: float = FOREVER) -> Taken:
    """Run a contender until it exits, for at most `limit` seconds. Raises SystemExit if it fails."""
    launch = [sys.executable, "-S", "-c", LAUNCHER, str(limit), *argv]
    done = subprocess.run(launch, env=env, capture_output=True, check=True)
    *taken, code = json.loads(done.stdout)
    if code != 0 and not (code == KILLED and taken[0] >= limit):
        raise SystemExit(f"{argv}: exit {code}\n{done.stderr.decode()}")
    return Taken(*taken)


def take_turns(contenders: Mapping[str, Callable[[], Taken]], rounds: int) -> dict[str, Taken]:
    """Return the medians of each, and its highest peak memory."""
    taken = [{name: run() for name, run in contenders.items()} for _ in range(rounds)]
    return {name: median([each[name] for each in taken]) for name in contenders}


def median(rounds: Sequence[Taken]) -> Taken:
    """Return the median times, and the highest peak memory."""
    seconds, cpu, memory, lines = zip(*rounds, strict=True)
    return Taken(statistics.median(seconds), statistics.median(cpu), max(memory), lines[0])


@cache
def _scratch() -> "tempfile.TemporaryDirectory[str]":
    """Return a directory that is removed when this process exits."""
    return tempfile.TemporaryDirectory(prefix="noxcli-bench-")
