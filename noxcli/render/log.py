"""Plain lines for logs: progress of runs, batches and downloads, and waiting for the server."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import assert_never

from noxcli.models import (
    FINAL_STATUSES,
    KNOWN_STATUSES,
    PAUSE,
    PAUSED_STATUS,
    Finished,
    Gap,
    Paused,
    Polled,
    Reconnecting,
    RunEvent,
    Started,
    Update,
    word_for,
)
from noxcli.render import HowFar, Renderer
from noxcli.render.terminal import Terminal
from noxcli.render.text import shorten
from noxcli.retry import SAY_EVERY, Pause
from noxcli.runs.progress import Progress, StatusChange, Step
from noxcli.timing import show_seconds

NAME_WIDTH = 36  # the characters of an id
STATUS_WIDTH = 9
WHY_WIDTH = 200
NOTICEABLE = 0.05  # seconds
TASK_LINE_EVERY = 10.0  # seconds
QUEUED = "queued"
HEARTBEAT = 60.0  # seconds without a line, after which a CI system may consider a job dead
# Seconds of a pause.
SHORT_PAUSE = 3.0  # until the end of a Retry-After
PAUSE_SAID_AFTER = 4.5


class RunLog(Renderer):
    """A line with the time for each change.

    One about a node or the stream comes once; that its time differs is no reason for another.
    """

    def __init__(self, terminal: Terminal, progress: Progress) -> None:
        self._terminal = terminal
        self._progress = progress
        self._status: str | None = None
        names = [len(node.name) for node in progress.nodes.values()]
        self._name_width = min(NAME_WIDTH, max(names, default=0))
        self._logged: set[str] = set()
        self._spoke = 0.0  # seconds into the run

    def show(self, burst: Sequence[Step]) -> None:
        for update, changes in burst:
            if not changes and type(update) is RunEvent and update.type != "state":
                continue
            if isinstance(update, Started):
                self._log(update)
            for change in changes:
                self._log_node(change)
            if not isinstance(update, Started):
                self._log(update)
        now = self._progress.elapsed()
        if now - self._spoke >= HEARTBEAT:
            line = f"run {word_for(self._progress.status)} for {show_seconds(now)}"
            stuck = self._progress.stuck()
            if stuck:
                line += f": {stuck}"
            self._write(line)

    def _log_node(self, change: StatusChange) -> None:
        name = shorten(change.name, NAME_WIDTH).ljust(self._name_width)
        status = shorten(change.status, NAME_WIDTH).ljust(STATUS_WIDTH)
        took = ""
        if change.seconds is not None and change.seconds >= NOTICEABLE:
            took = show_seconds(change.seconds)
        why = shorten(change.error or "", WHY_WIDTH)
        self._write_once(f"  {name}  {status} {took:>6}  {why}", f"  {name}  {status} {why}")

    def _write(self, line: str) -> None:
        self._terminal.note(f"{datetime.now():%H:%M:%S} {line.rstrip()}")
        self._spoke = self._progress.elapsed()

    def _write_once(self, line: str, known_as: str) -> None:
        if known_as not in self._logged:
            self._logged.add(known_as)
            self._write(line)

    def _log(self, update: Update) -> None:
        """Write what the update says about the run or the stream."""
        match update:
            case Started(run):
                self._status = run.status
                if self._progress.from_start:
                    self._write(f"run {run.word}")  # its id was written as it was started
                else:
                    self._write(f"run {run.id} {run.word}")
            case Polled(run) if not run.settled:
                self._log_status(run.status)
            case RunEvent(state=str(status)) if status not in FINAL_STATUSES:
                self._log_status(status)
            case Polled() | RunEvent():
                pass
            case Reconnecting(reason=reason):
                self._write_once(stream_line(update), reason)
            case Gap():
                line = stream_line(update)
                self._write_once(line, line)
            case Paused():
                self._write(f"run {PAUSE}")
            case Finished(run):
                self._write(f"run {run.word} after {show_seconds(self._progress.took())}")
            case _:
                assert_never(update)

    def _log_status(self, status: str) -> None:
        if status == QUEUED and self._status is not None:
            return  # replayed: the record had said more when reading began
        if status == PAUSED_STATUS:
            return  # a pause has an update of its own
        if status == self._status:
            return
        self._status = status
        if status in KNOWN_STATUSES:
            self._write(f"run {status}")
        else:
            self._write(f"run {status} (unknown to noxcli, which keeps waiting)")


def stream_line(update: Reconnecting | Gap) -> str:
    """Return the line about the event stream."""
    if isinstance(update, Gap):
        return f"gap: {update.reason}"
    if update.delay:
        return f"{update.reason}; retrying in {show_seconds(update.delay)}"
    return update.reason


class WarningsOnly(Renderer):
    """No progress: only missing events; with `--verbose`, also retries."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def show(self, burst: Sequence[Step]) -> None:
        for update, _ in burst:
            if isinstance(update, Gap):
                self._terminal.complain(f"noxcli: {stream_line(update)}")
            elif isinstance(update, Reconnecting) and self._terminal.verbose:
                self._terminal.complain(stream_line(update))


class TaskLog(Renderer):
    """A line with the time every few seconds, if the task has come further since the last one, and
    one a minute in any case, if there is a detail to add.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self._next = self._began + TASK_LINE_EVERY
        self._minutes = MinuteLines(terminal)
        self._last = ""

    def update(self, how_far: HowFar, detail: Callable[[], str] | None = None) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + TASK_LINE_EVERY
        _, done, pace = how_far(now - self._began)
        if self._minutes.update(how_far, detail):
            self._last = done
        elif done != self._last:
            self._last = done
            self._terminal.note(f"{datetime.now():%H:%M:%S} {done}, {pace}")


class MinuteLines:
    """A line a minute with how far a task is, and a detail."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self._next = self._began + HEARTBEAT

    def update(self, how_far: HowFar, detail: Callable[[], str] | None) -> bool:
        """Write the line if it is time, and return whether it was."""
        now = time.monotonic()
        if detail is None or now < self._next:
            return False
        self._next += HEARTBEAT
        _, done, pace = how_far(now - self._began)
        self._terminal.note(f"{datetime.now():%H:%M:%S} {done}, {pace}{detail()}")
        return True


class PauseNotes:
    """Says once and then every minute for what requests wait, since when and until when."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._say_at = 0.0  # not before this moment

    def check(self, pause: Pause | None) -> None:
        """Say it if it is time to; None is the end of a pause."""
        now = time.monotonic()
        if pause is None:
            self._say_at = 0.0
            return
        is_short = pause.until is None or pause.until < now + SHORT_PAUSE
        if now < self._say_at or (is_short and now < pause.since + PAUSE_SAID_AFTER):
            return
        self._say_at = now + SAY_EVERY
        what = "no whole answer from the server"
        if pause.status is not None:
            what = f"the server answers {pause.status}"
        until = "there is one"
        if pause.until is not None:
            until = f"{time_of(pause.until)} (Retry-After)"
        elif pause.status is not None:
            until = "it accepts requests"
        since = time_of(pause.since)
        self._terminal.note(f"{time_of(now)} {what}: waiting since {since}, until {until}")


def time_of(moment: float) -> str:
    """Return the local time of a moment of `time.monotonic`."""
    off = timedelta(seconds=moment - time.monotonic())
    return f"{datetime.now() + off:%H:%M:%S}"
