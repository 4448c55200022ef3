"""The progress of a batch: a bar on a terminal, an occasional line elsewhere."""

import time
from typing import Protocol

from noxcli.render.base import BAR_WIDTH, FIRST_BAR, AtBottom, Plainly, bar_fits
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount
from noxcli.timing import show_seconds

REDRAW_EVERY = 0.1  # seconds
BATCH_LINE_EVERY = 10.0


class Tally(Protocol):
    """The counters."""

    total: int | None
    running: int
    doubt: int

    @property
    def told(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def failed(self) -> int: ...


def counting(terminal: Terminal) -> "BatchBar | BatchLines":
    """Return the renderer of a batch for this terminal."""
    return BatchBar(terminal) if bar_fits(terminal) else BatchLines(terminal)


class BatchLines(Plainly):
    """Plain lines on stderr, each only if something has changed since the last."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self._next = self._began + BATCH_LINE_EVERY
        self._last = ""

    def show(self, tally: Tally, note: str) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + BATCH_LINE_EVERY
        line = f"{counted(tally)}, {speed(tally, now - self._began)}" + (f"; {note}" if note else "")
        if counted(tally) + note != self._last:
            self._last = counted(tally) + note
            self._terminal.note(line)


class BatchBar(AtBottom):
    """A bar at the bottom of a terminal, for a batch that takes some time."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        self._shown = self._began

    def show(self, tally: Tally, note: str) -> None:
        now = time.monotonic()
        if now - self._began < FIRST_BAR or now - self._shown < REDRAW_EVERY:
            return
        self._shown = now
        line = self._line()
        if tally.total:
            line.add_bar(tally.done / tally.total, min(BAR_WIDTH, line.left // 4)).add(" ")
        line.add(f"{counted(tally)}, {speed(tally, now - self._began)}", "dim")
        self._draw([line.add(f"; {note}" if note else "", "yellow")])


def counted(tally: Tally) -> str:
    """Return one line about the rows: `12 of 120 rows, 8 running, 1 failed`."""
    parts = [f"{tally.done} of {tally.total} rows" if tally.total is not None else amount(tally.done, "row")]
    for count, what in ((tally.running, "running"), (tally.failed, "not completed"), (tally.doubt, "in doubt")):
        if count:
            parts.append(f"{count} {what}")
    return ", ".join(parts)


def speed(tally: Tally, seconds: float) -> str:
    """Return the rate of this call, and the remaining time if it can be estimated."""
    rate = tally.told / seconds if seconds > 0 else 0.0
    if not rate:
        return f"{show_seconds(seconds)} so far"
    shown = f"{rate:.1f} rows/s" if rate >= 1 else f"{60 * rate:.1f} rows/min"
    return shown if tally.total is None else f"{shown}, {show_seconds((tally.total - tally.done) / rate)} left"
