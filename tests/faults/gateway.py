"""A gateway before the sandbox: it may answer for the server, before or after it has forwarded a request."""

import re
import socket
from collections.abc import Callable
from typing import Any, Self

from tests.faults.gate import forwarded, relayed, whole_of
from tests.rawserver import Request, Turn, answer, raw_server

Forward = Callable[[], bytes]
Meddle = Callable[[Request, Forward], bytes | None]

RECORD = re.compile(r"GET /v1/workflows/[^/]+/runs/[^/?]+(\?|$)")
START = re.compile(r"POST /v1/workflows/[^/]+/runs$")

# The answers of Envoy and nginx, which both also give for requests that they had forwarded.
ENVOY_503 = answer(
    503,
    b"upstream connect error or disconnect/reset before headers. reset reason: connection termination",
    content_type="text/plain",
    server="envoy",
)
NGINX = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"
NGINX_502 = answer(502, NGINX.format("502 Bad Gateway").encode(), content_type="text/html", server="nginx")
NGINX_504 = answer(504, NGINX.format("504 Gateway Time-out").encode(), content_type="text/html", server="nginx")


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
