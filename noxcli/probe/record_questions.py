"""Questions about records, outputs, files and lists."""

import re
from collections.abc import Mapping
from typing import Any

from noxcli.api.http import REDIRECTS
from noxcli.inputs.definition import OutputNode
from noxcli.probe.evidence import NEEDS_COMPLETED, NEEDS_ENDED, OUR_RECORD, THE_RECORD, EndedRun, Evidence
from noxcli.probe.learned import Question, Seen, Sureness, refusal
from noxcli.probe.raw import RawAnswer, items_on

_LIKELY = Sureness.LIKELY
_HIGHEST_PAGE = 100  # the limit that the docs give for some lists
_LIMIT_IN_WORDS = re.compile(r"less than or equal to (\d{1,6})")


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


def _output_keys(e: Evidence) -> Seen | None:
    """Find the keys of the output."""
    forms = {form for key in (e.ended.output if e.ended else {}) if (form := _form_of(key, e.outputs))}
    form = forms.pop() if len(forms) == 1 else None
    return Seen(f"by {form.replace('_', ' ')}", form, THE_RECORD) if form else None


def _form_of(key: str, nodes: list[OutputNode]) -> str | None:
    """Return how a key names a node; None if two ways give the same key, or it names none."""
    forms = set()
    for node in nodes:
        names = {"label": node.label, "node_id": node.id, "node_id::name": f"{node.id}::output"}
        forms |= {form for form, name in names.items() if key == name}
    return forms.pop() if len(forms) == 1 else None


def _inline_text(e: Evidence) -> Seen | None:
    """Find the form of a text."""
    values = list(e.ended.output.values()) if e.ended else []
    if any(isinstance(value, str) for value in values):
        return Seen("the text itself", "string", THE_RECORD)
    if any(isinstance(value, dict) and value.keys() == {"text"} for value in values):
        return Seen('{"text": ...}', "container", THE_RECORD, Sureness.LIKELY)
    return None


def _download(e: Evidence) -> Seen | None:
    """Find how a file is served."""
    answer, how = e.file, "the download of a file of an ended run"
    if answer is None:
        return None
    if answer.status in REDIRECTS:
        where = "another origin" if answer.elsewhere else "another address"
        return Seen(f"redirected to {where}", "redirect" if answer.elsewhere else None, how)
    if not answer.ok:
        return refusal(answer, how)
    if _is_something_else(e):
        return Seen("JSON instead of it, perhaps with its address", "address", how, _LIKELY)
    direct = "content-length" in answer.headers
    return Seen("with its length" if direct else "in chunks", "direct" if direct else "chunked", how)


def _is_something_else(e: Evidence) -> bool:
    """True if the answer to a download is JSON, and the file's own value says that the file is not."""
    told = e.file.headers.get("content-type", "") if e.file else ""
    return "json" in told and "json" not in str(e.file_value and e.file_value.get("content_type", "json"))


def _ranges(e: Evidence) -> Seen | None:
    """Find the answer to a request for a part of a file that is served without a redirect."""
    answer = e.file_part if e.file and e.file.ok and not _is_something_else(e) else None
    found = {206: "honoured", 200: "ignored", 403: "refused"}.get(answer.status) if answer else None
    how = "the first byte of a file of an ended run"
    return Seen(found, found, how) if found else refusal(answer, how)


def _page_limit(e: Evidence) -> Seen | None:
    """Find the largest page that a list accepts."""
    above = e.page_above
    if above.ok:
        return Seen(f"more than {_HIGHEST_PAGE}", None, "a list of runs")
    named = _LIMIT_IN_WORDS.search(above.body[:10_000].decode("utf-8", "replace"))
    if above.status != 422 or named is None:
        return None
    limit = int(named[1])
    return Seen(str(limit), limit, "the refusal of a larger page") if limit <= _HIGHEST_PAGE else None


def _list_order(e: Evidence) -> Seen | None:
    """Find which run comes first in a list."""
    times = [str(item.get("created_at")) for item in items_on(e.page.object)]
    if len(set(times)) < 2:
        return None
    order = "newest" if times == sorted(times, reverse=True) else "oldest" if times == sorted(times) else None
    return Seen(f"the {order}" if order else "neither the newest nor the oldest", order, "a list of runs")


def _versions(e: Evidence) -> Seen | None:
    """Find the form of the list of saved versions."""
    how = "a list of versions"
    if not e.versions.ok:
        return refusal(e.versions, how, s404="404")
    if isinstance(e.versions.json, list):
        return Seen("a bare list", "list", how)
    return Seen("in pages", "paged", how) if isinstance(e.versions.object.get("items"), list) else None


def _retry_after(e: Evidence) -> Seen | None:
    """Find the form of Retry-After."""
    for answer in e.asker.refusals:
        text = answer.headers.get("retry-after")
        form = "none" if text is None else "seconds" if text.isdecimal() else "date"
        return Seen(form, form, "a 429")
    return None


_OWN, _FILE = "needs --start 1", "needs a completed run with a file or a long text"
RECORD_QUESTIONS = (
    Question("stale_reads", "lag of the record", _stale_reads, _OWN),
    Question("late_output_reads", "lag of the output", _late_output_reads, _OWN),
    Question("look_up", "look-up by run id alone", _look_up, NEEDS_ENDED),
    Question("failure_detail", "reason of a failure", _failure_detail, "needs a failed run"),
    Question("run_data", "data of a run", _run_data, NEEDS_ENDED),
    Question("stop_seconds", "time that a stop takes", _stop_seconds, "needs --start 2"),
    Question("on_stop_finished", "stop of an ended run", _on_stop_finished, _OWN),
    Question("output_keys", "keys of the output", _output_keys, NEEDS_COMPLETED),
    Question("inline_text", "form of a text", _inline_text, "needs a short text output"),
    Question("download", "download of a file", _download, _FILE),
    Question("ranges", "part of a file", _ranges, f"{_FILE}, served without a redirect"),
    Question("page_limit", "largest page", _page_limit, "needs a list that names its limit"),
    Question("list_order", "first in a list", _list_order, "needs two runs"),
    Question("versions", "list of versions", _versions, "needs an answer"),
    Question("retry_after", "Retry-After", _retry_after, "needs a 429"),
)
