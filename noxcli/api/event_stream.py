"""A run's event stream: a thread reads one connection, so that no read outlasts a limit; frames become events."""

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
AHEAD = (
    64 * 1024
)  # bytes that may wait for a slow reader of our stdout before the server has to wait
FRAME_LIMIT = 64 * 1024 * 1024
MAX_LINES = 1000  # of an event; sseclient-py's time grows with their square
BOM = b"\xef\xbb\xbf"
# Known from the related conversation streams (noxus-sdk 0.6.0, resources/conversations.py): the server closes.
ENDINGS = frozenset({"done", "timeout", "error", "end"})
KEEP_ALIVES = frozenset({"ping", "keepalive", "keep-alive", "heartbeat"})
# Blank lines and comments between two events, of which keep-alives may send any number.
BETWEEN_EVENTS = re.compile(r"\n\n(?:(?::[^\n]*+)?\n)++")
# The frame of nearly all events, parsed directly; sseclient-py parses every other form. Its texts have no escapes, so
# they can be written as JSON again unchanged.
PLAIN = r"[^\"\\\x00-\x1f]"
OPENING = re.compile(
    rf'(?:id:[^\n]*\n)?(?:event: ?message\n)?(?:id:[^\n]*\n)?data: ?\{{"type": ?"({PLAIN}+)", ?"data": ?'
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
        """Return the frames that `piece` completes, joined, each with its blank line; empty if it completes none.

        Line ends become LF. Raises StreamUnsupported for a frame over the limit.
        """
        rest = piece.removeprefix(b"\n") if self._after_cr else piece
        self._after_cr = piece.endswith(b"\r") if piece else self._after_cr
        self._buffer += (
            rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in rest else rest
        )
        end = self._buffer.rfind(b"\n\n", self._scanned)
        frames = b"" if end < 0 else bytes(self._buffer[: end + 2])
        del self._buffer[: len(frames)]
        self._scanned = max(0, len(self._buffer) - 1)
        if not frames and len(self._buffer) > self._limit:
            raise StreamUnsupported(f"one event is longer than {self._limit >> 20} MiB")
        if frames and self._at_start:
            frames, self._at_start = frames.removeprefix(BOM), False
        return frames

    @property
    def is_within_a_frame(self) -> bool:
        """True if the bytes so far end in a part of a frame."""
        return bool(self._buffer.strip())


def parse_frames(frames: bytes) -> Iterator[tuple[str, str]]:
    """Yield (event name, data) for each event in complete frames. Bad UTF-8 becomes U+FFFD, as in the standard.

    Raises StreamUnsupported for an event of too many lines.
    """
    text = frames.decode("utf-8", "replace").encode()
    if text.count(b"\n") > MAX_LINES and any(
        frame.count(b"\n") > MAX_LINES for frame in text.split(b"\n\n")
    ):
        raise StreamUnsupported(f"one event has more than {MAX_LINES:,} lines")
    for event in SSEClient(iter([text])).events():
        yield event.event, event.data


def parse_events(
    frames: bytes, mask: Mask | None = None
) -> tuple[list[RunEvent], Unavailable | None]:
    """Return the run's events in complete frames, and what ended the stream in them, if anything did.

    Noxus docs, api-reference/v1/runs/public-run-events: `{"type", "data", "redisId"}` in events named `message`. What
    is not JSON is an event as well, of type `unknown` unless it has a name: a keep-alive in `data` ends nothing.
    """
    text = BETWEEN_EVENTS.sub("\n\n", "\n\n" + frames.decode("utf-8", "replace"))
    events: list[RunEvent] = []
    place = _read_plain(text, 2, events)
    for name, data in parse_frames(text[place:].encode()):
        if name in ENDINGS:
            reason = describe(data.encode(), mask)
            return events, Unavailable(
                f"the server ended the stream with {name!r}" + (f": {reason}" if reason else "")
            )
        if name not in KEEP_ALIVES:
            events.append(_event(name, data))
    return events, None


def _read_plain(text: str, place: int, events: list[RunEvent]) -> int:
    """Add events from `place` on, as long as they have the usual form; return the position of the first other one."""
    while head := OPENING.match(text, place):
        try:
            data, end = DECODER.raw_decode(text, head.end())
        except (ValueError, RecursionError):
            break
        tail, raw = CLOSING.match(text, end), text[head.end() : end]
        # A line end may separate two tokens; then one line is not the whole document. The two words are not JSON.
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
    return RunEvent(
        envelope["type"], envelope.get("data"), redis_id if redis_id is None else str(redis_id)
    )


class EventFeed:
    """Events of one connection, in order of arrival: a thread collects bytes, and `next_events` parses them."""

    def __init__(self, connect: Callable[[], requests.Response], mask: Mask) -> None:
        self._mask = mask
        self.first_byte_at: float | None = (
            None  # when the first byte of the body came, by the monotonic clock
        )
        self.last_byte_at = time.monotonic()
        self.opened = False  # the server has accepted the stream
        self.framer = Framer()
        self._pieces: deque[bytes] = deque()
        self._ended: Exception | None = None  # why the thread reads no more
        self._stopped: Exception | None = (
            None  # why the events end, though more bytes may have arrived
        )
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
            ended = (
                self._ended
            )  # looked at before the bytes, so that none came between them and the end
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
                    raw.read_chunked(READ_SIZE, decode_content=True)
                    if raw.chunked
                    else pieces_of(response, READ_SIZE)
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
