"""Several outputs of a run on a terminal: a heading for each, its text, and how to get the rest of
a truncated one.
"""

import shlex
from collections.abc import Collection, Iterator, Mapping

from rich.cells import cell_len, set_cell_size

from noxcli.codec import to_utf8
from noxcli.render.line import Capabilities
from noxcli.render.terminal import Terminal
from noxcli.render.text import Screen, amount, hint_lines, visible, word_rows

CUT = 2  # lines on how to get the rest of a value
AROUND = 2 + CUT  # lines of a section around its value: an empty one and the heading
BELOW = 4  # lines for how the run has ended, and for the shell's prompt
MIN_ROWS = 3  # of a value, for any number of values
MAX_COLUMNS = 100  # of a heading's rule


def in_sections(
    terminal: Terminal, values: Mapping[str, str], line_to_fetch: str, files: Collection[str]
) -> str:
    """Return the values: short ones in a line each, others in their share of the window.

    `line_to_fetch` prints the whole output. The values of `files` are described in a line.
    """
    size = terminal.size(of_stdout=True)
    look = Capabilities.of(terminal, on_stdout=True)
    in_line = set()
    for key, value in values.items():
        if key in files or _fits_line(key, value, size.columns):
            in_line.add(key)
    in_rows = len(values) - len(in_line)
    room = (size.lines - BELOW - len(in_line)) // max(1, in_rows)
    rows = max(MIN_ROWS, room - AROUND)
    parts: list[str] = []
    last_has_rows = False
    for key, value in values.items():
        has_rows = key not in in_line
        if parts and (has_rows or last_has_rows):
            parts.append("")
        heading = look.line(min(size.columns, MAX_COLUMNS) - 1)
        heading.add("── ", "dim").add(key, "bold").add(" ")
        if has_rows:
            heading.add("─" * heading.free_cells, "dim")
            parts.append(str(heading))
            shown, omitted = _beginning_or_whole(value, size.columns, rows)
            parts += shown
            if omitted > 0:
                more = amount(omitted, "more character")
                parts += _aside(look, f"… {more}: {line_to_fetch} {_option(key)}", size.columns)
        else:
            heading.add("── ", "dim")
            parts.append(f"{heading}{_escaped(value)}")
        last_has_rows = has_rows
    if files:
        saving = f"save all outputs with: {line_to_fetch} --output-dir out"
        parts += _aside(look, saving, size.columns)
    return "\n".join(parts) + "\n"


def _option(key: str) -> str:
    """Return the option for the whole value; if its key cannot be typed, the one for all values."""
    if visible(key) == key:
        return f"--raw {shlex.quote(key)}"
    return "--output-dir DIR"


def _aside(look: Capabilities, text: str, columns: int) -> list[str]:
    """Return the lines of a command about a value, in which it is not broken."""
    lines = []
    for line in hint_lines(text, columns):
        lines.append(str(look.line(cell_len(visible(line))).add(line, "dim")))
    return lines


def _fits_line(key: str, value: str, columns: int) -> bool:
    """Return whether a value has a single line, and that has room in its heading."""
    if "\n" in value or len(value) > columns:
        return False
    return cell_len(f"── {visible(key)} ── {_escaped(value)}") < min(columns, MAX_COLUMNS)


def _escaped(value: str) -> str:
    return Screen().feed(to_utf8(value.expandtabs()))


def _beginning_or_whole(value: str, columns: int, rows: int) -> tuple[list[str], int]:
    """Return as `_beginning`; the whole value if only the lines about a cut would be missing."""
    shown, omitted = _beginning(value, columns, rows + CUT)
    if omitted == 0:
        return shown, 0
    return _beginning(value, columns, rows)


def _beginning(value: str, columns: int, rows: int) -> tuple[list[str], int]:
    """Return what of a value fits into that many rows, and the number of omitted characters."""
    shown: list[str] = []
    seen = 0
    for row in _wrapped(value.removesuffix("\n"), columns, rows * columns):
        kept = row.rstrip()
        if cell_len(kept) > rows * columns:
            row = set_cell_size(kept, rows * columns)
            kept = row
        shown.append(kept)
        seen += len(row)
        rows -= max(1, -(-cell_len(kept) // columns))
        if rows == 0:
            break
    return shown, max(0, len(value) - seen)


def _wrapped(value: str, columns: int, most: int) -> Iterator[str]:
    """Yield rows that end at a word, with at most `most` characters of a line.

    A long word is left to the terminal.
    """
    for line in value.split("\n"):
        # A line may have millions of characters: only the visible part is escaped.
        *rows, last = word_rows(_escaped(line[:most]), columns)
        yield from rows
        if len(line) > most:
            yield last
        else:
            yield f"{last}\n"
