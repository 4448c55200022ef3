"""A bar at the bottom of a terminal, for work that takes some time: batches, waits and downloads."""

import time
from collections.abc import Sequence

from rich.cells import cell_len

from noxcli.errors import NoxError
from noxcli.render import Facts, HowFar
from noxcli.render.line import Line, Look
from noxcli.render.region import BottomRenderer
from noxcli.render.terminal import Terminal

FIRST_BAR = 0.5  # seconds: shorter tasks need no bar
BAR_WIDTH, LEAST_BAR = 20, 4  # cells


class Bar(BottomRenderer):
    """A line about a task, with a bar if the share that is done is known and the words leave room for it."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal, FIRST_BAR)
        self._look = Look.of(terminal)
        self._began = time.monotonic()
        self._how_far: HowFar | None = None

    def tell(self, how_far: HowFar) -> None:
        self._how_far = how_far

    def tell_retry(self, error: NoxError, left: float) -> None:
        """Show why nothing has answered, in how many seconds that is given up, and what to do about it."""
        end = time.monotonic() + left

        def how_far(_: float) -> Facts:
            ends = f"giving up in {max(0.0, end - time.monotonic()):.0f}s"
            return None, error.message, "\n".join(filter(None, (ends, error.hint)))

        self.tell(how_far)

    def say(self, line: str) -> None:
        self._terminal.note(line)

    def lines(self) -> Sequence[Line]:
        if self._how_far is None:
            return []
        share, done, pace = self._how_far(time.monotonic() - self._began)
        width = self._terminal.size().columns - 1
        pace, *below = pace.split("\n")
        line, words = self._look.line(width), f"{done}, {pace}"
        cells = min(BAR_WIDTH, line.left - cell_len(words) - 1)
        if share is not None and cells >= LEAST_BAR:
            line.add_bar(share, cells).add(" ")
        return [line.add(words, "dim"), *(self._look.line(width).add(text, "dim") for text in below)]
