"""Lists on stdout: columns under a header for reading, tab-separated values for programs."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from noxcli.models import word_for
from noxcli.render.terminal import Terminal
from noxcli.render.text import fair_share, word_lines
from noxcli.timing import parse_time, show_seconds

if TYPE_CHECKING:
    from noxcli.render.line import Capabilities

# Characters that would end a column or a line.
BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
GAP = 2  # spaces between columns
NARROWEST = 8  # minimum cells of a column that shrinks
NO_STATUS = "-"
Rows = Sequence[Sequence[str]]


def age(cell: str) -> str:
    """Return how long ago a time was, in its largest unit: `8s ago`, `3m ago`, `2h ago`."""
    moment = parse_time(cell)
    if moment is None:
        return cell
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit} ago"
    return f"{seconds}s ago"


def time_of_day(cell: str) -> str:
    """Return the local time of a moment, as in the log of a run."""
    moment = parse_time(cell)
    if moment is None:
        return cell
    return f"{moment.astimezone():%H:%M:%S}"


def duration(cell: str) -> str:
    """Return seconds in a short human form."""
    try:
        return show_seconds(float(cell))
    except ValueError:
        return cell


def with_tabs(rows: Rows) -> str:
    """Return a line for each row.

    Its cells are unchanged except for characters that would end a line or a column.
    """
    lines = []
    for row in rows:
        cells = [BREAKS.sub(" ", cell) for cell in row]
        lines.append("\t".join(cells) + "\n")
    return "".join(lines)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table, and how they appear on a terminal.

    Those in `cut` shrink to fit the width; all others are shown in full. If that is not enough,
    those in `dropped` are omitted one by one. If the table `wraps`, its last column gets as many
    lines as it needs. Values in `marked` columns are statuses, and get a mark; `shown` has what
    else makes a column's values readable.
    """

    header: Sequence[str]
    cut: Sequence[str] = ()
    dropped: Sequence[str] = ()
    marked: Sequence[str] = ()
    shown: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    wraps: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """How to list one kind of entry, each a mapping under the API's names."""

    name: str  # in the document, also the schema's name
    layout: Layout
    fields: Sequence[str]  # of an entry, for each column; of two names, the first that has a value

    def rows(self, entries: Sequence[Mapping[str, Any]]) -> Rows:
        """Return the cells of each entry."""
        alternatives = [names.split() for names in self.fields]
        rows = []
        for entry in entries:
            rows.append([_first_value(entry, names) for names in alternatives])
        return rows


def _first_value(entry: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        value = plain(entry[name])
        if value:
            return value
    return ""


def plain(value: Any) -> str:
    """Return a value of an entry as a cell, empty for None; seconds have three decimals."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value)


def show_table(terminal: Terminal, layout: Layout, rows: Rows) -> None:
    """Write rows to stdout: a table for reading, tab-separated lines for programs."""
    if not terminal.stdout_is_tty:
        terminal.write(with_tabs(rows))
    elif rows:
        terminal.show(format_table(terminal, layout, rows))


def format_table(terminal: Terminal, layout: Layout, rows: Rows) -> str:
    """Return a table as wide as the terminal, for `Terminal.show`."""
    from rich.cells import cell_len  # loaded only for a table on a terminal

    from noxcli.render.line import Capabilities

    look = Capabilities.of(terminal, on_stdout=True)
    table = [{name: (name, "bold") for name in layout.header}]
    for row in rows:
        shown = {}
        for name, cell in zip(layout.header, row, strict=True):
            shown[name] = _cell(layout, look, name, cell)
        table.append(shown)
    cells = dict.fromkeys(layout.header, 0)
    for each in table:
        for name, (text, _) in each.items():
            cells[name] = max(cells[name], cell_len(text))
    widths = _widths(layout, cells, terminal.size(of_stdout=True).columns)
    lines = []
    for each in table:
        for line in _lines(layout, look, widths, each):
            lines.append(f"{line}\n")
    return "".join(lines)


def _cell(layout: Layout, look: "Capabilities", name: str, cell: str) -> tuple[str, str]:
    """Return the text and the style of a cell; a status with its mark."""
    from noxcli.render.line import LOOKS, OTHER_LOOK

    value = layout.shown.get(name, str)(cell)
    if name not in layout.marked:
        return look.shown(value), ""
    if value == NO_STATUS:
        return value, "dim"
    word = word_for(value)
    mark, style = LOOKS.get(word.strip(), OTHER_LOOK)
    return look.shown(f"{mark} {word}"), style


def _widths(layout: Layout, cells: Mapping[str, int], width: int) -> dict[str, int]:
    """Return the columns that fit, with their cells.

    Those that shrink share what the others leave.
    """
    shown = dict(cells)
    for name in ("", *layout.dropped):
        shown.pop(name, 0)
        cut = [shown[other] for other in layout.cut if other in shown]
        room = width - sum(shown.values()) + sum(cut) - GAP * (len(shown) - 1)
        if sum(min(NARROWEST, each) for each in cut) <= room:
            break
    most = max(NARROWEST, fair_share(cut, room))
    for name in layout.cut:
        if name in shown:
            shown[name] = min(shown[name], most)
    return shown


def _lines(
    layout: Layout,
    look: "Capabilities",
    widths: Mapping[str, int],
    row: Mapping[str, tuple[str, str]],
) -> Iterator[str]:
    """Yield the lines of a row: one, or more if its last cell wraps."""
    *others, last = widths
    line = look.line()
    for name in others:
        line.add(*row[name], cells=widths[name]).add(" " * GAP)
    text, style = row[last]
    if not layout.wraps:
        yield str(line.add(text, style, widths[last])).rstrip()
        return
    indent = " " * line.cells
    first, *more = word_lines(text, widths[last])
    yield str(line.add(first, style)).rstrip()
    for part in more:
        yield f"{indent}{look.line().add(part, style)}"
