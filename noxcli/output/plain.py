"""Progress for logs: a line with the time for each change, and nothing where nothing changes."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from noxcli.models import (
    FINAL_STATUSES,
    KNOWN_STATUSES,
    Finished,
    Gap,
    Paused,
    Polled,
    Reconnecting,
    RunEvent,
    Started,
    Update,
)
from noxcli.output.base import Plainly
from noxcli.output.terminal import Terminal
from noxcli.output.text import shorten
from noxcli.progress import Change, Progress, Step
from noxcli.timing import show_seconds

NAME_WIDTH = 40
SAID_WIDTH = 200


class Plain(Plainly):
    """Lines on stderr."""

    def __init__(self, terminal: Terminal, progress: Progress) -> None:
        self._terminal = terminal
        self._progress = progress
        self._status: str | None = None

    def show(self, burst: Sequence[Step]) -> None:
        for update, changes in burst:
            for change in changes:
                self._say(_node_line(change, self._terminal.mask.torn(change.said)))
            if line := self._line(update):
                self._say(line)

    def _say(self, line: str) -> None:
        self._terminal.note(f"{datetime.now():%H:%M:%S} {line}")

    def _line(self, update: Update) -> str | None:
        match update:
            case Started(run):
                self._status = run.status
                return f"run {run.id} {run.status}"
            case Polled(run):
                return None if run.settled else self._changed(run.status)
            case RunEvent(type="state", data={"status": str(status)}):
                return None if status in FINAL_STATUSES else self._changed(status)
            case RunEvent():
                return None
            case Reconnecting(delay=delay, reason=reason):
                return f"{reason}; next try in {show_seconds(delay)}" if delay else reason
            case Gap(reason):
                return f"gap: {reason}"
            case Paused():
                return "run waits for a person"
            case Finished(run):
                return f"run {run.status} after {show_seconds(self._progress.elapsed())}"
            case _:
                assert_never(update)

    def _changed(self, status: str) -> str | None:
        before, self._status = self._status, status
        if status == before:
            return None
        odd = "" if status in KNOWN_STATUSES else " (a status that noxcli does not know; it waits on)"
        return f"run {status}{odd}"


class WarningsOnly(Plainly):
    """What `--quiet` leaves of progress: events that may be missing are none; `--verbose` asks for tries, too."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def show(self, burst: Sequence[Step]) -> None:
        for update, _ in burst:
            if isinstance(update, Gap):
                self._terminal.complain(f"noxcli: gap: {update.reason}")
            elif isinstance(update, Reconnecting) and self._terminal.verbose:
                self._terminal.complain(f"{update.reason}; next try in {show_seconds(update.delay)}")


def _node_line(change: Change, said: str) -> str:
    took = f" ({show_seconds(change.seconds)})" if change.seconds and change.seconds >= 0.05 else ""
    why = f": {shorten(said, SAID_WIDTH)}" if change.status in {"failed", "error"} and said else ""
    return f"  {shorten(change.name, NAME_WIDTH)}: {change.status}{took}{why}"
