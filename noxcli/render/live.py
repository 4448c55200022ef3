"""The live view: the picture of a run, redrawn at the bottom of a terminal while the run goes on."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self, assert_never

from noxcli.models import PAUSED_STATUS, Finished, Gap, Paused, Polled, Reconnecting, RunEvent, Silent, Started, Update
from noxcli.render.line import Look
from noxcli.render.picture import Picture
from noxcli.render.region import Region
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Progress, Step
from noxcli.timing import show_seconds

REDRAWS_PER_SECOND = 10


class Live:
    """Whatever the event rate, it is drawn ten times a second at most, by a thread of its own."""

    def __init__(self, terminal: Terminal, progress: Progress) -> None:
        self._terminal = terminal
        self._progress = progress
        self._picture = Picture(progress, Look.of(terminal))
        self._region = Region(terminal)
        self._note = ""
        self._over = threading.Event()
        self._painter = threading.Thread(target=self._paint, daemon=True)

    def __enter__(self) -> Self:
        self._region.__enter__()
        self._painter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._terminal.hold():
            self._over.set()
            self._painter.join()
            self._region.__exit__(kind, error, trace)
            lines = self._picture.summary(self._terminal.size().columns)
            self._terminal.draw("".join(f"{line}\n" for line in lines))

    def refresh(self) -> None:
        """Draw now."""
        note = "paused for human input" if self._progress.status == PAUSED_STATUS else self._note
        self._region.draw(self._picture.lines(self._terminal.size(), note))

    def show(self, burst: Sequence[Step]) -> None:
        for update, _ in burst:
            if type(update) is RunEvent:
                self._note = ""
            else:
                self._take_note(update)

    def _paint(self) -> None:
        self.refresh()
        while not self._over.wait(1 / REDRAWS_PER_SECOND):
            self.refresh()

    def _take_note(self, update: Update) -> None:
        match update:
            case Reconnecting(delay=delay, reason=reason):
                self._note = f"{reason}; next try in {show_seconds(delay)}" if delay else reason
            case Silent(seconds):
                self._note = f"no event for {show_seconds(seconds)}; its record is read meanwhile"
            case Gap(reason):
                self._terminal.note(f"gap: {reason}")
            case Started() | RunEvent() | Polled() | Paused() | Finished():
                pass
            case _:
                assert_never(update)
