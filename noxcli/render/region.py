"""The last lines of a terminal, redrawn in place while everything else that is said goes above them."""

import os
import signal
import threading
from collections.abc import Sequence
from itertools import zip_longest
from types import FrameType, TracebackType
from typing import Self

from rich.control import Control
from rich.segment import ControlType

from noxcli.render.line import Line
from noxcli.render.terminal import Terminal
from noxcli.signals import SHOW_CURSOR

HIDE_CURSOR = str(Control.show_cursor(False))
# Without auto-wrap, a character that is wider here than anybody knows costs a cell, and not a row.
NO_WRAP, WRAP = "\x1b[?7l", "\x1b[?7h"
CLEAR_LINE, CLEAR_BELOW = "\x1b[K", "\x1b[J"


class Region:
    """Lines at the bottom, from `with` to its end. Any thread may draw or say something: each does one whole write.

    Nothing is drawn where the shell has the terminal: after Ctrl-Z, or behind `&`.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._lock = threading.RLock()  # a signal may come while its thread is drawing
        self._drawn: list[Line] = []
        self._size = self._seen = terminal.size()
        self._open = False
        self._suspends = False

    def __enter__(self) -> Self:
        self._open = True
        self._terminal.above = self.say
        ours = threading.current_thread() is threading.main_thread()
        self._suspends = ours and signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
        if self._suspends:
            signal.signal(signal.SIGTSTP, self._suspend)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._terminal.above = None
        with self._lock:
            self._open = False
            self._take_away()
        if self._suspends:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines instead of those before; while the terminal is being resized, nothing changes."""
        with self._lock:
            before, self._seen = self._seen, self._terminal.size()
            if self._seen != before or not self._open or self._terminal.in_background():
                return
            lines = lines[-max(1, self._seen.lines - 1) :]
            if not lines:
                self._take_away()
            elif not self._drawn:
                self._terminal.draw(f"{HIDE_CURSOR}{_whole(lines)}")
            elif self._seen == self._size and len(lines) >= len(self._drawn):
                self._terminal.draw(self._changed(lines))
            else:
                self._terminal.draw(f"{_up(self._rows() - 1)}{_whole(lines)}")
            self._drawn, self._size = list(lines), self._seen

    def say(self, text: str) -> None:
        """Print lines above."""
        with self._lock:
            again = _whole(self._drawn) if self._drawn else ""
            self._terminal.draw(f"{self._erased()}{text}\n{again}")
            self._size = self._terminal.size()

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        """Leave the terminal to the shell until it says `fg`."""
        with self._lock:
            self._take_away()
            os.kill(os.getpid(), signal.SIGSTOP)

    def _take_away(self) -> None:
        if self._drawn:
            self._terminal.draw(f"{self._erased()}{SHOW_CURSOR}")
            self._drawn = []

    def _changed(self, lines: Sequence[Line]) -> str:
        """Return what turns the lines that are there into these; the cursor is in the last one, and ends there."""
        texts, before = list(map(str, lines)), list(map(str, self._drawn))
        if texts == before:
            return ""
        same = [text == old for text, old in zip(texts, before, strict=False)]
        same[len(texts) - 1 :] = [False]
        parts = ["" if kept else f"{text}{CLEAR_LINE}" for text, kept in zip_longest(texts, same)]
        return f"{NO_WRAP}{_up(len(before) - 1)}" + "\n".join(parts) + WRAP

    def _erased(self) -> str:
        """Return what takes the lines away and leaves the cursor where the first one began."""
        return f"{_up(self._rows() - 1)}{CLEAR_BELOW}" if self._drawn else ""

    def _rows(self) -> int:
        """Return how many rows the lines take up by now."""
        columns = self._terminal.size().columns
        wraps = columns < self._size.columns and _reflows(self._terminal)
        shown = (min(line.cells, self._size.columns) for line in self._drawn)
        return sum(max(1, -(-cells // columns)) if wraps else 1 for cells in shown)


def _whole(lines: Sequence[Line]) -> str:
    # Cleared line by line: terminals take a cleared screen for something to be kept in their history.
    return NO_WRAP + "\n".join(f"{line}{CLEAR_LINE}" for line in lines) + CLEAR_BELOW + WRAP


def _up(rows: int) -> str:
    above = [(ControlType.CURSOR_UP, rows)] if rows > 0 else []
    return str(Control(ControlType.CARRIAGE_RETURN, *above))


def _reflows(terminal: Terminal) -> bool:
    """Tell whether lines that have become too long are wrapped when a terminal gets narrower.

    Nearly all do that; xterm, GNU screen and the Linux console cut them off.
    """
    name = terminal.environ.get("TERM", "")
    cuts = "XTERM_VERSION" in terminal.environ or name == "linux"
    return not cuts and not (name.startswith("screen") and "TMUX" not in terminal.environ)
