"""A watched event stream: its frames, and how it ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from noxcli.api.sse import Framer
from noxcli.codec import decode_json
from noxcli.errors import NoxError
from noxcli.probe.raw import RawAnswer, RawPiece, RawStream

LARGEST_STREAM = 8 * 1024 * 1024  # bytes of one stream that are read
LOOK_APART = 0.1  # seconds between two checks of whether there is time left
ENDED_STATUSES = ("completed", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One frame: when it ended, its lines, and the event of the run in it, None for a keep-alive and anything else."""

    at: float
    fields: tuple[tuple[str, str], ...]
    data: str | None  # the text of its `data:` lines, None if it has none
    envelope: dict[str, Any] | None

    @property
    def name(self) -> str | None:
        """The name in its `event:` line."""
        return next((value for key, value in self.fields if key == "event"), None)

    @property
    def is_message(self) -> bool:
        """True if it has the name of the run's events."""
        return not self.comment and self.name in (None, "message")

    @property
    def comment(self) -> bool:
        """True if it has only comments."""
        return all(key == "" for key, _ in self.fields)


class Watched:
    """An event stream, as far as it has been watched; `left` says how many seconds there are in all."""

    def __init__(self, stream: RawStream, how: str, left: Callable[[], float]) -> None:
        self.how = how
        self.head: RawAnswer | None = None
        self.error: NoxError | None = None  # there was no answer
        self.frames: list[RawFrame] = []
        self.events: list[RawFrame] = []  # those frames that are events of the run
        self.closed = self.broken = False
        self._stream, self._left, self._framer = stream, left, Framer()
        self._size = 0
        self._last = time.monotonic()
        self._told: dict[tuple[str, bool], float] = {}

    @property
    def status(self) -> int:
        """The status of the answer, 0 without one."""
        return self.head.status if self.head else 0

    @property
    def ended(self) -> bool:
        """True if nothing more will come."""
        return self.closed or self.broken or self.error is not None

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        """The content of the events."""
        return [frame.envelope for frame in self.events if frame.envelope is not None]

    @property
    def keepalives(self) -> list[RawFrame]:
        """The frames without content: comments, and events of other names before the last frame of a closed stream."""
        last = self.frames[-1] if self.frames and self.closed else None
        return [frame for frame in self.frames if frame.comment or not (frame.is_message or frame is last)]

    @property
    def silent_for(self) -> float:
        """Seconds since the last byte of an open stream."""
        return 0.0 if self.ended else time.monotonic() - self._last

    def told_at(self, *statuses: str, announced: bool = False) -> float | None:
        """Return when an event first gave the run one of these statuses; `announced` requires `workflow_status`."""
        times = [self._told[status, announced] for status in statuses if (status, announced) in self._told]
        return min(times, default=None)

    def told(self, *statuses: str, announced: bool = False) -> bool:
        """True if an event did."""
        return self.told_at(*statuses, announced=announced) is not None

    @property
    def ends_last(self) -> bool:
        """True if nothing but the end came after the first event that tells an end."""
        ends = [bool(_statuses(frame) & {*ENDED_STATUSES}) for frame in self.events]
        return True in ends and all(ends[ends.index(True) :])

    def follow(self, quiet: float, *statuses: str, most: float = float("inf"), events: int | None = None) -> None:
        """Read until the stream ends, an event tells one of these statuses, or there have been so many events.

        It ends earlier after `quiet` seconds without an event, after `most` seconds, or if the stream is too long.
        """
        end = time.monotonic() + most
        until = time.monotonic() + quiet
        while not self.ended and self._size < LARGEST_STREAM and not self.told(*statuses):
            wait = min(until - time.monotonic(), end - time.monotonic(), self._left(), LOOK_APART)
            before = len(self.events)
            if wait <= 0 or (events is not None and before >= events):
                break
            self.look(wait)
            if len(self.events) > before:  # keep-alives do not extend the wait
                until = time.monotonic() + quiet

    def look(self, seconds: float) -> None:
        """Take what arrives next within that time."""
        match self._stream.arrival(seconds):
            case RawAnswer() as head:
                self.head = head
            case RawPiece() as piece:
                self._receive(piece)
            case NoxError() as error:
                self.error = error
            case bool(broken):
                self.broken, self.closed = broken, not broken

    def close(self) -> None:
        """Stop watching."""
        self._stream.close()

    def _receive(self, piece: RawPiece) -> None:
        self._last = piece.at
        self._size += len(piece.content)
        for text in self._framer.feed(piece.content).decode("utf-8", "replace").split("\n\n"):
            pairs = [line.partition(":") for line in text.split("\n") if line]
            fields = tuple((key, value.removeprefix(" ")) for key, _, value in pairs)
            lines = [value for key, value in fields if key == "data"]
            data = "\n".join(lines) if lines else None
            if fields:
                self._add(RawFrame(piece.at, fields, data, _envelope(data)))

    def _add(self, frame: RawFrame) -> None:
        self.frames.append(frame)
        if frame.envelope is None:
            return
        self.events.append(frame)
        data = frame.envelope.get("data")
        for status in _statuses(frame):
            self._told.setdefault((status, False), frame.at)
            if isinstance(data, dict) and data.get("workflow_status") == status:
                self._told.setdefault((status, True), frame.at)


def _envelope(text: str | None) -> dict[str, Any] | None:
    try:
        value = decode_json(text) if text else None
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


def _statuses(frame: RawFrame) -> set[str]:
    """Return the statuses that an event gives its run."""
    envelope = frame.envelope or {}
    data = envelope.get("data")
    if not isinstance(data, dict):
        return set()
    told = [data.get("workflow_status"), data.get("status") if envelope["type"] == "state" else None]
    return {status for status in told if isinstance(status, str)}
