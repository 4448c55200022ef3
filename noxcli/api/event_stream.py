"""A run's event stream: a thread reads one connection, and its frames become events."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

import requests
from sseclient import SSEClient

from noxcli.api.body import pieces_of
from noxcli.api.error_mapping import BROKEN, cause_of, describe
from noxcli.codec import DECODER, decode_json, is_deep
from noxcli.errors import StreamClosed, StreamUnsupported, Unavailable
from noxcli.masking import Mask
from noxcli.models import RunEvent
from noxcli.signals import SIGNALS
from noxcli.waiting import start_thread, wait_for

READ_SIZE = 32 * 1024
AHEAD = 64 * 1024  # bytes that may wait for a slow reader of our stdout; then the server has to
FRAME_LIMIT = 64 * 1024 * 1024
MAX_LINES = 1000  # of an event; sseclient-py's time grows with their square
BOM = b"\xef\xbb\xbf"
# Known from the related conversation streams (noxus-sdk 0.6.0, resources/conversations.py): the
# server closes.
ENDINGS = frozenset({"done", "timeout", "error", "end"})
KEEP_ALIVES = frozenset({"ping", "keepalive", "keep-alive", "heartbeat"})
# Blank lines and comments between two events, of which keep-alives may send any number.
BETWEEN_EVENTS = re.compile(r"\n\n(?:(?::[^\n]*+)?\n)++")
# The frame of nearly all events, parsed directly; sseclient-py parses every other form. Its texts
# have no escapes, so they can be written as JSON again unchanged.
PLAIN = r"[^\"\\\x00-\x1f]"
OPENING = re.compile(
    r"(?:id:[^\n]*\n)?(?:event: ?message\n)?(?:id:[^\n]*\n)?"
    rf'data: ?\{{"type": ?"({PLAIN}+)", ?"data": ?'
)
CLOSING = re.compile(rf'(?:, ?"redisId": ?(?:"({PLAIN}*)"|null))?\}}\n\n')


class Framer:
    """Splits a byte stream at blank lines. The rest at the end of the stream is not a frame."""

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> bytes:
        """Return the frames that `piece` completes, joined, each with its blank line, if any.

        Line ends become LF. Raises StreamUnsupported for a frame over the limit.
        """
        rest = piece
        if self._after_cr:
            rest = piece.removeprefix(b"\n")
        if piece:
            self._after_cr = piece.endswith(b"\r")
        if b"\r" in rest:
            rest = rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._buffer += rest
        end = self._buffer.rfind(b"\n\n", self._scanned)
        frames = b""
        if end >= 0:
            frames = bytes(self._buffer[: end + 2])
            del self._buffer[: end + 2]
        self._scanned = max(0, len(self._buffer) - 1)
        if not frames and len(self._buffer) > self._limit:
            raise StreamUnsupported(f"one event is longer than {self._limit >> 20} MiB")
        if frames and self._at_start:
            self._at_start = False
            return frames.removeprefix(BOM)
        return frames

    @property
    def is_within_a_frame(self) -> bool:
        """True if the bytes so far end in a part of a frame."""
        return bool(self._buffer.strip())


def parse_frames(frames: bytes) -> Iterator[tuple[str, str]]:
    """Yield (event name, data) for each event in complete frames; bad UTF-8 becomes U+FFFD.

    Raises StreamUnsupported for an event of too many lines.
    """
    text = frames.decode("utf-8", "replace").encode()
    if text.count(b"\n") > MAX_LINES:
        most = max(frame.count(b"\n") for frame in text.split(b"\n\n"))
        if most > MAX_LINES:
            raise StreamUnsupported(f"one event has more than {MAX_LINES:,} lines")
    for event in SSEClient(iter([text])).events():
        yield event.event, event.data


def parse_events(
    frames: bytes, mask: Mask | None = None
) -> tuple[list[RunEvent], Unavailable | None]:
    """Return the run's events in complete frames, and what ended the stream in them, if so.

    Noxus docs, api-reference/v1/runs/public-run-events: `{"type", "data", "redisId"}` in events
    named `message`. What is not JSON is an event as well, of type `unknown` unless it has a name: a
    keep-alive in `data` ends nothing.
    """
    text = BETWEEN_EVENTS.sub("\n\n", "\n\n" + frames.decode("utf-8", "replace"))
    events: list[RunEvent] = []
    place = _read_plain(text, 2, events)
    for name, data in parse_frames(text[place:].encode()):
        if name in ENDINGS:
            reason = describe(data.encode(), mask)
            what = f"the server ended the stream with {name!r}"
            return events, Unavailable(f"{what}: {reason}" if reason else what)
        if name not in KEEP_ALIVES:
            events.append(_event(name, data))
    return events, None


def _read_plain(text: str, place: int, events: list[RunEvent]) -> int:
    """Add events from `place` on that have the usual form; return where another begins."""
    while head := OPENING.match(text, place):
        try:
            data, end = DECODER.raw_decode(text, head.end())
        except (ValueError, RecursionError):
            break
        tail = CLOSING.match(text, end)
        raw = text[head.end() : end]
        # A line end may separate two tokens; then one line is not the whole document. The two words
        # are not JSON.
        if tail is None or "\n" in raw or "NaN" in raw or "Infinity" in raw or is_deep(raw):
            break
        events.append(RunEvent(head[1], data, tail[1], raw))
        place = tail.end()
    return place


def _event(name: str, data: str) -> RunEvent:
    try:
        envelope = decode_json(data)
    except ValueError:
        return RunEvent("unknown" if name == "message" else name, data)
    if not isinstance(envelope, dict) or not isinstance(envelope.get("type"), str):
        return RunEvent(name, envelope)
    redis_id = envelope.get("redisId")
    if redis_id is not None:
        redis_id = str(redis_id)
    return RunEvent(envelope["type"], envelope.get("data"), redis_id)


def _chunks_of(response: requests.Response) -> Iterator[bytes]:
    """Return the pieces of a body as the server sent them."""
    if response.raw.chunked:
        chunks: Iterator[bytes] = response.raw.read_chunked(READ_SIZE, decode_content=True)
        return chunks
    return pieces_of(response, READ_SIZE)


class EventFeed:
    """One connection's events in order: a thread collects bytes, `next_events` parses them."""

    def __init__(self, connect: Callable[[], requests.Response], mask: Mask) -> None:
        self._mask = mask
        # When the first byte of the body came, by the monotonic clock.
        self.first_byte_at: float | None = None
        self.last_byte_at = time.monotonic()
        self.opened = False  # the server has accepted the stream
        self.framer = Framer()
        self._pieces: deque[bytes] = deque()
        self._ended: Exception | None = None  # why the thread reads no more
        # Why the events end, though more bytes may have arrived.
        self._stopped: Exception | None = None
        self._news = threading.Event()
        self._room = threading.Event()
        self._closing = False
        # Bytes; each count belongs to one thread.
        self._received = 0
        self._taken = 0
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
            # Looked at before the bytes, so that none came between them and the end.
            ended = self._ended
            events = self._parse_arrived()
            if events:
                return events
            if self._stopped is not None:
                raise self._stopped
            if isinstance(ended, StreamClosed) and self.framer.is_within_a_frame:
                raise Unavailable("the stream closed within an event")
            if ended is not None:
                raise ended
            if not wait_for(self._news, until - time.monotonic()):
                return []

    def _parse_arrived(self) -> list[RunEvent]:
        """Return the events in the arrived bytes, and note what ends the stream in them."""
        pieces = [self._pieces.popleft() for _ in range(len(self._pieces))]
        if not pieces or self._stopped is not None:
            return []
        arrived = b"".join(pieces)
        self._taken += len(arrived)
        self._room.set()
        events, self._stopped = parse_events(self.framer.feed(arrived), self._mask)
        return events

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
                for piece in _chunks_of(response):
                    self._receive(piece)
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

    def _receive(self, piece: bytes) -> None:
        """Keep bytes for `next_events`, and wait while too many of them wait."""
        self.last_byte_at = time.monotonic()
        if self.first_byte_at is None:
            self.first_byte_at = self.last_byte_at
        self._pieces.append(piece)
        self._received += len(piece)
        if not self._news.is_set():  # a check costs less than setting it
            self._news.set()
        while self._is_full():
            self._room.clear()
            if self._is_full():
                self._room.wait()

    def _is_full(self) -> bool:
        return self._received - self._taken > AHEAD and not self._closing
