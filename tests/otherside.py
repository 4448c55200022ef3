"""The other side of a run as raw bytes: a start, records and event streams that a test writes itself."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.faults.gate import kind_of
from tests.rawserver import Request, Turn, answer, json_answer, raw_server

WORKFLOW = "8f14e45f-ceea-467f-a0e6-1d2c3b4a5968"
RUN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
OTHER = "3c90c3cc-0d44-4b50-8888-8dd25736052b"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

Says = Callable[[int], bytes]  # the whole answer to the n-th request of its kind, counted from 1
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


def by_turns(*turns: bytes) -> Says:
    """Return a function that gives one answer after the other, the last one forever."""
    return lambda number: turns[min(number, len(turns)) - 1]


def event(data: Any, position: Any = None, kind: str = "content") -> bytes:
    """Return one event, framed as in the documentation."""
    envelope = {"type": kind, "data": data, **({} if position is None else {"redisId": position})}
    return b"event: message\ndata: " + json.dumps(envelope).encode() + b"\n\n"


def piece(number: int, position: Any = None) -> bytes:
    return event({"id": "A", "status": "running", "content": f"piece {number} "}, position)


def end(position: Any = None, status: str = "completed") -> bytes:
    return event({"id": "A", "workflow_status": status}, position)


def sends(*connections: Sequence[bytes]) -> Streams:
    """Return streams that each send their events and close; the last one forever."""

    def stream(number: int, peer: socket.socket) -> None:
        peer.sendall(STREAM + b"".join(connections[min(number, len(connections)) - 1]))

    return stream


def falls_silent(*events: bytes) -> Streams:
    """Return streams that send these events and then nothing, and stay open until the client closes them."""

    def stream(_number: int, peer: socket.socket) -> None:
        peer.sendall(STREAM + b"".join(events))
        peer.settimeout(20)
        with suppress(OSError):
            peer.recv(1)

    return stream


def no_stream(_number: int, peer: socket.socket) -> None:
    peer.sendall(answer(405))


@dataclass
class OtherSide:
    """One run; each request on its own connection."""

    reads: Says = field(default_factory=lambda: by_turns(record("completed")))
    events: Streams = no_stream
    started: bytes = field(default_factory=lambda: record("queued"))
    lookup: Says | None = None  # by the run's id alone; otherwise as `reads`
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
        return self._said(kind, number).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)

    def _kind(self, request: Request) -> str:
        kind = "stop" if request.target.endswith("/stop") else kind_of(request)
        return "record" if kind == "lookup" and self.lookup is None else kind

    def _said(self, kind: str, number: int) -> bytes:
        if kind in {"start", "stop"}:
            return self.started
        if kind == "record":
            return self.reads(number)
        if kind == "lookup" and self.lookup is not None:
            return self.lookup(number)
        return answer(404)


@contextmanager
def other_side(**parts: Any) -> Iterator[tuple[OtherSide, dict[str, str]]]:
    """Serve in a thread; yields the server and the environment that leads to it."""
    side = OtherSide(**parts)
    with raw_server(by_request=side.turn) as server:
        yield side, {"NOXUS_BACKEND_URL": server.url, "NOXUS_API_KEY": "key-of-the-other-side"}
