"""Measure downloads: a big file with --output-dir and with `curl -o`, once whole and once cut three times.

Usage: python scripts/bench_download.py [MEGABYTES] [DIRECTORY]. The sandbox, in its own process, generates the file
while it sends it; downloads are removed. Prints seconds, rate and peak memory.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from noxcli.sandbox.faults import CutBody
from noxcli.sandbox.scenario import File, Scenario
from noxcli.sandbox.server import Sandbox

# A process inherits the peak memory of the process that forked it, so a small process starts the contender.
LAUNCHER = """
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - began, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
"""
SERVER = "--serve"
NOTHING, CURL, TO_FILES = "noxcli run, no output", "curl -o", "noxcli --output-dir"


def measure(argv: Sequence[str], env: dict[str, str]) -> tuple[float, float]:
    """Return seconds and peak memory in MiB."""
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *argv], env=env, capture_output=True, check=True)
    seconds, memory, code = done.stdout.split()
    if code != b"0":
        raise SystemExit(f"{argv}: exit {code.decode()}\n{done.stderr.decode()}")
    return float(seconds), float(memory)


def serve(size: int) -> None:
    """Serve until stdin closes."""
    cuts = [CutBody(size // 4)] * 3
    scenarios = [
        Scenario("whole", output={"A": File("a.bin", bytes(range(251)), size=size)}, switches={"ranges": "honoured"}),
        Scenario(
            "cut",
            output={"A": File("a.bin", bytes(range(251)), size=size)},
            faults={"file": cuts},
            switches={"ranges": "honoured"},
        ),
    ]
    with Sandbox(scenarios) as sandbox:
        print(sandbox.url, sandbox.key, flush=True)
        sys.stdin.read()


def downloads(size: int, parent: str | None, rounds: int = 1) -> dict[str, tuple[float, float]]:
    """Return the median seconds of each contender, and its peak memory in MiB."""
    taken: dict[str, list[tuple[float, float]]] = {}
    with (
        tempfile.TemporaryDirectory(dir=parent) as place,
        subprocess.Popen([sys.executable, __file__, SERVER, str(size)], stdin=-1, stdout=-1, text=True) as server,
    ):
        assert server.stdout is not None
        url, key = server.stdout.readline().split()
        env = {**os.environ, "NOXUS_BACKEND_URL": url, "NOXUS_API_KEY": key}
        noxcli = [sys.executable, "-m", "noxcli"]
        run = [*noxcli, "run", "whole", "--json", "--quiet"]
        found = subprocess.run(run, env=env, capture_output=True, text=True, check=True).stdout
        file_id = found.partition('"uri":"spot://')[2].partition('"')[0]
        out = Path(place) / "out"
        fetch = ["--output-dir", str(out), "--quiet"]
        contenders = {
            NOTHING: [*noxcli, "run", "whole", "--quiet"],
            CURL: ["curl", "-sfo", f"{out}.curl", "-H", f"X-API-Key: {key}", f"{url}/v1/file/{file_id}"],
            TO_FILES: [*noxcli, "run", "whole", *fetch],
            "noxcli --output-dir, cut 3 times": [*noxcli, "run", "cut", *fetch],
            "noxcli --raw A": [*noxcli, "run", "whole", "--raw", "A", "--quiet"],
        }
        for _ in range(rounds):
            for name, argv in contenders.items():
                taken.setdefault(name, []).append(measure(argv, env))
                for path in (out / "A.bin", Path(f"{out}.curl")):
                    if path.exists():
                        assert path.stat().st_size == size
                        path.unlink()
                shutil.rmtree(out, ignore_errors=True)
        server.communicate("")
    return {
        name: (statistics.median(seconds for seconds, _ in each), max(memory for _, memory in each))
        for name, each in taken.items()
    }


def main() -> None:
    """Run each contender in turn, and print the results."""
    if sys.argv[1:2] == [SERVER]:
        serve(int(sys.argv[2]))
        return
    size = int(sys.argv[1]) * 1_000_000 if len(sys.argv) > 1 else 2_000_000_000
    print(f"{'':34}{'seconds':>9}{'MB/s':>8}{'MiB':>7}")
    for name, (seconds, memory) in downloads(size, sys.argv[2] if len(sys.argv) > 2 else None).items():
        rate = f"{'-':>8}" if name == NOTHING else f"{size / seconds / 1e6:8.0f}"
        print(f"{name:34}{seconds:9.2f}{rate}{memory:7.1f}")


if __name__ == "__main__":
    main()
