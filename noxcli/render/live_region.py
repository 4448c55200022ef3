"""The last lines of a terminal, redrawn in place below all other messages.

A bar for work that takes some time.
"""

import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self

from rich.cells import cell_len

from noxcli.errors import Unavailable
from noxcli.render import HowFar, Renderer
from noxcli.render.line import Capabilities, Line
from noxcli.render.log import MinuteLines
from noxcli.render.terminal import Terminal
from noxcli.signals import SHOW_CURSOR
from noxcli.waiting import start_thread

REDRAW_EVERY = 0.1  # seconds
FIRST_BAR = 0.5  # seconds: shorter tasks need no bar
BAR_WIDTH = 20  # cells
MIN_BAR = 4  # cells
MAX_PAINTING = 1.0  # seconds that a drawing may take, on a terminal that is stopped with Ctrl-S
HIDE_CURSOR = "\x1b[?25l"
# Without auto-wrap, a character that is wider than expected costs a cell, not a row.
NO_WRAP = "\x1b[?7l"
WRAP = "\x1b[?7h"
CLEAR_LINE = "\x1b[K"
CLEAR_BELOW = "\x1b[J"
CLEAR_LINES = f"\r{CLEAR_BELOW}"  # also what the terminal shows of a Ctrl-C


class BottomRenderer(Renderer, ABC):
    """A renderer at the bottom, for the duration of `with`.

    Its own thread draws it ten times a second.

    Any thread may draw or print: each makes one whole write. Between two writes, the cursor is
    where the lines begin. So a line of another process pushes them down and is not overwritten, and
    a resize moves the cursor along with them, regardless of how the terminal wraps lines. Nothing
    is drawn in the background: after Ctrl-Z, or with `&`.
    """

    def __init__(self, terminal: Terminal, first: float = 0.0) -> None:
        """`first` is the time until the first drawing, in seconds."""
        self._terminal = terminal
        self._first = first
        self._over = threading.Event()
        self._painter: threading.Thread | None = None
        self._lock = threading.RLock()  # Ctrl-Z may arrive while its thread is drawing
        self._drawn: list[str] = []
        self._seen = terminal.size()
        self._suspends = False

    @abstractmethod
    def lines(self) -> Sequence[Line]:
        """Return the current lines.

        The thread calls it, while the main thread may change what they show.
        """

    def __enter__(self) -> Self:
        self._terminal.drawn = self
        ours = threading.current_thread() is threading.main_thread()

        if ours and signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            self._suspends = True
            signal.signal(signal.SIGTSTP, self._suspend)
        with suppress(Unavailable):  # without a thread there is no picture
            self._painter = start_thread(self._paint)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._painter is not None:
            self._painter.join(MAX_PAINTING)
        self._terminal.drawn = None
        with self._lock:
            self._erase()
        if self._suspends:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def refresh(self) -> None:
        """Draw the current lines in place of the last ones.

        While the terminal is being resized, change nothing.
        """
        with self._lock:
            lines = self.lines()
            before = self._seen
            self._seen = self._terminal.size()
            if self._seen != before or self._over.is_set() or self._terminal.in_background():
                return
            texts = list(map(str, lines[-max(1, self._seen.lines - 1) :]))
            if not texts:
                self._erase()
            elif not self._drawn:
                self._terminal.draw(HIDE_CURSOR + _whole(texts))
            elif texts != self._drawn:
                self._terminal.draw(_whole(texts))
            self._drawn = texts

    def print_above(self, text: str) -> None:
        """Print lines above these."""
        with self._lock:
            if self._drawn:
                self._terminal.draw(f"{CLEAR_LINES}{text}\n{_whole(self._drawn)}")
            else:
                self._terminal.draw(f"{text}\n")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Remove the lines until the next drawing; nothing is drawn in the meantime."""
        with self._lock:
            self._erase()
            yield

    def _paint(self) -> None:
        pause = self._first
        while not self._over.wait(pause):
            pause = REDRAW_EVERY
            self.refresh()

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        """Give the terminal to the shell until `fg`."""
        with self._lock:
            self._erase()
            os.kill(os.getpid(), signal.SIGSTOP)

    def _erase(self) -> None:
        if self._drawn:
            self._terminal.draw(f"{CLEAR_LINES}{SHOW_CURSOR}")
            self._drawn = []


class Bar(BottomRenderer):
    """A line about a task, with a bar if the share that is done is known, and there is room."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal, FIRST_BAR)
        self._look = Capabilities.of(terminal)
        self._began = time.monotonic()
        self._how_far: HowFar | None = None
        self._minutes = MinuteLines(terminal)

    def update(self, how_far: HowFar, detail: Callable[[], str] | None = None) -> None:
        self._how_far = how_far
        self._minutes.update(how_far, detail)

    def lines(self) -> Sequence[Line]:
        if self._how_far is None:
            return []
        share, done, pace = self._how_far(time.monotonic() - self._began)
        width = self._terminal.size().columns - 1
        line = self._look.line(width)
        words = f"{done}, {pace}"
        cells = min(BAR_WIDTH, line.free_cells - cell_len(words) - 1)
        if share is not None and cells >= MIN_BAR:
            line.add_bar(share, cells).add(" ")
        return [line.add(words, "dim")]


def _whole(lines: Sequence[str]) -> str:
    # Cleared line by line: terminals keep a cleared screen in their history.
    shown = "\n".join(f"{line}{CLEAR_LINE}" for line in lines)
    up = ""
    if len(lines) > 1:
        up = f"\x1b[{len(lines) - 1}A"
    return f"\r{NO_WRAP}{shown}{CLEAR_BELOW}{WRAP}\r{up}"
