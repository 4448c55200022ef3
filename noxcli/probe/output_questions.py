"""Questions about outputs and files."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from noxcli.api.http import REDIRECTS
from noxcli.inputs.definition import OutputNode
from noxcli.probe.evidence import NEEDS_COMPLETED, THE_RECORD, Evidence
from noxcli.probe.learned import Question, Seen, Sureness, refusal

_DEEPEST = 20  # levels of an output to search


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


def _previews(value: Any, depth: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if isinstance(value, dict) and value.get("has_preview") and isinstance(value.get("text"), str):
        yield depth, value
        return
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner if depth < _DEEPEST else ():
        yield from _previews(each, depth + 1)


def _preview_characters(e: Evidence) -> Seen | None:
    """Find how much of a truncated text remains, compared with the length of its file."""
    for _, value in _previews(dict(e.ended.output)) if e.ended else ():
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
    """Find the answer to a request for a part of a file that is served without a redirect."""
    answer = e.file_part if e.file and e.file.ok else None
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


_FILE, _LONG = "needs a completed run with a file or a long text", "needs a truncated text, and its file's length"
OUTPUT_QUESTIONS = (
    Question("output_keys", "keys of the output", _output_keys, NEEDS_COMPLETED),
    Question("inline_text", "form of a text", _inline_text, "needs a short text output"),
    Question("preview_characters", "length of a truncated text", _preview_characters, _LONG),
    Question("nested_previews", "truncated texts inside values", _nested_previews, _LONG),
    Question("download", "download of a file", _download, _FILE),
    Question("ranges", "part of a file", _ranges, f"{_FILE}, served without a redirect"),
    Question("file_uri", "address of a file", _file_uri, _FILE),
)
