"""Measure streaming: noxcli against a bare requests + sseclient-py script, one HTTP chunk per event as servers send it.

Usage: python scripts/bench_stream.py [EVENTS [ROUNDS [JOINED]]]. All events are available at once, so each contender
reads as fast as it can; JOINED puts that many events into one chunk. Contenders take turns, and the medians are
printed: wall-clock and CPU seconds of the whole process including its start, its peak memory, and the ratios to a bare
script that does the same. Then it prints the latency at 100 events a second, from the server's write to the line on
stdout.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from bench_process import NOXCLI, SDK_PYTHON, Taken, environment, measure, take_turns

RATE, PACED = 100, 1000  # events per second, and in total
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
    "print(session.get(url + '/v1/workflows/workflow/runs/' + sys.argv[1]).json())\n",
}
SDK = """
import json, os, sys
from noxus_sdk.client import Client
url, key = os.environ["NOXUS_BACKEND_URL"], os.environ["NOXUS_API_KEY"]
client = Client(api_key=key, base_url=url, load_nodes=False, load_me=False)
for event in client.runs.get("workflow", sys.argv[1]).stream():
    print(json.dumps({"type": event.type, "data": event.data, "redisId": event.redis_id}), flush=True)
"""
# What a shell script would do: `data: ` begins the line of each event.
CURL_JQ = (
    'curl -sN -H "X-API-Key: $NOXUS_API_KEY" "$NOXUS_BACKEND_URL/v1/runs/$0/events"'
    " | sed -un 's/^data: //p' | jq -c --unbuffered ."
)


@contextmanager
def serving(*args: int) -> Iterator[dict[str, str]]:
    """Run the server in its own process; yield the environment that leads to it."""
    argv = [sys.executable, str(Path(__file__).with_name("bench_events.py")), *map(str, args)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        url = server.stdout.readline().strip()
        yield environment(url, "bench-key")
        server.stdin.close()


def follower(*words: str) -> list[str]:
    """Return the command line that follows the run; the run is the last word."""
    *options, run = words
    return [NOXCLI, "stream", f"workflow/{run}", *options]


def lines(forms: Sequence[str], *, sdk: bool = True) -> Mapping[str, Callable[[str], list[str]]]:
    """Return each contender's command line for a run: the bare script and noxcli, and others for `ndjson`."""
    found: dict[str, Callable[[str], list[str]]] = {}
    for form in forms:
        found[f"bare script, {form}"] = partial(words, sys.executable, "-c", BARE[form])
        found[f"noxcli stream --format {form}"] = partial(follower, "--format", form, "--quiet")
    if "ndjson" in forms:
        found["curl, sed and jq, ndjson"] = partial(words, "sh", "-c", CURL_JQ)
        if sdk and SDK_PYTHON.exists():
            found["official SDK, ndjson"] = partial(words, str(SDK_PYTHON), "-c", SDK)
    return found


def words(*line: str) -> list[str]:
    """Return the words of a command line."""
    return [*line]


def took(
    events: int, rounds: int, joined: int = 1, forms: Sequence[str] = tuple(BARE), *, sdk: bool = True
) -> dict[str, Taken]:
    """Return the results of each contender, with `sdk` also those of the official SDK."""
    numbers = count()

    def contenders(env: Mapping[str, str]) -> dict[str, Callable[[], Taken]]:
        # Each has its own run: its record says `completed` once its events were sent, like that of a real stream.
        def of(line: Callable[[str], list[str]]) -> Callable[[], Taken]:
            return lambda: measure(line(f"run-{next(numbers)}"), env)

        return {name: of(line) for name, line in lines(forms, sdk=sdk).items()}

    with serving(10) as env:
        take_turns(contenders(env), 1)  # writes the bytecode once
    with serving(events, 0, joined) as env:
        return take_turns(contenders(env), rounds)


def throughput(events: int, rounds: int, joined: int) -> None:
    """Print the results of each contender."""
    middle = took(events, rounds, joined)
    print(f"{events:,} events, {joined} in a chunk, medians of {rounds}")
    print(f"{'':32}{'seconds':>9}{'ratio':>7}{'CPU s':>8}{'ratio':>7}{'MiB':>7}{'lines':>9}")
    for name, one in middle.items():
        of = middle[f"bare script, {name.split()[-1]}"]
        print(
            f"{name:32}{one.seconds:9.2f}{one.seconds / of.seconds:7.2f}"
            f"{one.cpu:8.2f}{one.cpu / of.cpu:7.2f}{one.mib:7.1f}{one.lines:9,}"
        )


def latencies() -> dict[str, list[float]]:
    """Return the milliseconds from the server's write to the line on stdout, in order, of two contenders."""
    late = {}
    for name, line in list(lines(["ndjson"]).items())[:2]:
        with serving(PACED, RATE) as env, subprocess.Popen(line("run"), env=env, stdout=subprocess.PIPE) as process:
            assert process.stdout
            arrivals = [(time.monotonic_ns(), json.loads(line).get("data") or {}) for line in process.stdout]
        late[name] = sorted((at - data["sent"]) / 1e6 for at, data in arrivals if "sent" in data)
    return late


def percentile(ordered: Sequence[float], share: int) -> float:
    """Return the value that this many percent do not exceed."""
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def latency() -> None:
    """Print how long an event takes from the server's write to the line on stdout."""
    print(f"{RATE} events a second: milliseconds from the server to stdout")
    print(f"{'':32}{'p50':>9}{'p99':>7}{'most':>8}")
    for name, late in latencies().items():
        print(f"{name:32}{percentile(late, 50):9.2f}{percentile(late, 99):7.2f}{late[-1]:8.2f}")


def main() -> None:
    """Print everything."""
    events, rounds, joined = (int(text) for text in (*sys.argv[1:], *["50000", "7", "1"][len(sys.argv) - 1 :]))
    throughput(events, rounds, joined)
    latency()


if __name__ == "__main__":
    main()
