"""Several outputs of a run on a terminal: a heading for each, its text, and how to get the rest of a truncated one."""

import re
import shlex
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from rich.cells import cell_len, set_cell_size

from noxcli.render.line import Line, Look
from noxcli.render.terminal import Terminal
from noxcli.render.text import Screen, visible

AROUND = 3  # lines of a section besides its value: an empty one, the heading, and how to get the rest
LEAST_ROWS = 3  # of a value, for any number of values
MOST_COLUMNS = 100  # of a heading's rule
WORD = re.compile(r"\S+\s*|\s+")


def in_sections(terminal: Terminal, values: Mapping[str, str], line_to_fetch: str) -> str:
    """Return as much of the values as fits into a window. `line_to_fetch` prints the whole output."""
    size = terminal.size_of_stdout()
    look = Look.of(terminal, on_stdout=True)
    most = _shared([_rows_of(value, size.columns, size.lines) for value in values.values()], size.lines)
    parts: list[str] = []
    for key, value in values.items():
        shown, left = _fitting(value, size.columns, most)
        parts += ["", str(_heading(look, key, size.columns)), *shown]
        if left:
            named = f"--raw {shlex.quote(key)}" if visible(key) == key else "--output-dir DIR"
            cut = f"… {left}: {line_to_fetch} {named}"
            parts.append(str(look.line(cell_len(visible(cut))).add(cut, "dim")))
    return "\n".join(parts[1:]) + "\n"


def _shared(needed: Sequence[int], lines: int) -> int:
    """Return the maximum of rows for each value so that all fit: long ones get the rows that short ones do not need."""
    free = lines - AROUND * len(needed)
    return next(
        (most for most in range(lines, LEAST_ROWS, -1) if sum(min(most, rows) for rows in needed) <= free), LEAST_ROWS
    )


def _rows_of(value: str, columns: int, most: int) -> int:
    """Return how many rows a value takes, at most `most`."""
    shown, left = _fitting(value, columns, most)
    return most if left else sum(_took(row, columns) for row in shown)


def _heading(look: Look, key: str, columns: int) -> Line:
    line = look.line(min(columns, MOST_COLUMNS) - 1)
    line.add("── ", "dim").add(key, "bold").add(" ")
    return line.add("─" * line.left, "dim")


def _fitting(value: str, columns: int, rows: int) -> tuple[Sequence[str], str]:
    """Return the rows of a value that fit, `rows` at most, and what is omitted: "" if nothing is."""
    lines = value.removesuffix("\n").split("\n")
    shown: list[str] = []
    # A value may have millions of lines, or of characters in one: only the visible part is escaped.
    for number, line in enumerate(lines):
        near = line[: rows * columns]
        wrapped = _wrapped(Screen().take(near.expandtabs().encode("utf-8", "replace")), columns)
        fit = _first(wrapped, columns, rows)
        if fit < len(wrapped) or len(line) > len(near):
            kept = wrapped[:fit] or [set_cell_size(wrapped[0], rows * columns)]
            seen = sum(map(len, lines[:number])) + number + sum(map(len, kept))
            return [*shown, *map(str.rstrip, kept)], f"{len(value) - seen:,} more characters"
        rows -= sum(_took(row, columns) for row in wrapped)
        shown += map(str.rstrip, wrapped)
        if not rows and number < len(lines) - 1:
            return shown, f"{len(lines) - number - 1:,} more lines"
    return shown, ""


def _first(wrapped: Sequence[str], columns: int, rows: int) -> int:
    """Return how many of the rows fit; one that is too long for a row takes several of the terminal's."""
    took = list(accumulate(_took(row, columns) for row in wrapped))
    return bisect_right(took, rows)


def _wrapped(text: str, columns: int) -> list[str]:
    """Return the text in rows that end at a word; a word that is too long for a row is left to the terminal."""
    rows, left = [""], columns
    for word in WORD.findall(text):
        if cell_len(word.rstrip()) > left and rows[-1]:
            rows.append("")
            left = columns
        rows[-1] += word
        left -= cell_len(word)
    return rows


def _took(row: str, columns: int) -> int:
    return max(1, -(-cell_len(row.rstrip()) // columns))
