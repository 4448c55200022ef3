"""JSON as noxcli writes it, including what Python's own encoder rejects but a server may have sent."""

import json
import re
from typing import Any

import pytest

from noxcli.codec import decode_json, to_json

TRICKY: list[Any] = [
    {},
    [],
    {"a": {}, "b": []},
    [[1, 2.5, -0.0, 1e300, True, None], {'a\n"b': {"é": "\u2028"}}],
    [{"a": [{"b": (1, 2)}]}, "x"],
]


def deep(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {"a": [inner]}
    return inner


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("value", TRICKY, ids=repr)
def test_both_encoders_write_the_same(value: Any, indent: int | None) -> None:
    separators = (",", ":") if indent is None else None
    by_python = json.dumps([value, None], ensure_ascii=False, indent=indent, separators=separators)
    assert to_json([value, None], indent=indent) == by_python
    assert to_json([value, float("nan")], indent=indent) == by_python


@pytest.mark.parametrize("inner", ["1", "1e400"])
def test_what_can_be_read_can_be_written(inner: str) -> None:
    text = '{"a":[' * 250 + inner + "]}" * 250
    assert to_json(decode_json(text)) == text
    assert to_json(decode_json(text), indent=2).replace(" ", "").count("\n") == 4 * 250


NUMBERS = [
    "1e400",
    "-1E-400",
    "12345678901234567890.125",
    "0.1000",
    "1.0",
    "-0.0",
    "1e22",
    "1E5",
    "0.30000000000000004",
]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("text", [*NUMBERS, "7" * 5000])
def test_a_number_keeps_its_digits(text: str, indent: int | None) -> None:
    read = decode_json(f'{{"a": [{text}, "{text}"], "b": 2.5}}')
    assert re.sub(r"\s", "", to_json(read, indent=indent)) == f'{{"a":[{text},"{text}"],"b":2.5}}'
    assert read["a"][0] == (float(text) if len(text) < 100 else int(text))


def test_what_is_not_json_becomes_null() -> None:
    assert to_json(decode_json("[NaN, Infinity, -Infinity]")) == "[null,null,null]"


def test_what_utf_8_cannot_carry_is_escaped() -> None:
    assert to_json({"é": "\U0001f600"}) == '{"é":"\U0001f600"}'
    for value in ({"\ud800": "é\udfff\U0001f600"}, [{"é": "\ud800"}]):
        assert to_json(value) == json.dumps(value, separators=(",", ":"))
    assert to_json([float("inf"), float("-inf"), 1.5]) == "[null,null,1.5]"
