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
# With the blanks after it: else each blank may match any other.
SPACED = re.compile(r"(?:\w+|[^\w\s])\s*|\s+")
# What lies between the first difference and the last one is compared in detail up to these lines or
# words of both: the time grows with their square at least. More is one change.
MAX_COMPARED = 3000
MAX_WORD = 40  # characters, of which an excerpt shows all although only its end differs
AROUND = 200  # characters around a change, of a diff as text
MAX_MARKED = 20_000  # characters of a text that is whole there
SIGNS = {" ": "{}", "-": "[-{}-]", "+": "{{+{}+}}"}
CHANGES = {"-": "del", "+": "ins"}  # the elements of HTML
STYLES = {" ": "", "-": "red", "+": "green"}  # on a terminal
Piece = tuple[str, str]  # its sign, as in SIGNS, and its text


def word_diff(old: str, new: str) -> list[Piece]:
    """Return what both texts share, what was removed, and what was added, in order.

    Changed lines are compared by word.
    """
    pieces: list[Piece] = []
    removed = ""
    added = ""
    between = ""  # blanks after a change, which are part of it if another change follows
    for same, before, after in _by_words(old, new):
        if not same:
            removed += between + before
            added += between + after
            between = ""
            continue
        changed = bool(removed or added)
        if changed and not between and before and not before.strip():
            between = before  # blanks alone do not part two changes
            continue
        pieces += _change(removed, added, between + before)
        removed = ""
        added = ""
        between = ""
    pieces += _change(removed, added, between)
    return pieces


def _change(removed: str, added: str, shared: str) -> Iterator[Piece]:
    """Yield a change and what both texts share after it; without those that are empty."""
    if removed:
        yield "-", removed
    if added:
        yield "+", added
    if shared:
        yield " ", shared


def first_changes(old: str, new: str, most: int) -> list[Piece]:
    """Return the beginning of a word diff: its first changes, for an excerpt of `most` characters.

    The time does not grow with the texts.
    """
    shared = _shared(old, new)
    begin = shared
    word = re.search(r"\S*\Z", old[max(0, shared - MAX_WORD) : shared])
    if word is not None:
        begin -= len(word[0])
    end = shared + most // 2  # both sides share the room
    pieces = word_diff(old[begin:end], new[begin:end])
    if max(len(old), len(new)) > end:
        while len(pieces) > 1 and pieces[-1][0] != " ":
            pieces.pop()  # at the cut, both sides differ by what is missing
        pieces.append((" ", "…"))
    joined: list[Piece] = []
    for sign, group in groupby([(" ", old[:begin]), *pieces], itemgetter(0)):
        joined.append((sign, "".join(text for _, text in group)))
    return joined


def _shared(old: str, new: str) -> int:
    """Return how many characters both begin with."""
    low = 0
    high = min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def marked(pieces: Sequence[Piece]) -> str:
    """Return a word diff as text: `a [-removed-]{+added+} word`."""
    return "".join(SIGNS[sign].format(text) for sign, text in pieces)


def excerpt(pieces: Sequence[Piece], context: int, most: int) -> list[Piece]:
    """Return the changes with some characters of what is around each, at most `most` in all."""
    shown: list[Piece] = []
    for place, (sign, text) in enumerate(pieces):
        if sign != " ":
            before = most // 4
            after = most // 4
        else:
            before = 0 if place == 0 else context
            after = 0 if place == len(pieces) - 1 else context
        if len(text) > before + after + 3:
            text = f"{text[:before]}…{text[len(text) - after :]}"
        if most <= 0:
            return [*shown, (" ", "…")]
        shown.append((sign, text))
        most -= len(text)
    return shown


def fitting(pieces: Sequence[Piece], around: int, most: int) -> tuple[Sequence[Piece], str]:
    """Return a word diff of texts up to a limit; of longer ones an excerpt, and their lengths."""
    old = 0
    new = 0
    for sign, text in pieces:
        if sign != "+":
            old += len(text)
        if sign != "-":
            new += len(text)
    if max(old, new) <= most:
        return pieces, ""
    return excerpt(pieces, around, most), f"parts of {old:,} characters before, and {new:,} now"


def marked_diffs(named: Iterable[tuple[str, Sequence[Piece]]]) -> str:
    """Return word diffs as text, each below its name; of long texts an excerpt."""
    lines = []
    for name, pieces in named:
        shown, _ = fitting(pieces, AROUND, MAX_MARKED)
        lines.append(f"{name}: {marked(shown)}")
    return "\n".join(lines)


def in_color(
    terminal: "Terminal", name: str, pieces: Sequence[Piece], around: int, most: int
) -> str:
    """Return an excerpt of a word diff after its name, for `Terminal.show`.

    Its further lines have a bar before them, since CI systems read a command at the beginning of a
    line, blanks or not.
    """
    from noxcli.render.line import Capabilities  # loaded only for drawing

    indent = " " * (len(name) - len(name.lstrip()))
    rows = [[(name, "bold")]]
    for sign, text in excerpt(pieces, around, most):
        first, *others = SIGNS[sign].format(text).split("\n")
        rows[-1].append((first, STYLES[sign]))
        for other in others:
            rows.append([(f"{indent}│ ", "dim"), (other, STYLES[sign])])
    look = Capabilities.of(terminal, on_stdout=True)
    columns = terminal.size(of_stdout=True).columns
    shown = ""
    for row in rows:
        for line in look.wrapped(row, columns):
            shown += f"{line}\n"
    return shown


def _by_words(old: str, new: str) -> Iterator[tuple[bool, str, str]]:
    """Yield parts of both texts: their lines, of changed ones the words, of those their parts."""
    lines = _blocks(old.splitlines(keepends=True), new.splitlines(keepends=True))
    for same, old_lines, new_lines in lines:
        before = "".join(old_lines)
        if same:
            yield True, before, ""
            continue
        spaced = _blocks(SPACED.findall(before), SPACED.findall("".join(new_lines)))
        for also_same, old_words, new_words in spaced:
            before = "".join(old_words)
            if also_same:
                yield True, before, ""
                continue
            finest = _blocks(WORD.findall(before), WORD.findall("".join(new_words)))
            for alike, old_parts, new_parts in finest:
                yield alike, "".join(old_parts), "".join(new_parts)


def _blocks(
    old: Sequence[str], new: Sequence[str]
) -> Iterator[tuple[bool, Sequence[str], Sequence[str]]]:
    """Yield parts of both sides, and whether they are the same."""
    least = min(len(old), len(new))
    start = 0
    while start < least and old[start] == new[start]:
        start += 1
    end = 0
    while end < least - start and old[-1 - end] == new[-1 - end]:
        end += 1
    before = old[start : len(old) - end]
    after = new[start : len(new) - end]
    if start:
        yield True, old[:start], new[:start]
    parts = len(before) + len(after)
    if parts > MAX_COMPARED or (parts > 0 and set(before).isdisjoint(after)):
        yield False, before, after
    else:
        for kind, first, last, begin, stop in SequenceMatcher(None, before, after).get_opcodes():
            yield kind == "equal", before[first:last], after[begin:stop]
    if end:
        yield True, old[len(old) - end :], new[len(new) - end :]
