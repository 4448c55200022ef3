"""A gateway before the sandbox: it may answer for the server, before or after it has forwarded a request."""

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

from tests.rawserver import Request, Turn, answer, raw_server

Forward = Callable[[], bytes]
Meddle = Callable[[Request, Forward], bytes | None]

RECORD = re.compile(r"GET /v1/workflows/[^/]+/runs/[^/?]+(\?|$)")
START = re.compile(r"POST /v1/workflows/[^/]+/runs$")
PIECE = 64 * 1024
OWN_HEADERS = {"connection", "host"}

# The answers of Envoy and nginx, which both also give for requests that they had forwarded.
ENVOY_503 = answer(
    503,
    b"upstream connect error or disconnect/reset before headers. reset reason: connection termination",
    content_type="text/plain",
    server="envoy",
)
NGINX = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"
NGINX_502 = answer(
    502, NGINX.format("502 Bad Gateway").encode(), content_type="text/html", server="nginx"
)
NGINX_504 = answer(
    504, NGINX.format("504 Gateway Time-out").encode(), content_type="text/html", server="nginx"
)


class Gateway:
    """Asks `meddle` about each request; bytes are its own answer, None lets the request pass.

    `forward` forwards the request, and returns the server's whole answer.
    """

    def __init__(self, url: str, meddle: Meddle) -> None:
        self._server_url, self._meddle = url, meddle
        self.requests: list[str] = []

    def __enter__(self) -> Self:
        self._running = raw_server(by_request=self._turn)
        self.url = self._running.__enter__().url
        return self

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)

    def seen(self, kind: re.Pattern[str]) -> int:
        """How many requests of a kind have arrived."""
        return sum(kind.match(line) is not None for line in self.requests)

    def _turn(self, request: Request) -> Turn:
        self.requests.append(line_of(request))
        return lambda peer: self._answer(peer, request)

    def _answer(self, peer: socket.socket, request: Request) -> None:
        own = self._meddle(request, lambda: self._passed_on(request))
        if own is None:
            relayed(request, self._server_url)(peer)
        else:
            peer.sendall(own)

    def _passed_on(self, request: Request) -> bytes:
        with forwarded(request, self._server_url) as server:
            return whole_of(server)


def line_of(request: Request) -> str:
    return f"{request.method} {request.target}"


def loses_starts(times: int, with_answer: bytes, *, forwarded: bool) -> Meddle:
    """The first starts get the gateway's answer, whether they were forwarded or not."""
    left = [None] * times

    def meddle(request: Request, forward: Forward) -> bytes | None:
        if not START.match(line_of(request)) or not left:
            return None
        left.pop()
        if forwarded:
            forward()
        return with_answer

    return meddle


def kind_of(request: Request) -> str:
    """What a request is for, in the sandbox's terms."""
    parts = request.target.partition("?")[0].strip("/").split("/")[1:]
    match request.method, parts:
        case "GET", ["workflows", _]:
            return "definition"
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


def relayed(request: Request, url: str) -> Callable[[socket.socket], None]:
    """Return what passes a request on, and its answer back."""

    def turn(peer: socket.socket) -> None:
        with forwarded(request, url) as server:
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
    lines = [
        f"{name}: {value}\r\n"
        for name, value in {**kept, "host": "127.0.0.1", "connection": "close"}.items()
    ]
    return (
        f"{request.method} {request.target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()
        + request.body
    )
