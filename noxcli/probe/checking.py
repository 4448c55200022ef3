"""The facts about the API, checked against a recording: a small function for each one that a recording can show."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from noxcli.facts.fact import ApiFact
from noxcli.facts.table import FACTS
from noxcli.fixed import fixed
from noxcli.models import KNOWN_STATUSES, is_uuid
from noxcli.probe.recorded import RecordedExchange

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?")
REQUIRED = ("id", "group_id", "workflow_id", "status", "created_at")  # of a run, by the schema of the docs
TERMINAL_BY_DOCS = ("completed", "failed")
Exchanges = Sequence[RecordedExchange]


@fixed
class CheckedFact:
    """A fact, and how often a recording confirms and contradicts it."""

    fact: ApiFact
    confirmed: int
    contradicted: int


def checked_facts(exchanges: Exchanges) -> list[CheckedFact]:
    """Return each fact with what the recording shows about it."""
    checked = []
    for name, holds in CHECKS_OF_RECORDINGS.items():
        found = list(holds(exchanges))
        checked.append(CheckedFact(FACTS[name], sum(found), len(found) - sum(found)))
    return checked


def _answers(exchanges: Exchanges, method: str, *pattern: str) -> Iterator[RecordedExchange]:
    """Yield the successes whose path has this form; a star stands for any part."""
    for each in exchanges:
        fits = len(each.path) == len(pattern) and all(
            want in ("*", part) for want, part in zip(pattern, each.path, strict=True)
        )
        if fits and each.method == method and each.status is not None and 200 <= each.status < 300:
            yield each


def _records(exchanges: Exchanges) -> Iterator[dict[str, Any]]:
    for each in exchanges:
        if (
            each.status is not None
            and each.status < 300
            and each.path[:1] == ["workflows"]
            and each.path[2:3] == ["runs"]
            and isinstance(each.json, dict)
            and "items" not in each.json
            and "output_only=true" not in each.target
        ):
            yield each.json


def _envelopes(exchanges: Exchanges) -> Iterator[Any]:
    for each in exchanges:
        if each.is_stream:
            yield from (value for name, value in each.events if name == "message")


def _start_has_required(exchanges: Exchanges) -> Iterator[bool]:
    for each in _answers(exchanges, "POST", "workflows", "*", "runs"):
        yield isinstance(each.json, dict) and all(key in each.json for key in REQUIRED)


def _start_is_200(exchanges: Exchanges) -> Iterator[bool]:
    return (each.status == 200 for each in _answers(exchanges, "POST", "workflows", "*", "runs"))


def _statuses(exchanges: Exchanges) -> Iterator[bool]:
    told = (record["status"] for record in _records(exchanges) if "status" in record)
    return (isinstance(status, str) and status in KNOWN_STATUSES for status in told)


def _ids(exchanges: Exchanges) -> Iterator[bool]:
    return (is_uuid(str(record["id"])) for record in _records(exchanges) if "id" in record)


def _moments(exchanges: Exchanges) -> Iterator[bool]:
    for record in _records(exchanges):
        times = [record.get("created_at"), record.get("finished_at")]
        yield from (bool(MOMENT.fullmatch(str(time))) for time in times if time is not None)


def _output_is_object(exchanges: Exchanges) -> Iterator[bool]:
    done = (record for record in _records(exchanges) if record.get("status") == "completed" and "output" in record)
    return (isinstance(record["output"], dict) for record in done)


def _no_reason(exchanges: Exchanges) -> Iterator[bool]:
    failed = (record for record in _records(exchanges) if record.get("status") == "failed")
    return (not record.keys() & {"error", "error_message", "failure_reason", "detail"} for record in failed)


def _look_up_without_output(exchanges: Exchanges) -> Iterator[bool]:
    for each in _answers(exchanges, "GET", "runs", "*"):
        yield isinstance(each.json, dict) and "output" not in each.json


def _stream_type(exchanges: Exchanges) -> Iterator[bool]:
    return (each.is_stream for each in _answers(exchanges, "GET", "runs", "*", "events"))


def _envelope_form(exchanges: Exchanges) -> Iterator[bool]:
    for value in _envelopes(exchanges):
        yield isinstance(value, dict) and isinstance(value.get("type"), str) and isinstance(value.get("data"), dict)


def _envelope_types(exchanges: Exchanges) -> Iterator[bool]:
    for value in _envelopes(exchanges):
        if isinstance(value, dict):
            yield value.get("type") in ("content", "state")


def _cursors(exchanges: Exchanges) -> Iterator[bool]:
    for value in _envelopes(exchanges):
        if isinstance(value, dict):
            yield isinstance(value.get("redisId"), str)


def _names(exchanges: Exchanges) -> Iterator[bool]:
    return (name == "message" for each in exchanges if each.is_stream for name, _ in each.events)


def _end_by_content(exchanges: Exchanges) -> Iterator[bool]:
    for value in _envelopes(exchanges):
        data = value.get("data") if isinstance(value, dict) else None
        if isinstance(data, dict) and data.get("workflow_status") is not None:
            yield value.get("type") == "content" and data["workflow_status"] in TERMINAL_BY_DOCS


def _lists(exchanges: Exchanges) -> Iterator[bool]:
    for each in (*_answers(exchanges, "GET", "workflows"), *_answers(exchanges, "GET", "workflows", "*", "runs")):
        yield isinstance(each.json, dict) and isinstance(each.json.get("items"), list)


def _previews_have_file(exchanges: Exchanges) -> Iterator[bool]:
    for record in _records(exchanges):
        yield from _previews_in(record.get("output"))


def _previews_in(value: Any, depth: int = 0) -> Iterator[bool]:
    if isinstance(value, dict) and value.get("has_preview"):
        file = value.get("file")
        yield isinstance(value.get("text"), str) and isinstance(file, dict) and isinstance(file.get("id"), str)
        return
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner if depth < 50 else ():
        yield from _previews_in(each, depth + 1)


def _errors(exchanges: Exchanges) -> Iterator[bool]:
    for each in exchanges:
        if each.status is not None and each.status >= 400:
            yield isinstance(each.json, dict) and "detail" in each.json


def _request_ids(exchanges: Exchanges) -> Iterator[bool]:
    for each in exchanges:
        if each.status is not None:
            yield bool({"x-request-id", "x-noxus-request-id"} & each.headers.keys())


# Each function yields whether the fact of that name holds, for each place in a recording.
CHECKS_OF_RECORDINGS: Mapping[str, Callable[[Exchanges], Iterator[bool]]] = {
    "start_fields": _start_has_required,
    "start_status": _start_is_200,
    "statuses": _statuses,
    "ids": _ids,
    "times": _moments,
    "output": _output_is_object,
    "reason": _no_reason,
    "look_up": _look_up_without_output,
    "stream_type": _stream_type,
    "frames": _names,
    "envelope": _envelope_form,
    "event_types": _envelope_types,
    "cursors": _cursors,
    "end": _end_by_content,
    "lists": _lists,
    "previews": _previews_have_file,
    "errors": _errors,
    "request_ids": _request_ids,
}
