"""Raw answers with any status, to find out how a server behaves."""

import time
from collections.abc import Mapping
from dataclasses import field
from queue import Empty, Queue
from typing import Any
from urllib.parse import quote

from noxcli.api.decode import decode_json
from noxcli.api.failures import BROKEN, unavailable
from noxcli.api.feed import READ_SIZE
from noxcli.api.http import REDIRECTS, Http
from noxcli.api.limit import AnswerLimit
from noxcli.errors import NoxError
from noxcli.fixed import fixed
from noxcli.urls import follow, read_url
from noxcli.waiting import run_apart, start_thread, take

LARGEST_RAW = 16 * 1024 * 1024  # bytes of one answer
LARGEST_CHUNK = 1024 * 1024  # bytes; a longer one arrives in parts


@fixed
class RawRequest:
    """One request: the unquoted parts of its path, whether to read its body, and whether to follow a redirect."""

    method: str
    parts: tuple[str, ...]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    reads: bool = True
    follows: bool = False

    @property
    def path(self) -> str:
        """The path, each part quoted."""
        return "".join(f"/{quote(part, safe='')}" for part in self.parts)


@fixed
class RawAnswer:
    """Status, headers in lower case, and body; `elsewhere` is true if a redirect leads to another origin."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    elsewhere: bool = False

    @property
    def ok(self) -> bool:
        """True for a success."""
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        """The body's value, None if it is not JSON."""
        try:
            return decode_json(self.body)
        except ValueError:
            return None

    @property
    def object(self) -> Mapping[str, Any]:
        """The JSON object of a success, empty for anything else."""
        value = self.json if self.ok else None
        return value if isinstance(value, dict) else {}


def raw_answer(http: Http, request: RawRequest) -> RawAnswer:
    """Send a request once. Raises Unavailable without a complete answer."""
    return run_apart(lambda: _answer(http, request))


def _answer(http: Http, request: RawRequest) -> RawAnswer:
    limit = AnswerLimit.of_json()
    parts = {"method": request.method, "params": request.params, "headers": request.headers, "body": request.body}
    if not request.follows:
        response = http.ask(request.path, limit=limit, **parts)  # type: ignore[arg-type]
    else:
        try:
            response = http.send(path=request.path, limit=limit, elsewhere=True, **parts)  # type: ignore[arg-type]
        except NoxError as error:
            if error.http_status is None:
                raise
            return RawAnswer(error.http_status)
    try:
        with response:
            body = response.raw.read(LARGEST_RAW, decode_content=True) if request.reads else b""
    except BROKEN as error:
        raise unavailable(error, response.url, http.mask) from error
    return RawAnswer(response.status_code, _headers(response), body, _elsewhere(response))


@fixed
class RawPiece:
    """Bytes that arrived together, and when; one chunk of a chunked body."""

    at: float
    content: bytes


class RawStream:
    """A body that is read as it arrives. `wait` adds to `pieces`; times are monotonic."""

    def __init__(self, http: Http, request: RawRequest) -> None:
        self.head: RawAnswer | None = None
        self.pieces: list[RawPiece] = []
        self.size = 0
        self.ended: float | None = None
        self.broken = False
        self._arrivals: Queue[RawAnswer | RawPiece | NoxError | bool] = Queue()
        self._response: Any = None
        self._closing = False
        self._http, self._request = http, request
        start_thread(self._pump)

    @property
    def chunked(self) -> bool:
        """True if the pieces are the chunks of the server, or of a proxy."""
        return self.head is not None and self.head.headers.get("transfer-encoding", "").lower() == "chunked"

    def wait(self, seconds: float) -> bool:
        """Read what arrives within that time; true if anything did. Raises Unavailable without an answer."""
        try:
            arrival = take(self._arrivals, seconds)
        except Empty:
            return False
        if isinstance(arrival, NoxError):
            self.ended = time.monotonic()
            raise arrival
        if isinstance(arrival, RawAnswer):
            self.head = arrival
        elif isinstance(arrival, RawPiece):
            self.pieces.append(arrival)
            self.size += len(arrival.content)
        else:
            self.ended, self.broken = time.monotonic(), arrival
        return True

    def close(self) -> None:
        """Close the connection without waiting for the server."""
        self._closing = True
        if self._response is not None:
            try:
                self._response.raw.shutdown()
            except (ValueError, RuntimeError, *BROKEN):
                pass  # it had already ended

    def _pump(self) -> None:
        request = self._request
        try:
            response = self._response = self._http.ask(
                request.path, params=request.params, headers=request.headers, limit=AnswerLimit.of_stream()
            )
            with response:
                self._arrivals.put(RawAnswer(response.status_code, _headers(response)))
                chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
                source = response.raw.read_chunked(LARGEST_CHUNK) if chunked else iter(self._read, b"")
                for content in source:
                    self._arrivals.put(RawPiece(time.monotonic(), content))
                    if self._closing:
                        break
            self._arrivals.put(False)
        except NoxError as error:
            self._arrivals.put(error)
        except BROKEN:
            self._arrivals.put(True)

    def _read(self) -> bytes:
        piece: bytes = self._response.raw.read1(READ_SIZE)
        return piece


def _headers(response: Any) -> dict[str, str]:
    return {name.lower(): response.headers[name] for name in response.headers}


def _elsewhere(response: Any) -> bool:
    location = response.headers.get("Location")
    if response.status_code not in REDIRECTS or not location:
        return False
    ours = read_url(response.url)
    try:
        return follow(ours, location).origin != ours.origin
    except ValueError:
        return True
