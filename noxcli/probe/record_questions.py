"""Questions about records, and about the data of runs."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from noxcli.probe.evidence import NEEDS_COMPLETED, NEEDS_ENDED, OUR_RECORD, THE_RECORD, EndedRun, Evidence, form_of
from noxcli.probe.learned import Question, Seen, Sureness, refusal
from noxcli.probe.raw import RawAnswer

T = TypeVar("T", list[Any], dict[str, Any])
_LIKELY = Sureness.LIKELY


def _create_status(e: Evidence) -> Seen | None:
    """Find the status of the answer to a start."""
    started = next((trial.start for trial in e.trials if trial.start and trial.start.ok), None)
    return Seen(str(started.status), started.status, "a start") if started else None


def _early_output(e: Evidence) -> Seen | None:
    """Find the output of a run that is still running."""
    outputs = {node.id for node in e.outputs}
    for record in (trial.early for trial in e.trials if trial.early):
        output = record.get("output", "")
        if output is None or (isinstance(output, dict) and output):
            return Seen("null" if output is None else "in part", "null" if output is None else "partial", OUR_RECORD)
        if output == {} and outputs & set(_details(record, "executed_nodes", list)):
            return Seen("empty", "empty", OUR_RECORD)
    return None


def _details(record: Mapping[str, Any] | None, key: str, kind: type[T]) -> T:
    """Return a part of a record's progress_details, empty if it has none of that kind."""
    details = record.get("progress_details") if record else None
    value = details.get(key) if isinstance(details, dict) else None
    return value if isinstance(value, kind) else kind()


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
    answer = e.ended.look_up
    if answer.ok:
        served = answer.object.get("id") == e.ended.id
        return Seen("served", "served", "a read of an ended run by its id") if served else None
    return refusal(answer, "a read of an ended run by its id", s403="403", s404="404", s405="405")


def _look_up_output(e: Evidence) -> Seen | None:
    """Find which output that answer has."""
    record = e.ended.look_up.object if e.ended else {}
    if e.ended is None or record.get("id") != e.ended.id:
        return None
    how = "a read of an ended run by its id"
    if "output" not in record:
        return Seen("absent", "absent", how)
    if not e.ended.output:
        return None
    found = "null" if record["output"] is None else "empty" if record["output"] == {} else "whole"
    return Seen(found, found if record["output"] in (None, {}, e.ended.output) else None, how)


def _record_inputs(e: Evidence) -> Seen | None:
    """Find the keys of inputs in a record, from runs whose inputs were given in several forms."""
    inputs = _given_and_kept(e)
    given_forms, forms = _forms(e, *(given for given, _ in inputs)), _forms(e, *(kept for _, kept in inputs))
    if len(forms) == 1 and (forms != given_forms or len(given_forms) > 1):
        form = forms.pop()
        return Seen(f"as {form.replace('_', ' ')}", form, OUR_RECORD)
    if len(given_forms) > 1 and all(set(given) == kept for given, kept in inputs):
        return Seen("as they were given", "as_given", OUR_RECORD)
    return None


def _given_and_kept(e: Evidence) -> list[tuple[tuple[str, ...], set[str]]]:
    """Return the keys of each run's inputs, as they were given and as its record has them, if it has any."""
    inputs = [(trial.given, (trial.early or trial.final or {}).get("input")) for trial in e.trials]
    return [(given, set(kept)) for given, kept in inputs if isinstance(kept, dict) and kept]


def _forms(e: Evidence, *keys: Iterable[str]) -> set[str]:
    return {form for each in keys for key in each if (form := form_of(key, e.inputs, "input"))}


def _timestamps(e: Evidence) -> Seen | None:
    """Find how times are written."""
    text = str((e.ended.record or {}).get("created_at") or "") if e.ended else ""
    if "T" not in text:
        return None
    zone = "z" if text.endswith("Z") else "offset" if re.search(r"[+-]\d\d:?\d\d$", text) else "naive"
    return Seen({"z": "with Z", "offset": "with an offset", "naive": "without a time zone"}[zone], zone, THE_RECORD)


def _failed_nodes(e: Evidence) -> Seen | None:
    """Find whether a failed node counts as executed."""
    run = e.failed
    details = run.record.get("progress_details") if run and run.record else None
    executed = details.get("executed_nodes") if isinstance(details, dict) else None
    named = [data.get("id") for data in _failures(e, run)] if run else []
    if not isinstance(executed, list) or not named:
        return None
    found = "executed" if named[-1] in executed else "left_out"
    return Seen(found.replace("_", " "), found, "the record of a failed run")


def _failures(e: Evidence, run: EndedRun) -> list[Mapping[str, Any]]:
    """Return what events say about failed nodes, for one of the probe's own runs those seen live."""
    live = next((trial.stream for trial in e.trials if trial.run_id == run.id), None)
    found = [each.get("data") for each in (live or run.replay).envelopes if each["type"] == "content"]
    return [data for data in found if isinstance(data, dict) and data.get("status") == "failed"]


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
    value = answer.json if answer.ok else None
    nodes = value.get("nodes") if isinstance(value, dict) else None
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


def _node_io(e: Evidence) -> Seen | None:
    """Find the answer to a read of one node."""
    node_id = next((node.id for node in e.outputs), None)
    if e.ended is None or node_id is None:
        return None
    answer, how = e.ended.node_io(node_id), "one node of an ended run"
    if not answer.ok:
        return refusal(answer, how, s404="404")
    keys = set(answer.object)
    if keys == {"inputs", "outputs"}:
        return Seen("inputs and outputs alone", "bare", how)
    return Seen("the whole entry", "entry", how) if keys > {"inputs", "outputs"} else Seen("another form", None, how)


def _node_times(e: Evidence) -> Seen | None:
    """Find whether a run's data has the times of its nodes."""
    worked = [node for node in _nodes(e.ended.data) if node.get("status") == "completed"] if e.ended else []
    if not worked:
        return None
    found = any(node.get("started_at") for node in worked)
    return Seen("yes" if found else "no", found, "the data of an ended run")


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


_FAILED = "needs a failed run"
_OWN, _OWN_TWO = "needs --start 1", "needs --start 2"
RECORD_QUESTIONS = (
    Question("create_status", "status of the answer to a start", _create_status, _OWN),
    Question("early_output", "output before the end", _early_output, f"{_OWN}, and an output that is there early"),
    Question("stale_reads", "lag of the record", _stale_reads, _OWN),
    Question("late_output_reads", "lag of the output", _late_output_reads, _OWN),
    Question("look_up", "look-up by run id alone", _look_up, NEEDS_ENDED),
    Question("look_up_output", "output in that look-up", _look_up_output, NEEDS_COMPLETED),
    Question("record_inputs", "keys of inputs in a record", _record_inputs, f"{_OWN_TWO}, with inputs"),
    Question("failed_nodes", "failed nodes in executed_nodes", _failed_nodes, _FAILED),
    Question("failure_detail", "reason of a failure", _failure_detail, _FAILED),
    Question("timestamps", "form of times", _timestamps, NEEDS_ENDED),
    Question("run_data", "data of a run", _run_data, NEEDS_ENDED),
    Question("node_io", "data of a node", _node_io, NEEDS_ENDED),
    Question("node_times", "times in a run's data", _node_times, NEEDS_ENDED),
    Question("stop_seconds", "time that a stop takes", _stop_seconds, _OWN_TWO),
    Question("on_stop_finished", "stop of an ended run", _on_stop_finished, _OWN),
)
