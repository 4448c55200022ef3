"""Whether a body is whole, and how long it may take."""

import re
import time
from collections.abc import Iterator
from typing import Self

import requests

from noxcli.errors import Unavailable
from noxcli.timing import READ_TIMEOUT

JSON_SECONDS = 60.0
JSON_PACE = 256 * 1024  # bytes a second
AT_ONCE = 64 * 1024  # bytes of one read
LENGTH = re.compile(r"([0-9]{1,18})(, *\1)*")  # given once, or several times alike


class AnswerLimit:
    """Seconds from now; each byte that arrives adds `per_byte`, never beyond the initial number.

    It ends at the moment `until` in any case, by the monotonic clock. No single read takes longer
    than `each` seconds. Each read of the connection is within it (`ReadsInTime`), also of a
    document's redirects.
    """

    def __init__(
        self,
        seconds: float,
        *,
        until: float = float("inf"),
        per_byte: float = 0.0,
        each: float = READ_TIMEOUT,
    ) -> None:
        self.until = until
        self._seconds = seconds
        self._per_byte = per_byte
        self._each = each
        self.restart()

    @classmethod
    def of_json(cls, until: float = float("inf")) -> Self:
        """Return the limit of a document: a minute, or longer for a large one that is fast."""
        return cls(JSON_SECONDS, until=until, per_byte=1 / JSON_PACE)

    @classmethod
    def of_effect(cls, silence: float, until: float = float("inf")) -> Self:
        """Return the limit of a request with an effect, whose answer may take as long as `silence`.

        Its answer may then take as long as that of a document.
        """
        return cls(JSON_SECONDS + silence, until=until, per_byte=1 / JSON_PACE, each=silence)

    def restart(self) -> None:
        """Count from now."""
        self._end = min(time.monotonic() + self._seconds, self.until)

    def postpone(self, seconds: float) -> None:
        """End that much later: the wait for its turn does not count."""
        self._end = min(self._end + seconds, self.until)

    def remaining(self) -> float:
        """Return the remaining seconds, never below zero."""
        return max(0.0, self._end - time.monotonic())

    def for_a_read(self) -> float:
        """Return how many seconds one read may take. Raises TimeoutError if there are none."""
        remaining = self.remaining()
        if not remaining:
            raise TimeoutError("timed out while reading")
        return min(self._each, remaining)

    def received(self, count: int) -> None:
        """Allow more time for arrived bytes. Raises TimeoutError if they arrived too late."""
        self.for_a_read()
        longest = time.monotonic() + self._seconds
        self._end = min(longest, self._end + count * self._per_byte, self.until)


def require_framing(response: requests.Response, *, part: bool = False) -> None:
    """Raise Unavailable for an answer without a certain end (RFC 9112, 6.3), or an unasked `part`.

    What follows the head is then still checked by those who read it: the length by urllib3, the
    chunks by http.client, and close_notify by ssl (`TlsConnection`).
    """
    coding = response.headers.get("Transfer-Encoding")
    length = response.headers.get("Content-Length")
    fault = None
    if coding is not None and coding.strip().lower() != "chunked":
        fault = "a transfer encoding that hides where the answer ends"
    elif coding is None and length is not None and not LENGTH.fullmatch(length):
        fault = "a Content-Length that is not a number"
    elif response.status_code == 206 and not part:
        fault = "a part that was not requested (206)"
    if fault is not None:
        response.close()
        raise Unavailable(f"the server sent {fault}", "is a proxy in between?")


def pieces_of(response: requests.Response, size: int = AT_ONCE) -> Iterator[bytes]:
    """Yield the decoded body as it arrives. Raises what the libraries raise for a cut one."""
    # Always with an amount: without one, a truncated Content-Length body looks like a clean end.
    while piece := response.raw.read1(size, decode_content=True):
        yield piece
