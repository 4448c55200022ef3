"""Which inputs count as the same."""

from typing import Any

import pytest

from noxcli.inputs.definition import InputNode
from noxcli.runs.start import InputDigests

NODES = [
    InputNode("a", "Text", "str"),
    InputNode("b", "Twice", "str"),
    InputNode("c", "Twice", "str"),
]
BY_MEANING = InputDigests(NODES)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"Text": 1}, {"a": 1}, True),
        ({"Text": 1}, {"a::input": 1.0}, True),
        ({"Text": 1}, {"a": 2}, False),
        ({"Text": 1}, {"a": True}, False),
        ({"b": 1}, {"b::input": 1}, True),
        ({"b": 1}, {"Twice": 1}, False),
        ({"x": {"a": [1]}}, {"x": {"a": [1.0]}}, True),
        ({"x": {"a": 1}}, {"x": {"Text": 1}}, False),
        ({}, None, False),
    ],
)
def test_inputs_are_the_same_by_what_their_keys_mean(one: Any, other: Any, same: bool) -> None:
    assert (BY_MEANING.of(one) == BY_MEANING.of(other)) is same


@pytest.mark.parametrize("secret", ["Text", "a", "a::input"])
def test_inputs_are_the_same_whatever_their_secrets(secret: str) -> None:
    digests = InputDigests(NODES, [secret])
    assert digests.of({"Text": 1, "b": 2}) == digests.of({"a": "***", "b": 2})
    assert digests.of({"Text": 1, "b": 2}) != digests.of({"Text": 1, "b": 3})
