"""JSON as noxcli writes it, on stdout and in files."""

import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

NOT_ASCII = "[^\x00-\x7f]"
DEEPEST_INDENT = 100  # levels; beyond these, the indentation alone would fill the memory
END = object()
UPPER_LEVELS = 4  # down to the values of an output in the result document, and in its line of NDJSON
SLICE = 1024 * 1024  # characters


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON in UTF-8: lone surrogates, which it can't carry, stay escaped; NaN and infinities become null.

    Values may be nested as deeply, and integers may be as long, as a server sends them.
    """
    separators = (",", ":") if indent is None else None
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, allow_nan=False)
    except (ValueError, RecursionError):
        text = "".join(_pieces(value, indent))
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


def _pieces(value: Any, indent: int | None) -> Iterator[str]:
    """Yield what json.dumps would write if it accepted deeper nesting than Python's recursion limit."""
    stack: list[tuple[Iterator[tuple[str, Any]], str]] = [(iter([("", value)]), "")]
    while stack:
        members, end = stack[-1]
        lead, inner = next(members, (end, END))
        yield lead
        if inner is END:
            stack.pop()
        elif isinstance(inner, dict | list | tuple) and inner:
            opening, closing = "{}" if isinstance(inner, dict) else "[]"
            yield opening
            stack.append((_members(inner, indent, len(stack)), f"{_line(indent, len(stack) - 1)}{closing}"))
        else:
            yield _leaf(inner)


def _members(container: Any, indent: int | None, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield each member with what comes before it: a comma, a new line, its key."""
    colon = ":" if indent is None else ": "
    pairs: Iterable[tuple[str, Any]] = (("", inner) for inner in container)
    if isinstance(container, dict):
        pairs = ((f"{_leaf(str(key))}{colon}", inner) for key, inner in container.items())
    comma = ""
    for key, inner in pairs:
        yield f"{comma}{_line(indent, depth)}{key}", inner
        comma = ","


def _line(indent: int | None, depth: int) -> str:
    return "" if indent is None else f"\n{' ' * indent * min(depth, DEEPEST_INDENT)}"


def _leaf(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "null"  # a server may write NaN, and Python reads 1e999 as an infinity; JSON has neither
    try:
        return json.dumps(value, ensure_ascii=False)
    except ValueError:
        from decimal import Decimal  # Python itself writes at most 4,300 digits

        return format(Decimal(value), "f")
