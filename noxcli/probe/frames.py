"""A watched event stream, parsed: each frame with the form in which it arrived."""

import json
import re
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from noxcli.fixed import fixed
from noxcli.probe.raw import RawPiece, RawStream

LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r)")
LARGEST_STREAM = 8 * 1024 * 1024  # bytes of one stream that are read
LINE_END_NAMES = {b"\n": "lf", b"\r\n": "crlf", b"\r": "cr"}
LOOK_APART, ASK_APART = (
    0.2,
    0.02,
)  # seconds after which `enough` is checked without new data, and between two checks


@fixed
class RawFrame:
    """One frame; `piece` is the number of the piece that ends it, `at` the time of that, `fields` its lines."""

    at: float
    piece: int
    fields: tuple[tuple[str, str], ...]
    line_ends: frozenset[bytes]
    content: bytes

    @property
    def name(self) -> str | None:
        """The name in its `event:` line."""
        return next((value for key, value in self.fields if key == "event"), None)

    @property
    def envelope(self) -> dict[str, Any] | None:
        """The Noxus envelope in it, None for a keep-alive and anything else."""
        text = "\n".join(value for key, value in self.fields if key == "data")
        try:
            value = json.loads(text) if text else None
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None

    @property
    def comment(self) -> bool:
        """True if it has only comments."""
        return all(key == "" for key, _ in self.fields)


@fixed
class Watched:
    """What a stream has sent so far. `alive` is true if all of a run's events were watched as they happened."""

    how: str
    alive: bool
    status: int
    frames: tuple[RawFrame, ...]
    pieces: int
    closed: bool
    broken: bool
    chunked: bool
    silent_for: float  # seconds since its last byte
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def events(self) -> list[RawFrame]:
        """The frames that are events of the run."""
        return [frame for frame in self.frames if frame.envelope is not None]

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        """The content of these events."""
        return [found for frame in self.frames if (found := frame.envelope) is not None]

    @property
    def keepalives(self) -> list[RawFrame]:
        """The frames without content: comments, and named events without an envelope before the last event."""
        rest = [frame for frame in self.frames if frame.envelope is None]
        last = self.frames[-1] if self.frames and self.closed else None
        return [frame for frame in rest if frame.comment or frame is not last]

    def told(self, *statuses: str, announced: bool = False) -> bool:
        """True if an event gives the run one of these statuses; `announced` requires `workflow_status`."""
        return self.told_at(*statuses, announced=announced) is not None

    def told_at(self, *statuses: str, announced: bool = False) -> float | None:
        """Return the monotonic time at which the first such event came, None if none did."""
        for frame in self.frames:
            data = each.get("data") if (each := frame.envelope) is not None else None
            if each is None or not isinstance(data, dict):
                continue
            by_state = not announced and each["type"] == "state" and data.get("status") in statuses
            if by_state or data.get("workflow_status") in statuses:
                return frame.at
        return None


def _frames_of(pieces: Sequence[RawPiece]) -> tuple[RawFrame, ...]:
    """Return the frames that these pieces have in full."""
    ends = list(accumulate(len(piece.content) for piece in pieces))
    content = b"".join(piece.content for piece in pieces)
    frames, fields, line_ends, start, number = [], [], set(), 0, 0
    for line in LINE.finditer(content.removeprefix(b"\xef\xbb\xbf")):
        line_ends.add(line[2])
        if line[1]:
            key, _, value = line[1].decode("utf-8", "replace").partition(":")
            fields.append((key, value.removeprefix(" ")))
            continue
        while ends[number] < line.end():
            number += 1
        if fields:
            whole = content[start : line.end()]
            frames.append(RawFrame(pieces[number].at, number, tuple(fields), frozenset(line_ends), whole))
        fields, line_ends, start = [], set(), line.end()
    return tuple(frames)


def taken_apart(stream: RawStream, how: str, *, alive: bool = False) -> Watched:
    """Return what a stream has sent so far."""
    frames = _frames_of(stream.pieces)
    last = stream.pieces[-1].at if stream.pieces else None
    return Watched(
        how,
        alive,
        stream.head.status if stream.head else 0,
        frames,
        len(stream.pieces),
        stream.ended is not None and not stream.broken,
        stream.broken,
        stream.chunked,
        0.0 if last is None else (stream.ended or time.monotonic()) - last,
        tuple(stream.head.headers.items()) if stream.head else (),
    )


def watch_out(stream: RawStream, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
    """Read a stream until it ends, has no event for that long, reaches the maximum size, or is `enough`."""
    until, asked = time.monotonic() + seconds, float("-inf")
    while stream.ended is None and stream.size < LARGEST_STREAM:
        # The check is expensive if a stream is long, and it arrives in many pieces.
        if time.monotonic() - asked > ASK_APART:
            if enough():
                break
            asked = time.monotonic()
        if (left := until - time.monotonic()) <= 0:
            break
        before = len(stream.pieces)
        stream.wait(min(left, LOOK_APART))
        # Keep-alives do not extend the wait.
        if any(b'"type"' in piece.content for piece in stream.pieces[before:]):
            until = time.monotonic() + seconds
