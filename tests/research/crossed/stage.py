"""One server under one combination of switches, and how noxcli is called against it."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from noxcli.sandbox.faults import Cut, FaultPlan
from noxcli.sandbox.run import Run
from noxcli.sandbox.scenario import File, Node, Scenario, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step
from noxcli.sandbox.switches import Switches, with_overrides
from tests.conftest import Noxcli, QuickClock, Result
from tests.research.crossed.plan import Combination

REASON = "the model is not available"
PIECES = ("one ", "two ", "three ", "four ", "five")
ESSAY = "Grüße, 世界 🌱. " * 25
TABLE = b"city,people\nLisboa,567131\n"
OUTPUT = {
    "Answer": "Answer to: why",
    "Essay": ESSAY,
    "List": {"inner": [ESSAY, 1]},
    "Score": 0.5,
    "Table": File("a b.csv", TABLE, "text/csv"),
    "twin 1": "first",
    "twin 2": "second",
}
SPEED = 1000
PATIENCE = 10_000  # steps of 2 s that a run waits for its follower


class CrossedClock(QuickClock):
    """Under a rate limit, which is real, sleeps take a twentieth of their time, otherwise almost none."""

    def __init__(self, *, limited: bool) -> None:
        super().__init__()
        self._limited = limited
        self._begun = self.monotonic()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self._limited:
            threading.Event().wait(seconds / 20)

    @property
    def passed(self) -> float:
        """Seconds since the call began, including slept ones."""
        return self.monotonic() - self._begun


@dataclass(frozen=True)
class Seen:
    """The result of one call: the client's side, and the server's."""

    result: Result
    runs: Sequence[Run]
    requests: Sequence[str]  # METHOD path
    seconds: float
    target: Run | None  # the run on the command line
    directory: Path

    @property
    def run(self) -> Run:
        """The only run."""
        (run,) = self.runs
        return run

    @property
    def truth(self) -> list[dict[str, Any]]:
        """The server's own sequence of events."""
        return [{"redisId": None, **event} for event in self.run.events]


@dataclass
class Stage:
    """Adds workflows, starts runs as another user would, and calls noxcli."""

    sandbox: Sandbox
    switches: Switches
    directory: Path
    calls: int = field(default=0)

    def add(self, name: str, ending: str = "completed", *, watched: bool = False, cuts: Sequence[Cut] = ()) -> str:
        """Serve a workflow whose runs end in that way; `watched` runs do not end before their events are read."""
        nodes = [input_node("Question"), Node("Read"), Node("Write")]
        nodes += [output_node(label) for label in OUTPUT if not label.startswith("twin")]
        nodes += [Node(f"twin {n}", "OutputNode", {"label": "Twin", "type": "String"}) for n in (1, 2)]
        plan: FaultPlan = {"events": list(cuts)}
        before = len(self.sandbox.requests)

        def asked() -> bool:
            return any("/events" in request.path for request in self.sandbox.requests[before:])

        return self.sandbox.add(
            Scenario(
                name,
                nodes=nodes,
                script=lambda _: script(ending, asked if watched else None),
                status=ending,
                output=lambda values: {**OUTPUT, "Answer": f"Answer to: {values.get('Question')}"},
                faults=plan,
            )
        )

    def start(self, workflow: str) -> Run:
        """Start a run as another user would; return the server's own."""
        url = f"{self.sandbox.url}/v1/workflows/{workflow}/runs"
        headers = {"X-API-Key": self.sandbox.key}
        while requests.post(url, json={"input": {"Question": "why"}}, headers=headers, timeout=10).status_code == 429:
            threading.Event().wait(0.1)
        return self.sandbox.runs(workflow)[-1]

    def ended(self, workflow: str) -> Run:
        """Start a run and wait until nothing more will happen to it."""
        run = self.start(workflow)
        for _ in range(2000):
            if run.over.is_set():
                break
            threading.Event().wait(0.002)
        return run

    def call(self, workflow: str, *argv: str, target: Run | None = None, idle: str | None = None) -> Seen:
        """Call noxcli, and return its result and its requests; `idle` is how long it waits for an event."""
        self.calls += 1
        before = len(self.sandbox.requests)
        clock = CrossedClock(limited=bool(self.switches.rate_limit))
        noxcli = Noxcli(
            {
                "NOXUS_BACKEND_URL": self.sandbox.url,
                "NOXUS_API_KEY": self.sandbox.key,
                "NOXCLI_STATE_DIR": str(self.directory / "state"),
                "NOXCLI_CACHE_DIR": str(self.directory / "cache"),
                "NOXCLI_IDLE_TIMEOUT": idle or "0.2s",
                "TERM": "dumb",
            },
            clock,
        )
        result = noxcli(*argv)
        key = self.sandbox.key
        own = [each for each in self.sandbox.requests[before:] if each.headers.get("x-api-key", key) == key]
        asked = [f"{request.method} {request.path}" for request in own]
        return Seen(result, self.sandbox.runs(workflow), asked, clock.passed, target, self.directory)


def script(ending: str, asked: Callable[[], bool] | None) -> Iterator[Step]:
    """The steps of a run that ends in that way."""
    turns = 0
    while (asked is not None and not asked() and turns < PATIENCE) or ending == "going":
        turns += 1
        yield Sleep(2)
    yield Emit("Read")
    yield Emit("Read", status="completed")
    yield Emit("Write")
    for piece in PIECES:
        yield Emit("Write", piece)
        yield Sleep(2)
    if ending == "failed":
        yield Emit("Write", REASON, status="failed")
    else:
        yield Emit("Write", status="completed" if ending == "completed" else "running")


def staged(combination: Combination) -> tuple[Sandbox, Switches]:
    """Return the server of a combination, to be entered."""
    switches = with_overrides(Switches(), combination)
    # Each has a key of its own: the ids of workflows are the same in all, and a port may be used again.
    return Sandbox(speed=SPEED, switches=switches, key=f"key-{uuid.uuid4()}"), switches
