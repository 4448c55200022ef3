"""JSON and UTF-8 as noxcli reads and writes them: with all digits, and nested up to a limit."""

import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

MAX_LEVELS = 500  # of a value
AROUND = 20  # more, for what holds such a value: a run's record, a result, a line of a batch
TOO_DEEP = f"values nested deeper than {MAX_LEVELS} levels"
MAX_INT = 20_000  # digits; the time to read or write one grows with the square

# Python's own limits, of every thread: for a call or two at each level, and for reading and writing
# such an integer.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 6 * MAX_LEVELS))
sys.set_int_max_str_digits(MAX_INT)

NOT_ASCII = "[^\x00-\x7f]"
LONE_SURROGATE = "[\ud800-\udfff]"  # half of a character, as a server cuts it
MARK = os.urandom(16).hex()  # which occurs in no value: nothing that is written shows it

STYLE: Mapping[str, Any] = {"ensure_ascii": False, "allow_nan": False}
COMPACT = json.JSONEncoder(**STYLE, separators=(",", ":"))
SORTED = json.JSONEncoder(sort_keys=True)  # made once: `json.dumps` makes one for each value


class Number(float):
    """A number whose digits a float can't hold: it counts as a float, and is written as read."""

    text: str
    was_read = False  # any in this process


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON in UTF-8: lone surrogates, which it can't carry, stay escaped.

    NaN and infinities become null.
    """
    encoder = COMPACT
    if indent is not None:
        encoder = json.JSONEncoder(**STYLE, indent=indent)
    if Number.was_read:
        value = _marked(value)
    try:
        text = encoder.encode(value)
    except ValueError:  # NaN, or an infinity
        text = encoder.encode(_marked(value))
    if MARK in text:
        text = re.sub(f'"{MARK}([^"]*)"', r"\1", text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return re.sub(NOT_ASCII, lambda match: json.dumps(match[0])[1:-1], text)
    return text


def to_sorted_json(value: Any) -> str:
    """Return JSON that is the same for equal values, to compare or digest and not to print."""
    return SORTED.encode(value)


def _marked(value: Any) -> Any:
    """Return the value with its odd numbers as texts that begin with the MARK."""
    match value:
        case dict():
            return {key: _marked(inner) for key, inner in value.items()}
        case list() | tuple():
            return list(map(_marked, value))
        case Number():
            return f"{MARK}{value.text}"
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


class TooMuch(ValueError):
    """Valid JSON beyond a limit of ours; the text says which."""


def decode_json(document: bytes | str) -> Any:
    """Return the value of a document.

    NaN and infinities, which are not JSON though some servers write them, are None. Raises TooMuch
    for integers and nesting beyond the limits, ValueError for invalid JSON.
    """
    if isinstance(document, bytes):
        encoding = "utf-8" if document.startswith(b'{"') else json.detect_encoding(document)
        document = document.decode(encoding, "surrogatepass")
    try:
        value, end = DECODER.raw_decode(document) if document.startswith("{") else (None, None)
        if end is None or document[end:] not in ("", "\n"):  # blanks around it, or invalid JSON
            value = DECODER.decode(document)
    except RecursionError:
        raise TooMuch(TOO_DEEP) from None
    except json.JSONDecodeError:
        raise
    except ValueError:
        raise TooMuch(f"an integer of more than {MAX_INT:,} digits") from None
    if is_deep(document) and is_deeper(value, MAX_LEVELS + AROUND):
        raise TooMuch(TOO_DEEP)
    return value


def is_deep(text: str) -> bool:
    """True if JSON has enough brackets to be nested deeper than any limit."""
    return len(text) > 2 * MAX_LEVELS and text.count("[") + text.count("{") > MAX_LEVELS


def is_deeper(value: Any, levels: int) -> bool:
    """True if lists and objects are nested deeper."""
    containers = _containers([value])
    for _ in range(levels):
        if not containers:
            return False
        inside: list[Any] = []
        for container in containers:
            if isinstance(container, dict):
                inside += container.values()
            else:
                inside += container
        containers = _containers(inside)
    return bool(containers)


def _containers(values: Iterable[Any]) -> list[list[Any] | dict[str, Any]]:
    return [value for value in values if isinstance(value, list | dict)]


def parse_number(text: str) -> float:
    """Return a number with a fraction or an exponent."""
    value = float(text)
    if repr(value) == text:
        return value
    kept = Number(value)
    kept.text = text
    Number.was_read = True
    return kept


DECODER = json.JSONDecoder(parse_float=parse_number, parse_constant=lambda _: None)


class Replaced:
    """How much UTF-8 could not carry in this process; the command's end says so, once."""

    texts = 0  # with lone surrogates


def to_utf8(text: str) -> bytes:
    """Return the text's bytes; lone surrogates become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        Replaced.texts += 1
        return re.sub(LONE_SURROGATE, "\ufffd", text).encode()
