"""JSON as noxcli writes it, including what Python's own encoder rejects but a server may have sent."""

import json
import sys
from typing import Any

import pytest

from noxcli.encode import SLICE, json_slices, to_json

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


def test_nesting_has_no_limit() -> None:
    assert to_json(deep(10_000, 1)) == '{"a":[' * 10_000 + "1" + "]}" * 10_000
    assert to_json(deep(3000, 1), indent=2).replace(" ", "").count("\n") == 4 * 3000


def test_integers_have_no_limit() -> None:
    digits = "7" * 5000
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        number = int(digits)
    finally:
        sys.set_int_max_str_digits(before)
    assert to_json({"n": [number, -number]}) == f'{{"n":[{digits},-{digits}]}}'


def test_what_utf_8_cannot_carry_is_escaped() -> None:
    assert to_json({"é": "\U0001f600"}) == '{"é":"\U0001f600"}'
    for value in ({"\ud800": "é\udfff\U0001f600"}, [{"é": "\ud800"}]):
        assert to_json(value) == json.dumps(value, separators=(",", ":"))
    assert to_json([float("inf"), float("-inf"), 1.5]) == "[null,null,1.5]"


LONG = ('Grüße 世界 🌱 \x1b"\\\n' * (SLICE // 10))[: SLICE + 7]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "value",
    [LONG, {"output": {"A": LONG, "B": "short", LONG: [LONG]}, "run": None}, [LONG], {"a": {"b": {"c": {"d": LONG}}}}],
    ids=["a text", "an output", "a list", "deep"],
)
def test_slices_are_the_whole(value: Any, indent: int | None) -> None:
    assert "".join(json_slices(value, indent=indent)) == to_json(value, indent=indent)


def test_no_slice_of_a_long_output_is_long() -> None:
    pieces = list(json_slices({"data": {"output": {"A": "x" * 5 * SLICE}}}))
    assert max(map(len, pieces)) <= SLICE
    assert len(pieces) > 5


def test_half_a_character_in_a_long_text_stays_escaped() -> None:
    value = {"A": "é" * SLICE + "\ud83d" + "é" * SLICE}
    assert json.loads("".join(json_slices(value)).encode()) == value
