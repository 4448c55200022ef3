"""What a run's output holds: where truncated texts and files sit in it, and how a value looks as text."""

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from noxcli.encode import to_json


@dataclass(frozen=True, slots=True)
class Remote:
    """A value whose bytes lie in the Files API. `pointer` is its RFC 6901 place inside the output."""

    pointer: str
    keys: tuple[str | int, ...]
    file_id: str | None
    name: str
    is_text: bool  # a text that was cut (`has_preview`), as opposed to a file
    text: str = ""  # its beginning, as far as the server left it
    content_type: str = ""
    size: int | None = None


# What alone can be or hold a remote value; of other values there may be millions.
HOLDERS = (dict, list)


def find_remote(output: Any) -> Iterator[Remote]:
    """Yield every truncated text and every file value, wherever it sits.

    Noxus docs, running-workflows: `has_preview` marks a cut text, and nothing else does.
    """
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(output, ())]
    while waiting:  # by hand, since output may be nested as deep as JSON can be
        value, keys = waiting.pop()
        if is_preview(value) or is_file(value):
            yield _remote(value, keys)
        elif isinstance(value, dict | list):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            holders = [(inner, (*keys, key)) for key, inner in pairs if isinstance(inner, HOLDERS)]
            waiting += reversed(holders)


def _remote(value: dict[str, Any], keys: tuple[str | int, ...]) -> Remote:
    cut = is_preview(value)
    file = value.get("file") if cut else value
    name = "" if cut else _word(file, "name")
    # Of a cut text it is not known whether that would count bytes or characters.
    size = file.get("size") if isinstance(file, dict) and not cut else None
    return Remote(
        pointer_to(keys),
        keys,
        file_id_of(file),
        name,
        is_text=cut,
        text=_word(value, "text") if cut else "",
        content_type=_word(file, "content_type") or mimetypes.guess_type(name)[0] or "",
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
    )


def _word(holder: Any, name: str) -> str:
    word = holder.get(name) if isinstance(holder, dict) else None
    return word if isinstance(word, str) else ""


def is_preview(value: Any) -> bool:
    """True for a text that the server cut."""
    return isinstance(value, dict) and value.get("has_preview") is True


def is_file(value: Any) -> bool:
    """True for a file value (noxus-sdk 0.6.0, files.py): stored by the platform under a `spot://` address."""
    return isinstance(value, dict) and isinstance(value.get("uri"), str) and value["uri"].startswith("spot://")


def file_id_of(file: Any) -> str | None:
    """Return the id, else what follows `spot://` where that is one segment: with more, its form is not known."""
    if not isinstance(file, dict):
        return None
    if isinstance(file.get("id"), str) and file["id"]:
        return str(file["id"])
    uri = file.get("uri")
    rest = uri.removeprefix("spot://") if isinstance(uri, str) and uri.startswith("spot://") else ""
    return rest if rest and "/" not in rest else None


def pointer_to(keys: tuple[str | int, ...]) -> str:
    """Return the RFC 6901 pointer."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def replaced(output: Any, values: Mapping[tuple[str | int, ...], Any]) -> Any:
    """Return the output with other values at these places; the given one stays as it is."""
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


def text_of(value: Any) -> str | None:
    """Return the text of a text value in any of its forms, None for other values."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and set(value) == {"text"} and isinstance(value["text"], str):
        return str(value["text"])
    return None


def as_text(value: Any) -> str:
    """Return the exact text of a text value, JSON of any other."""
    text = text_of(value)
    return to_json(value, indent=2) if text is None else text
