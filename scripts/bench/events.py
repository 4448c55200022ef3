"""Events: 50,000 of them against a bare script, and the latency of one."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import count

from measure import NOXCLI, Goal, Taken, measure, middle, serving, take_turns, times
from server import WORKFLOW, Plan

EVENTS, RATE, PACED = 50_000, 100, 1000  # all together; per second, and how many at that rate
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
    f"print(session.get(url + '/v1/workflows/{WORKFLOW}/runs/' + sys.argv[1]).json())\n",
}
RUNS = count()


def line(form: str, run: str, *, bare: bool = False) -> list[str]:
    """Return the command line that follows a run: noxcli's, or the bare script's."""
    if bare:
        return [sys.executable, "-c", BARE[form], run]
    return [NOXCLI, "stream", f"{WORKFLOW}/{run}", "--format", form, "--quiet"]


def took(form: str, rounds: int) -> dict[str, list[Taken]]:
    """Return what each contender takes to follow a run whose events are all available from its beginning."""

    def follow(*, bare: bool) -> Taken:
        # Each has its own run: its record says `completed` once its events were sent.
        return measure(line(form, f"run-{next(RUNS)}", bare=bare), env)

    with serving(Plan(events=EVENTS)) as env:
        return take_turns(
            {"noxcli": partial(follow, bare=False), "bare": partial(follow, bare=True)}, rounds
        )


def late() -> list[float]:
    """Return the milliseconds from the server's write to the line on stdout, in order."""
    with (
        serving(Plan(events=PACED, pace=RATE)) as env,
        subprocess.Popen(line("ndjson", "run"), env=env, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        arrivals = [
            (time.monotonic_ns(), json.loads(text).get("data") or {}) for text in process.stdout
        ]
    return sorted((at - data["sent"]) / 1e6 for at, data in arrivals if "sent" in data)


def goals(quick: bool) -> Iterator[Goal]:
    """Yield CPU, memory and latency."""
    for form in BARE:
        taken = took(form, 3 if quick else 15)
        what = f"{EVENTS:,} events, `{form}`"
        yield times(
            f"{what}, CPU compared with a bare script", taken["noxcli"], taken["bare"], 1.15
        )
        yield Goal(f"{what}, memory", middle(taken["noxcli"]).mib, 40, "MiB")
    waited = late()
    p99 = waited[len(waited) * 99 // 100]
    yield Goal(f"from the server to stdout at {RATE} events/s, 99 of 100", p99, 2.0, "ms")
