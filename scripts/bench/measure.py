"""The processes that are compared, each from its start to its exit, and what a kind of benchmark finds."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

from server import Plan

# As users call it: `python -m` takes 3 ms more.
NOXCLI = str(Path(sys.executable).with_name("noxcli"))
# A process inherits the peak memory of the process that forked it, so a small process starts the contender.
LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
while os.read(process.stdout.fileno(), 1 << 20): pass
_, status, usage = os.wait4(process.pid, 0)
taken = [time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
print(json.dumps([*taken, os.waitstatus_to_exitcode(status)]))
"""


class Goal(NamedTuple):
    """A figure, and what it must not exceed; with `at_least`, what it must reach; without a goal, it only informs."""

    what: str
    figure: float
    goal: float | None
    unit: str = ""  # empty for a ratio
    at_least: bool = False
    spread: tuple[float, float] | None = None  # the quartiles of what the figure is the median of

    @property
    def met(self) -> bool:
        return self.goal is None or (
            self.figure >= self.goal if self.at_least else self.figure <= self.goal
        )


class Taken(NamedTuple):
    """What one process used: wall-clock and CPU seconds, peak memory in MiB."""

    seconds: float
    cpu: float
    mib: float


def measure(argv: Sequence[str], env: Mapping[str, str]) -> Taken:
    """Run a contender until it exits. Raises SystemExit if it fails."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, *argv], env=env, capture_output=True, check=True
    )
    *taken, code = json.loads(done.stdout)
    if code != 0:
        raise SystemExit(f"{argv}: exit {code}\n{done.stderr.decode()}")
    return Taken(*taken)


def take_turns(
    contenders: Mapping[str, Callable[[], Taken]], rounds: int
) -> dict[str, list[Taken]]:
    """Return what each used in each round; a round before writes the bytecode."""
    turns = [{name: run() for name, run in contenders.items()} for _ in range(rounds + 1)][1:]
    return {name: [turn[name] for turn in turns] for name in contenders}


def middle(taken: Sequence[Taken]) -> Taken:
    """Return the median times, and the highest peak memory."""
    seconds, cpu, memory = zip(*taken, strict=True)
    return Taken(statistics.median(seconds), statistics.median(cpu), max(memory))


def times(what: str, ours: Sequence[Taken], theirs: Sequence[Taken], goal: float | None) -> Goal:
    """Return how many times the CPU of another contender was used: other processes change both of a round alike."""
    ratios = sorted(our.cpu / their.cpu for our, their in zip(ours, theirs, strict=True))
    low, median, high = (
        statistics.quantiles(ratios, method="inclusive") if len(ratios) > 1 else ratios * 3
    )
    return Goal(what, median, goal, spread=(low, high))


@contextmanager
def serving(plan: Plan) -> Iterator[dict[str, str]]:
    """Run server.py in its own process, until the block ends. Yields the environment that leads to it."""
    argv = [sys.executable, str(Path(__file__).with_name("server.py")), json.dumps(asdict(plan))]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield environment(process.stdout.readline().strip())
        process.communicate("")


def environment(url: str) -> dict[str, str]:
    """Return the environment that leads to the server, without variables that change how Python runs.

    The bytecode is kept in the benchmark's own directory: packages may have been installed without it.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "NOXCLI_", "XDG_"))
    }
    own = {
        "HOME": _scratch().name,
        "PYTHONPYCACHEPREFIX": f"{_scratch().name}/compiled",
        "NO_PROXY": "*",
    }
    return {
        **kept,
        **own,
        "NOXUS_BACKEND_URL": url,
        "NOXUS_API_KEY": "nox_c0ffee0ddba11c0ffee0ddba11c0ffee",
    }


@cache
def _scratch() -> "tempfile.TemporaryDirectory[str]":
    """Return a directory that is removed when this process exits."""
    return tempfile.TemporaryDirectory(prefix="noxcli-bench-")
