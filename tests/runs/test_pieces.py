"""Streamed text in both forms that a server may send: each character is printed once, and none is lost."""

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.runs.pieces import Pieces
from noxcli.sandbox.steps import Emit, Sleep, words
from tests.conftest import Noxcli
from tests.texts import any_text

TEXT = "The quick brown fox jumps over the lazy dog, again and again and again."
NOTE = "each piece of text repeats the earlier ones"


def printed(pieces: list[str], *, expected: bool = False) -> list[str]:
    said = Pieces()
    return [*(said.take(piece, expected=expected) for piece in pieces), said.end()]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_repeating_pieces_are_printed_once(noxcli: Noxcli, plays: Any, count: int) -> None:
    script = [Emit("Write", piece) for piece in words(TEXT, count)]
    workflow = plays(script=[*script, Emit("Write", status="completed")], switches={"content": "cumulative"})
    result = noxcli("run", workflow, "--format", "content")
    assert (result.code, result.text) == (0, TEXT)
    assert result.err.count(NOTE) == 1


def test_what_one_node_showed_is_expected_of_the_next(noxcli: Noxcli, plays: Any) -> None:
    script = [Emit(node, piece) for node in ("One", "Two") for piece in words(TEXT)]
    script += [Emit("Three", "Hello, "), Emit("Three", "world")]
    workflow = plays(script=script, switches={"content": "cumulative"})
    result = noxcli("run", workflow, "--format", "content")
    assert result.text == f"{TEXT}{TEXT}Hello, world"
    assert result.err.count(NOTE) == 1


def test_pieces_to_be_joined_are_printed_as_they_are(noxcli: Noxcli, plays: Any) -> None:
    pieces = ["a", "aa", "aab", "aabc", "d", "d", " end"]
    workflow = plays(script=[Emit("Write", piece) for piece in pieces[1:]])
    result = noxcli("run", workflow, "--format", "content")
    assert (result.text, NOTE in result.err) == ("".join(pieces[1:]), False)


def test_what_is_held_back_is_printed_at_a_limit(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=[Emit("Write", "x"), Emit("Write", "xy"), Sleep(600_000)])
    result = noxcli("run", workflow, "--format", "content", "--timeout", "1s")
    assert (result.code, result.text) == (124, "xxy")


def test_only_what_is_new_is_told_once_repetition_is_certain() -> None:
    pieces = list(accumulate(["He", "llo", " wor", "ld", "", "! ", "Bye"]))
    assert printed(pieces) == ["He", "", "", "llo world", "", "! ", "Bye", ""]
    assert printed(pieces[:2], expected=True) == ["He", "llo", ""]


def test_a_text_that_begins_anew_is_printed() -> None:
    again = ["Hello, ", "Hello, world", "Hello, world!", "Hello, world! Bye", "Once more", "Once more, please"]
    assert "".join(printed(again)) == "Hello, world! ByeOnce more, please"


def test_one_repetition_is_enough_of_a_long_text() -> None:
    assert printed([TEXT, f"{TEXT} And so on."]) == [TEXT, "", " And so on."]
    assert "".join(printed(["x" * 100, "x" * 101])) == "x" * 201, "which proves nothing of one character"


@given(st.lists(st.text("ab"), max_size=12))
def test_no_text_is_lost_where_pieces_look_alike(pieces: list[str]) -> None:
    assert "".join(printed(pieces)) == "".join(pieces)


@given(st.lists(any_text(min_size=1), max_size=12))
def test_any_repeating_text_is_printed_once_where_it_is_expected(deltas: list[str]) -> None:
    assert "".join(printed(list(accumulate(deltas)), expected=True)) == "".join(deltas)
