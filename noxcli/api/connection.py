"""Facts about a connection: TLS, clock, latency, the proxy, and whether events arrive without delay."""

import ssl
import time
from datetime import UTC, datetime

import requests

from noxcli.api.body import AnswerLimit, read_at_most
from noxcli.api.failures import BROKEN, parse_date, unavailable
from noxcli.api.feed import EventFeed
from noxcli.api.http import REDIRECTS, Http
from noxcli.errors import NoxError
from noxcli.fixed import fixed
from noxcli.urls import shown_url

MOST_BODY = 1024 * 1024
STAYS_OPEN = 0.5  # seconds that a stream must stay open after its first bytes
STREAM_QUIET = 0.2  # seconds after which the missing part of an event is no longer just in transit
LOOK_EVERY = 0.05  # seconds


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


def look_at_connection(http: Http) -> ConnectionLook:
    """Send the request of `NoxusApi.me`; any answer will do. Raises Unavailable if there is none."""
    limit = AnswerLimit.of_json()
    return limit.kept_by(lambda: _look(http, limit))


def _look(http: Http, limit: AnswerLimit) -> ConnectionLook:
    asked, began = datetime.now(UTC), time.monotonic()
    response = http.exchange("GET", http.url_of("/v1/admin/me"), limit)
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


def look_at(feed: EventFeed, seconds: float) -> StreamLook:
    """Watch an event stream until it ends, or stays open after its first bytes, or time is up.

    Raises what opening it raises.
    """
    began = time.monotonic()
    until, ended, torn = began + seconds, None, False
    try:
        while time.monotonic() < until:
            feed.take(LOOK_EVERY)
            in_transit = feed.framer.is_within_a_frame and feed.silent_for() < STREAM_QUIET
            torn = feed.framer.is_within_a_frame and not in_transit
            until = began + seconds if feed.first_heard is None or in_transit else feed.first_heard + STAYS_OPEN
    except NoxError:
        if not feed.opened:
            raise
        ended, torn = time.monotonic() - began, False
    finally:
        feed.close()
    first = None if feed.first_heard is None else feed.first_heard - began
    return StreamLook(first, ended, feed.response is not None and _collected(feed.response), torn)


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
