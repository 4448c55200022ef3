"""Measure start-up: version and help against Python and Typer, and a small run against a bare script.

Usage: python scripts/bench_startup.py [ROUNDS]. Contenders take turns, and the medians are printed: milliseconds of
wall-clock and CPU time, and the ratio to each goal's reference. A small run has three requests and nine events.
"""

import sys
from collections.abc import Mapping
from functools import partial

from bench_process import NOXCLI, SDK_PYTHON, Taken, measure, take_turns
from bench_stream import serving

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
# The same three requests; `workflows.get` of the SDK's documentation would load the catalog of nodes as well.
SDK_RUN = f"""
import os
from noxus_sdk.client import Client
from noxus_sdk.resources.runs import Run
url, key = os.environ["NOXUS_BACKEND_URL"], os.environ["NOXUS_API_KEY"]
client = Client(api_key=key, base_url=url, load_nodes=False, load_me=False)
run = Run(client=client, **client.post("/v1/workflows/{WORKFLOW}/runs", {{"input": {{"Q": "x"}}}}))
print(run.wait().output["A"])
"""
CURL_JQ_RUN = f"""
ask() {{ curl -sN -H "X-API-Key: $NOXUS_API_KEY" "$@"; }}
url=$NOXUS_BACKEND_URL/v1/workflows/{WORKFLOW}/runs
run=$(ask "$url" --json '{{"input": {{"Q": "x"}}}}' | jq -r .id)
ask "$NOXUS_BACKEND_URL/v1/runs/$run/events" | sed -un 's/^data: //p' | jq -e '.data.workflow_status == "completed"' >&2
ask "$url/$run" | jq -r .output.A
"""
PYTHON, TYPER, SCRIPT = "python", "import typer", "bare script"
CONTENDERS = {
    PYTHON: [sys.executable, "-c", "pass"],
    "noxcli --version": [NOXCLI, "--version"],
    TYPER: [sys.executable, "-c", "import typer"],
    "noxcli --help": [NOXCLI, "--help"],
    "noxcli run --help": [NOXCLI, "run", "--help"],
    SCRIPT: [sys.executable, "-c", BARE_RUN],
    "curl, sed and jq": ["sh", "-c", CURL_JQ_RUN],
    **({"official SDK": [str(SDK_PYTHON), "-c", SDK_RUN]} if SDK_PYTHON.exists() else {}),
    "noxcli run": [NOXCLI, "run", WORKFLOW, "Q=x", "--no-check", "--quiet"],
}
# The reference of each, and how many times as long it may take.
GOALS = {
    "noxcli --version": (PYTHON, 1.2),
    "noxcli --help": (TYPER, 1.2),
    "noxcli run --help": (TYPER, 1.2),
    "noxcli run": (SCRIPT, 1.25),
}


def starts(rounds: int) -> Mapping[str, Taken]:
    """Return the times of each contender."""
    with serving(EVENTS) as env:
        contenders = {name: partial(measure, argv, env) for name, argv in CONTENDERS.items()}
        take_turns(contenders, 1)  # writes the bytecode once
        return take_turns(contenders, rounds)


def main() -> None:
    """Print the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
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
