"""Lists on stdout: columns under a header for eyes, tabs and nothing else for programs."""

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from noxcli.fixed import fixed
from noxcli.render.terminal import Terminal
from noxcli.render.text import visible

if TYPE_CHECKING:
    from rich.text import Text

# What would end a column or a line.
BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
GAP = 2  # blanks between columns
NARROWEST = 8  # cells that a column keeps which gives way
NO_STATUS = "-"
MARKED = 13  # cells of a status, where there is little room
Rows = Sequence[Sequence[str]]
# How the words of a column of statuses or verdicts are marked: in Unicode, in ASCII, and in which style.
STATUS_LOOKS = {
    "completed": ("✓", "+", "green"),
    "failed": ("✗", "x", "red"),
    "stopped": ("■", "#", "magenta"),
    "running": ("●", "*", "cyan"),
    "queued": ("·", ".", "dim"),
    "awaiting_human_feedback": ("‖", "=", "magenta"),
    "skipped": ("-", "-", "dim"),
    "waiting": ("·", ".", "dim"),
    "executed": ("•", "*", "dim"),
    "ok": ("✓", "+", "green"),
    "warning": ("!", "!", "magenta"),
    "unchecked": ("-", "-", "dim"),
    "yes": ("✓", "+", "green"),
    "no": ("-", "-", "dim"),
}
OTHER_LOOK = ("•", "*", "cyan")


def with_tabs(rows: Rows) -> str:
    """Return a line for each row, its cells as they are but for what would break a line or a column."""
    return "".join("\t".join(BREAKS.sub(" ", cell) for cell in row) + "\n" for row in rows)


@fixed
class Layout:
    """The columns of a table, and what becomes of them on a terminal.

    Those in `cut` give way to the width, or wrap where the table `wraps`; every other is shown whole. Words in those
    that are `marked` are statuses, and get a mark. Only where the table is `headed` are the columns named.
    """

    header: Sequence[str]
    cut: Sequence[str] = ()
    marked: Sequence[str] = ()
    wraps: bool = False
    headed: bool = True

    @property
    def flexible(self) -> Sequence[int]:
        """The places of the columns that give way."""
        return [place for place, name in enumerate(self.header) if name in (*self.cut, *self.marked)]


def for_eyes(terminal: Terminal, layout: Layout, rows: Rows) -> str:
    """Return a table as wide as the terminal, to be passed to `Terminal.show`."""
    from rich.console import Console  # loaded where a terminal gets a table
    from rich.table import Table

    color = terminal.wants_color(on_stdout=True)
    width = terminal.size_of_stdout().columns
    console = Console(
        file=io.StringIO(),
        width=width,
        color_system="standard" if color else None,
        force_terminal=color,
        legacy_windows=False,
        _environ={},
    )
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold", show_header=layout.headed)
    for name in layout.header:
        flexible = name in layout.cut
        table.add_column(
            name,
            no_wrap=not (layout.wraps and flexible),
            overflow="fold" if layout.wraps else "ellipsis" if terminal.speaks_unicode() else "crop",
            ratio=1 if flexible else None,
            min_width=NARROWEST if flexible else None,
        )
    ways = [_mark(terminal) if name in layout.marked else _plain for name in layout.header]
    for row in rows:
        table.add_row(*(way(terminal.mask(cell)) for way, cell in zip(ways, row, strict=True)))
    natural = console.measure(table, options=console.options.update(width=100_000)).maximum
    if natural > width:
        least = natural - sum(max(0, _widest(terminal, rows, place) - NARROWEST) for place in layout.flexible)
        console.width = max(width, least)  # an id is never cut
        table.expand = True  # flexible columns share what the others leave
        for column in table.columns:
            column.max_width = MARKED if column.header in layout.marked else None
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def _widest(terminal: Terminal, rows: Rows, place: int) -> int:
    from rich.cells import cell_len

    return max((cell_len(visible(terminal.mask(row[place]))) for row in rows), default=0)


def _plain(cell: str) -> "Text":
    from rich.text import Text

    return Text(visible(cell))


def _mark(terminal: Terminal) -> Callable[[str], "Text"]:
    from rich.text import Text

    def way(word: str) -> Text:
        if word == NO_STATUS:
            return Text(word, "dim")
        mark, ascii_mark, style = STATUS_LOOKS.get(word.strip(), OTHER_LOOK)
        return Text(f"{mark if terminal.speaks_unicode() else ascii_mark} {visible(word)}", style)

    return way
