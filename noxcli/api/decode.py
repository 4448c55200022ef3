"""JSON as servers write it, also where Python's own parser refuses valid documents: long integers, deep nesting."""

import json
import re
import sys
from typing import Any

LONGEST_INT = 20_000  # digits; the time to read one grows with the square
DEEPEST = 5_000  # levels, whatever the thread's stack and the interpreter would allow
BLANKS = re.compile(r"[ \t\n\r]*")


class TooMuch(ValueError):
    """JSON, but beyond a limit of ours; the text says which."""


def parse_json(document: bytes | str) -> Any:
    """Return the value, the same for every Python and every thread.

    Raises TooMuch for integers and nesting beyond our limits, ValueError for what is not JSON.
    """
    text = document if isinstance(document, str) else document.decode(json.detect_encoding(document), "surrogatepass")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # An integer that is too long for int(); reading each one in Python costs time, so it is not the rule.
        return _parse(text)
    except RecursionError:
        return _parse_deep(text)


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_int=read_int)
    except RecursionError:
        return _parse_deep(text)


def read_int(digits: str) -> int:
    """Return an integer of any length up to the limit, exactly."""
    if len(digits.lstrip("-")) > LONGEST_INT:
        raise TooMuch(f"an integer of more than {LONGEST_INT:,} digits")
    if len(digits) <= sys.int_info.str_digits_check_threshold:
        return int(digits)
    from decimal import Decimal  # whose conversions have no limit of their own

    return int(Decimal(digits))


SCALARS = json.JSONDecoder(parse_int=read_int)


def _parse_deep(text: str) -> Any:
    """Do what json.loads does, with a stack of its own."""
    document: list[Any] = []
    stack: list[list[Any] | dict[str, Any]] = []
    place = 0
    may_end, wants_comma = False, False  # what may follow: the end of the container, a comma before another value
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
        key = ""
        if isinstance(inside, dict):
            key, place = SCALARS.raw_decode(text, _expect(text, '"', place) - 1)
            place = _blanks(text, _expect(text, ":", _blanks(text, place)))
        value, place = _value(text, place)
        if isinstance(inside, dict):
            inside[key] = value
        else:
            inside.append(value)
        may_end = True
        wants_comma = not isinstance(value, list | dict)
        if isinstance(value, list | dict):
            stack.append(value)
            if len(stack) > DEEPEST:
                raise TooMuch(f"values nested deeper than {DEEPEST:,} levels")
    if _blanks(text, place) != len(text):
        raise ValueError("not JSON")
    return document[0]


def _blanks(text: str, place: int) -> int:
    match = BLANKS.match(text, place)
    return match.end() if match else place


def _expect(text: str, mark: str, place: int) -> int:
    if not text.startswith(mark, place):
        raise ValueError("not JSON")
    return place + 1


def _value(text: str, place: int) -> tuple[Any, int]:
    """Return a scalar, or a container that is still empty, and the place after what was read of it."""
    if text.startswith("[", place):
        return [], place + 1
    if text.startswith("{", place):
        return {}, place + 1
    return SCALARS.raw_decode(text, place)
