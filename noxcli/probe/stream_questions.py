"""Questions about the event stream."""

from collections.abc import Iterator
from itertools import pairwise

from noxcli.codec import decode_json
from noxcli.models import PAUSED_STATUS
from noxcli.probe.evidence import ENDED_BY_ITSELF, NEEDS_ENDED, Evidence
from noxcli.probe.frames import Watched
from noxcli.probe.learned import Question, Seen, Sureness

_LIKELY = Sureness.LIKELY
_CURSOR_STATUSES = (404, 410, 422)


def _with_events(e: Evidence, least: int = 1) -> Iterator[Watched]:
    return (stream for stream in e.streams() if len(stream.events) >= least)


def _whole_streams(e: Evidence) -> Iterator[Watched]:
    """Yield the streams that told the end of a run which completed or failed, and did not break."""
    return (stream for stream in _with_events(e) if not stream.broken and stream.told(*ENDED_BY_ITSELF))


def _on_stopped(e: Evidence) -> Seen | None:
    """Find what a stream does when its run is stopped."""
    for trial in e.trials:
        if trial.status == "stopped" and trial.asked_to_stop is not None and trial.stream:
            return _reaction(trial.stream, "stopped")
    return None


def _on_paused(e: Evidence) -> Seen | None:
    """Find what a stream does when its run pauses."""
    for trial in e.trials:
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
    """Find what a stream sends that is opened after the run has ended; no events only if they lack twice."""
    if e.ended is None or e.ended.record is None:
        return None
    stream = e.ended.replay
    if stream.events:
        return Seen(f"{len(stream.events)} events again", "replay", stream.how)
    again = e.ended.watched(None)
    if again.events or stream.broken or (again.status, again.closed) != (stream.status, stream.closed):
        return None
    if stream.status != 200:
        return Seen(str(stream.status), "404" if stream.status == 404 else None, stream.how)
    if stream.closed:
        return Seen("no event, and the stream closes", "close", stream.how)
    return Seen("no event, and the stream stays open", "silent", stream.how, _LIKELY)


def _end_announced_by(e: Evidence) -> Seen | None:
    """Find which event announces the end: none, if one without `workflow_status` tells it."""
    for stream in _whole_streams(e):
        for each in stream.envelopes:
            data = each.get("data")
            if isinstance(data, dict) and data.get("workflow_status") in ENDED_BY_ITSELF:
                known = each["type"] if each["type"] in ("content", "state") else None
                return Seen(f"a {known or 'third'} event with workflow_status", known, stream.how)
        return Seen("no event has workflow_status", "none", stream.how, _LIKELY)
    return None


def _after_end(e: Evidence) -> Seen | None:
    """Find what a stream does after its last event."""
    for stream in _whole_streams(e):
        if stream.closed:
            return Seen("the stream closes", "close", stream.how)
        return Seen("the stream stays open", "silent", stream.how, _LIKELY)
    return None


def _nested_ends(e: Evidence) -> Seen | None:
    """Find whether an end that is not the run's own is announced."""
    for stream in _whole_streams(e):
        return Seen("no" if stream.ends_last else "yes", not stream.ends_last, stream.how)
    return None


def _odd_messages(e: Evidence) -> Seen | None:
    """Find messages that are not JSON."""
    known = {"": "empty", "ping": "ping", "[DONE]": "done"}
    for stream in _whole_streams(e):
        texts = [frame.data for frame in stream.frames if frame.is_message]
        odd = {known.get(text or "") for text in texts if not _is_json(text)}
        if not odd:
            return Seen("none", "none", stream.how)
        kind = odd.pop() if len(odd) == 1 else None
        return Seen(kind or "several, or others", kind, stream.how)
    return None


def _is_json(text: str | None) -> bool:
    try:
        decode_json(text or "")
    except ValueError:
        return False
    return True


def _cursor_inclusive(e: Evidence) -> Seen | None:
    """Find whether the event that the cursor names is repeated."""
    run = e.ended
    if run is None or run.cursor is None:
        return None
    (at, cursor), before = run.cursor, run.replay.envelopes
    resumed = run.watched(cursor, events=1)
    if not resumed.envelopes:
        return None
    first = resumed.envelopes[0]
    if first.get("redisId") == cursor:
        return Seen("the event of the cursor comes again", True, resumed.how)
    if first == before[at + 1]:
        return Seen("the next event comes first", False, resumed.how)
    return Seen("the cursor has no effect" if first == before[0] else "another event comes first", None)


def _on_unknown_cursor(e: Evidence) -> Seen | None:
    """Find what the server sends for an unknown cursor."""
    run = e.ended
    if run is None or not run.replay.events:
        return None
    lost = run.watched("1-1", events=1)  # in the form that the docs show, and older than any event
    if lost.status in _CURSOR_STATUSES:
        return Seen(str(lost.status), str(lost.status), lost.how)
    if lost.envelopes[:1] == run.replay.envelopes[:1]:
        return Seen("all events again", "replay", lost.how)
    return Seen(str(lost.status) if lost.status != 200 else "not all events", None, lost.how)


def _stream_start(e: Evidence) -> Seen | None:
    """Find whether a stream that is opened after the start has the earlier events."""
    for trial in e.trials:
        if not (trial.stream and trial.stream.events and e.ended and e.ended.id == trial.run_id):
            continue
        live, again, how = trial.stream.envelopes, e.ended.replay.envelopes, trial.stream.how
        first = live[0].get("data")
        # Only that event is there before any stream can be opened; others look alike where few are kept.
        if live[:1] == again[:1] and isinstance(first, dict) and first.get("status") == "queued":
            return Seen("with the first event", "first", how, _LIKELY)
        late = len(live) < len(again) and again[-len(live) :] == live
        return Seen("with the next event", "new", how, _LIKELY) if late else None
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
            known = kind if kind in ("comment", "ping") else None
            return Seen(f"{known}s" if known else "events", known, stream.how)
    silent = max((stream.silent_for for stream in e.streams()), default=0.0)
    return Seen(f"none within {silent:.0f}s", None) if silent >= 1 else None


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


_REPLAYED, _CURSORS = f"{NEEDS_ENDED}, or --start 1", f"{NEEDS_ENDED}, and its events with cursors"
_OWN = "needs --start 1, without --run, and a replay"
STREAM_QUESTIONS = (
    Question("on_stopped", "stream of a stopped run", _on_stopped, "needs --start 2"),
    Question("on_paused", "stream of a paused run", _on_paused, "needs --start 1, of a workflow that pauses"),
    Question("on_ended", "stream opened after the end", _on_ended, NEEDS_ENDED),
    Question("end_announced_by", "announcement of the end", _end_announced_by, _REPLAYED),
    Question("nested_ends", "ends of something else", _nested_ends, _REPLAYED),
    Question("after_end", "stream after the end", _after_end, _REPLAYED),
    Question("cursor_inclusive", "cursor includes its event", _cursor_inclusive, _CURSORS),
    Question("on_unknown_cursor", "unknown cursor", _on_unknown_cursor, _CURSORS),
    Question("stream_start", "start of a stream without a cursor", _stream_start, _OWN),
    Question("redis_ids", "events with a cursor", _redis_ids, _REPLAYED),
    Question("keepalive", "keep-alives", _keepalive, "needs a stream that is silent long enough: raise --watch"),
    Question("odd_messages", "messages that are not JSON", _odd_messages, _REPLAYED),
    Question("content", "content events", _content, "needs a run with streamed text"),
)
