"""The base classes of renderers: those without set-up, and those at the bottom of a terminal."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from noxcli.render.terminal import Terminal

if TYPE_CHECKING:
    from noxcli.render.line import Line
    from noxcli.render.region import Region

FIRST_BAR = 0.5  # seconds: shorter tasks need no bar
BAR_WIDTH = 20  # cells
LONGEST_PAINTING = 1.0  # seconds that a picture may take to appear, on a terminal that is stopped with Ctrl-S


def bar_fits(terminal: Terminal) -> bool:
    """Return whether a bar may be drawn: not if results may reach the terminal through a pipe."""
    returning = terminal.shares_screen() and not terminal.read_by_eyes
    return not (terminal.quiet or returning) and terminal.can_redraw()


class Plainly:
    """A renderer without set-up and clean-up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class AtBottom:
    """Lines at the bottom of a terminal; the drawing code is loaded with the first line."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self._region: Region | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._region is not None:
            self._region.__exit__(kind, error, trace)

    def _line(self) -> "Line":
        """Return an empty line."""
        from noxcli.render.line import Look

        return Look.of(self._terminal).line(self._terminal.size().columns - 1)

    def _draw(self, lines: Sequence["Line"]) -> None:
        from noxcli.render.region import Region

        if self._region is None:
            self._region = Region(self._terminal)
            self._region.__enter__()
        self._region.draw(lines)
