"""Questions about outputs and files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from noxcli.api.http import REDIRECTS
from noxcli.inputs.definition import OutputNode
from noxcli.probe.evidence import NEEDS_COMPLETED, NEEDS_ENDED, THE_RECORD, Evidence, form_of
from noxcli.probe.learned import Question, Seen, Sureness, refusal

_LIKELY = Sureness.LIKELY
_DEEPEST = 20  # levels of an output to search


def _output_keys(e: Evidence) -> Seen | None:
    """Find the keys of the output."""
    return _keys_seen(e, e.ended.output if e.ended else {}, ("label", "node_id", "node_id::name"))


def _output_ids(e: Evidence) -> Seen | None:
    """Find the keys of the output with ids."""
    return _keys_seen(e, e.ended.by_id if e.ended and e.ended.output else {}, ("node_id", "node_id::name"))


def _keys_seen(e: Evidence, output: Mapping[str, Any], possible: tuple[str, ...]) -> Seen | None:
    forms = {form_of(key, e.outputs, "output") for key in output} - {None}
    if len(forms) != 1:
        return None
    form = str(forms.pop())
    return Seen(f"by {form.replace('_', ' ')}", form if form in possible else None, THE_RECORD)


def _duplicate_labels(e: Evidence) -> Seen | None:
    """Find how outputs with the same label are returned."""
    run = e.ended
    label = _shared_label(e.outputs)
    if run is None or label is None or label not in run.output:
        return None
    values = [_by_node(run.by_id, node.id) for node in e.outputs if node.label == label]
    if any(key.startswith(f"{label} (") for key in run.output):
        return Seen("numbered", "number", THE_RECORD)
    if len(run.by_id) < len(e.outputs) or not _are_distinct(values):
        return None
    if run.output[label] in (values[0], values[-1]):
        found = "first" if run.output[label] == values[0] else "last"
        return Seen(f"the {found} is kept", found, THE_RECORD)
    return None


def _shared_label(nodes: Sequence[OutputNode]) -> str | None:
    labels = [node.label for node in nodes]
    return next((each for each in labels if each and labels.count(each) > 1), None)


def _are_distinct(values: Sequence[Any]) -> bool:
    return all(values.count(each) == 1 for each in values)


def _by_node(output: Mapping[str, Any], node_id: str) -> Any:
    return next((value for key, value in output.items() if key.split("::")[0] == node_id), None)


def _inline_text(e: Evidence) -> Seen | None:
    """Find the form of a text."""
    values = list(e.ended.output.values()) if e.ended else []
    if any(isinstance(value, str) for value in values):
        return Seen("the text itself", "string", THE_RECORD)
    if any(isinstance(value, dict) and value.keys() == {"text"} for value in values):
        return Seen('{"text": ...}', "container", THE_RECORD, _LIKELY)
    return None


def _previews(value: Any, depth: int = 0) -> list[tuple[int, Mapping[str, Any]]]:
    if isinstance(value, dict) and value.get("has_preview") and isinstance(value.get("text"), str):
        return [(depth, value)]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for each in inner if depth < _DEEPEST for found in _previews(each, depth + 1)]


def _preview_characters(e: Evidence) -> Seen | None:
    """Find how much of a truncated text remains, compared with the length of its file."""
    for _, value in _previews(dict(e.ended.output)) if e.ended else []:
        if value.get("file") == e.file_value and e.file is not None:
            length, text = e.file.headers.get("content-length", ""), value["text"]
            cut = length.isdecimal() and int(length) > len(text.encode("utf-8", "surrogatepass"))
            return Seen(f"{len(text)}", len(text) if cut else None, THE_RECORD)
    return None


def _nested_previews(e: Evidence) -> Seen | None:
    """Find whether texts inside lists and objects are truncated, as an output of no greater length is."""
    output = dict(e.ended.output) if e.ended else {}
    if any(depth > 1 for depth, _ in _previews(output)):
        return Seen("yes", True, THE_RECORD)
    cut = any(value.get("file") == e.file_value for _, value in _previews(output))
    length = e.file.headers.get("content-length", "") if cut and e.file is not None and e.file.ok else ""
    whole = max(map(len, _texts_inside(output)), default=0)
    return Seen("no", False, THE_RECORD) if length.isdecimal() and whole >= int(length) else None


def _texts_inside(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str) and depth > 1:
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner if depth < _DEEPEST else ():
        yield from _texts_inside(each, depth + 1)


def _output_only_form(e: Evidence) -> Seen | None:
    """Find the form of an answer that has only the output."""
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
    direct = "content-length" in answer.headers
    return Seen("with its length" if direct else "in chunks", "direct" if direct else "chunked", how)


def _ranges(e: Evidence) -> Seen | None:
    """Find the answer to a request for a part of a file."""
    answer = e.file_part if e.file and (e.file.ok or e.file.status in REDIRECTS) else None
    found = {206: "honoured", 200: "ignored", 403: "refused"}.get(answer.status) if answer else None
    how = "the first byte of a file of an ended run"
    return Seen(found, found, how) if found else refusal(answer, how)


def _file_uri(e: Evidence) -> Seen | None:
    """Find the address of a stored file."""
    value = e.file_value
    if value is None:
        return None
    scheme, _, rest = str(value["uri"]).partition("://")
    if scheme == "spot":
        path = unquote(rest) != str(value["id"])
        return Seen("spot://, id and name" if path else "spot:// and id", "spot_path" if path else "spot", THE_RECORD)
    return Seen("https", "https", THE_RECORD) if scheme == "https" else Seen("another form", None, THE_RECORD)


_FILE = "needs an ended run with a file or a long text"
OUTPUT_QUESTIONS = (
    Question("output_only_form", "output_only=true", _output_only_form, NEEDS_ENDED),
    Question("output_keys", "keys of the output", _output_keys, NEEDS_COMPLETED),
    Question("output_ids", "keys under use_output_ids=true", _output_ids, NEEDS_COMPLETED),
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
    Question("download", "download of a file", _download, _FILE),
    Question("ranges", "part of a file", _ranges, _FILE),
    Question("file_uri", "address of a file", _file_uri, _FILE),
)
