"""Lists on stdout: columns under a header for eyes, tabs and nothing else for programs."""

import re
import shutil
from collections.abc import Sequence

from noxcli.render.text import visible

# What would end a column or a line.
BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
GAP = 2  # blanks between columns
NARROWEST = 12  # what a column that gives way keeps
Rows = Sequence[Sequence[str]]


def with_tabs(rows: Rows) -> str:
    """Return a line for each row, its cells as they are but for what would break a line or a column."""
    return "".join("\t".join(BREAKS.sub(" ", cell) for cell in row) + "\n" for row in rows)


def in_columns(header: Sequence[str], rows: Rows, *, cut: Sequence[str] = ()) -> str:
    """Return a table as wide as the terminal: the columns in `cut` give way to it, every other is shown whole."""
    from rich.cells import cell_len  # knows how wide each character is

    cells = [list(header), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    excess = sum(widths) + GAP * (len(widths) - 1) - shutil.get_terminal_size().columns
    for place, name in enumerate(header):
        if name in cut and excess > 0:
            given = min(excess, max(0, widths[place] - NARROWEST))
            widths[place], excess = widths[place] - given, excess - given
    lines = ((" " * GAP).join(map(_fit, row, widths)) for row in cells)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _fit(text: str, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    return set_cell_size(text, width) if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"
