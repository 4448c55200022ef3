"""Lists on stdout: columns under a header for people, tab-separated values for programs."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from noxcli.models import PAUSED_WORD, word_for
from noxcli.render.terminal import Terminal
from noxcli.render.text import IN_ASCII, visible
from noxcli.timing import parse_time, show_age, show_seconds

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

# Characters that would end a column or a line.
BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
GAP = 2  # spaces between columns
NARROWEST = 8  # minimum cells of a column that shrinks
NO_STATUS = "-"
DEFAULT_LIMIT = 30  # entries of a list
T = TypeVar("T")
Rows = Sequence[Sequence[str]]
# The marks of statuses and verdicts, and their style.
STATUS_LOOKS = {
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "stopped": ("■", "magenta"),
    "running": ("●", "cyan"),
    "queued": ("·", "dim"),
    PAUSED_WORD: ("‖", "magenta"),
    "skipped": ("-", "dim"),
    "waiting": ("·", "dim"),
    "executed": ("•", "dim"),
    "ok": ("✓", "green"),
    "warning": ("!", "magenta"),
    "unchecked": ("-", "dim"),
    "completed, assertion failed": ("✗", "red"),
    "broken": ("✗", "red"),
    "fixed": ("✓", "green"),
    "changed": ("•", "cyan"),
    "slower": ("!", "magenta"),
    "missing": ("!", "magenta"),
    "new": ("+", "cyan"),
    "varies": ("~", "dim"),
    "yes": ("✓", "green"),
    "no": ("-", "dim"),
}
OTHER_LOOK = ("•", "cyan")


def age(cell: str) -> str:
    """Return how long ago a time was."""
    moment = parse_time(cell)
    return show_age(moment, datetime.now(UTC)) if moment else cell


def time_of_day(cell: str) -> str:
    """Return the local time of a moment, as in the log of a run."""
    moment = parse_time(cell)
    return f"{moment.astimezone():%H:%M:%S}" if moment else cell


def duration(cell: str) -> str:
    """Return seconds in a short human form."""
    try:
        return show_seconds(float(cell))
    except ValueError:
        return cell


def with_tabs(rows: Rows) -> str:
    """Return a line for each row; its cells are unchanged except for characters that would end a line or a column."""
    return "".join("\t".join(BREAKS.sub(" ", cell) for cell in row) + "\n" for row in rows)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table, and how they appear on a terminal.

    Those in `cut` shrink to fit the width, or wrap if the table `wraps`; all others are shown in full. If that is not
    enough, those in `dropped` are omitted one by one. Values in `marked` columns are statuses, and get a mark; `shown`
    has what else turns a column's values into what people read.
    """

    header: Sequence[str]
    cut: Sequence[str] = ()
    dropped: Sequence[str] = ()
    marked: Sequence[str] = ()
    shown: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    wraps: bool = False


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """How to list one kind of entry."""

    name: str  # in the document, also the schema's name
    layout: Layout
    row: Callable[[T], Sequence[str]]
    record: Callable[[T], Mapping[str, Any]]  # under the API's names

    def document(self, items: Sequence[T], limit: int) -> dict[str, Any]:
        """Return the document of at most `limit` entries."""
        head = {"schema": f"noxcli.{self.name}/1", "ok": True, "exit_code": 0, "limit": limit}
        return {**head, self.name: [self.record(item) for item in items]}

    def tell(self, terminal: Terminal, items: Sequence[T], limit: int) -> None:
        """Say on stderr what the list does not show."""
        if not items:
            terminal.note(f"no {self.name}")
        elif len(items) == limit == DEFAULT_LIMIT:
            terminal.note(f"showing the newest {limit}; list more with --limit N")


def show_table(terminal: Terminal, layout: Layout, rows: Rows, tabbed: Rows | None = None) -> None:
    """Write rows to stdout: a table for people, tab-separated lines for programs, of `tabbed` if they get others."""
    if not terminal.read_by_eyes:
        terminal.write(with_tabs(rows if tabbed is None else tabbed))
    elif rows:
        terminal.show(for_eyes(terminal, layout, rows))


def for_eyes(terminal: Terminal, layout: Layout, rows: Rows) -> str:
    """Return a table as wide as the terminal, for `Terminal.show`."""
    from rich.console import Console  # loaded only for a table on a terminal

    color = terminal.wants_color(on_stdout=True)
    width = terminal.size(of_stdout=True).columns
    console = Console(
        file=io.StringIO(),
        width=width,
        color_system="standard" if color else None,
        force_terminal=color,
        legacy_windows=False,
        _environ={},
    )
    texts = _texts(terminal, layout, rows)
    columns = zip(layout.header, *texts, strict=True)
    widths = {name: max((len(name), *(cell.cell_len for cell in cells))) for name, *cells in columns}
    shown, least = _shown(layout, widths, width)
    table = _table(layout, shown)
    for row in texts:
        table.add_row(*(cell for name, cell in zip(layout.header, row, strict=True) if name in shown))
    if sum(widths[name] for name in shown) + GAP * len(shown) - GAP > width:
        console.width = max(width, least)  # an id is never truncated
        table.expand = True  # columns that shrink share the rest of the width
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    text = "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
    return text if terminal.speaks_unicode() else text.translate(IN_ASCII)


def _texts(terminal: Terminal, layout: Layout, rows: Rows) -> list[list["Text"]]:
    """Return the cells as they appear: without secrets, and statuses with their marks."""
    from rich.text import Text

    def text(name: str, cell: str) -> Text:
        value = terminal.mask(layout.shown.get(name, str)(cell))
        if name not in layout.marked:
            return Text(visible(value))
        if value == NO_STATUS:
            return Text(value, "dim")
        word = word_for(value)
        mark, style = STATUS_LOOKS.get(word.strip(), OTHER_LOOK)
        return Text(f"{mark} {visible(word)}", style)

    return [[text(name, cell) for name, cell in zip(layout.header, row, strict=True)] for row in rows]


def _shown(layout: Layout, widths: Mapping[str, int], width: int) -> tuple[Sequence[str], int]:
    """Return the columns that fit into this width, and the minimum width of the table."""
    least = {name: min(NARROWEST, cells) if name in layout.cut else cells for name, cells in widths.items()}
    shown = list(layout.header)
    for name in (None, *layout.dropped):
        shown = [other for other in shown if other != name]
        needed = sum(least[other] for other in shown) + GAP * (len(shown) - 1)
        if needed <= width:
            break
    return shown, needed


def _table(layout: Layout, shown: Sequence[str]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name in shown:
        flexible = name in layout.cut
        table.add_column(
            name,
            no_wrap=not (layout.wraps and flexible),
            overflow="fold" if layout.wraps else "ellipsis",
            ratio=1 if flexible else None,
            min_width=NARROWEST if flexible else None,
        )
    return table
