"""JSON as noxcli writes it, on stdout and in files."""

import json
import math
import os
import re
from collections.abc import Iterator
from typing import Any

NOT_ASCII = "[^\x00-\x7f]"
UPPER_LEVELS = 4  # down to the values of an output in the result document, and in its line of NDJSON
SLICE = 1024 * 1024  # characters


class Number(float):
    """A number whose digits a float can't hold: it counts as that float, and is written as it was read."""

    text: str


Number.__name__ = "float"  # by which JMESPath knows types


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON in UTF-8: lone surrogates, which it can't carry, stay escaped; NaN and infinities become null."""
    separators = (",", ":") if indent is None else None
    if _has_odd_numbers(value):
        mark = os.urandom(16).hex()  # which occurs in no value
        text = json.dumps(_marked(value, mark), ensure_ascii=False, indent=indent, separators=separators)
        text = re.sub(f'"{mark}([^"]*)"', r"\1", text)
    else:
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    try:
        text.encode()
    except UnicodeEncodeError:
        return re.sub(NOT_ASCII, lambda match: json.dumps(match[0])[1:-1], text)
    return text


def slices(text: str) -> Iterator[str]:
    """Yield a long text in small parts, so that it is never in memory a second time in another form."""
    return (text[start : start + SLICE] for start in range(0, len(text), SLICE))


def json_slices(value: Any, *, indent: int | None = None) -> Iterator[str]:
    """Yield what `to_json` returns; long texts in the value's upper levels come in small parts."""
    held: list[str] = []
    mark = os.urandom(16).hex()  # which occurs in no value

    def shortened(inner: Any, levels: int) -> Any:
        if isinstance(inner, str) and len(inner) > SLICE:
            held.append(inner)
            return mark
        if isinstance(inner, dict) and levels:
            return {key: shortened(each, levels - 1) for key, each in inner.items()}
        return inner

    first, *others = to_json(shortened(value, UPPER_LEVELS), indent=indent).split(f'"{mark}"')
    yield first
    for text, after in zip(held, others, strict=True):
        yield '"'
        yield from (to_json(each)[1:-1] for each in slices(text))
        yield f'"{after}'


def _has_odd_numbers(value: Any) -> bool:
    """True if json.dumps would write a number in another way than it was read, or in a way that is not JSON."""
    level = [value]
    while level:
        if any(isinstance(each, float) and (type(each) is Number or not math.isfinite(each)) for each in level):
            return True
        containers = (each for each in level if isinstance(each, dict | list | tuple))
        level = [inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)]
    return False


def _marked(value: Any, mark: str) -> Any:
    """Return the value with its odd numbers as texts that begin with the mark."""
    match value:
        case Number():
            return f"{mark}{value.text}"
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _marked(inner, mark) for key, inner in value.items()}
        case list() | tuple():
            return [_marked(inner, mark) for inner in value]
        case _:
            return value
