"""Which inputs count as the same, and which have the same shape."""

from typing import Any

import pytest

from noxcli.inputs.definition import InputNode
from noxcli.runs.likeness import LONG_TEXT, Comparison, Likeness

NODES = [InputNode("a", "Text", "str"), InputNode("b", "Twice", "str"), InputNode("c", "Twice", "str")]
BY_MEANING = Comparison(NODES)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"Text": 1}, {"a": 1}, True),
        ({"Text": 1}, {"a::input": 1.0}, True),
        ({"Text": 1}, {"a": 2}, False),
        ({"Text": 1}, {"a": True}, False),
        ({"b": 1}, {"b::input": 1}, True),
        ({"b": 1}, {"Twice": 1}, False),
        ({"Text": 1, "a": 2}, {"a": 2, "Text": 1}, True),
        ({"Text": 1, "a": 2}, {"Text": 2, "a": 1}, False),
        ({"x": {"a": [1]}}, {"x": {"a": [1.0]}}, True),
        ({"x": {"a": 1}}, {"x": {"Text": 1}}, False),
        ({}, None, False),
    ],
)
def test_inputs_are_the_same_by_what_their_keys_mean(one: Any, other: Any, same: bool) -> None:
    assert (BY_MEANING.of(one).digest == BY_MEANING.of(other).digest) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "b", True),
        ("a", "b" * (LONG_TEXT + 1), False),
        (1, 2.5, True),
        (1, True, False),
        (1, "1", False),
        (None, "x", False),
        ([1], ["x", 2], True),
        ({"uri": "x"}, {"uri": "y"}, True),
        ({"uri": "x"}, {"url": "x"}, False),
    ],
)
def test_shapes_are_keys_and_kinds_of_values(one: Any, other: Any, same: bool) -> None:
    assert (BY_MEANING.of({"Text": one}).shape == BY_MEANING.of({"a": other}).shape) is same


def test_an_unlabelled_input_has_a_name_that_only_the_server_knows() -> None:
    nodes = [InputNode("a", "Text", "str"), InputNode("b", None, "str")]
    ours = Comparison(nodes).of({"Text": 1, "Input 2": 2})
    assert ours == Comparison(nodes).of({"a": 1, "b": 2})
    assert ours != Comparison(nodes).of({"a": 1, "b": 3})
    assert Comparison(nodes).of({"x": 1, "y": 2}) != Comparison(nodes).of({"b": 1, "y": 2})
    two = Comparison([*nodes, InputNode("c", None, "str")])
    assert two.of({"Input 2": 2}) != two.of({"b": 2})


def test_secrets_are_left_out_under_each_of_their_names() -> None:
    secret = Comparison(NODES, {"a"})
    kept = secret.of({"x": 1})
    assert secret.of({"a": "s", "x": 1}) == secret.of({"Text": "t", "x": 1}) == kept
    assert Comparison(secret={"a"}).of({"a": "s", "x": 1}) == Comparison().of({"x": 1})


def test_what_is_too_deep_is_like_nothing() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert BY_MEANING.of({"Text": deep}) == Likeness("")
