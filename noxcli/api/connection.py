"""Facts about a connection: TLS, clock, latency, the proxy, and whether events arrive without delay."""

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from queue import Empty, Queue

import requests

from noxcli.api.body import AnswerLimit, read_at_most
from noxcli.api.failures import BROKEN, parse_date, unavailable
from noxcli.api.feed import READ_SIZE, hang_up
from noxcli.api.http import REDIRECTS, Http
from noxcli.errors import NoxError
from noxcli.fixed import fixed
from noxcli.urls import shown_url
from noxcli.waiting import start_thread, take

MOST_BODY = 1024 * 1024
STAYS_OPEN = 0.5  # seconds that a stream must stay open after its first bytes
STREAM_QUIET = 0.2  # seconds after which the missing part of an event is no longer just in transit
FRAME_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")


@fixed
class ConnectionLook:
    """What one answer and its connection show. Times are in seconds, dates in UTC.

    `clock_ahead` is how far the server's clock is ahead of ours, `redirect` the place to which the answer redirects.
    """

    took: float
    clock_ahead: float | None
    tls: str | None
    certificate_ends: datetime | None
    redirect: str | None


@fixed
class StreamLook:
    """When an event stream sent something, in seconds from its opening; None for what did not happen in that time.

    `collected` is true if the answer's head shows that something buffered the whole body first, `torn` if it fell
    silent in the middle of an event, as after a buffer of fixed size.
    """

    first: float | None
    ended: float | None
    collected: bool
    torn: bool


def look_at_connection(http: Http, path: str, limit: AnswerLimit) -> ConnectionLook:
    """Request `path` once; any answer will do.

    Raises Unavailable if there is none.
    """
    asked, began = datetime.now(UTC), time.monotonic()
    response = http.ask(path, limit=limit)
    took = time.monotonic() - began
    date = parse_date(response.headers.get("Date"))
    # The header has whole seconds, rounded down.
    ahead = None if date is None else (date - asked).total_seconds() + 0.5 - took / 2
    tls, certificate_ends = _tls(response)
    redirect = response.headers.get("Location") if response.status_code in REDIRECTS else None
    try:
        with response:
            read_at_most(response, MOST_BODY, limit)  # to its end, so that the connection can be reused
    except BROKEN as error:
        raise unavailable(error, response.url, http.mask) from error
    return ConnectionLook(took, ahead, tls, certificate_ends, None if redirect is None else shown_url(redirect))


def look_at(connect: Callable[[], requests.Response], seconds: float) -> StreamLook:
    """Open an event stream and watch it until it ends, or stays open after its first bytes, or time is up.

    Raises what `connect` raises.
    """
    arrivals: Queue[tuple[float, bytes] | NoxError | None] = Queue()
    opened: list[requests.Response] = []

    def listen() -> None:
        try:
            with connect() as response:
                opened.append(response)
                while piece := response.raw.read1(READ_SIZE):
                    arrivals.put((time.monotonic(), piece))
            arrivals.put(None)
        except NoxError as error:
            arrivals.put(error)
        except BROKEN:
            arrivals.put(None)

    began = time.monotonic()
    start_thread(listen)
    first = ended = None
    last, tail = began, b""
    until = latest = began + seconds
    try:
        while ended is None and (left := until - time.monotonic()) > 0:
            arrival = take(arrivals, left)
            if isinstance(arrival, NoxError):
                raise arrival
            if arrival is None:
                ended = time.monotonic() - began
            else:
                last, tail = arrival[0], (tail + arrival[1])[-4:]
                if first is None:
                    first, until = last - began, last + STAYS_OPEN
                    latest = max(latest, until)
                if not tail.endswith(FRAME_ENDS):
                    until = min(latest, max(until, last + STREAM_QUIET))
    except Empty:
        pass
    finally:
        for response in opened:
            hang_up(response)
    silent = first is not None and ended is None and time.monotonic() - last >= STREAM_QUIET
    return StreamLook(first, ended, any(map(_collected, opened)), silent and not tail.endswith(FRAME_ENDS))


def _collected(response: requests.Response) -> bool:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    return "Content-Length" in response.headers or encoding != "identity"


def _tls(response: requests.Response) -> tuple[str | None, datetime | None]:
    """Return the TLS version and the certificate's end, from the connection that the answer still holds."""
    sock = getattr(response.raw.connection, "sock", None)
    if not isinstance(sock, ssl.SSLSocket):
        return None, None
    ends = (sock.getpeercert() or {}).get("notAfter")
    return sock.version(), datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC) if ends else None
