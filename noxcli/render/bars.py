"""Bars at the bottom of a terminal, for work that takes some time: batches, waits and downloads."""

import time
from collections.abc import Sequence

from rich.cells import cell_len

from noxcli.outputs.download import Transfer
from noxcli.render.line import Line, Look
from noxcli.render.log import Facts, HowFar, bytes_facts
from noxcli.render.region import BottomRenderer
from noxcli.render.terminal import Terminal

FIRST_BAR = 0.5  # seconds: shorter tasks need no bar
BAR_WIDTH, LEAST_BAR = 20, 4  # cells
POINTER_WIDTH = 40  # cells


class Bar(BottomRenderer):
    """One line about a task."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal, FIRST_BAR)
        self._look = Look.of(terminal)
        self._began = time.monotonic()
        self._how_far: HowFar | None = None

    def tell(self, how_far: HowFar) -> None:
        self._how_far = how_far

    def lines(self) -> Sequence[Line]:
        how_far = self._how_far
        return [] if how_far is None else [self._filled(self._line(), how_far(self._seconds()))]

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _line(self) -> Line:
        return self._look.line(self._terminal.size().columns - 1)

    @staticmethod
    def _filled(line: Line, facts: Facts) -> Line:
        """Add a bar, if the share is known and the words leave room for it, and the words."""
        share, done, pace = facts
        words = f"{done}, {pace}"
        cells = min(BAR_WIDTH, line.left - cell_len(words) - 1)
        if share is not None and cells >= LEAST_BAR:
            line.add_bar(share, cells).add(" ")
        return line.add(words, "dim")


class DownloadBars(Bar):
    """A bar for each file."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        self._transfers: Sequence[Transfer] = ()

    def say(self, line: str) -> None:
        self._terminal.note(line)

    def show(self, transfers: Sequence[Transfer]) -> None:
        self._transfers = transfers

    def lines(self) -> Sequence[Line]:
        going = [transfer for transfer in self._transfers if not transfer.finished]
        longest = max((cell_len(transfer.remote.pointer) for transfer in going), default=0)
        cells = min(longest, POINTER_WIDTH, self._terminal.size().columns // 3)
        return [
            self._filled(
                self._line().add(one.remote.pointer, cells=cells).add(" "),
                bytes_facts(one.done, one.total, self._seconds()),
            )
            for one in going
        ]
