"""The values of an output: truncated texts and files in it, text, how much was delivered."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from noxcli.codec import to_json
from noxcli.errors import CommandLine, Hint, OutputNotDelivered
from noxcli.models import Run, is_wrapped
from noxcli.value_class import value_class

# What a server may append to a truncated text, and half of a character that was split.
CUT_MARK = "[\ufffd\ud800-\udfff]?(?:\\.\\.\\.|\u2026)?\\Z"
TRUE = frozenset({"true", "1"})
ADDRESS = r"(?s)[A-Za-z][A-Za-z0-9+.-]*://.+"
ANY_MEDIA_TYPE = r"(?s)[\w.+-]+/[\w.+*-]+(?:\s*;.*)?"


@value_class(frozen=True, slots=True)
class Remote:
    """A value whose bytes are in the Files API.

    `pointer` is its RFC 6901 place inside the output.
    """

    pointer: str
    keys: tuple[str | int, ...]
    file_id: str | None
    name: str
    is_text: bool  # a truncated text (`has_preview`), not a file
    text: str = ""  # its beginning, if the server sent one
    content_type: str = ""
    size: int | None = None  # of a truncated text: bytes or characters, it is unknown which

    @property
    def beginning(self) -> bytes:
        """The beginning of the full text, as UTF-8."""
        return re.sub(CUT_MARK, "", self.text).encode("utf-8", "surrogatepass")


# Only these can be or contain a remote value; there may be millions of others.
HOLDERS = (dict, list)


def find_remote(output: Any, *, outermost: bool = False) -> Iterator[Remote]:
    """Yield every truncated text and every file value at any depth.

    A file before the values inside it, or without. Noxus docs, running-workflows: only
    `has_preview` marks a truncated text.
    """
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(output, ())]
    while waiting:  # without recursion, since output may be nested as deeply as JSON allows
        value, keys = waiting.pop()
        if is_preview(value):
            yield _preview(value, keys)
            continue  # one text replaces the whole value
        if is_file(value):
            yield _file(value, keys)
            if outermost:
                continue
        if isinstance(value, dict | list):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            holders = [(inner, (*keys, key)) for key, inner in pairs if isinstance(inner, HOLDERS)]
            waiting += reversed(holders)


def _preview(value: Mapping[str, Any], keys: tuple[str | int, ...]) -> Remote:
    file = value.get("file")
    return Remote(
        pointer_to(keys),
        keys,
        file_id_of(file),
        name="",
        is_text=True,
        text=_word(value, "text"),
        content_type=_word(file, "content_type"),
        size=_size_of(file),
    )


def _file(value: Mapping[str, Any], keys: tuple[str | int, ...]) -> Remote:
    import mimetypes  # loaded for an output that is not all there

    name = _word(value, "name")
    guessed, _ = mimetypes.guess_type(name)
    return Remote(
        pointer_to(keys),
        keys,
        file_id_of(value),
        name,
        is_text=False,
        content_type=_word(value, "content_type") or guessed or "",
        size=_size_of(value),
    )


def _size_of(file: Any) -> int | None:
    size = file.get("size") if isinstance(file, dict) else None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return None
    return size


def media_type(content_type: str) -> str:
    """Return the type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _word(holder: Any, name: str) -> str:
    word = holder.get(name) if isinstance(holder, dict) else None
    return word if isinstance(word, str) else ""


def is_preview(value: Any) -> bool:
    """True for a text that the server truncated; its mark may be any JSON form of true."""
    mark = value.get("has_preview") if isinstance(value, dict) else None
    if isinstance(mark, str):
        return mark.strip().lower() in TRUE
    return isinstance(mark, int | float) and mark != 0


def is_file(value: Any) -> bool:
    """True for a file value (noxus-sdk 0.6.0, files.py): an address, its bytes in the Files API.

    `spot://` addresses belong to the platform. Any other address counts as a file only with all
    other fields of a file value: an id, a name, and a content type of the form type/subtype.
    Ordinary data may have some of these.
    """
    uri = _word(value, "uri")
    if uri.startswith("spot://"):
        return True
    if not _word(value, "id") or not _word(value, "name") or not re.fullmatch(ADDRESS, uri):
        return False
    return re.fullmatch(ANY_MEDIA_TYPE, _word(value, "content_type")) is not None


def file_id_of(file: Any) -> str | None:
    """Return the id, or else the single segment after `spot://`: more segments are unknown."""
    given = _word(file, "id")
    if given:
        return given
    uri = _word(file, "uri")
    segment = uri.removeprefix("spot://")
    if not segment or segment == uri or "/" in segment:
        return None
    return segment


def pointer_to(keys: tuple[str | int, ...]) -> str:
    """Return the RFC 6901 pointer."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def replaced(output: Any, values: Mapping[tuple[str | int, ...], Any]) -> Any:
    """Return a copy of the output with other values at these places."""
    root = [output]
    copied: set[int] = {id(root)}
    for keys, value in values.items():
        holder: Any = root
        path: tuple[Any, ...] = (0, *keys)
        for key in path[:-1]:
            if id(holder[key]) not in copied:
                holder[key] = holder[key].copy()
                copied.add(id(holder[key]))
            holder = holder[key]
        holder[path[-1]] = value
    return root[0]


def unwrapped(value: Any) -> Any:
    """Return what is in `{"text": …}`, the API's other form of a text.

    A public client also found objects in it.
    """
    return value["text"] if is_wrapped(value) else value


def by_name(output: Any) -> Mapping[str, Any]:
    """Return the outputs by their names; an output that is not an object is named `output`."""
    if output is None:
        return {}
    if isinstance(output, dict):
        return output
    return {"output": output}


def text_of(value: Any) -> str | None:
    """Return the text of a text value in any of its forms, None for other values."""
    inner = unwrapped(value)
    return inner if isinstance(inner, str) else None


def only_value(output: Any) -> Any:
    """Return the output's only value, None if it has several.

    An output that is not an object is returned itself.
    """
    if not isinstance(output, dict) or is_preview(output):
        return output
    return next(iter(output.values())) if len(output) == 1 else None


def only_text(output: Any) -> str | None:
    """Return the text of an output that is one text, None for any other."""
    return text_of(only_value(output))


def as_text(value: Any) -> str:
    """Return the exact text of a text value, JSON of any other."""
    inner = unwrapped(value)
    return inner if isinstance(inner, str) else to_json(inner, indent=2)


@value_class(frozen=True, slots=True)
class Delivered:
    """The output as delivered; `complete` is true only if nothing in it is a preview."""

    output: Any
    files: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = True
    problems: list[str] = field(default_factory=list)


def file_entry(
    remote: Remote | None, pointer: str, size: int, sha256: str, path: Path | None = None
) -> dict[str, Any]:
    """Return a file's entry in the result document and in the manifest.

    Only a remote value says if it is a text.
    """
    entry: dict[str, Any] = {"pointer": pointer, "file_id": None}
    if remote is not None:
        entry["file_id"] = remote.file_id
        entry["text"] = remote.is_text
    entry["path"] = None if path is None else str(path)
    entry["bytes"] = size
    entry["sha256"] = sha256
    return entry


def require_whole(delivered: Delivered, run: Run) -> None:
    """Raise OutputNotDelivered if part of the run's output could not be downloaded or written."""
    if delivered.problems:
        raise OutputNotDelivered(
            f"the output of run {run.id} is incomplete: {'; '.join(delivered.problems)}",
            Hint("try again: ", CommandLine("fetch-output", run.id)),
        )


def is_complete(output: Any) -> bool:
    """True if nothing in the output is a preview."""
    return not any(remote.is_text for remote in find_remote(output))
