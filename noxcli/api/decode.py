"""JSON from servers, including valid documents that Python's own parser rejects: long integers, deep nesting."""

import json
import re
import sys
from collections.abc import Callable
from typing import Any

SHALLOW = 500  # brackets, and so at most that many levels, that need no care
SPARE_FRAMES = 300
LONGEST_INT = 20_000  # digits; the time to parse one grows with the square
DEEPEST_JSON = 5_000  # levels, regardless of the thread's stack and the interpreter's limit
JSON_BLANKS = re.compile(r"[ \t\n\r]*")


class TooMuch(ValueError):
    """Valid JSON beyond a limit of ours; the text says which."""


class DeepList(list[Any]):
    """A list from a deeply nested document, which can be compared at any depth."""

    __hash__ = None  # like every list

    def __eq__(self, other: object) -> bool:
        return _same(self, other)

    def __ne__(self, other: object) -> bool:
        return not _same(self, other)


class DeepDict(dict[str, Any]):
    """A dict from a deeply nested document, which can be compared at any depth."""

    __hash__ = None  # like every dict

    def __eq__(self, other: object) -> bool:
        return _same(self, other)

    def __ne__(self, other: object) -> bool:
        return not _same(self, other)


def decode_json(document: bytes | str) -> Any:
    """Return the value; every Python accepts integers of up to 20,000 digits and 5,000 levels in every thread.

    Raises TooMuch for integers and nesting beyond our limits, ValueError for invalid JSON.
    """
    text = document if isinstance(document, str) else json_text(document)
    try:
        if text.count("[") + text.count("{") < SHALLOW:
            return _load(text)
        return _with_spare_frames(SPARE_FRAMES, lambda: _load(text))
    except RecursionError:
        return _parse_deep(text)


def json_text(document: bytes) -> str:
    """Return JSON as text. Raises ValueError for what is in none of its encodings."""
    return document.decode(json.detect_encoding(document), "surrogatepass")


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Only for an integer that is too long for int(), since parsing integers in Python is slow.
        return json.loads(text, parse_int=read_int)


def _with_spare_frames(count: int, call: Callable[[], Any]) -> Any:
    """Call with that many more frames in use: what parses here can be compared on a stack that is this much deeper.

    Raises RecursionError for anything deeper.
    """
    return _with_spare_frames(count - 1, call) if count else call()


def _same(one: object, other: object) -> bool:
    """True if two JSON values are equal; Python's own comparison recurses."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
            waiting += zip(left, right, strict=True)
        elif isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
            waiting += ((value, right[key]) for key, value in left.items())
        elif isinstance(left, list | dict) or isinstance(right, list | dict) or left != right:
            return False
    return True


def read_int(digits: str) -> int:
    """Return an integer of any length up to the limit, exactly."""
    if len(digits.lstrip("-")) > LONGEST_INT:
        raise TooMuch(f"an integer of more than {LONGEST_INT:,} digits")
    if len(digits) <= sys.int_info.str_digits_check_threshold:
        return int(digits)
    from decimal import Decimal  # whose conversions have no such limit

    return int(Decimal(digits))


SCALARS = json.JSONDecoder(parse_int=read_int)


def _parse_deep(text: str) -> Any:
    """Parse like json.loads, with our own stack."""
    document: list[Any] = []
    stack: list[list[Any] | dict[str, Any]] = []
    place = 0
    may_end, wants_comma = False, False  # what may come next: the end of the container, a comma before another value
    while not document or stack:
        inside = stack[-1] if stack else document
        place = _blanks(text, place)
        mark = text[place : place + 1]
        if stack and may_end and mark == ("}" if isinstance(inside, dict) else "]"):
            stack.pop()
            place, wants_comma = place + 1, True
            continue
        if wants_comma:
            place = _expect(text, ",", place)
            may_end = wants_comma = False
            continue
        value, place = _read_into(inside, text, place)
        may_end = True
        wants_comma = not isinstance(value, list | dict)
        if isinstance(value, list | dict):
            stack.append(value)
            if len(stack) > DEEPEST_JSON:
                raise TooMuch(f"values nested deeper than {DEEPEST_JSON:,} levels")
    if _blanks(text, place) != len(text):
        raise ValueError("not JSON")
    return document[0]


def _read_into(inside: list[Any] | dict[str, Any], text: str, place: int) -> tuple[Any, int]:
    """Add the next value to the container, of an object with its key; return the value and the position after it."""
    if isinstance(inside, dict):
        key, place = SCALARS.raw_decode(text, _expect(text, '"', place) - 1)
        place = _blanks(text, _expect(text, ":", _blanks(text, place)))
        inside[key], place = _value(text, place)
        return inside[key], place
    value, place = _value(text, place)
    inside.append(value)
    return value, place


def _blanks(text: str, place: int) -> int:
    match = JSON_BLANKS.match(text, place)
    return match.end() if match else place


def _expect(text: str, mark: str, place: int) -> int:
    if not text.startswith(mark, place):
        raise ValueError("not JSON")
    return place + 1


def _value(text: str, place: int) -> tuple[Any, int]:
    """Return a scalar, or a container that is still empty, and the position after the part that was read."""
    if text.startswith("[", place):
        return DeepList(), place + 1
    if text.startswith("{", place):
        return DeepDict(), place + 1
    return SCALARS.raw_decode(text, place)
