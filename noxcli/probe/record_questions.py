"""Questions about records, and about the data of runs."""

import re
from collections.abc import Mapping
from typing import Any

from noxcli.probe.evidence import NEEDS_ENDED, OUR_RECORD, THE_RECORD, EndedRun, Evidence
from noxcli.probe.learned import Question, Seen, Sureness, refusal
from noxcli.probe.raw import RawAnswer

_LIKELY = Sureness.LIKELY


def _create_status(e: Evidence) -> Seen | None:
    """Find the status of the answer to a start."""
    started = next((trial.start for trial in e.trials if trial.start and trial.start.ok), None)
    return Seen(str(started.status), started.status, "a start") if started else None


def _list_delay(e: Evidence) -> Seen | None:
    """Find whether a run is in the list as soon as its start has been answered."""
    listed = next((trial.listed for trial in e.trials if trial.listed is not None), None)
    how = "a list that was read after a start"
    return None if listed is None else Seen("at once", 0.0, how, _LIKELY) if listed else Seen("later", None, how)


def _stale_reads(e: Evidence) -> Seen | None:
    """Count the reads of the record that lag the end."""
    for trial in e.trials:
        if trial.stale_reads is not None:
            return Seen(f"{trial.stale_reads} reads", trial.stale_reads, OUR_RECORD, _LIKELY)
    return None


def _late_output_reads(e: Evidence) -> Seen | None:
    """Count the reads of a completed run that come before its output."""
    for trial in e.trials:
        if trial.late_reads is not None and trial.stale_reads is not None:
            return Seen(f"{trial.late_reads} reads", trial.late_reads, OUR_RECORD, _LIKELY)
    return None


def _look_up(e: Evidence) -> Seen | None:
    """Find the answer to a look-up by the run's id alone."""
    if e.ended is None:
        return None
    answer, how = e.ended.look_up, "a read of an ended run by its id"
    if answer.ok:
        return Seen("served", "served", how) if answer.object.get("id") == e.ended.id else None
    return refusal(answer, how, s403="403", s404="404", s405="405")


def _timestamps(e: Evidence) -> Seen | None:
    """Find how times are written."""
    text = str((e.ended.record or {}).get("created_at") or "") if e.ended else ""
    if "T" not in text:
        return None
    zone = "z" if text.endswith("Z") else "offset" if re.search(r"[+-]\d\d:?\d\d$", text) else "naive"
    return Seen({"z": "with Z", "offset": "with an offset", "naive": "without a time zone"}[zone], zone, THE_RECORD)


def _failure_detail(e: Evidence) -> Seen | None:
    """Find where the reason of a failure is."""
    run = e.failed
    if run is None or run.record is None:
        return None
    failures, nodes = _failures(e, run), _nodes(run.data)
    # The announcement of the end has a status, and no reason of its own.
    silent = [data for data in failures if "workflow_status" not in data]
    details = run.record.get("progress_details")
    places: dict[str, bool | None] = {
        "content": any(data.get("content") for data in failures) or (False if silent else None),
        "run_logs": bool(details.get("run_logs")) if isinstance(details, dict) else None,
        "data": any(node.get("error") for node in nodes) if nodes else None,
    }
    return _seen_at(places, "a failed run: events, record and data")


def _failures(e: Evidence, run: EndedRun) -> list[Mapping[str, Any]]:
    """Return what events say about failed nodes, for one of the probe's own runs those seen live."""
    live = next((trial.stream for trial in e.trials if trial.run_id == run.id), None)
    found = [each.get("data") for each in (live or run.replay).envelopes if each["type"] == "content"]
    return [data for data in found if isinstance(data, dict) and data.get("status") == "failed"]


def _seen_at(places: Mapping[str, bool | None], how: str) -> Seen | None:
    """Return the places that have the reason; None stands for a place that may have it."""
    having = [place for place, has in places.items() if has]
    unknown = [place for place, has in places.items() if has is None]
    if not having:
        return Seen("nowhere", "none", how) if not unknown else None
    if len(having) == len(places):
        return Seen(", ".join(having), "everywhere", how)
    return Seen(", ".join(having), having[0] if len(having) == 1 and len(unknown) < 2 else None, how)


def _nodes(answer: RawAnswer) -> list[Mapping[str, Any]]:
    nodes = answer.object.get("nodes")
    found = list(nodes.values()) if isinstance(nodes, dict) else nodes if isinstance(nodes, list) else []
    return [node for node in found if isinstance(node, dict)]


def _run_data(e: Evidence) -> Seen | None:
    """Find the form of a run's data."""
    if e.ended is None:
        return None
    how = "the data of an ended run"
    if not e.ended.data.ok:
        return refusal(e.ended.data, how, s404="404")
    nodes = e.ended.data.object.get("nodes")
    if isinstance(nodes, dict):
        return Seen("nodes by id", "by_id", how)
    return Seen("nodes in a list", "nodes", how) if isinstance(nodes, list) else Seen("another form", None, how)


def _stop_seconds(e: Evidence) -> Seen | None:
    """Find how long a stop takes, by an event that reports it, or by the record if that does not lag."""
    lag = _stale_reads(e)
    for trial in e.trials:
        if trial.stopped_after is None or trial.status != "stopped":
            continue
        told = trial.stream.told_at("stopped") if trial.stream else None
        if told is not None and trial.asked_to_stop is not None:
            took = min(trial.stopped_after, max(0.0, told - trial.asked_to_stop))
        elif lag is not None and lag.value == 0:
            took = trial.stopped_after
        else:
            continue
        took = took if took >= 0.2 else 0.0
        return Seen(f"about {took:.1f}s", round(took, 1), "a run that probe started and stopped", _LIKELY)
    return None


def _on_stop_finished(e: Evidence) -> Seen | None:
    """Find the answer to a stop of a run that has ended."""
    for trial in e.trials:
        if trial.again is not None and trial.has_ended:
            how = "a run that probe started, after its end"
            return Seen("unchanged", "unchanged", how) if trial.again.ok else refusal(trial.again, how, s409="409")
    return None


_OWN = "needs --start 1"
RECORD_QUESTIONS = (
    Question("create_status", "status of the answer to a start", _create_status, _OWN),
    Question("list_delay_seconds", "a started run in the list", _list_delay, f"{_OWN}, and a list of one page"),
    Question("stale_reads", "lag of the record", _stale_reads, _OWN),
    Question("late_output_reads", "lag of the output", _late_output_reads, _OWN),
    Question("look_up", "look-up by run id alone", _look_up, NEEDS_ENDED),
    Question("failure_detail", "reason of a failure", _failure_detail, "needs a failed run"),
    Question("timestamps", "form of times", _timestamps, NEEDS_ENDED),
    Question("run_data", "data of a run", _run_data, NEEDS_ENDED),
    Question("stop_seconds", "time that a stop takes", _stop_seconds, "needs --start 2"),
    Question("on_stop_finished", "stop of an ended run", _on_stop_finished, _OWN),
)
