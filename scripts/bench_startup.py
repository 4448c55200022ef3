"""Measure start-up: version and help against Python and Typer, and a small run against a bare script.

Usage: python scripts/bench_startup.py [ROUNDS]. Contenders take turns, and the medians are printed: milliseconds of
wall-clock and CPU time, and the ratio to each goal's reference. A small run has three requests and nine events.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench_stream import measure, serving

WORKFLOW, EVENTS = "00000000-0000-4000-8000-0000000be9c4", 9
BARE_RUN = f"""
import json, os, requests, sseclient
session = requests.Session()
session.headers["X-API-Key"] = os.environ["NOXUS_API_KEY"]
url = os.environ["NOXUS_BACKEND_URL"] + "/v1"
run = session.post(url + "/workflows/{WORKFLOW}/runs", json={{"input": {{"Q": "x"}}}}).json()["id"]
answer = session.get(url + "/runs/" + run + "/events", headers={{"Accept": "text/event-stream"}}, stream=True)
for event in sseclient.SSEClient(answer).events():
    json.loads(event.data)
print(session.get(url + "/workflows/{WORKFLOW}/runs/" + run).json()["output"]["A"])
"""
NOXCLI = str(Path(sys.executable).with_name("noxcli"))  # as users call it: `python -m` takes 3 ms more
PYTHON, TYPER, SCRIPT = "python", "import typer", "bare script"
CONTENDERS = {
    PYTHON: [sys.executable, "-c", "pass"],
    "noxcli --version": [NOXCLI, "--version"],
    TYPER: [sys.executable, "-c", "import typer"],
    "noxcli --help": [NOXCLI, "--help"],
    "noxcli run --help": [NOXCLI, "run", "--help"],
    SCRIPT: [sys.executable, "-c", BARE_RUN],
    "noxcli run": [NOXCLI, "run", WORKFLOW, "Q=x", "--no-check", "--quiet"],
}
# The reference of each, and how many times as long it may take.
GOALS = {
    "noxcli --version": (PYTHON, 1.2),
    "noxcli --help": (TYPER, 1.2),
    "noxcli run --help": (TYPER, 1.2),
    "noxcli run": (SCRIPT, 1.25),
}


class Start(NamedTuple):
    """Medians of one contender, in seconds of wall-clock and CPU time."""

    seconds: float
    cpu: float


def starts(rounds: int) -> Mapping[str, Start]:
    """Return the times of each contender."""
    taken: dict[str, list[Start]] = {name: [] for name in CONTENDERS}
    with serving(EVENTS) as env, tempfile.TemporaryDirectory() as home:
        env |= {"HOME": home, "NO_PROXY": "*"}
        for _ in range(rounds):
            for name, argv in CONTENDERS.items():
                one = measure(argv, env)
                taken[name].append(Start(one.seconds, one.cpu))
    return {name: Start(*map(statistics.median, zip(*each, strict=True))) for name, each in taken.items()}


def main() -> None:
    """Print the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    subprocess.run([NOXCLI, "--help"], stdout=subprocess.DEVNULL, check=True)  # writes the bytecode once
    middle = starts(rounds)
    print(f"{'':20}{'ms':>8}{'ratio':>7}{'CPU ms':>8}{'ratio':>7}{'goal':>6}")
    for name, one in middle.items():
        line = f"{name:20}{one.seconds * 1000:8.1f}{'':7}{one.cpu * 1000:8.1f}"
        if name in GOALS:
            by, goal = GOALS[name]
            ratios = one.seconds / middle[by].seconds, one.cpu / middle[by].cpu
            line = f"{name:20}{one.seconds * 1000:8.1f}{ratios[0]:7.2f}{one.cpu * 1000:8.1f}{ratios[1]:7.2f}{goal:6}"
        print(line)


if __name__ == "__main__":
    main()
