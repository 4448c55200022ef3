"""How one text differs from another, word by word: for pages, terminals, logs and test reports."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noxcli.render.terminal import Terminal

WORD = re.compile(r"\w+|\s+|[^\w\s]")
SPACED = re.compile(
    r"(?:\w+|[^\w\s])\s*|\s+"
)  # with the blanks after it: else each blank may match any other
# What lies between the first difference and the last one is compared in detail up to these lines or words of both:
# the time grows with their square at least. More is one change.
MAX_COMPARED = 3000
MAX_WORD = 40  # characters, of which an excerpt shows all although only its end differs
AROUND, MAX_MARKED = (
    200,
    20_000,
)  # characters of a diff as text: around a change, and of a text that is whole
SIGNS = {" ": "{}", "-": "[-{}-]", "+": "{{+{}+}}"}
CHANGES = {"-": "del", "+": "ins"}  # the elements of HTML
STYLES = {" ": "", "-": "red", "+": "green"}  # on a terminal
Piece = tuple[str, str]  # its sign, as in SIGNS, and its text


def word_diff(old: str, new: str) -> list[Piece]:
    """Return what both texts share, what was removed, and what was added, in order; by word in changed lines."""
    pieces: list[Piece] = []
    removed = added = between = ""
    for same, before, after in [*_by_words(old, new), (True, "", "")]:
        if same and before and not before.strip() and (removed or added) and not between:
            between = before  # blanks alone do not part two changes
        elif same:
            pieces += [
                (sign, text)
                for sign, text in (("-", removed), ("+", added), (" ", between + before))
                if text
            ]
            removed = added = between = ""
        else:
            removed, added, between = removed + between + before, added + between + after, ""
    return pieces


def first_changes(old: str, new: str, most: int) -> list[Piece]:
    """Return the beginning of a word diff, in a time that does not grow with the texts: their first changes, for an
    excerpt of at most `most` characters.
    """
    shared = _shared(old, new)
    word = re.search(r"\S*\Z", old[max(0, shared - MAX_WORD) : shared])
    begin, end = (
        shared - len(word[0] if word else ""),
        shared + most // 2,
    )  # both sides share the room
    pieces = word_diff(old[begin:end], new[begin:end])
    if max(len(old), len(new)) > end:
        while len(pieces) > 1 and pieces[-1][0] != " ":
            pieces.pop()  # at the cut, both sides differ by what is missing
        pieces.append((" ", "…"))
    return [
        (sign, "".join(text for _, text in group))
        for sign, group in groupby([(" ", old[:begin]), *pieces], itemgetter(0))
    ]


def _shared(old: str, new: str) -> int:
    """Return how many characters both begin with."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if old[low:middle] == new[low:middle] else (low, middle - 1)
    return low


def marked(pieces: Sequence[Piece]) -> str:
    """Return a word diff as text: `a [-removed-]{+added+} word`."""
    return "".join(SIGNS[sign].format(text) for sign, text in pieces)


def excerpt(pieces: Sequence[Piece], context: int, most: int) -> list[Piece]:
    """Return the changes with some characters of what is around each, at most `most` in all."""
    shown: list[Piece] = []
    for place, (sign, text) in enumerate(pieces):
        before, after = context * (place > 0), context * (place < len(pieces) - 1)
        if sign != " ":
            before = after = most // 4
        if len(text) > before + after + 3:
            text = f"{text[:before]}…{text[len(text) - after :]}"
        if most <= 0:
            return [*shown, (" ", "…")]
        shown.append((sign, text))
        most -= len(text)
    return shown


def fitting(pieces: Sequence[Piece], around: int, most: int) -> tuple[Sequence[Piece], str]:
    """Return a word diff of texts up to a limit; of longer ones an excerpt, and their lengths."""
    old, new = (
        sum(len(text) for sign, text in pieces if sign != omitted) for omitted in ("+", "-")
    )
    if max(old, new) <= most:
        return pieces, ""
    return excerpt(pieces, around, most), f"parts of {old:,} characters before, and {new:,} now"


def marked_diffs(named: Iterable[tuple[str, Sequence[Piece]]]) -> str:
    """Return word diffs as text, each below its name; of long texts an excerpt."""
    return "\n".join(
        f"{name}: {marked(fitting(pieces, AROUND, MAX_MARKED)[0])}" for name, pieces in named
    )


def in_color(
    terminal: "Terminal", name: str, pieces: Sequence[Piece], around: int, most: int
) -> str:
    """Return an excerpt of a word diff after its name, for `Terminal.show`; its further lines have a bar before them,
    since CI systems read a command at the beginning of a line, blanks or not.
    """
    from noxcli.render.line import Capabilities  # loaded only for drawing

    look, columns = Capabilities.of(terminal, on_stdout=True), terminal.size(of_stdout=True).columns
    rows, indent = [[(name, "bold")]], " " * (len(name) - len(name.lstrip()))
    for sign, text in excerpt(pieces, around, most):
        first, *others = SIGNS[sign].format(text).split("\n")
        rows[-1].append((first, STYLES[sign]))
        rows += [[(f"{indent}│ ", "dim"), (other, STYLES[sign])] for other in others]
    return "".join(f"{line}\n" for row in rows for line in look.wrapped(row, columns))


def _by_words(old: str, new: str) -> Iterator[tuple[bool, str, str]]:
    for same, before, after in _blocks(
        old.splitlines(keepends=True), new.splitlines(keepends=True)
    ):
        if same:
            yield True, "".join(before), ""
        else:
            for also, words, others in _blocks(
                SPACED.findall("".join(before)), SPACED.findall("".join(after))
            ):
                if also:
                    yield True, "".join(words), ""
                else:
                    finest = _blocks(WORD.findall("".join(words)), WORD.findall("".join(others)))
                    yield from (
                        (alike, "".join(one), "".join(other)) for alike, one, other in finest
                    )


def _blocks(
    old: Sequence[str], new: Sequence[str]
) -> Iterator[tuple[bool, Sequence[str], Sequence[str]]]:
    """Yield parts of both sides, and whether they are the same."""
    least, start, end = min(len(old), len(new)), 0, 0
    while start < least and old[start] == new[start]:
        start += 1
    while end < least - start and old[-1 - end] == new[-1 - end]:
        end += 1
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    if start:
        yield True, old[:start], new[:start]
    if len(before) + len(after) > MAX_COMPARED or (
        bool(before or after) and {*before}.isdisjoint(after)
    ):
        yield False, before, after
    else:
        for kind, first, last, begin, stop in SequenceMatcher(None, before, after).get_opcodes():
            yield kind == "equal", before[first:last], after[begin:stop]
    if end:
        yield True, old[len(old) - end :], new[len(new) - end :]
