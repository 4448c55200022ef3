"""A line of a picture: pieces of escaped text in rich's styles, within the width."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.style import Style

from noxcli.masking import Mask
from noxcli.models import PAUSED_WORD
from noxcli.render.terminal import Terminal
from noxcli.render.text import IN_ASCII, visible, word_rows

# A cell's character, by whether a bar fills its left half and its right half.
SPAN = {(True, True): "━", (True, False): "╸", (False, True): "╺", (False, False): " "}

ENDLESS = 10_000  # cells of a line that the terminal may wrap, so that it can be copied in full
# The marks of statuses and verdicts, and their styles.
LOOKS = {
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "stopped": ("■", "magenta"),
    "running": ("●", "cyan"),
    "queued": ("·", "dim"),
    PAUSED_WORD: ("‖", "magenta"),
    "skipped": ("-", "dim"),
    "waiting": ("·", "dim"),
    "executed": ("•", "dim"),  # completed or failed, it is unknown which
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
    "fails": ("✗", "magenta"),
    "varies": ("~", "dim"),
    "unclear": ("?", "dim"),
    "yes": ("✓", "green"),
    "no": ("-", "dim"),
}
OTHER_LOOK = ("•", "cyan")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a terminal can show, and what it must not show."""

    color: bool
    unicode: bool
    mask: Mask = field(default_factory=Mask)

    @classmethod
    def of(cls, terminal: Terminal, *, on_stdout: bool = False) -> "Capabilities":
        # Python takes the encoding from the locale, which may lack the characters.
        encoding = getattr(terminal.err, "encoding", None) or "ascii"
        return cls(
            terminal.wants_color(on_stdout=on_stdout),
            encoding.lower().startswith("utf"),
            terminal.mask,
        )

    def line(self, width: int = ENDLESS) -> "Line":
        """Return an empty line of at most `width` cells."""
        return Line(self, width)

    def wrapped(self, pieces: Iterable[tuple[str, str]], columns: int) -> list["Line"]:
        """Return pieces of text with their styles, side by side, in lines that end at a word."""
        lines = [self.line()]
        for text, style in pieces:
            for place, row in enumerate(word_rows(self.shown(text), columns, lines[-1].cells)):
                if place > 0:
                    lines.append(self.line())
                if lines[-1].cells + cell_len(row) > columns:
                    row = row.rstrip()  # the terminal would give its blank a line
                lines[-1].add(row, style)
        return lines

    def shown(self, text: str) -> str:
        """Return a text as it may be shown: without secrets, and in ASCII if that is all."""
        text = visible(self.mask(text))
        if self.unicode:
            return text
        return text.translate(IN_ASCII).encode("ascii", "backslashreplace").decode("ascii")


class Line:
    """Text that is added piece by piece; `str()` includes the escape sequences."""

    def __init__(self, look: Capabilities, width: int) -> None:
        self.cells = 0
        self._look = look
        self._width = width
        self._colors: ColorSystem | None = None
        if look.color:
            self._colors = ColorSystem.STANDARD  # the sixteen that every theme defines
        self._pieces: list[str] = []

    @property
    def free_cells(self) -> int:
        """The number of free cells."""
        return max(0, self._width - self.cells)

    def add(self, text: str, style: str = "", cells: int | None = None) -> Self:
        """Add as much as fits; with `cells`, exactly that many if they fit."""
        room = self.free_cells
        if cells is not None:
            room = min(cells, room)
        whole = self._look.shown(text)
        text = whole
        if cell_len(whole) > room:
            text = ""
            if room > 0:
                text = set_cell_size(whole, room - 1) + self._look.shown("…")
        size = cell_len(text)
        if cells is not None:
            text += " " * (room - size)
            size = room
        self.cells += size
        if text.strip():
            text = Style.parse(style).render(text, color_system=self._colors)
        self._pieces.append(text)
        return self

    def add_end(self, text: str, style: str = "") -> Self:
        """Add as much of the end of the text as fits, from the start of a word if one is near."""
        whole = self._look.shown(text)
        end = whole
        while (excess := cell_len(end) - self.free_cells) > 0:
            end = end[max(1, excess // 2) :]  # a character has two cells at most
        if len(end) < len(whole):
            words = end.partition(" ")[2]
            if 2 * len(words) > len(end):
                end = words
        return self.add(end, style)

    def add_bar(self, share: float, cells: int) -> Self:
        """Add a bar of that many cells; `share` is the part that is done, at most 1."""
        filled = round(cells * min(1.0, share))
        return self.add("━" * filled, "green").add("─" * (cells - filled), "dim")

    def add_span(self, start: float, end: float, cells: int, style: str) -> Self:
        """Add cells with a bar from one share of their width to another, at least half a cell."""
        first = min(2 * cells - 1, round(2 * cells * start))
        last = max(first + 1, min(2 * cells, round(2 * cells * end)))
        bar = ""
        for cell in range(cells):
            left = first <= 2 * cell < last
            right = first <= 2 * cell + 1 < last
            bar += SPAN[left, right]
        return self.add(bar, style, cells)

    def __str__(self) -> str:
        return "".join(self._pieces)
