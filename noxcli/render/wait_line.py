"""The progress of `wait`: one line at the bottom of a terminal, and nothing elsewhere."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self

from noxcli.render.base import BAR_WIDTH, FIRST_BAR, LONGEST_PAINTING, bar_fits
from noxcli.render.terminal import Terminal
from noxcli.timing import show_seconds

WAIT_REDRAW_EVERY = 0.5  # seconds between two drawings
# The share that is done, if known, and the same in words.
HowFar = Callable[[], tuple[float | None, str]]


def waiting_line(terminal: Terminal, how_far: HowFar) -> AbstractContextManager[object]:
    """Return the renderer of the wait for this terminal."""
    return WaitLine(terminal, how_far) if bar_fits(terminal) else nullcontext()


class WaitLine:
    """Drawn by a separate thread, if the wait takes some time."""

    def __init__(self, terminal: Terminal, how_far: HowFar) -> None:
        from noxcli.render.line import Look  # loaded only for drawing
        from noxcli.render.region import Region

        self._terminal = terminal
        self._how_far = how_far
        self._look = Look.of(terminal)
        self._region = Region(terminal)
        self._over = threading.Event()
        self._painter = threading.Thread(target=self._paint, daemon=True)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._region.__enter__()
        self._painter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._painter.join(LONGEST_PAINTING)
        self._region.__exit__(kind, error, trace)

    def _paint(self) -> None:
        pause = FIRST_BAR
        while not self._over.wait(pause):
            pause = WAIT_REDRAW_EVERY
            share, words = self._how_far()
            line = self._look.line(self._terminal.size().columns - 1)
            if share is not None:
                line.add_bar(share, min(BAR_WIDTH, line.left // 4)).add(" ")
            self._region.draw([line.add(f"{words}, {show_seconds(time.monotonic() - self._began)}", "dim")])
