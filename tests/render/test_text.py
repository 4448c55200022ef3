"""Any text at all: `visible` and `Screen` turn it into one line, or the text's own lines, which nothing obeys."""

import json
import re
from itertools import pairwise
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.render.text import MAX_MARKS, MAX_SHOWN, ZERO_WIDTH_JOINER, Screen, visible
from tests.research.hostile.corpus import PAYLOADS

# Any character, with the dangerous ones far more often than by chance.
LETTERS = st.one_of(
    st.characters(), st.sampled_from("".join(PAYLOADS.values()) + ":#[]\\\r\n\t \x1b\x9b\u0301")
)
TEXTS = st.text(LETTERS, max_size=60)
COMMAND = re.compile(r"^[^\w!-~\n]*::|##[A-Za-z]{,20}\[", re.MULTILINE)


def check(shown: str, own: str = "") -> None:
    assert not [
        letter
        for letter in shown
        if not letter.isprintable() and letter not in f"{ZERO_WIDTH_JOINER}{own}"
    ]
    assert not COMMAND.search(shown)
    marks = "".join("m" if category(letter) in {"Mn", "Me"} else "-" for letter in shown)
    assert "m" * (MAX_MARKS + 1) not in marks


@given(TEXTS)
def test_any_text_becomes_one_printable_line(text: str) -> None:
    shown = visible(text)
    check(shown)
    assert visible(shown) == shown


@given(TEXTS, st.lists(st.integers(0, 400), max_size=8))
def test_any_text_is_harmless_on_a_screen_however_it_is_cut(text: str, cuts: list[int]) -> None:
    data = text.encode("utf-8", "surrogatepass")
    screen, edges = Screen(), [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    shown = "".join(screen.feed(data[start:end]) for start, end in pairwise(edges))
    check(shown, "\n\t")
    assert shown == Screen().feed(data)


@given(
    st.recursive(
        st.none() | TEXTS, lambda inner: st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5
    )
)
def test_a_document_on_a_screen_is_the_same_document(document: object) -> None:
    text = json.dumps(document)
    assert json.loads(Screen().feed(text.replace("##", "#").encode())) == json.loads(
        text.replace("##", "#")
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 世界 🌱", "plain äöü 世界 🌱"),
        ("a\nb\r\nc\td", "a b  c d"),
        ("\x1b[31mred\x1b]8;;http://x\x07", "\\x1b[31mred\\x1b]8;;http://x\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("::error::x", ": :error::x"),
        (" \t\ufe0f::error::x", "  \ufe0f: :error::x"),
        (":::error::x", ": ::error::x"),
        ("a ::error::x", "a ::error::x"),
        ("a ##[group]x ##vso[task.y]", "a ## [group]x ##vso [task.y]"),
        ("\ud800", "\\ud800"),
        ("\x00\x7f", "\\x00\\x7f"),
    ],
)
def test_remote_text_is_made_harmless(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "plain: a::b",
        "Größe 世界 नमस्ते ไทย",
        "👩\u200d💻 🇩🇪 👍🏻 ❤\ufe0f 1\ufe0f\u20e3",
        "e\u0301\u0323",
        "a\\x1b [red] %s # ## [x]",
    ],
)
def test_what_people_write_is_left_alone(text: str) -> None:
    assert visible(text) == text
    assert Screen().feed(text.encode()) == text


def test_of_a_long_line_the_middle_is_left_out() -> None:
    line = visible(f"run failed at {'x' * 1_000_000}; continue with: noxcli wait run-1")
    assert len(line) < MAX_SHOWN + 40
    assert line.startswith("run failed at x")
    assert "characters left out" in line
    assert line.endswith("x; continue with: noxcli wait run-1")
    assert visible("x" * MAX_SHOWN) == "x" * MAX_SHOWN


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_no_control_character_goes_without_a_trace(code: int) -> None:
    assert visible(f"a{chr(code)}b") in {f"a\\x{code:02x}b", "a b"}
