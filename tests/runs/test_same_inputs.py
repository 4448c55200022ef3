"""Which inputs count as the same."""

from typing import Any

import pytest

from noxcli.inputs.definition import InputNode
from noxcli.runs.candidates import Comparison

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
    assert (BY_MEANING.digest_of(one) == BY_MEANING.digest_of(other)) is same


def test_only_the_server_knows_an_unlabeled_inputs_name() -> None:
    nodes = [InputNode("a", "Text", "str"), InputNode("b", None, "str")]
    ours = Comparison(nodes).digest_of({"Text": 1, "Input 2": 2})
    assert ours == Comparison(nodes).digest_of({"a": 1, "b": 2})
    assert ours != Comparison(nodes).digest_of({"a": 1, "b": 3})
    assert Comparison(nodes).digest_of({"x": 1, "y": 2}) != Comparison(nodes).digest_of({"b": 1, "y": 2})
    two = Comparison([*nodes, InputNode("c", None, "str")])
    assert two.digest_of({"Input 2": 2}) != two.digest_of({"b": 2})


def test_secrets_are_left_out_under_each_of_their_names() -> None:
    secret = Comparison(NODES, {"a"})
    kept = secret.digest_of({"x": 1})
    assert secret.digest_of({"a": "s", "x": 1}) == secret.digest_of({"Text": "t", "x": 1}) == kept
    assert Comparison(secret={"a"}).digest_of({"a": "s", "x": 1}) == Comparison().digest_of({"x": 1})
