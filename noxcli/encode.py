"""JSON as noxcli writes it, on stdout and in files."""

import json
import math
import re
from typing import Any

NOT_ASCII = "[^\x00-\x7f]"


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON in UTF-8: lone surrogates, which it can't carry, stay escaped; NaN and infinities become null."""
    try:
        text = _dumped(value, indent)
    except ValueError:
        text = _dumped(_finite(value), indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return re.sub(NOT_ASCII, lambda match: json.dumps(match[0])[1:-1], text)
    return text


def _dumped(value: Any, indent: int | None) -> str:
    separators = (",", ":") if indent is None else None
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
        case _:
            return value
