"""The other side of a run as raw bytes: a start, records and event streams that a test writes itself."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import Noxcli, Result
from tests.faults.gateway import kind_of
from tests.rawserver import Request, Turn, answer, json_answer, raw_server

WORKFLOW = "8f14e45f-ceea-467f-a0e6-1d2c3b4a5968"
RUN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
OTHER = "3c90c3cc-0d44-4b50-8888-8dd25736052b"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

# The whole answers to the requests of a kind, the last one forever; or to the n-th one, counted from 1.
Says = Sequence[bytes] | Callable[[int], bytes]
Streams = Callable[[int, socket.socket], None]  # what happens on the n-th event stream


def record(status: str, id: str = RUN, **more: Any) -> bytes:
    """Return an answer with the run's record."""
    fields = {
        "id": id,
        "workflow_id": WORKFLOW,
        "status": status,
        "output": {"A": "x"} if status == "completed" else {},
    }
    return json_answer({**fields, **more})


def event(data: Any, position: Any = None, kind: str = "content") -> bytes:
    """Return one event, framed as in the documentation."""
    envelope = {"type": kind, "data": data, **({} if position is None else {"redisId": position})}
    return b"event: message\ndata: " + json.dumps(envelope).encode() + b"\n\n"


def piece(number: int, position: Any = None) -> bytes:
    return event({"id": "A", "status": "running", "content": f"piece {number} "}, position)


def end(position: Any = None, status: str = "completed") -> bytes:
    return event({"id": "A", "workflow_status": status}, position)


def streams(*answers: bytes) -> Streams:
    """Return streams that each send one whole answer and close; the last one forever."""
    return lambda number, peer: peer.sendall(answers[min(number, len(answers)) - 1])


def sends(*connections: Sequence[bytes]) -> Streams:
    """Return streams that each send their events and close; the last one forever."""
    return streams(*(STREAM + b"".join(events) for events in connections))


def falls_silent(*events: bytes) -> Streams:
    """Return streams that send these events and then nothing, and stay open until the client closes them."""

    def stream(_number: int, peer: socket.socket) -> None:
        peer.sendall(STREAM + b"".join(events))
        peer.settimeout(20)
        with suppress(OSError):
            peer.recv(1)

    return stream


@dataclass
class OtherSide:
    """One run; each request on its own connection."""

    reads: Says = field(default_factory=lambda: [record("completed")])
    events: Streams = field(default_factory=lambda: streams(answer(405)))
    started: bytes = field(default_factory=lambda: record("queued"))
    lookup: Says | None = None  # by the run's id alone; otherwise as `reads`
    data: Turn = field(default_factory=lambda: answer(404))
    workflow: Turn = field(default_factory=lambda: answer(404))
    asked: list[tuple[str, str]] = field(default_factory=list)  # kind and target
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, kind: str) -> int:
        return sum(one == kind for one, _ in self.asked)

    def turn(self, request: Request) -> Turn:
        """Return what happens on the connection of a request."""
        with self._lock:
            kind = self._kind(request)
            self.asked.append((kind, request.target))
            number = self.count(kind)
        if kind == "events":
            return lambda peer: self.events(number, peer)
        said = self._said(kind, number)
        return (
            said.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            if isinstance(said, bytes)
            else said
        )

    def _kind(self, request: Request) -> str:
        last = request.target.partition("?")[0].rpartition("/")[2]
        kind = {"stop": "stop", "data": "data", WORKFLOW: "workflow"}.get(last) or kind_of(request)
        return "record" if kind == "lookup" and self.lookup is None else kind

    def _said(self, kind: str, number: int) -> Turn:
        if kind in {"start", "stop"}:
            return self.started
        if kind == "record":
            return _turn_of(self.reads, number)
        if kind == "lookup" and self.lookup is not None:
            return _turn_of(self.lookup, number)
        return {"data": self.data, "workflow": self.workflow}.get(kind, answer(404))


def _turn_of(says: Says, number: int) -> bytes:
    return says(number) if callable(says) else says[min(number, len(says)) - 1]


@contextmanager
def other_side(**parts: Any) -> Iterator[tuple[OtherSide, dict[str, str]]]:
    """Serve in a thread; yields the server and the environment that leads to it."""
    side = OtherSide(**parts)
    with raw_server(by_request=side.turn) as server:
        yield side, {"NOXUS_BACKEND_URL": server.url, "NOXUS_API_KEY": "key-of-the-other-side"}


def called(
    noxcli: Noxcli, *argv: str, env: Mapping[str, str] | None = None, **parts: Any
) -> tuple[Result, OtherSide]:
    """Call noxcli against such a server; return the server, too."""
    with other_side(**parts) as (side, environ):
        return noxcli(*argv, environ={**environ, **(env or {})}), side
