"""Raw answers with any status, and streams piece by piece, to find out how a server behaves."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any
from urllib.parse import quote

from noxcli.api.body import AnswerLimit
from noxcli.api.failures import BROKEN, unavailable
from noxcli.api.feed import READ_SIZE, hang_up
from noxcli.api.http import REDIRECTS, Http
from noxcli.codec import decode_json
from noxcli.errors import NoxError
from noxcli.urls import follow, read_url
from noxcli.waiting import run_apart, start_thread, take

LARGEST_RAW = 16 * 1024 * 1024  # bytes of one answer


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One request: the unquoted parts of its path, and whether to read the body of its answer."""

    method: str
    parts: tuple[str, ...]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    reads: bool = True

    def sent(self, http: Http, limit: AnswerLimit) -> Any:
        """Return the answer of requests, whatever its status, without following a redirect."""
        path = "".join(f"/{quote(part, safe='')}" for part in self.parts)
        parts = {"params": self.params, "data": self.body, "headers": self.headers}
        return http.exchange(self.method, http.url_of(path), limit, **parts)


@dataclass(frozen=True, slots=True)
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


def raw_answer(http: Http, request: RawRequest, within: float) -> RawAnswer:
    """Send a request once. Raises Unavailable without a complete answer within so many seconds."""

    def exchange() -> RawAnswer:
        response = request.sent(http, AnswerLimit.of_json())
        try:
            with response:
                body = response.raw.read(LARGEST_RAW, decode_content=True) if request.reads else b""
        except BROKEN as error:
            raise unavailable(error, response.url, http.mask) from error
        return RawAnswer(response.status_code, _headers(response), body, _elsewhere(response))

    return run_apart(exchange, within)


@dataclass(frozen=True, slots=True)
class RawPiece:
    """Bytes that arrived together, and when by the monotonic clock."""

    at: float
    content: bytes


class RawStream:
    """A body that a thread reads as it arrives."""

    def __init__(self, http: Http, request: RawRequest) -> None:
        self._arrivals: Queue[RawAnswer | RawPiece | NoxError | bool] = Queue()
        self._response: Any = None
        self._closing = False
        start_thread(lambda: self._pump(http, request))

    def arrival(self, seconds: float) -> RawAnswer | RawPiece | NoxError | bool | None:
        """Return what arrives next: the head, a piece, the lack of an answer, or the end, true for a broken one.

        None if nothing arrives within that time.
        """
        try:
            return take(self._arrivals, seconds)
        except Empty:
            return None

    def close(self) -> None:
        """Close the connection without waiting for the server."""
        self._closing = True
        if self._response is not None:
            hang_up(self._response)

    def _pump(self, http: Http, request: RawRequest) -> None:
        try:
            response = self._response = request.sent(http, AnswerLimit.of_stream())
            with response:
                self._arrivals.put(RawAnswer(response.status_code, _headers(response)))
                while not self._closing and (content := response.raw.read1(READ_SIZE)):
                    self._arrivals.put(RawPiece(time.monotonic(), content))
            self._arrivals.put(False)
        except NoxError as error:
            self._arrivals.put(error)
        except BROKEN:
            self._arrivals.put(True)


def items_on(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the records on a page of a list, in the server's order."""
    items = page.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


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
