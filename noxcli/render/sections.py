"""Several outputs of a run on a terminal: a heading for each, its text, and how to get the rest of a truncated one."""

import re
import shlex
from collections.abc import Iterator, Mapping

from rich.cells import cell_len, set_cell_size

from noxcli.render.line import Line, Look
from noxcli.render.terminal import Terminal
from noxcli.render.text import Screen, visible

AROUND = 3  # lines of a section besides its value: an empty one, the heading, and how to get the rest
LEAST_ROWS = 3  # of a value, for any number of values
MOST_COLUMNS = 100  # of a heading's rule
WORD = re.compile(r"\S+\s*|\s+")


def in_sections(terminal: Terminal, values: Mapping[str, str], line_to_fetch: str) -> str:
    """Return the values, each in its share of the window. `line_to_fetch` prints the whole output."""
    size = terminal.size_of_stdout()
    look = Look.of(terminal, on_stdout=True)
    rows = max(LEAST_ROWS, size.lines // len(values) - AROUND)
    parts: list[str] = []
    for key, value in values.items():
        shown, left = _beginning(value, size.columns, rows)
        parts += ["", str(_heading(look, key, size.columns)), *shown]
        if left:
            named = f"--raw {shlex.quote(key)}" if visible(key) == key else "--output-dir DIR"
            cut = f"… {left:,} more characters: {line_to_fetch} {named}"
            parts.append(str(look.line(cell_len(visible(cut))).add(cut, "dim")))
    return "\n".join(parts[1:]) + "\n"


def _heading(look: Look, key: str, columns: int) -> Line:
    line = look.line(min(columns, MOST_COLUMNS) - 1)
    line.add("── ", "dim").add(key, "bold").add(" ")
    return line.add("─" * line.left, "dim")


def _beginning(value: str, columns: int, rows: int) -> tuple[list[str], int]:
    """Return as much of a value as fits into that many rows, and the number of omitted characters."""
    shown: list[str] = []
    seen = 0
    for row in _wrapped(value.removesuffix("\n"), columns, rows * columns):
        kept = row.rstrip()
        if cell_len(kept) > rows * columns:
            kept = row = set_cell_size(kept, rows * columns)
        shown.append(kept)
        seen += len(row)
        rows -= max(1, -(-cell_len(kept) // columns))
        if rows == 0:
            break
    return shown, max(0, len(value) - seen)


def _wrapped(value: str, columns: int, most: int) -> Iterator[str]:
    """Yield rows that end at a word, with at most `most` characters of a line; a long word is left to the terminal."""
    for line in value.split("\n"):
        # A line may have millions of characters: only the visible part is escaped.
        row = ""
        for word in WORD.findall(Screen().take(line[:most].expandtabs().encode("utf-8", "replace"))):
            if row and cell_len(row + word.rstrip()) > columns:
                yield row
                row = ""
            row += word
        yield row if len(line) > most else f"{row}\n"
