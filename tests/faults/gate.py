"""A gate before the sandbox: a TCP relay that refuses, resets or tears connections as no good server does."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

from tests.conftest import QuickClock
from tests.rawserver import Request, read_request

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
        self._server = (urlsplit(url).hostname, urlsplit(url).port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._shut_after = shut_after
        self._rude = dict(rude or {})
        self._spare = after  # number of requests of a rude kind that pass first
        self._always = always
        self._lock = threading.Lock()
        self._peers: set[socket.socket] = set()
        self.shut = self._shut_once = False
        if shut:
            self._close_listener()
        else:
            self._listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if not self.shut:
                self._close_listener()
            for peer in self._peers:
                with suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Accept connections again, at the same port."""
        with self._lock:
            if self.shut:
                self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
                self.shut = False
                self._shut_once = True
                self._listen()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _close_listener(self) -> None:
        # shutdown() wakes the accepting thread; close() alone would leave the port taking connections.
        self.shut = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                peer = listener.accept()[0]
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with self._lock:
            self._peers.add(peer)
        try:
            with suppress(OSError, ValueError), peer, peer.makefile("rb") as incoming:
                request = read_request(incoming)
                if request is not None:
                    self._relay(peer, request)
        finally:
            with self._lock:
                self._peers.discard(peer)

    def _relay(self, peer: socket.socket, request: Request) -> None:
        kind = kind_of(request)
        with self._lock:
            rudeness = self._rudeness(kind)
            if self._shut_after(kind) and not self.shut and not self._shut_once:
                self._close_listener()
        if rudeness == "reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        with socket.create_connection(self._server) as server:
            with self._lock:
                self._peers.add(server)
            try:
                server.sendall(rewritten(request))
                if rudeness == "torn":
                    whole = b"".join(iter(lambda: server.recv(PIECE), b""))
                    peer.sendall(whole[: whole.index(b"\r\n\r\n") + 10])
                    return
                # If one side disconnects, close the other.
                threading.Thread(target=self._watch, args=(peer, server), daemon=True).start()
                while piece := server.recv(PIECE):
                    peer.sendall(piece)
                with suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
            finally:
                with self._lock:
                    self._peers.discard(server)

    def _rudeness(self, kind: str) -> Rudeness | None:
        rudeness = self._rude.get(kind)
        if rudeness is not None and self._spare:
            self._spare -= 1
            return None
        if rudeness is not None and not self._always:
            del self._rude[kind]
        return rudeness

    def _watch(self, peer: socket.socket, server: socket.socket) -> None:
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
