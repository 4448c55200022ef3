"""The live view: the picture of a run, redrawn at the bottom of a terminal while the run is running."""

from collections.abc import Sequence
from typing import assert_never

from noxcli.models import PAUSED_STATUS, Finished, Gap, Paused, Polled, Reconnecting, RunEvent, Started, Update
from noxcli.render.line import Line, Look
from noxcli.render.log import stream_line
from noxcli.render.picture import Picture
from noxcli.render.region import BottomRenderer
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Progress, Step


class Live(BottomRenderer):
    """The picture of a run, of which the nodes' times stay."""

    def __init__(self, terminal: Terminal, progress: Progress) -> None:
        super().__init__(terminal)
        self._progress = progress
        self._picture = Picture(progress, Look.of(terminal))
        self._note = ""

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        lines = self._picture.times(self._terminal.size().columns)
        self._terminal.draw("".join(f"{line}\n" for line in lines))

    def lines(self) -> Sequence[Line]:
        return self._picture.lines(self._terminal.size(), self._worth_noting())

    def show(self, burst: Sequence[Step]) -> None:
        for update, _ in burst:
            if type(update) is not RunEvent:
                self._take_note(update)
            else:
                self._note = ""

    def _worth_noting(self) -> str:
        return "paused for human input" if self._progress.status == PAUSED_STATUS else self._note

    def _take_note(self, update: Update) -> None:
        match update:
            case Reconnecting():
                self._note = stream_line(update)
            case Gap():
                self._terminal.note(stream_line(update))
            case Started() | RunEvent() | Polled() | Paused() | Finished():
                pass
            case _:
                assert_never(update)
