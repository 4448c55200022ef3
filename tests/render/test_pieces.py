"""The new text in each piece, whether a server sends new text or all of it so far."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noxcli.render.stream_text import MAX_PIECES, Form, Pieces

WORDS = ["alpha ", "beta ", "gamma "]
REPEATED = ["ha ", "ha ", "ha", "!"]


def written(sent: Sequence[tuple[str, str, str]], output: str | None = None) -> tuple[str, Pieces]:
    pieces = Pieces()
    return "".join([*(pieces.add(*one) for one in sent), pieces.end(output)]), pieces


def running(texts: Sequence[str], node: str = "A") -> list[tuple[str, str, str]]:
    return [(node, text, "running") for text in texts]


@pytest.mark.parametrize(
    "texts", [WORDS, REPEATED, ["ha "] * 3, ["#", "##"], ["\n", "\n\n", "x"], ["-" * 9] * 4]
)
@pytest.mark.parametrize("is_known", [True, False])
def test_new_text_is_passed_on_as_it_came(texts: list[str], is_known: bool) -> None:
    text, pieces = written(running(texts), "".join(texts) if is_known else None)
    assert (text, pieces.contradictory) == ("".join(texts), False)
    # Only one that does not begin with the one before it is certain.
    assert pieces.interpreted == (texts not in (WORDS, REPEATED, ["\n", "\n\n", "x"]))


def test_what_is_certain_is_passed_on_at_once() -> None:
    new, whole = Pieces(), Pieces()
    assert [new.add("A", text, "running") for text in WORDS] == WORDS
    so_far = list(accumulate([*WORDS, "delta"]))
    assert [whole.add("A", text, "running") for text in so_far] == [
        "alpha ",
        "",
        "beta gamma ",
        "delta",
    ]


@pytest.mark.parametrize("forms", [accumulate, list])
def test_one_node_tells_the_form_for_all_in_their_order(forms: type) -> None:
    sent = [
        *running(["ha "], "B"),
        *running(forms(["ha ", "ha "]), "A"),
        *running(forms(["new text, ", "more"]), "C"),
    ]
    assert written(sent)[0] == "ha ha ha new text, more"


@pytest.mark.parametrize("last", ["running", "completed"])
@pytest.mark.parametrize("form", [list, accumulate])
@pytest.mark.parametrize("texts", [WORDS, REPEATED, ["ha "] * 3, ["alpha"]])
def test_a_node_that_repeats_all_of_the_text_is_left_out(
    texts: list[str], form: type, last: str
) -> None:
    whole = "".join(texts)
    sent = [*running(list(form(texts))), ("B", whole, last), ("B", whole, "done")]
    text, pieces = written(sent, whole)
    assert (text, pieces.has_left_out, pieces.interpreted) == (whole, True, True)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([*running(["one, "]), *running(["one, ", "two"], "B")], "one, one, two"),
        ([*running(["one, "]), *running(["one, ", "one, "], "B")], "one, one, one, "),
        ([*running(["one, two"]), *running(["one, "], "B")], "one, twoone, "),
        ([*running(["one, "]), *running(["two"], "B"), *running(["one, "], "C")], "one, twoone, "),
    ],
)
def test_a_text_of_its_own_is_passed_on(sent: list[tuple[str, str, str]], expected: str) -> None:
    text, pieces = written(sent)
    assert (text, pieces.has_left_out) == (expected, False)


def test_what_is_held_is_bounded() -> None:
    pieces = Pieces()
    count = sum(len(pieces.add("A", ".", "running")) for _ in range(MAX_PIECES + 1))
    assert (count, pieces.form) == (MAX_PIECES + 1, Form.NEW)


@given(
    texts=st.lists(st.text("ha #\n-", max_size=12), max_size=12),
    whole=st.booleans(),
    known=st.booleans(),
)
@example(texts=["h" * 8, "h" * 9], whole=False, known=True)
def test_what_is_not_as_it_came_is_never_called_so(
    texts: list[str], whole: bool, known: bool
) -> None:
    """A text that is taken for the other form differs from the output, and is only believed if it equals it."""
    truth = "".join(texts)
    text, pieces = written(
        running(list(accumulate(texts)) if whole else texts), truth if known else None
    )
    assert text == truth or pieces.interpreted or pieces.contradictory
    if known and whole:
        assert text == truth
