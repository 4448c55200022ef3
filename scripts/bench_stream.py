"""Measure streaming: noxcli beside a bare requests + sseclient-py script, on the same run of the sandbox.

Usage: python scripts/bench_stream.py [EVENTS]. Prints medians and ratios; the run is over before either starts, so
both read a replay as fast as they can.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit

ROUNDS = 5
BARE = """
import json, os, sys, requests, sseclient
answer = requests.get(
    os.environ["NOXUS_BACKEND_URL"] + "/v1/runs/" + sys.argv[1] + "/events",
    headers={"X-API-Key": os.environ["NOXUS_API_KEY"], "Accept": "text/event-stream"},
    stream=True,
)
for event in sseclient.SSEClient(answer).events():
    print(json.dumps(json.loads(event.data)), flush=True)
"""


# A process starts with the memory mark of the one that made it, and this one holds the whole sandbox: so a small one
# in between starts the contender, and reports.
LAUNCHER = """
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
lines = 0
while piece := process.stdout.read(1 << 20):
    lines += piece.count(b"\\n")
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - began, usage.ru_maxrss / 1024, lines, os.waitstatus_to_exitcode(status))
"""


def measure(argv: Sequence[str], env: dict[str, str]) -> tuple[float, float, int]:
    """Return seconds, peak memory in MiB and lines written."""
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *argv], env=env, capture_output=True, check=True)
    seconds, memory, lines, code = done.stdout.split()
    assert code == b"0", done.stderr
    return float(seconds), float(memory), int(lines)


def main() -> None:
    """Run both in turn and print what they took."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    scenario = Scenario("bench", script=[Emit("Write", f"word {n} ") for n in range(events)], output={"A": "x"})
    noxcli = [sys.executable, "-m", "noxcli"]
    with Sandbox([scenario]) as sandbox:
        env = {**os.environ, "NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key}
        started = subprocess.run([*noxcli, "run", "bench", "--detach"], env=env, capture_output=True, check=True)
        run = started.stdout.decode().strip()
        subprocess.run([*noxcli, "wait", run], env=env, stdout=subprocess.DEVNULL, check=True)
        contenders = {
            "bare requests + sseclient-py": [sys.executable, "-c", BARE, run],
            "noxcli stream --format ndjson": [*noxcli, "stream", run, "--format", "ndjson", "--quiet"],
        }
        taken: dict[str, list[tuple[float, float, int]]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, argv in contenders.items():
                taken[name].append(measure(argv, env))
    base = statistics.median(seconds for seconds, _, _ in taken["bare requests + sseclient-py"])
    print(f"{'':32}{'seconds':>9}{'events/s':>10}{'MiB':>7}{'lines':>9}{'ratio':>7}")
    for name, rounds in taken.items():
        seconds = statistics.median(one[0] for one in rounds)
        memory = max(one[1] for one in rounds)
        print(f"{name:32}{seconds:9.2f}{events / seconds:10,.0f}{memory:7.1f}{rounds[0][2]:9,}{seconds / base:7.2f}")


if __name__ == "__main__":
    main()
