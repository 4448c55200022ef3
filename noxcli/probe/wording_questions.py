"""Questions about words and forms: a node's status, progress, logs, errors, and where a stream starts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from noxcli.probe.evidence import EndedRun, Evidence
from noxcli.probe.learned import Question, Seen, Sureness
from noxcli.runs.failures import FAILED
from noxcli.runs.progress import DONE

_PLAIN = frozenset({"running", "completed", "failed", "skipped"})
_RECORD_OF_IT = "the record of an ended run"


def _told_statuses(e: Evidence) -> Iterator[str]:
    for stream in e.streams():
        for each in stream.envelopes:
            data = each.get("data")
            if each["type"] == "content" and isinstance(data, dict) and isinstance(data.get("status"), str):
                yield data["status"]


def _node_words(e: Evidence) -> Seen | None:
    """Find the words for a node's status, if noxcli knows them."""
    words, how = frozenset(_told_statuses(e)), "events of a run"
    if not words:
        return None
    if words & _PLAIN:
        return Seen("running, completed, failed, skipped", "plain", how)
    if {word.lower() for word in words} & _PLAIN:
        return Seen("the same in capitals", "upper" if all(map(str.isupper, words)) else None, how)
    return Seen("other words", "synonym" if words & (DONE | FAILED) else None, how)


def _details_of(run: EndedRun | None) -> Mapping[str, Any]:
    details = run.record.get("progress_details") if run and run.record else None
    return details if isinstance(details, dict) else {}


def _by_node(run: EndedRun | None, key: str) -> Mapping[str, Any]:
    """Return a part of the record's progress_details that has a value for each node."""
    value = _details_of(run).get(key)
    return value if isinstance(value, dict) else {}


def _node_progress(e: Evidence) -> Seen | None:
    """Find what per_node_progress has for each node."""
    if not _details_of(e.ended).get("executed_nodes"):
        return None
    forms = set(map(_form_of_progress, _by_node(e.ended, "per_node_progress").values())) or {"none"}
    names = {
        "none": "nothing",
        "status": "an object with the status",
        "word": "the status",
        "percent": "a number",
    }
    return _seen(forms, names, "something else", _RECORD_OF_IT)


def _seen(forms: Collection[str], names: Mapping[str, str], otherwise: str, how: str) -> Seen:
    """Return the one form with its name; several forms, or one that is not known, are something else."""
    form = next(iter(forms)) if len(forms) == 1 else ""
    return Seen(names.get(form, otherwise), form or None, how)


def _form_of_progress(value: Any) -> str:
    match value:
        case {"status": str()}:
            return "status"
        case str():
            return "word"
        case bool():
            return ""
        case int() | float():
            return "percent"
        case _:
            return ""


def _run_logs(e: Evidence) -> Seen | None:
    """Find what run_logs has for a failed node."""
    logs, nodes = _by_node(e.failed, "run_logs"), set(_nodes_of(e))
    if not logs:
        return None
    forms = {_form_of(value) if key in nodes else "flat" for key, value in logs.items()}
    names = {
        "entries": "a list of objects for each node",
        "lines": "a list of texts for each node",
        "text": "a text for each node",
        "object": "an object for each node",
        "flat": "no node's id on top",
    }
    return _seen(forms, names, "another form", "the record of a failed run")


def _nodes_of(e: Evidence) -> Iterator[str]:
    nodes = e.definition.get("nodes")
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, dict) and isinstance(node.get("id"), str):
            yield node["id"]


def _form_of(value: Any) -> str:
    if isinstance(value, list) and value:
        if all(isinstance(entry, dict) for entry in value):
            return "entries"
        return "lines" if all(isinstance(entry, str) for entry in value) else ""
    return "text" if isinstance(value, str) else "object" if isinstance(value, dict) else ""


def _error_body(e: Evidence) -> Seen | None:
    """Find the form of an error. An error about a request's form is always a list, which shows nothing."""
    for answer in e.asker.errors:
        form = _form_of_error(answer.json, answer.body, listed=answer.status == 422)
        if form:
            return Seen(form, form, "an error of the server", Sureness.LIKELY)
    return None


def _form_of_error(value: Any, body: bytes, *, listed: bool) -> str:
    if isinstance(value, dict):
        if isinstance(value.get("detail"), list):
            return "" if listed else "list"
        return next((key for key in ("detail", "message", "error") if isinstance(value.get(key), str)), "")
    return "empty" if not body else "html" if body.lstrip().startswith(b"<") else ""


def _stream_start(e: Evidence) -> Seen | None:
    """Find whether a stream that is opened after the start has the earlier events."""
    for trial in e.trials:
        live: Sequence[Any] = trial.stream.envelopes if trial.stream else ()
        again = e.ended.replay.envelopes if e.ended and e.ended.id == trial.run_id else []
        if not live or not again:
            continue
        first = live[0].get("data")
        # Only that event is there before any stream can be opened; others look alike where few are kept.
        if live[0] == again[0] and isinstance(first, dict) and first.get("status") == "queued":
            return Seen("with the first event", "first", "a run that probe started", Sureness.LIKELY)
        if len(live) < len(again) and again[-len(live) :] == list(live):
            return Seen("with the next event", "new", "a run that probe started", Sureness.LIKELY)
    return None


_REPLAYED_OWN = "needs --start 1, without --run, and a replay"
WORDING_QUESTIONS = (
    Question("stream_start", "start of a stream without a cursor", _stream_start, _REPLAYED_OWN),
    Question("node_words", "words for a node's status", _node_words, "needs events of nodes"),
    Question("node_progress", "per_node_progress", _node_progress, "needs an ended run"),
    Question("run_logs", "run_logs", _run_logs, "needs a failed run with logs"),
    Question("error_body", "form of an error", _error_body, "needs an error that is not about a request's form"),
)
