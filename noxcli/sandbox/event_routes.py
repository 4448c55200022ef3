"""The event stream of a run. Noxus docs: Stream run events."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from noxcli.sandbox.answers import Break
from noxcli.sandbox.faults import Cut
from noxcli.sandbox.request import ApiRequest
from noxcli.sandbox.run import EventLog, Run
from noxcli.sandbox.switches import Switches

# Events that are sent as one piece, so that a long log neither fills memory nor blocks the loop.
_CHUNK = 512

Frame = Callable[[EventLog, int], bytes]


async def events(request: ApiRequest) -> Response:
    """All events of a run from the cursor on, then new ones."""
    run = request.run
    cut = request.fault if isinstance(request.fault, Cut) else None
    if run.over.is_set():
        match run.switches.on_ended:
            case "404":
                raise HTTPException(404, "No event stream for this run")
            case "close":
                cut = Cut(0, "clean")
            case "silent":
                cut = Cut(0, "silent")
    try:
        start = _start(run, request.query_params.get("etag"))
    except ValueError:  # as an error of Redis shows once the answer has begun
        start = 0
        cut = Cut(0, "clean")
    pace = math.inf
    if run.switches.keepalive != "none":
        pace = run.switches.keepalive_seconds / request.workspace.speed
    return StreamingResponse(
        _frames(run, start, cut, pace),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


def _start(run: Run, cursor: str | None) -> int:
    """The position in the log where a stream begins."""
    oldest = 0
    if run.switches.retained_events:
        oldest = max(0, len(run.log) - run.switches.retained_events)
    if not cursor:
        if run.switches.stream_start == "new" and not run.over.is_set():
            return len(run.log)
        return oldest
    place = run.log.place(cursor)
    if place is None or place < oldest:
        if run.switches.on_unknown_cursor == "accepted":
            return max(oldest, run.log.after(cursor))
        if run.switches.on_unknown_cursor != "replay":
            raise HTTPException(int(run.switches.on_unknown_cursor), "Unknown or expired cursor")
        return oldest
    if run.switches.cursor_inclusive:
        return place
    return place + 1


async def _frames(
    run: Run, position: int, cut: Cut | None, pace: float
) -> AsyncGenerator[bytes, None]:
    """The body of one connection: frames, keep-alives, and its end, regular or cut."""
    switches = run.switches
    frame = _framing(switches)
    last = math.inf
    if cut is not None:
        last = position + cut.after
    step = 1 if switches.chunk_per_event else _CHUNK
    while position < last:
        stop = int(min(len(run.log), position + step, last))
        if position < stop:
            yield b"".join([frame(run.log, at) for at in range(position, stop)])
            await asyncio.sleep(0)  # where the client is gone, sending never waits
            position = stop
        elif run.closed:
            if switches.closing_event != "none":
                yield _named(switches.closing_event)
            return
        else:
            before = len(run.log)
            await run.log.growth(pace)
            if len(run.log) == before and not run.closed:
                yield _keepalive(switches)
    if cut is not None:
        async for piece in _broken(run, position, cut, frame, pace):
            yield piece


async def _broken(
    run: Run, position: int, cut: Cut, frame: Frame, pace: float
) -> AsyncGenerator[bytes, None]:
    if cut.parting:
        yield cut.parting.encode()
    match cut.how:
        case "torn":
            while position == len(run.log) and run.stream == "open":
                await run.log.growth(math.inf)
            whole = frame(run.log, min(position, len(run.log) - 1))
            yield whole[: len(whole) // 2]
        case "abort":
            raise Break
        case "silent":
            while True:
                await run.log.growth(pace)
                if run.switches.keepalive != "none":
                    yield _keepalive(run.switches)


def _framing(switches: Switches) -> Frame:
    def frame(log: EventLog, at: int) -> bytes:
        lines = b"event: message\ndata: " + log.payloads[at] + b"\n\n"
        if switches.id_lines:
            return b"id: " + log.cursors[at].encode() + b"\n" + lines
        return lines

    return frame


def _named(name: str) -> bytes:
    return b"event: %s\ndata: {}\n\n" % name.encode()


def _keepalive(switches: Switches) -> bytes:
    if switches.keepalive == "ping":
        return _named("ping")
    return b": keep-alive\n\n"
