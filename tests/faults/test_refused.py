"""Connections that are refused from one moment of a run on: what passes costs nothing, what lasts has its own code."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from noxcli.sandbox.faults import Cut
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step
from tests.conftest import Noxcli, QuickClock, write_rows
from tests.faults.gateway import kind_of, relayed
from tests.process import until
from tests.rawserver import RawServer, Request, Turn, own_port

OUTPUT = {"Essay": "Grüße, 世界 🌱. " * 1500, "Note": "short"}
OPTIONS = {
    "run": ["--format", "ndjson"],
    "stream": ["--format", "ndjson"],
    "wait": ["--json"],
    "fetch-output": ["--wait", "--json"],
}


@dataclass
class Gate:
    """Passes requests on; after the one that `closes_after` names, it refuses connections until it is opened again."""

    url: str
    port: int
    closes_after: Callable[[str], bool]
    servers: list[RawServer] = field(default_factory=list)  # one for each time that it opens

    @property
    def is_closed(self) -> bool:
        return self.servers[-1].listener.fileno() < 0

    def open(self) -> None:
        self.servers.append(
            RawServer([], socket.create_server(("127.0.0.1", self.port)), by_request=self._turn)
        )
        threading.Thread(target=self.servers[-1].accept, daemon=True).start()

    def _turn(self, request: Request) -> Turn:
        if self.closes_after(kind_of(request)) and len(self.servers) == 1:
            listener = self.servers[0].listener
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # close() alone would leave it accepting
            listener.close()
        return relayed(request, self.url)


@contextmanager
def gate(url: str, closes_after: Callable[[str], bool]) -> Iterator[Gate]:
    with own_port() as port:
        here = Gate(url, port, closes_after)
        here.open()
        try:
            yield here
        finally:
            for server in here.servers:
                server.close()


class OpeningClock(QuickClock):
    """Opens a closed gate once noxcli has waited for it twice."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate, self._waits = gate, 0

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._waits += self._gate.is_closed
        if self._gate.is_closed and self._waits == 2:
            self._gate.open()


@pytest.mark.parametrize("lasts", [False, True], ids=["for a while", "for good"])
@pytest.mark.parametrize(
    ("verb", "after", "code"),
    [
        ("run", "definition", 75),
        ("run", "start", 6),
        ("stream", "lookup", 6),
        ("wait", "lookup", 6),
        ("run", "events", 6),
        ("fetch-output", "events", 6),
        ("run", "end", 9),
        ("fetch-output", "end", 9),
    ],
)
def test_refused_connections_are_waited_for(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, verb: str, after: str, code: int, lasts: bool
) -> None:
    may_end = threading.Event()

    def script(_: dict[str, Any]) -> Iterator[Step]:
        yield from (Emit("Write", f"piece {number} ") for number in range(6))
        while not may_end.is_set():
            yield Sleep(2)
        yield from (Emit("Write", f"piece {number} ") for number in range(6, 12))

    def closes(kind: str) -> bool:
        if kind == "events":
            may_end.set()
        if after != "end":
            return kind == after
        if kind != "record" or not may_end.is_set():
            return False
        # The record that is read now says so too.
        until(lambda: any(run.ended for run in sandbox.runs(workflow)))
        return True

    workflow = plays(script=script, output=OUTPUT, faults={"events": [Cut(4, "abort")]})
    named = workflow if verb == "run" else noxcli.start(workflow)
    with gate(sandbox.url, closes) as here:
        noxcli.clock = QuickClock() if lasts else OpeningClock(here)
        result = noxcli(
            verb, named, *OPTIONS[verb], "--retry-for", "5s", "--base-url", here.servers[0].url
        )
    may_end.set()
    runs, ended = sandbox.runs(workflow), code if lasts else 0
    document = result.lines[-1]["data"] if "ndjson" in OPTIONS[verb] else result.json
    assert (result.code, document["retry_safe"], len(runs)) == (
        ended,
        ended == 75,
        int(ended != 75),
    ), result.err
    if ended in {0, 9}:
        assert (document["run"]["status"], document["run"]["confirmed"]) == ("completed", True)
    if verb != "wait" and ended in {0, 9}:
        assert (document["complete"], document["output"]["Note"]) == (ended == 0, "short")
        assert (document["output"] == OUTPUT) is (ended == 0)
    if runs and "ndjson" in OPTIONS[verb]:
        truth = runs[0].events
        assert result.events == truth[: len(result.events)]
        assert (len(result.events) == len(truth), "gap" in result.own) == (True, False) or lasts


SERVER = "http://noxus.example"


class Proxy(Gate):
    """Passes requests to `SERVER` on to the sandbox."""

    def _turn(self, request: Request) -> Turn:
        return super()._turn(replace(request, target=request.target.removeprefix(SERVER)))


@pytest.mark.parametrize(
    ("closes_after", "code", "runs"), [("definition", 75, 0), ("record", 6, 1)]
)
def test_a_proxy_that_stops_ends_a_batch(
    noxcli: Noxcli,
    plays: Any,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    closes_after: str,
    code: int,
    runs: int,
) -> None:
    """75 says that nothing was started: no longer once a row has run."""
    workflow = plays()

    def closes(kind: str) -> bool:
        return kind == closes_after and all(run.ended for run in sandbox.runs(workflow))

    with own_port() as port:
        proxy = Proxy(sandbox.url, port, closes)
        proxy.open()
        monkeypatch.setenv("HTTP_PROXY", proxy.servers[0].url)
        batch = ("batch", workflow, write_rows({}, {}), "--max-parallel", "1", "--retry-for", "2s")
        result = noxcli(*batch, "--base-url", SERVER, environ={"NOXCLI_ALLOW_HTTP": "1"})
        proxy.servers[0].close()
    assert (result.code, len(sandbox.runs(workflow))) == (code, runs), result.err
    assert "no answer from the proxy" in result.err
