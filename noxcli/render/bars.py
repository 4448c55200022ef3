"""Bars at the bottom of a terminal, for work that takes some time: batches, waits and downloads."""

import time
from collections.abc import Callable, Sequence

from rich.cells import cell_len

from noxcli.outputs.download import Transfer
from noxcli.render.line import Line, Look
from noxcli.render.log import Tally, counted, facts_of, speed
from noxcli.render.region import BottomRenderer
from noxcli.render.terminal import Terminal
from noxcli.timing import show_seconds

FIRST_BAR = 0.5  # seconds: shorter tasks need no bar
BAR_WIDTH, LEAST_BAR = 20, 4  # cells
POINTER_WIDTH = 40  # cells
# The share that is done, if known, and the same in words.
HowFar = Callable[[], tuple[float | None, str]]


class _Bars(BottomRenderer):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal, FIRST_BAR)
        self._look = Look.of(terminal)
        self._began = time.monotonic()

    def _line(self) -> Line:
        return self._look.line(self._terminal.size().columns - 1)

    @staticmethod
    def _filled(line: Line, share: float | None, words: str) -> Line:
        """Add a bar, if the share is known and the words leave room for it, and the words."""
        cells = min(BAR_WIDTH, line.left - cell_len(words) - 1)
        if share is not None and cells >= LEAST_BAR:
            line.add_bar(share, cells).add(" ")
        return line.add(words, "dim")


class BatchBar(_Bars):
    """The rows of a batch."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        self._tally: Tally | None = None
        self._note = ""

    def show(self, tally: Tally, note: str) -> None:
        self._tally, self._note = tally, note

    def lines(self) -> Sequence[Line]:
        tally, note = self._tally, f"; {self._note}" if self._note else ""
        if tally is None:
            return []
        words = f"{counted(tally)}, {speed(tally, time.monotonic() - self._began)}"
        share = tally.done / tally.total if tally.total else None
        line = self._filled(self._line(), share, words)
        return [line.add(note, "yellow")]


class WaitBar(_Bars):
    """The wait for runs, as the function tells."""

    def __init__(self, terminal: Terminal, how_far: HowFar) -> None:
        super().__init__(terminal)
        self._how_far = how_far

    def lines(self) -> Sequence[Line]:
        share, words = self._how_far()
        return [self._filled(self._line(), share, f"{words}, {show_seconds(time.monotonic() - self._began)}")]


class DownloadBars(_Bars):
    """A bar for each file."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        self._transfers: Sequence[Transfer] = ()

    def say(self, line: str) -> None:
        self._terminal.note(line)

    def show(self, transfers: Sequence[Transfer]) -> None:
        self._transfers = transfers

    def lines(self) -> Sequence[Line]:
        took = time.monotonic() - self._began
        going = [transfer for transfer in self._transfers if not transfer.finished]
        longest = max((cell_len(transfer.remote.pointer) for transfer in going), default=0)
        cells = min(longest, POINTER_WIDTH, self._terminal.size().columns // 3)
        lines = []
        for one in going:
            line = self._line().add(one.remote.pointer, cells=cells).add(" ")
            lines.append(
                self._filled(line, one.done / one.total if one.total else None, facts_of(one.done, one.total, took))
            )
        return lines
