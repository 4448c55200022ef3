"""Start-up: version and help against Python and Typer, and a run of nine events against a bare script."""

import sys
from collections.abc import Iterator
from functools import partial

from measure import NOXCLI, Goal, measure, serving, take_turns, times
from server import WORKFLOW, Plan

EVENTS = 9
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
PYTHON, TYPER, SCRIPT = "python", "import typer", "a bare script"
CONTENDERS = {
    PYTHON: [sys.executable, "-c", "pass"],
    "noxcli --version": [NOXCLI, "--version"],
    TYPER: [sys.executable, "-c", "import typer"],
    "noxcli --help": [NOXCLI, "--help"],
    "noxcli run --help": [NOXCLI, "run", "--help"],
    SCRIPT: [sys.executable, "-c", BARE_RUN],
    "noxcli run": [NOXCLI, "run", WORKFLOW, "Q=x", "--no-check", "--quiet"],
}
# What each is compared with, and how many times the CPU it may use.
GOALS = {
    "noxcli --version": (PYTHON, 1.5),
    "noxcli --help": (TYPER, 1.1),
    "noxcli run --help": (TYPER, 1.3),
    "noxcli run": (SCRIPT, 1.35),
}


def goals(quick: bool) -> Iterator[Goal]:
    """Yield the CPU of each command."""
    with serving(Plan(events=EVENTS)) as env:
        contenders = {name: partial(measure, argv, env) for name, argv in CONTENDERS.items()}
        taken = take_turns(contenders, 5 if quick else 15)
    for name, (other, goal) in GOALS.items():
        yield times(f"`{name}`, CPU compared with {other}", taken[name], taken[other], goal)
