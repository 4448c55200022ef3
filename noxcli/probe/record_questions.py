"""Questions about records, lists, outputs and files."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from noxcli.api.raw import RawAnswer
from noxcli.inputs.definition import InputNode
from noxcli.probe.evidence import EndedRun, Evidence, items_on
from noxcli.probe.learned import Question, Seen, Sureness, SwitchValue

T = TypeVar("T", list[Any], dict[str, Any])
_LIKELY = Sureness.LIKELY
_HIGHEST_PAGE = 100  # the limit that the docs give for some lists
_REDIRECTS_SEEN = (301, 302, 303, 307, 308)
_DEEPEST = 20  # levels of an output that are looked at
_LIMIT_IN_WORDS = re.compile(r"less than or equal to (\d{1,6})")
_RATE_HEADERS = ("ratelimit", "ratelimit-limit", "ratelimit-policy", "x-ratelimit-limit", "x-rate-limit-limit")
_RECORD, _RECORDS_OWN = "the record of an ended run", "the record of a run that probe started"


def _status(answer: RawAnswer | None, how: str, **values: SwitchValue) -> Seen | None:
    """Return a refusal as what was seen; `values` are those of statuses that a switch has."""
    return None if answer is None else Seen(str(answer.status), values.get(f"s{answer.status}"), how)


def _create_status(e: Evidence) -> Seen | None:
    """Find the status of the answer to a start."""
    started = next((trial.start for trial in e.trials if trial.start and trial.start.ok), None)
    return Seen(str(started.status), started.status, "a start") if started else None


def _early_output(e: Evidence) -> Seen | None:
    """Find the output of a run that goes on."""
    outputs = {node.id for node in e.outputs}
    for record in (trial.early for trial in e.trials if trial.early):
        output = record.get("output", "")
        if output is None or (isinstance(output, dict) and output):
            return Seen("null" if output is None else "in part", "null" if output is None else "partial", _RECORDS_OWN)
        if output == {} and outputs & set(_details(record, "executed_nodes", list)):
            return Seen("empty", "empty", _RECORDS_OWN)
    return None


def _details(record: Mapping[str, Any] | None, key: str, kind: type[T]) -> T:
    """Return a part of a record's progress_details, empty if there is none of that kind."""
    details = record.get("progress_details") if record else None
    value = details.get(key) if isinstance(details, dict) else None
    return value if isinstance(value, kind) else kind()


def _stale_reads(e: Evidence) -> Seen | None:
    """Find out how many reads of the record lag behind the end."""
    for trial in e.trials:
        if trial.stale_reads is not None:
            return Seen(f"{trial.stale_reads} reads", trial.stale_reads, _RECORDS_OWN, _LIKELY)
    return None


def _late_output_reads(e: Evidence) -> Seen | None:
    """Find out how many reads of a completed run come before its output."""
    for trial in e.trials:
        if trial.late_reads is not None and trial.stale_reads is not None:
            return Seen(f"{trial.late_reads} reads", trial.late_reads, _RECORDS_OWN, _LIKELY)
    return None


def _look_up(e: Evidence) -> Seen | None:
    """Find the answer to a look-up by the run's id alone."""
    if e.ended is None:
        return None
    answer = e.ended.look_up
    if answer.ok:
        served = _envelope(answer).get("id") == e.ended.id
        return Seen("served", "served", "a read of an ended run by its id") if served else None
    return _status(answer, "a read of an ended run by its id", s403="403", s404="404", s405="405")


def _look_up_output(e: Evidence) -> Seen | None:
    """Find out which output that answer has."""
    record = _envelope(e.ended.look_up) if e.ended else {}
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
    """Find the keys of inputs in a record, from runs that gave them in several forms."""
    kept: list[tuple[tuple[str, ...], set[str]]] = []
    for trial in e.trials:
        shown = (trial.early or trial.final or {}).get("input")
        if isinstance(shown, dict) and shown:
            kept.append((trial.given, set(shown)))
    given_forms = {form for given, _ in kept for key in given if (form := _form(key, e.inputs, "input"))}
    forms = {form for _, shown in kept for key in shown if (form := _form(key, e.inputs, "input"))}
    if len(forms) == 1 and (forms != given_forms or len(given_forms) > 1):
        form = forms.pop()
        return Seen(f"as {form.replace('_', ' ')}", form, _RECORDS_OWN)
    if len(given_forms) > 1 and all(set(given) == shown for given, shown in kept):
        return Seen("as they were given", "as_given", _RECORDS_OWN)
    return None


def _output_keys(e: Evidence) -> Seen | None:
    """Find the keys of the output."""
    return _keys_seen(e, e.ended.output if e.ended else {}, ("label", "node_id", "node_id::name"))


def _output_ids(e: Evidence) -> Seen | None:
    """Find the keys of the output under ids."""
    return _keys_seen(e, e.ended.by_id if e.ended and e.ended.output else {}, ("node_id", "node_id::name"))


def _keys_seen(e: Evidence, output: Mapping[str, Any], possible: tuple[str, ...]) -> Seen | None:
    forms = {_form(key, e.outputs, "output") for key in output} - {None}
    if len(forms) != 1:
        return None
    form = str(forms.pop())
    return Seen(f"by {form.replace('_', ' ')}", form if form in possible else None, _RECORD)


def _form(key: str, nodes: Any, end: str) -> str | None:
    """Return the form of a key: which way it means one of the nodes; None if two ways are alike, or it is none."""
    forms = set()
    for node in nodes:
        names = node.connectors if isinstance(node, InputNode) else (end,)
        forms |= {"label"} if key == node.label else set()
        forms |= {"node_id"} if key == node.id else set()
        forms |= {"node_id::name"} if key in [f"{node.id}::{name}" for name in names] else set()
    return forms.pop() if len(forms) == 1 else None


def _duplicate_labels(e: Evidence) -> Seen | None:
    """Find out what becomes of outputs with the same label."""
    run = e.ended
    labels = [node.label for node in e.outputs]
    label = next((each for each in labels if each and labels.count(each) > 1), None)
    if run is None or label is None or label not in run.output:
        return None
    values = [_by_node(run.by_id, node.id) for node in e.outputs if node.label == label]
    if any(key.startswith(f"{label} (") for key in run.output):
        return Seen("numbered", "number", _RECORD)
    if len(run.by_id) < len(labels) or any(values.count(each) > 1 for each in values):
        return None
    if run.output[label] in (values[0], values[-1]):
        found = "first" if run.output[label] == values[0] else "last"
        return Seen(f"the {found} is kept", found, _RECORD)
    return None


def _by_node(output: Mapping[str, Any], node_id: str) -> Any:
    return next((value for key, value in output.items() if key.split("::")[0] == node_id), None)


def _inline_text(e: Evidence) -> Seen | None:
    """Find the form of a text."""
    values = list(e.ended.output.values()) if e.ended else []
    if any(isinstance(value, str) for value in values):
        return Seen("the text itself", "string", _RECORD)
    if any(isinstance(value, dict) and value.keys() == {"text"} for value in values):
        return Seen('{"text": ...}', "container", _RECORD, _LIKELY)
    return None


def _previews(value: Any, depth: int = 0) -> list[tuple[int, Mapping[str, Any]]]:
    if isinstance(value, dict) and value.get("has_preview") and isinstance(value.get("text"), str):
        return [(depth, value)]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for each in inner if depth < _DEEPEST for found in _previews(each, depth + 1)]


def _preview_characters(e: Evidence) -> Seen | None:
    """Find out how much is left of a text that was cut, as the length of its file proves."""
    for _, value in _previews(dict(e.ended.output)) if e.ended else []:
        if value.get("file") == e.file_value and e.file is not None:
            length, text = e.file.headers.get("content-length", ""), value["text"]
            cut = length.isdecimal() and int(length) > len(text.encode("utf-8", "surrogatepass"))
            return Seen(f"{len(text)}", len(text) if cut else None, _RECORD)
    return None


def _nested_previews(e: Evidence) -> Seen | None:
    """Find out whether texts inside lists and objects are cut."""
    deep = [depth for depth, _ in _previews(dict(e.ended.output)) if depth > 1] if e.ended else []
    return Seen("yes", True, _RECORD) if deep else None


def _timestamps(e: Evidence) -> Seen | None:
    """Find out how times are written."""
    text = str((e.ended.record or {}).get("created_at") or "") if e.ended else ""
    if "T" not in text:
        return None
    zone = "z" if text.endswith("Z") else "offset" if re.search(r"[+-]\d\d:?\d\d$", text) else "naive"
    return Seen({"z": "with Z", "offset": "with an offset", "naive": "without a time zone"}[zone], zone, _RECORD)


def _failed_nodes(e: Evidence) -> Seen | None:
    """Find out whether a failed node counts as executed."""
    run = e.failed
    details = run.record.get("progress_details") if run and run.record else None
    executed = details.get("executed_nodes") if isinstance(details, dict) else None
    named = [data.get("id") for data in _failures(e, run)] if run else []
    if not isinstance(executed, list) or not named:
        return None
    found = "executed" if named[-1] in executed else "left_out"
    return Seen(found.replace("_", " "), found, "the record of a failed run")


def _failures(e: Evidence, run: EndedRun) -> list[Mapping[str, Any]]:
    """Return what events say of failed nodes, as they came while the run was going on where it is one of ours."""
    live = next((trial.stream for trial in e.trials if trial.run_id == run.id), None)
    found = [each.get("data") for each in (live or run.replay).envelopes if each["type"] == "content"]
    return [data for data in found if isinstance(data, dict) and data.get("status") == "failed"]


def _failure_detail(e: Evidence) -> Seen | None:
    """Find out where the reason of a failure stands."""
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
    having = [place for place, has in places.items() if has]
    unknown = [place for place, has in places.items() if has is None]
    text = ", ".join(having) or ("nowhere" if not unknown else "")
    if not text:
        return None
    value = None
    if len(having) == 3:
        value = "everywhere"
    elif len(having) == 1 and len(unknown) < 2:
        value = having[0]
    elif not having:
        value = "none"
    return Seen(text, value, "a failed run: events, record and data")


def _nodes(answer: RawAnswer) -> list[Mapping[str, Any]]:
    value = answer.json if answer.ok else None
    nodes = value.get("nodes") if isinstance(value, dict) else None
    found = list(nodes.values()) if isinstance(nodes, dict) else nodes if isinstance(nodes, list) else []
    return [node for node in found if isinstance(node, dict)]


def _output_only_form(e: Evidence) -> Seen | None:
    """Find the form of an answer that has the output only."""
    run = e.ended
    if run is None or run.record is None or not run.output_only.ok:
        return None
    answer, how = run.output_only.json, "the output alone of an ended run"
    if answer == run.record.get("output"):
        return Seen("the output itself", "bare", how)
    keys = set(answer) if isinstance(answer, dict) else set()
    form = {frozenset({"id", "output", "status"}): "with_status", frozenset({"id", "output"}): "pair"}
    found = form.get(frozenset(keys))
    return Seen({"with_status": "id, output and status", "pair": "id and output"}.get(found or "", "other"), found, how)


def _page_size(e: Evidence) -> Seen | None:
    """Find out how many items a page has by itself."""
    size = _envelope(e.page).get("size")
    limit = _page_limit(e)
    if not isinstance(size, int) or limit is None:
        return None
    # A server may give less than its own size where its limit is below that.
    return Seen(str(size), size if limit.value is not None and size < int(limit.value) else None, "a list of runs")


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


def _envelope(answer: RawAnswer) -> Mapping[str, Any]:
    value = answer.json if answer.ok else None
    return value if isinstance(value, dict) else {}


def _list_order(e: Evidence) -> Seen | None:
    """Find out which run comes first in a list."""
    times = [str(item.get("created_at")) for item in items_on(e.page)]
    if len(set(times)) < 2:
        return None
    order = "newest" if times == sorted(times, reverse=True) else "oldest" if times == sorted(times) else None
    return Seen(f"the {order}" if order else "neither the newest nor the oldest", order, "a list of runs")


def _versions(e: Evidence) -> Seen | None:
    """Find the form of the list of saved versions."""
    how = "a list of versions"
    if not e.versions.ok:
        return _status(e.versions, how, s404="404")
    if isinstance(e.versions.json, list):
        return Seen("a bare list", "list", how)
    return Seen("in pages", "paged", how) if isinstance(_envelope(e.versions).get("items"), list) else None


def _run_data(e: Evidence) -> Seen | None:
    """Find the form of a run's data."""
    if e.ended is None:
        return None
    how = "the data of an ended run"
    if not e.ended.data.ok:
        return _status(e.ended.data, how, s404="404")
    nodes = _envelope(e.ended.data).get("nodes")
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
        return _status(answer, how, s404="404")
    keys = set(_envelope(answer))
    if keys == {"inputs", "outputs"}:
        return Seen("inputs and outputs alone", "bare", how)
    return Seen("the whole entry", "entry", how) if keys > {"inputs", "outputs"} else Seen("another form", None, how)


def _node_times(e: Evidence) -> Seen | None:
    """Find out whether a run's data tell when its nodes worked."""
    worked = [node for node in _nodes(e.ended.data) if node.get("status") == "completed"] if e.ended else []
    if not worked:
        return None
    found = any(node.get("started_at") for node in worked)
    return Seen("yes" if found else "no", found, "the data of an ended run")


def _stop_seconds(e: Evidence) -> Seen | None:
    """Find out how long a stop takes, by an event that tells it, or by the record if that does not lag."""
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
            return Seen("unchanged", "unchanged", how) if trial.again.ok else _status(trial.again, how, s409="409")
    return None


def _download(e: Evidence) -> Seen | None:
    """Find out how a file is served."""
    answer, how = e.file, "the download of a file of an ended run"
    if answer is None:
        return None
    if answer.status in _REDIRECTS_SEEN:
        where = "another origin" if answer.elsewhere else "another address"
        return Seen(f"redirected to {where}", "redirect" if answer.elsewhere else None, how)
    if not answer.ok:
        return _status(answer, how)
    direct = "content-length" in answer.headers
    return Seen("with its length" if direct else "in chunks", "direct" if direct else "chunked", how)


def _ranges(e: Evidence) -> Seen | None:
    """Find out what becomes of a request for a part of a file."""
    answer = e.file_part if e.file and (e.file.ok or e.file.status in _REDIRECTS_SEEN) else None
    found = {206: "honoured", 200: "ignored", 403: "refused"}.get(answer.status) if answer else None
    how = "the first byte of a file of an ended run"
    return Seen(found, found, how) if found else _status(answer, how)


def _file_uri(e: Evidence) -> Seen | None:
    """Find the address of a stored file."""
    value = e.file_value
    if value is None:
        return None
    scheme, _, rest = str(value["uri"]).partition("://")
    if scheme == "spot":
        path = unquote(rest) != str(value["id"])
        return Seen("spot://, id and name" if path else "spot:// and id", "spot_path" if path else "spot", _RECORD)
    return Seen("https", "https", _RECORD) if scheme == "https" else Seen("another form", None, _RECORD)


def _api_redirects(e: Evidence) -> Seen | None:
    """Find out whether the API itself redirects."""
    found = sum(answer.status in _REDIRECTS_SEEN for answer in e.asker.answers)
    return Seen(f"{found} of {len(e.asker.answers)} answers", None, "all answers") if e.asker.answers else None


def _retry_after(e: Evidence) -> Seen | None:
    """Find the form of Retry-After."""
    for answer in e.asker.refusals:
        text = answer.headers.get("retry-after")
        form = "none" if text is None else "seconds" if text.isdecimal() else "date"
        return Seen(form, form, "a 429")
    return None


def _retry_after_seconds(e: Evidence) -> Seen | None:
    """Find the time in Retry-After."""
    for answer in e.asker.refusals:
        text = answer.headers.get("retry-after", "")
        if text.isdecimal() and len(text) < 6:
            return Seen(f"{int(text)}s", int(text), "a 429")
    return None


def _rate_limit_headers(e: Evidence) -> Seen | None:
    """Find out which headers speak of a rate limit; their numbers, nothing else."""
    for answer in e.asker.answers:
        for name in _RATE_HEADERS:
            if name in answer.headers:
                numbers = ", ".join(re.findall(r"\d{1,9}", answer.headers[name])[:4])
                return Seen(f"{name}: {numbers}", None, "all answers")
    return Seen("none", None, "all answers") if e.asker.answers else None


_ENDED, _FAILED, _FILE = "needs an ended run", "needs a failed run", "needs an ended run with a file or a long text"
_OWN, _OWN_TWO = "needs --start 1", "needs --start 2"
_COMPLETED = "needs a completed run with outputs"
RECORD_QUESTIONS = (
    Question("create_status", "status of the answer to a start", _create_status, _OWN),
    Question("early_output", "output before the end", _early_output, f"{_OWN}, and an output that is there early"),
    Question("stale_reads", "lag of the record", _stale_reads, _OWN),
    Question("late_output_reads", "lag of the output", _late_output_reads, _OWN),
    Question("look_up", "look-up by run id alone", _look_up, _ENDED),
    Question("look_up_output", "output in that look-up", _look_up_output, _COMPLETED),
    Question("record_inputs", "keys of inputs in a record", _record_inputs, f"{_OWN_TWO}, with inputs"),
    Question("failed_nodes", "failed nodes in executed_nodes", _failed_nodes, _FAILED),
    Question("failure_detail", "reason of a failure", _failure_detail, _FAILED),
    Question("timestamps", "form of times", _timestamps, _ENDED),
    Question("output_only_form", "output_only=true", _output_only_form, _ENDED),
    Question("page_size", "items of a page", _page_size, "needs a list that has a limit above that"),
    Question("page_limit", "largest page", _page_limit, "needs a list that names its limit"),
    Question("list_order", "first in a list", _list_order, "needs two runs"),
    Question("versions", "list of versions", _versions, "needs an answer"),
    Question("run_data", "data of a run", _run_data, _ENDED),
    Question("node_io", "data of a node", _node_io, _ENDED),
    Question("node_times", "times in a run's data", _node_times, _ENDED),
    Question("output_keys", "keys of the output", _output_keys, _COMPLETED),
    Question("output_ids", "keys under use_output_ids=true", _output_ids, _COMPLETED),
    Question("duplicate_labels", "outputs with the same label", _duplicate_labels, "needs two of them"),
    Question("inline_text", "form of a text", _inline_text, "needs a short text output"),
    Question(
        "preview_characters",
        "length of a truncated text",
        _preview_characters,
        "needs a truncated text, and its file's length",
    ),
    Question(
        "nested_previews", "truncated texts inside values", _nested_previews, "needs a long text in a list or object"
    ),
    Question("stop_seconds", "time that a stop takes", _stop_seconds, _OWN_TWO),
    Question("on_stop_finished", "stop of an ended run", _on_stop_finished, _OWN),
    Question("download", "download of a file", _download, _FILE),
    Question("ranges", "part of a file", _ranges, _FILE),
    Question("file_uri", "address of a file", _file_uri, _FILE),
    Question("redirects", "redirects of the API", _api_redirects, "needs an answer", switch=False),
    Question("retry_after", "Retry-After", _retry_after, "needs a 429"),
    Question("retry_after_seconds", "time in Retry-After", _retry_after_seconds, "needs a 429 with seconds"),
    Question("rate_limit_headers", "rate limits in headers", _rate_limit_headers, "needs an answer", switch=False),
)
