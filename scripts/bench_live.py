"""Measure what the live view costs: 20,000 events a second, one per chunk, with --quiet, the log and the live view.

Usage: python scripts/bench_live.py [SECONDS [EVENTS_PER_SECOND]]. Prints CPU and wall-clock time of each process, the
ratio to `--quiet`, and the CPU share of the display: how much more CPU time it took than `--quiet` in the same round.
Six of sixty nodes stream text at once.
"""

import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench_stream import serving

ROUNDS = 5
QUIET = "--quiet"


class Shown(NamedTuple):
    """What one way to show a run costs: CPU and wall-clock seconds, bytes on stderr, the display's share of a core."""

    cpu: float
    wall: float
    written: float
    share: float


def measure(env: dict[str, str], run: str, options: list[str], size: tuple[int, int] | None) -> tuple[float, ...]:
    """Return CPU seconds, wall-clock seconds and displayed bytes of one follower; without a size, stderr is a pipe."""
    ours, theirs = os.pipe() if size is None else pty.openpty()
    if size is not None:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    began = time.monotonic()
    argv = [sys.executable, "-m", "noxcli", "stream", f"workflow/{run}", *options]
    process = subprocess.Popen(argv, env={**env, "TERM": "xterm-256color"}, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = [0]
    reader = threading.Thread(target=drain, args=(ours, shown))
    reader.start()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    os.close(ours)
    assert process.returncode == 0, f"{argv} ended with {process.returncode}"
    return usage.ru_utime + usage.ru_stime, took, shown[0]


def drain(end: int, shown: list[int]) -> None:
    """Read all output."""
    try:
        while piece := os.read(end, 65536):
            shown[0] += len(piece)
    except OSError:
        pass  # a pseudo-terminal reports this way that no process has it open any more


def shown(seconds: int, rate: int, rounds: int = ROUNDS) -> dict[str, Shown]:
    """Return the medians for each way to show a run."""
    contenders: dict[str, tuple[list[str], tuple[int, int] | None]] = {
        QUIET: ([QUIET], None),
        "plain log": ([], None),
        "live view, 80x24": ([], (80, 24)),
        "live view, 200x50": ([], (200, 50)),
    }
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in contenders}
    with serving(seconds * rate, rate) as env:
        for turn in range(rounds):
            for number, (name, (options, size)) in enumerate(contenders.items()):
                taken[name].append(measure(env, f"run-{turn}-{number}", options, size))
    return {name: costs(each, taken[QUIET]) for name, each in taken.items()}


def costs(rounds: Sequence[tuple[float, ...]], quiet: Sequence[tuple[float, ...]]) -> Shown:
    """Return the medians; the share is of each round, since a machine may be slower in another one."""
    cpu, wall, written = (statistics.median(column) for column in zip(*rounds, strict=True))
    share = statistics.median((one[0] - least[0]) / one[1] for one, least in zip(rounds, quiet, strict=True))
    return Shown(cpu, wall, written, share)


def main() -> None:
    """Run each in turn, and print the medians."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rate = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    contenders = shown(seconds, rate)
    least = contenders[QUIET]
    print(f"{seconds * rate:,} events at {rate:,} a second")
    print(f"{'':20}{'CPU s':>8}{'ratio':>7}{'wall s':>8}{'ratio':>7}{'share':>7}{'kB shown':>10}")
    for name, one in contenders.items():
        ratios = f"{one.cpu:8.2f}{one.cpu / least.cpu:7.2f}{one.wall:8.2f}{one.wall / least.wall:7.2f}"
        print(f"{name:20}{ratios}{one.share:7.1%}{one.written / 1000:10,.0f}")


if __name__ == "__main__":
    main()
