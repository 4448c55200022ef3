"""How long a whole answer may take, not just each read."""

import time
from contextvars import ContextVar
from typing import Self

from noxcli.timing import READ_TIMEOUT

JSON_SECONDS, JSON_PACE = 60.0, 256 * 1024
FILE_PACE = 1024
# Long enough for a slow proxy's keep-alive; the follower has its own, shorter idea of silence.
STREAM_READ_TIMEOUT = 300.0


class AnswerLimit:
    """A number of seconds from now; each byte that arrives adds `per_byte`, but never beyond the initial number.

    No single read takes longer than `each` seconds.
    """

    def __init__(self, seconds: float, *, per_byte: float = 0.0, each: float = READ_TIMEOUT) -> None:
        self.each = min(each, seconds)
        self._seconds = seconds
        self._per_byte = per_byte
        self.restart()

    @classmethod
    def of_json(cls) -> Self:
        """Return the limit of a document: a minute, longer only for a large one that keeps arriving fast enough."""
        return cls(JSON_SECONDS, per_byte=1 / JSON_PACE)

    @classmethod
    def of_file(cls, stall: float) -> Self:
        """Return the limit of a file, which may take any time unless it nearly stops."""
        return cls(stall, per_byte=1 / FILE_PACE)

    @classmethod
    def of_stream(cls) -> Self:
        """Return the limit of an event stream, which may be silent for minutes between two events."""
        return cls(STREAM_READ_TIMEOUT, per_byte=STREAM_READ_TIMEOUT, each=STREAM_READ_TIMEOUT)

    def restart(self) -> None:
        """Count from now: the request waited for its turn."""
        self._end = time.monotonic() + self._seconds

    def for_a_read(self) -> float:
        """Return the seconds that the next read may take.

        Raises TimeoutError if none are left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out while reading")
        return min(self.each, left)

    def took_in(self, count: int) -> None:
        """Allow more time for the bytes that have arrived."""
        self._end = min(time.monotonic() + self._seconds, self._end + count * self._per_byte)


# The limit of the current exchange in this thread: the libraries between here and the socket do not pass it on.
CURRENT: ContextVar[AnswerLimit] = ContextVar("limit")
