"""One connection to a run's event stream, read by a separate thread so that no read can outlast a limit."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import requests

from noxcli.api.body import pieces_of
from noxcli.api.error_mapping import BROKEN, cause_of
from noxcli.api.sse import Framer, parse_events
from noxcli.errors import StreamClosed, Unavailable
from noxcli.masking import Mask
from noxcli.models import RunEvent
from noxcli.signals import SIGNALS
from noxcli.waiting import start_thread, wait_for

READ_SIZE = 32 * 1024
AHEAD = 64 * 1024  # bytes that may wait for a slow reader of our stdout before the server has to wait


class EventFeed:
    """Events of one connection, in order of arrival: a thread collects bytes, and `next_events` parses them."""

    def __init__(self, connect: Callable[[], requests.Response], mask: Mask) -> None:
        self._mask = mask
        self.first_byte_at: float | None = None  # when the first byte of the body came, by the monotonic clock
        self.last_byte_at = time.monotonic()
        self.opened = False  # the server has accepted the stream
        self.framer = Framer()
        self._pieces: deque[bytes] = deque()
        self._ended: Exception | None = None  # why the thread reads no more
        self._stopped: Exception | None = None  # why the events end, though more bytes may have arrived
        self._news, self._room, self._closing = threading.Event(), threading.Event(), False
        self._received = self._taken = 0  # bytes; each count belongs to one thread
        self.response: requests.Response | None = None
        try:
            start_thread(lambda: self._pump(connect))
        except Unavailable as error:
            self._ended = error

    def next_events(self, seconds: float) -> list[RunEvent]:
        """Return what arrived together, or nothing if no event arrives in that time.

        Raises Unavailable when the connection ends for any reason: a clean close proves nothing.
        Raises StreamUnsupported or CursorRefused if the server gives no stream; Interrupted.
        """
        until = time.monotonic() + seconds
        while True:
            SIGNALS.check()  # also while events arrive faster than they are shown
            self._news.clear()
            ended = self._ended  # looked at before the bytes, so that none came between them and the end
            pieces = [self._pieces.popleft() for _ in range(len(self._pieces))]
            if pieces and self._stopped is None:
                arrived = b"".join(pieces)
                self._taken += len(arrived)
                self._room.set()
                events, self._stopped = parse_events(self.framer.feed(arrived), self._mask)
                if events:
                    return events
            if isinstance(ended, StreamClosed) and self.framer.is_within_a_frame:
                ended = Unavailable("the stream closed within an event")
            if self._stopped is not None or ended is not None:
                raise self._stopped or ended  # type: ignore[misc]  # not both are None
            if not wait_for(self._news, until - time.monotonic()):
                return []

    def silent_for(self) -> float:
        """Return the seconds since the last byte, including keep-alives."""
        return time.monotonic() - self.last_byte_at

    def close(self) -> None:
        """Close the connection without waiting for the server."""
        self._closing = True
        self._room.set()
        if self.response is not None:
            # Immediately: its own close() would wait until the server sends something.
            with suppress(ValueError, RuntimeError, *BROKEN):  # it may have ended already
                self.response.raw.shutdown()

    def _pump(self, connect: Callable[[], requests.Response]) -> None:
        try:
            response = self.response = connect()
            self.opened = True
            with response:
                self.last_byte_at = time.monotonic()
                raw = response.raw
                chunks = (
                    raw.read_chunked(READ_SIZE, decode_content=True) if raw.chunked else pieces_of(response, READ_SIZE)
                )
                for piece in chunks:
                    self.last_byte_at = time.monotonic()
                    self.first_byte_at = self.first_byte_at or self.last_byte_at
                    self._pieces.append(piece)
                    self._received += len(piece)
                    if not self._news.is_set():  # a check costs less than setting it
                        self._news.set()
                    while self._is_full():
                        self._room.clear()
                        if self._is_full():
                            self._room.wait()
                    if self._closing:
                        break
            ended: Exception = StreamClosed("the stream closed before the end of the run")
        except BROKEN as error:
            ended = Unavailable(f"the stream broke: {cause_of(error, self._mask)}")
        except Exception as error:
            # A bug in this thread must end the command, not leave it waiting for events.
            ended = error
        self._ended = ended
        self._news.set()

    def _is_full(self) -> bool:
        return self._received - self._taken > AHEAD and not self._closing
