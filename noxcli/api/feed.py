"""One connection to a run's event stream, read by a separate thread so that no read can outlast a limit."""

import threading
import time
from collections.abc import Callable
from queue import Empty, Full, Queue

import requests

from noxcli.api.failures import BROKEN, cause_of
from noxcli.api.sse import Framer, parse_events
from noxcli.errors import NoxError, StreamClosed, Unavailable
from noxcli.models import RunEvent
from noxcli.redaction import Mask
from noxcli.waiting import start_thread, take

READ_SIZE = 32 * 1024
# Pieces that may queue for a slow reader of our stdout before the server has to wait.
PIECES_AHEAD = 2
CLOSED_SEEN_EVERY = 0.5  # seconds
# After this many small pieces in a row, less than twice this time (seconds) apart, events are batched for this
# time: passing on each one alone costs more than all other work.
QUICK_PIECES, SMALL, GATHER = 4, READ_SIZE // 4, 0.002


class Pause:
    """Batches the events of a fast stream, unless they already arrive in batches; never delays slow streams."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._quick = 0

    def after(self, size: int) -> None:
        """Wait, if useful, after passing on a piece of that many bytes."""
        now = time.monotonic()
        self._quick = self._quick + 1 if size < SMALL and now - self._last < 2 * GATHER else 0
        if self._quick >= QUICK_PIECES:
            time.sleep(GATHER)
        self._last = now


class EventFeed:
    """Events of one connection, in order of arrival."""

    def __init__(self, connect: Callable[[], requests.Response], mask: Mask) -> None:
        self._mask = mask
        self.last_heard = time.monotonic()
        self.opened = False  # the server has accepted the stream
        self._pieces: Queue[list[RunEvent] | Exception] = Queue(PIECES_AHEAD)
        self._closing = threading.Event()
        self._response: requests.Response | None = None
        start_thread(lambda: self._pump(connect))

    def take(self, seconds: float) -> list[RunEvent]:
        """Return what arrived together, or nothing if nothing arrives in that time.

        Raises Unavailable when the connection ends for any reason: a clean close proves nothing.
        Raises StreamUnsupported or CursorRefused if the server gives no stream.
        """
        try:
            piece = take(self._pieces, seconds)
        except Empty:
            return []
        if isinstance(piece, Exception):
            raise piece
        return piece

    def silent_for(self) -> float:
        """Return the seconds since the last byte, including keep-alives."""
        return time.monotonic() - self.last_heard

    def close(self) -> None:
        """Close the connection without waiting for the server."""
        self._closing.set()
        if self._response is not None:
            # close() would wait for the server to send something; shutdown() does not.
            try:
                self._response.raw.shutdown()
            except (ValueError, RuntimeError, *BROKEN):
                pass  # it had already ended

    def _pump(self, connect: Callable[[], requests.Response]) -> None:
        try:
            response = self._response = connect()
            self.opened = True
            with response:
                self._read(response)
        except BROKEN as error:
            self._put(Unavailable(f"the stream broke: {cause_of(error, self._mask)}"))
        except Exception as error:
            # A bug in this thread must end the command, not leave it waiting for events.
            self._put(error)

    def _read(self, response: requests.Response) -> None:
        framer, pause = Framer(), Pause()
        while not self._closing.is_set():
            self.last_heard = time.monotonic()
            # Always with an amount: without one, a truncated Content-Length body looks like a clean end.
            piece = response.raw.read1(READ_SIZE, decode_content=True)
            if not piece:
                self._put(StreamClosed("the stream closed before the end of the run"))
                return
            frames = framer.feed(piece)
            if not frames:
                continue
            events, ending = parse_events(frames, self._mask)
            if events:
                self._put(events)
            if ending is not None:
                self._put(ending)
                return
            pause.after(len(frames))

    def _put(self, piece: list[RunEvent] | Exception) -> None:
        if isinstance(piece, NoxError):
            piece.hide(self._mask)
        while not self._closing.is_set():
            try:
                self._pieces.put(piece, timeout=CLOSED_SEEN_EVERY)
            except Full:
                continue
            return
