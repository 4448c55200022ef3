"""Facts about a connection: its TLS, and whether events arrive without delay."""

import ssl
import time
from datetime import UTC, datetime

import requests

from noxcli.api.body import AnswerLimit
from noxcli.api.feed import EventFeed
from noxcli.api.http import Http
from noxcli.errors import NoxError
from noxcli.fixed import fixed

STAYS_OPEN = 0.5  # seconds that a stream must stay open after its first bytes
STREAM_QUIET = 0.2  # seconds after which the missing part of an event is no longer just in transit
LOOK_EVERY = 0.05  # seconds


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


def first_answer(http: Http) -> requests.Response:
    """Return the answer to the request of `NoxusApi.me`, whatever its status, its body unread.

    Raises Unavailable if there is none.
    """
    limit = AnswerLimit.of_json()
    return limit.kept_by(lambda: http.exchange("GET", http.url_of("/v1/admin/me"), limit))


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


def tls_of(response: requests.Response) -> tuple[str | None, datetime | None]:
    """Return the TLS version and the certificate's end, from the connection that the answer still holds."""
    sock = getattr(response.raw.connection, "sock", None)
    if not isinstance(sock, ssl.SSLSocket):
        return None, None
    ends = (sock.getpeercert() or {}).get("notAfter")
    return sock.version(), datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC) if ends else None
