"""A server of raw bytes on loopback, for answers that no well-behaved server gives."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BufferedReader
from time import monotonic, sleep
from typing import Any, TypeVar

Turn = bytes | Callable[[socket.socket], None]
CLOSING = b"connection: close"


@dataclass(frozen=True)
class Request:
    """One request as received; header names in lower case. `connection` counts from 1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Server = TypeVar("Server", bound="RawServer")


@dataclass
class RawServer:
    """Gives one turn to each request, the last one forever, and records the requests.

    A turn is the bytes of an answer, or a function that does what it wants with the socket. The connection is kept
    unless the answer says `Connection: close` or a function was called. `greeting` is sent before any request.
    """

    turns: list[Turn]
    listener: socket.socket
    tls: ssl.SSLContext | None = None
    greeting: bytes = b""
    by_request: "Callable[[Request], Turn] | None" = None  # instead of turns
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port: int = self.listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def accept(self) -> None:
        """Serve until the listener is closed."""
        with suppress(OSError):
            while True:
                peer = self.listener.accept()[0]
                self.connections += 1
                self._open.append(peer)
                threading.Thread(
                    target=self._serve, args=(peer, self.connections), daemon=True
                ).start()

    def close(self) -> None:
        """Close all connections."""
        # shutdown() wakes the accepting thread; close() alone would leave it there.
        for opened in (self.listener, *self._open):
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def turn_for(self, request: Request) -> Turn:
        """Return the answer to the request."""
        if self.by_request is not None:
            return self.by_request(request)
        return self.turns[min(len(self.requests), len(self.turns) - 1)]

    def _serve(self, peer: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):
            if self.tls is not None:
                peer = self.tls.wrap_socket(peer, server_side=True)
                self._open.append(peer)
            peer.sendall(self.greeting)
            # One reader for the whole connection: it may read ahead into the next request.
            with peer, peer.makefile("rb") as incoming:
                while (request := read_request(incoming, number)) is not None:
                    turn = self.turn_for(request)
                    self.requests.append(request)
                    if not isinstance(turn, bytes):
                        turn(peer)
                        return
                    peer.sendall(turn)
                    if CLOSING in turn.lower():
                        return


@contextmanager
def raw_server(
    *turns: Turn,
    tls: ssl.SSLContext | None = None,
    greeting: bytes = b"",
    by_request: Callable[[Request], Turn] | None = None,
) -> Iterator[RawServer]:
    """Run a server in its own thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    with accepting(RawServer(list(turns), listener, tls, greeting, by_request)) as server:
        yield server


@contextmanager
def accepting(server: Server) -> Iterator[Server]:
    """Let a server accept connections, in its own thread."""
    thread = threading.Thread(target=server.accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


@contextmanager
def own_port() -> Iterator[int]:
    """A port for whoever listens at it next, and after that again: no other program gets it meanwhile."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def full_queue(address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[str]:
    """A port whose queue of connections is full: the next handshake hangs."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(address)
        listener.listen(0)
        for _ in range(3):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(listener.getsockname())
        yield "http://{}:{}".format(*listener.getsockname())


def read_request(incoming: BufferedReader, number: int = 1) -> Request | None:
    """Return the next request with its body, or None at the end of the connection."""
    line = incoming.readline().split()
    if len(line) != 3:
        return None
    headers = {name.lower(): value for name, value in parse_headers(incoming).items()}
    body = incoming.read(int(headers.get("content-length", 0)))
    return Request(line[0].decode(), line[1].decode(), headers, body, number)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return a whole answer; underscores in header names stand for dashes."""
    lines = {
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1") + body


def json_answer(value: Any, status: int = 200, **headers: str) -> bytes:
    """Return an answer of JSON."""
    return answer(status, json.dumps(value).encode(), Content_Type="application/json", **headers)


def redirect(url: str, status: int = 302) -> bytes:
    """Return a redirect."""
    return answer(status, Location=url)


def hang_up(peer: socket.socket) -> None:
    """Close without an answer."""


def reset(peer: socket.socket) -> None:
    """Break the connection, as a crashed server or a firewall does."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stay_silent(peer: socket.socket) -> None:
    """Say nothing until the client disconnects, or for two seconds: a missing limit must not hang the test."""
    peer.settimeout(2)
    with suppress(OSError):
        peer.recv(1)


def sending(pieces: Iterable[bytes], end: Callable[[socket.socket], None] = hang_up) -> Turn:
    """Return an answer piece by piece, to a client that may not wait for the rest, and then the end."""

    def turn(peer: socket.socket) -> None:
        for piece in pieces:
            peer.sendall(piece)
        end(peer)

    return turn


def trickle(head: bytes, piece: bytes = b" ", seconds: float = 0.01) -> Turn:
    """Return a turn that sends `head`, and then a piece again and again, for longer than anyone should wait."""

    def turn(peer: socket.socket) -> None:
        end = monotonic() + 60
        with suppress(OSError):
            peer.sendall(head)
            while monotonic() < end:
                peer.sendall(piece)
                sleep(seconds)

    return turn
