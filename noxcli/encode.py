"""JSON as noxcli writes it, on stdout and in files."""

import json
import math
import os
import re
from typing import Any

NOT_ASCII = "[^\x00-\x7f]"


class Number(float):
    """A number whose digits a float can't hold: it counts as that float, and is written as it was read."""

    text: str


Number.__name__ = "float"  # by which JMESPath knows types


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON in UTF-8: lone surrogates, which it can't carry, stay escaped; NaN and infinities become null."""
    separators = (",", ":") if indent is None else None
    mark = os.urandom(16).hex()  # which occurs in no value
    text = json.dumps(_marked(value, mark), ensure_ascii=False, indent=indent, separators=separators)
    if mark in text:  # a pattern with a new mark has to be compiled each time
        text = re.sub(f'"{mark}([^"]*)"', r"\1", text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return re.sub(NOT_ASCII, lambda match: json.dumps(match[0])[1:-1], text)
    return text


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
