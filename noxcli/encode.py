"""JSON as noxcli writes it, on stdout and in files."""

import json
from typing import Any


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON in UTF-8 text; lone surrogates, which UTF-8 can't carry, stay escaped."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, separators=separators)
    return text
