"""Differences of texts: by words, and in a bounded time."""

import io
import random
import time

import pytest

from noxcli.render.terminal import Terminal
from noxcli.reports.text_diff import excerpt, first_changes, in_color, marked, word_diff

RANDOM = random.Random(5)


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("The river is Tagus.", "The river is Douro.", "The river is [-Tagus-]{+Douro+}."),
        ("a b c d", "a x y d", "a [-b c-]{+x y+} d"),
        ("a b c", "x b z", "[-a-]{+x+} b [-c-]{+z+}"),
        ("one\ntwo\nthree\n", "one\nthree\n", "one\n[-two\n-]three\n"),
        ("same", "same", "same"),
        ("", "new", "{+new+}"),
        ("caf\u00e9 au lait", "caf\u00e9  au lait", "caf\u00e9[- -]{+  +}au lait"),
    ],
)
def test_a_text_differs_by_its_words(old: str, new: str, shown: str) -> None:
    assert marked(word_diff(old, new)) == shown


def words(count: int, of: int) -> str:
    return " ".join(RANDOM.choices([f"w{number}" for number in range(of)], k=count))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (words(20_000, 5000), words(20_000, 5000)),
        (
            "\n==\n".join(words(750, 103) for _ in range(30)),
            "\n==\n".join(words(750, 103) for _ in range(30)),
        ),
        ("\n".join(words(20_000, 110).split()), "\n".join(words(20_000, 110).split())),
        ("!?" * 50_000, "?!" * 50_000),
        ("x" * 100_000, ""),
    ],
    ids=["one line", "blocks of common words", "many short lines", "punctuation", "removed"],
)
def test_long_texts_differ_in_bounded_time(old: str, new: str) -> None:
    began = time.process_time()
    pieces = word_diff(old, new)
    assert time.process_time() - began < 3  # a second on a machine that does nothing else
    assert "".join(text for sign, text in pieces if sign != "+") == old
    assert "".join(text for sign, text in pieces if sign != "-") == new


def test_an_excerpt_has_the_changes_and_a_little_around() -> None:
    old = f"{'before ' * 20}cat {'between ' * 20}dog{' after' * 20}"
    pieces = word_diff(old, old.replace("cat", "cow").replace("dog", "pig"))
    assert (
        marked(excerpt(pieces, 8, 200))
        == "… before [-cat-]{+cow+} between…between [-dog-]{+pig+} after a…"
    )
    assert marked(excerpt(pieces, 8, 20)) == "… before [-cat-]{+cow+} between…between …"
    assert marked(excerpt([("-", "x" * 1000)], 8, 20)) == "[-xxxxx…xxxxx-]"


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("The river is Tagus.", "The river is Douro.", "…er is [-Tagus-]{+Douro+}."),
        (
            "a " * 500 + "cat b" + " c" * 500,
            "a " * 500 + "cow b" + " c" * 500,
            "…a a a [-cat-]{+cow+} b c c…",
        ),
        (
            "x" * 500 + "y z",
            "x" * 500 + "w z",
            f"…xxxxxx[-{'x' * 13}…{'x' * 12}y-]{{+{'x' * 6}…{'x' * 5}w+}} z",
        ),
        ("one", "one and two", "one{+ and two+}"),
    ],
)
def test_the_first_changes_of_long_texts_are_found_at_once(old: str, new: str, shown: str) -> None:
    assert marked(excerpt(first_changes(old, new, 30), 6, 60)) == shown


def test_a_terminal_gets_lines_below_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    pieces = word_diff("one\ntwo\x1b[2J", "one\nthree\nfour words, no more")
    terminal = Terminal(io.BytesIO(), io.TextIOWrapper(io.BytesIO(), "utf-8"))
    shown = in_color(terminal, " Answer: ", pieces, 30, 100)
    assert shown == " Answer: one\n │ [-two\\x1b[2J-]\n{+three\n │ four words, no \nmore+}\n"
    full = in_color(terminal, "Answer: ", word_diff("twelve chars and", "twelve chars or"), 30, 100)
    assert full == "Answer: twelve chars\n[-and-]{+or+}\n", (
        "no blank is wrapped into a line of its own"
    )
