"""Several outputs of a run on a terminal: a heading for each, its text, and how to get the rest of a truncated one."""

import shlex
from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size

from noxcli.render.line import Line, Look
from noxcli.render.terminal import Terminal
from noxcli.render.text import Screen, visible

AROUND = 3  # lines of a section besides its value: an empty one, the heading, and how to get the rest
LEAST_ROWS = 3  # of a value, for any number of values
MOST_COLUMNS = 100  # of a heading's rule


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
            cut = f"{'…' if look.unicode else '...'} {left}; all of it: {line_to_fetch} {named}"
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
    return most if left else sum(max(1, -(-cell_len(line) // columns)) for line in shown)


def _heading(look: Look, key: str, columns: int) -> Line:
    rule = "─" if look.unicode else "-"
    line = look.line(min(columns, MOST_COLUMNS) - 1)
    line.add(f"{rule * 2} ", "dim").add(key, "bold").add(" ")
    return line.add(rule * line.left, "dim")


def _fitting(value: str, columns: int, rows: int) -> tuple[Sequence[str], str]:
    """Return the lines of a value that fit into that many rows, and a note on what is omitted, or ""."""
    lines = value.removesuffix("\n").split("\n")
    shown: list[str] = []
    # A value may have millions of lines, or of characters in one: only the visible part is escaped.
    for number, line in enumerate(lines):
        text = Screen().take(line[: rows * columns].expandtabs().encode("utf-8", "replace"))
        took = max(1, -(-cell_len(text) // columns))
        if took > rows or len(line) > len(line[: rows * columns]):
            left = f"{len(value) - sum(map(len, lines[:number])) - number - rows * columns:,} more characters"
            return [*shown, set_cell_size(text, rows * columns)], left
        if took == rows and number < len(lines) - 1:
            return [*shown, text], f"{len(lines) - number - 1:,} more lines"
        shown.append(text)
        rows -= took
    return shown, ""
