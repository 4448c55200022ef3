"""A gate before the sandbox: a TCP relay that refuses, resets or tears connections as no good server does."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Self
from urllib.parse import urlsplit

from tests.conftest import QuickClock
from tests.rawserver import RawServer, Request, Turn, reset

Rudeness = Literal["reset", "torn"]
PIECE = 64 * 1024
OWN_HEADERS = {"connection", "host"}


def kind_of(request: Request) -> str:
    """What a request is for, in the sandbox's terms."""
    parts = request.target.partition("?")[0].strip("/").split("/")[1:]
    match request.method, parts:
        case "POST", ["workflows", _, "runs"]:
            return "start"
        case "GET", ["workflows", _, "runs", _]:
            return "record"
        case "GET", ["runs", _]:
            return "lookup"
        case "GET", ["runs", _, "events"]:
            return "events"
        case "GET", ["file", _]:
            return "file"
    return "other"


class Gate:
    """One request per connection, relayed unchanged unless requests of its kind are to fail.

    `shut_after` is asked about each request; once it says yes, that request still gets its answer and all later ones
    are refused until `open()`, after which it is not asked again. `rude` names kinds and what happens to the next
    requests of them, `always` to all of them; a reset request never reaches the server, a torn answer is cut midway.
    """

    def __init__(
        self,
        url: str,
        *,
        shut: bool = False,
        shut_after: Callable[[str], bool] = lambda _kind: False,
        rude: dict[str, Rudeness] | None = None,
        after: int = 0,
        always: bool = False,
    ) -> None:
        self._url, self._shut_after = url, shut_after
        self._rude, self._always = dict(rude or {}), always
        self._spare = after  # number of requests of a rude kind that pass first
        self._lock = threading.Lock()
        self._servers: list[RawServer] = []  # one for each time that it opens
        self.shut = self._shut_once = False
        self._listen(0)
        self.port, self.url = self._servers[0].port, self._servers[0].url
        if shut:
            self._close_listener()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()

    def open(self) -> None:
        """Accept connections again, at the same port."""
        with self._lock:
            if self.shut:
                self._listen(self.port)
                self.shut, self._shut_once = False, True

    def _listen(self, port: int) -> None:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._servers.append(RawServer([], listener, by_request=self._turn))
        threading.Thread(target=self._servers[-1].accept, daemon=True).start()

    def _close_listener(self) -> None:
        # shutdown() wakes the accepting thread; close() alone would leave the port taking connections.
        self.shut = True
        listener = self._servers[-1].listener
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()

    def _turn(self, request: Request) -> Turn:
        kind = kind_of(request)
        with self._lock:
            rudeness = self._rudeness(kind)
            if self._shut_after(kind) and not self.shut and not self._shut_once:
                self._close_listener()
        return reset if rudeness == "reset" else relayed(request, self._url, torn=rudeness == "torn")

    def _rudeness(self, kind: str) -> Rudeness | None:
        rudeness = self._rude.get(kind)
        if rudeness is not None and self._spare:
            self._spare -= 1
            return None
        if rudeness is not None and not self._always:
            del self._rude[kind]
        return rudeness


def relayed(request: Request, url: str, *, torn: bool = False) -> Callable[[socket.socket], None]:
    """Return what passes a request on, and its answer back."""

    def turn(peer: socket.socket) -> None:
        with forwarded(request, url) as server:
            if torn:
                whole = whole_of(server)
                peer.sendall(whole[: whole.index(b"\r\n\r\n") + 10])
                return
            # If one side disconnects, close the other.
            threading.Thread(target=_watch, args=(peer, server), daemon=True).start()
            while piece := server.recv(PIECE):
                peer.sendall(piece)
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    return turn


def forwarded(request: Request, url: str) -> socket.socket:
    """Send the request to a server, and return the connection."""
    server = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))
    server.sendall(rewritten(request))
    return server


def whole_of(server: socket.socket) -> bytes:
    return b"".join(iter(lambda: server.recv(PIECE), b""))


def _watch(peer: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while peer.recv(PIECE):
            pass
    with suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)


def rewritten(request: Request) -> bytes:
    """Return the request, changed to close its connection."""
    kept = {name: value for name, value in request.headers.items() if name not in OWN_HEADERS}
    lines = [f"{name}: {value}\r\n" for name, value in {**kept, "host": "127.0.0.1", "connection": "close"}.items()]
    return f"{request.method} {request.target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + request.body


class OpeningClock(QuickClock):
    """Opens a shut gate once a client has waited for it twice: trouble that passes."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self._waited = 0

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self._gate.shut:
            self._waited += 1
            if self._waited == 2:
                self._gate.open()
