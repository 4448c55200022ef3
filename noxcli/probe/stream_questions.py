"""Questions about the event stream."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median

from noxcli.models import PAUSED_STATUS
from noxcli.probe.evidence import Evidence
from noxcli.probe.frames import LINE_END_NAMES, RawFrame, Watched
from noxcli.probe.learned import Question, Seen, Sureness
from noxcli.probe.trial import ENDED_STATUSES, Trial

_LIKELY = Sureness.LIKELY
_CURSOR_STATUSES = (404, 410, 422)
_CATCHING_UP = 0.05  # seconds; events that arrive closer together may have been waiting when the stream was opened
_FIRST_TO_STOP = 2  # the number for --start with which one run is stopped
_OURS, _STOPPED_ONE = "needs --start 1", f"needs --start {_FIRST_TO_STOP}"


def _with_events(e: Evidence, least: int = 1) -> Iterator[Watched]:
    return (stream for stream in e.streams() if len(stream.events) >= least)


def _trials(e: Evidence, *, stops: bool | None = None) -> Iterator[Trial]:
    return (trial for trial in e.trials if trial.stream and (stops is None or trial.stops is stops))


def _on_stopped(e: Evidence) -> Seen | None:
    """Find what a stream does when its run is stopped."""
    for trial in _trials(e):
        if trial.status == "stopped" and trial.asked_to_stop is not None and trial.stream:
            return _reaction(trial.stream, "stopped")
    return None


def _on_paused(e: Evidence) -> Seen | None:
    """Find what a stream does when its run pauses."""
    for trial in _trials(e):
        if trial.status == PAUSED_STATUS and trial.stream:
            return _reaction(trial.stream, PAUSED_STATUS)
    return None


def _reaction(stream: Watched, status: str) -> Seen | None:
    if stream.told(status, announced=True):
        return Seen("an event announces it", "end", stream.how)
    if stream.closed:
        # A state event without data may be the announcement, or report a pause before the stop.
        mute = any(each.get("data") is None for each in stream.envelopes)
        paused_first = status == "stopped" and stream.told(PAUSED_STATUS)
        return None if mute or paused_first else Seen("the stream closes, with no end announced", "close", stream.how)
    return None if stream.broken else Seen("the stream stays open", "silent", stream.how, _LIKELY)


def _on_ended(e: Evidence) -> Seen | None:
    """Find what a stream sends that is opened after the run has ended."""
    if e.ended is None or e.ended.record is None:
        return None
    stream = e.ended.replay
    if stream.status == 404:
        return Seen("404", "404", stream.how)
    if stream.status != 200:
        return Seen(str(stream.status), None, stream.how)
    if stream.events:
        return Seen(f"{len(stream.events)} events again", "replay", stream.how)
    if stream.broken:
        return None
    if stream.closed:
        return Seen("no event, and the stream closes", "close", stream.how)
    return Seen("no event, and the stream stays open", "silent", stream.how, _LIKELY)


def _ended_streams(e: Evidence) -> Iterator[Watched]:
    """Yield streams with all events of a run that completed or failed."""
    for trial in _trials(e):
        if trial.status in ("completed", "failed") and trial.stream and not trial.stream.broken and trial.stream.events:
            yield trial.stream
    run = e.ended
    ended = run is not None and run.record is not None and run.record.get("status") in ("completed", "failed")
    if ended and run is not None and run.replay.events and not run.replay.broken:
        yield run.replay


def _end_announced_by(e: Evidence) -> Seen | None:
    """Find which event announces the end."""
    for stream in _ended_streams(e):
        for each in stream.envelopes:
            data = each.get("data")
            if (
                isinstance(data, dict)
                and data.get("workflow_status") in ENDED_STATUSES
                and each["type"] in ("content", "state")
            ):
                return Seen(f"a {each['type']} event with workflow_status", each["type"], stream.how)
        if all(isinstance(each.get("data"), dict) for each in stream.envelopes):
            return Seen("no event has workflow_status", "none", stream.how, _LIKELY)
    return None


def _after_end(e: Evidence) -> Seen | None:
    """Find what a stream does after its last event."""
    for stream in _ended_streams(e):
        if stream.closed:
            return Seen("the stream closes", "close", stream.how)
        return Seen("the stream stays open", "silent", stream.how, _LIKELY)
    return None


def _closing_event(e: Evidence) -> Seen | None:
    """Find which event comes just before a stream closes."""
    for stream in _with_events(e):
        if stream.closed and stream.frames:
            last = stream.frames[-1]
            if last.envelope is not None or last.comment:
                return Seen("none", "none", stream.how)
            known = last.name in ("done", "timeout", "error")
            return Seen(str(last.name) if known else "another event", last.name if known else None, stream.how)
    return None


def _cursor_inclusive(e: Evidence) -> Seen | None:
    """Find whether the event that the cursor names is repeated."""
    run = e.ended
    if run is None or run.cursor is None or run.resumed is None or not run.resumed.envelopes:
        return None
    (at, cursor), first, before = run.cursor, run.resumed.envelopes[0], run.replay.envelopes
    if first.get("redisId") == cursor:
        return Seen("the event of the cursor comes again", True, run.resumed.how)
    if first == before[at + 1]:
        return Seen("the next event comes first", False, run.resumed.how)
    return Seen("the cursor has no effect" if first == before[0] else "another event comes first", None)


def _on_unknown_cursor(e: Evidence) -> Seen | None:
    """Find what the server sends for an unknown cursor."""
    run = e.ended
    if run is None or not run.replay.events:
        return None
    lost = run.lost
    if lost.status in _CURSOR_STATUSES:
        return Seen(str(lost.status), str(lost.status), lost.how)
    if lost.envelopes[:1] == run.replay.envelopes[:1]:
        return Seen("all events again", "replay", lost.how)
    return Seen(str(lost.status) if lost.status != 200 else "not all events", None, lost.how)


def _retained_events(e: Evidence) -> Seen | None:
    """Find how many events can be replayed, if fewer than all."""
    for trial in _trials(e, stops=False):
        if e.ended is None or not trial.stream or not trial.has_ended or e.ended.id != trial.run_id:
            continue
        replay = e.ended.replay
        if replay.status != 200 or not replay.events:
            continue
        live, again = trial.stream.envelopes, replay.envelopes
        if len(again) < len(live) and live[-len(again) :] == again:
            return Seen(f"the newest {len(again)} of {len(live)}", len(again), replay.how)
        return Seen(f"all {len(again)}", None, replay.how) if again == live else None
    return None


def _redis_ids(e: Evidence) -> Seen | None:
    """Find which events have a cursor."""
    for stream in _with_events(e, 2):
        having = [isinstance(each.get("redisId"), str) for each in stream.envelopes]
        found = "all" if all(having) else "some" if any(having) else "none"
        return Seen(f"{sum(having)} of {len(having)} events", found, stream.how)
    return None


def _keepalive(e: Evidence) -> Seen | None:
    """Find what is sent while nothing happens."""
    for stream in e.streams():
        kinds = {"comment" if frame.comment else frame.name for frame in stream.keepalives}
        if len(kinds) == 1:
            kind = kinds.pop()
            return Seen(f"{kind}s" if kind in ("comment", "ping") else "events", _known(kind), stream.how)
    silent = max((stream.silent_for for stream in e.streams() if not stream.closed), default=0.0)
    return Seen(f"none within {silent:.0f}s", None) if silent >= 1 else None


def _known(kind: str | None) -> str | None:
    return kind if kind in ("comment", "ping") else None


def _keepalive_seconds(e: Evidence) -> Seen | None:
    """Find the time between two keep-alives."""
    for stream in e.streams():
        quiet = {frame.at for frame in stream.keepalives}
        gaps = [two.at - one.at for one, two in pairwise(stream.frames) if {one.at, two.at} <= quiet]
        if gaps:
            gap = median(gaps)
            return Seen(f"about {gap:.2g}s", float(f"{gap:.2g}"), stream.how, _LIKELY)
    return None


def _of_frames(tell: Callable[[Watched], Seen | None]) -> Callable[[Evidence], Seen | None]:
    def ask(e: Evidence) -> Seen | None:
        return next((seen for stream in _with_events(e) if (seen := tell(stream)) is not None), None)

    return ask


def _id_lines(stream: Watched) -> Seen:
    found = any(key == "id" for frame in stream.events for key, _ in frame.fields)
    return Seen("yes" if found else "no", found, stream.how)


def _event_lines(stream: Watched) -> Seen:
    found = any(frame.name is not None for frame in stream.events)
    return Seen("yes" if found else "no", found, stream.how)


def _line_end(stream: Watched) -> Seen | None:
    ends = {end for frame in stream.events for end in frame.line_ends}
    name = LINE_END_NAMES[ends.pop()] if len(ends) == 1 else None
    return Seen(name.upper(), name, stream.how) if name else Seen("mixed", None, stream.how)


def _chunk_per_event(e: Evidence) -> Seen | None:
    """Find whether available events share an HTTP chunk."""
    stream = e.ended.replay if e.ended else None
    if stream is None or not stream.chunked or len(stream.events) < 2:
        return None
    chunks = len({frame.piece for frame in stream.events})
    if chunks == len(stream.events):
        return Seen("yes", True, stream.how)
    return Seen(f"no: {len(stream.events)} events in {chunks} chunks", False, stream.how)


def _content(e: Evidence) -> Seen | None:
    """Find whether a content event has the next piece of a text, or all of it so far."""
    for stream in _with_events(e):
        pieces: dict[str, list[str]] = {}
        for each in stream.envelopes:
            data = each.get("data")
            if each["type"] == "content" and isinstance(data, dict) and isinstance(data.get("content"), str):
                pieces.setdefault(str(data.get("id")), []).append(data["content"])
        pairs = [pair for said in pieces.values() for pair in pairwise(said)]
        if any(not after.startswith(before) for before, after in pairs):
            return Seen("the next piece", "delta", stream.how)
        if len(pairs) >= 2:
            return Seen("all of it so far", "cumulative", stream.how, _LIKELY)
    return None


def _null_data(e: Evidence) -> Seen | None:
    """Find whether state events have no data."""
    for stream in _with_events(e):
        states = [each for each in stream.envelopes if each["type"] == "state"]
        if states:
            found = any("data" in each and each["data"] is None for each in states)
            return Seen("yes" if found else "no", found, stream.how)
    return None


def _queue_seconds(e: Evidence) -> Seen | None:
    """Find how long a run is queued, if long enough to be seen."""
    for trial in _trials(e):
        stream = trial.stream
        if stream is None or trial.started_at is None:
            continue
        queued, running = _first_state(stream, "queued"), _first_state(stream, "running")
        if queued is None or running is None:
            continue
        if running - queued < _CATCHING_UP:
            return Seen(f"less than {running - trial.started_at:.1f}s", None, stream.how)
        took = round(running - trial.started_at, 1)
        return Seen(f"about {took:g}s", took, stream.how, _LIKELY)
    return None


def _first_state(stream: Watched, status: str) -> float | None:
    """Return when the first state event with this status arrived."""
    states = (frame for frame in stream.events if (frame.envelope or {})["type"] == "state")
    told = ((frame.at, _data(frame)) for frame in states)
    return next((at for at, data in told if isinstance(data, dict) and data.get("status") == status), None)


def _data(frame: RawFrame) -> object:
    return (frame.envelope or {}).get("data")


def _buffering(e: Evidence) -> Seen | None:
    """Find whether something between server and client holds events back."""
    for trial in _trials(e):
        events = trial.stream.events if trial.stream else []
        if len(events) >= 3 and events[-1].at - events[0].at > 0.5:
            return Seen("events come one by one", None, trial.stream.how if trial.stream else "", _LIKELY)
        if len(events) >= 3 and trial.early is not None and trial.stream and trial.stream.pieces == 1:
            return Seen("all events come at once", None, trial.stream.how, _LIKELY)
    return None


_CURSORS = "needs an ended run that is replayed with cursors"
_REPLAYED = "needs an ended run, or --start 1"
STREAM_QUESTIONS = (
    Question("on_stopped", "stream of a stopped run", _on_stopped, _STOPPED_ONE),
    Question("on_paused", "stream of a paused run", _on_paused, "needs --start 1, of a workflow that pauses"),
    Question("on_ended", "stream opened after the end", _on_ended, "needs an ended run"),
    Question("end_announced_by", "announcement of the end", _end_announced_by, _REPLAYED),
    Question("after_end", "stream after the end", _after_end, _REPLAYED),
    Question("closing_event", "event before the stream closes", _closing_event, "needs a stream that closes"),
    Question("cursor_inclusive", "cursor includes its event", _cursor_inclusive, _CURSORS),
    Question("on_unknown_cursor", "unknown cursor", _on_unknown_cursor, "needs an ended run that is replayed"),
    Question("retained_events", "events that can be replayed", _retained_events, "needs --start 1, without --run"),
    Question("redis_ids", "events with a cursor", _redis_ids, _REPLAYED),
    Question("keepalive", "keep-alives", _keepalive, "needs a stream that is silent long enough: raise --watch"),
    Question("keepalive_seconds", "time between keep-alives", _keepalive_seconds, "needs two keep-alives"),
    Question("id_lines", "id: lines", _of_frames(_id_lines), _REPLAYED),
    Question("event_lines", "event: lines", _of_frames(_event_lines), _REPLAYED),
    Question("line_end", "line ends", _of_frames(_line_end), _REPLAYED),
    Question(
        "chunk_per_event", "an HTTP chunk for each event", _chunk_per_event, "needs an ended run that is replayed"
    ),
    Question("content", "content events", _content, "needs a run with streamed text"),
    Question("null_data", "state events without data", _null_data, _REPLAYED),
    Question("queue_seconds", "time in the queue", _queue_seconds, _OURS),
    Question("buffering", "buffering on the way", _buffering, _OURS, switch=False),
)
