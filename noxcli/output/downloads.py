"""How far downloads have come: a bar on a terminal, a line now and then elsewhere, nothing for what is quick."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from noxcli.output.base import Plainly
from noxcli.output.terminal import Terminal
from noxcli.output.text import shorten, visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

FIRST_BAR = 0.5  # seconds
FIRST_LINE = LINE_EVERY = 5.0
NAME_WIDTH = 40


class Remote(Protocol):
    @property
    def pointer(self) -> str: ...


class Transfer(Protocol):
    """How far one file has come."""

    @property
    def remote(self) -> Remote: ...

    done: int
    total: int | None
    finished: bool


def watching(terminal: Terminal) -> AbstractContextManager["Lines | Bars"]:
    """Return what shows downloads on this terminal."""
    return Bars(terminal) if terminal.can_redraw() and not terminal.quiet else Lines(terminal)


class Lines(Plainly):
    """Plain lines on stderr."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self._next = self._began + FIRST_LINE

    def say(self, line: str) -> None:
        self._terminal.note(line)

    def show(self, transfers: Sequence[Transfer]) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINE_EVERY
            self._terminal.note(summary(transfers, now - self._began))


class Bars:
    """A bar a file, drawn by rich, which is loaded only once a download takes its time."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._tasks: list[TaskID] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            with self._terminal.hold():
                self._progress.stop()

    def say(self, line: str) -> None:
        if self._progress is None:
            self._terminal.note(line)
        else:
            from rich.text import Text

            self._progress.console.print(Text(visible(self._terminal.mask(line))), soft_wrap=True)

    def show(self, transfers: Sequence[Transfer]) -> None:
        if self._progress is None:
            if time.monotonic() - self._began < FIRST_BAR:
                return
            self._progress = self._begin(transfers)
        for task, transfer in zip(self._tasks, transfers, strict=True):
            self._progress.update(task, completed=transfer.done, total=transfer.total, visible=not transfer.finished)
        self._progress.refresh()

    def _begin(self, transfers: Sequence[Transfer]) -> "Progress":
        from rich.console import RenderableType
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        from noxcli.output.console import Unwrapped, console_for

        class Drawing(Progress):
            def get_renderable(self) -> RenderableType:
                return Unwrapped(super().get_renderable())

        columns = (TextColumn("{task.description}", markup=False), BarColumn(20), DownloadColumn(), Speed())
        progress = Drawing(
            *columns,
            TimeRemainingColumn(),
            console=console_for(self._terminal),
            auto_refresh=False,  # by `show` alone, from the main thread
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        names = [shorten(visible(transfer.remote.pointer), NAME_WIDTH) for transfer in transfers]
        self._tasks = [progress.add_task(name, total=None) for name in names]
        progress.start()  # last: once it is on, every bar that is added draws them all anew
        return progress


def summary(transfers: Sequence[Transfer], seconds: float) -> str:
    """Return one line about all of them: bytes, rate, time left."""
    done = sum(transfer.done for transfer in transfers)
    totals = [transfer.total for transfer in transfers if transfer.total is not None]
    known = len(totals) == len(transfers)
    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{show_bytes(done)} of {show_bytes(sum(totals))}" if known else show_bytes(done)]
    parts.append(f"{show_bytes(rate)}/s")
    if known and rate:
        parts.append(f"{(sum(totals) - done) / rate:.0f}s left")
    open_ = sum(not transfer.finished for transfer in transfers)
    return f"downloading {open_} {'file' if open_ == 1 else 'files'}: {', '.join(parts)}"


def show_bytes(count: float) -> str:
    """Return a short decimal form, as curl and browsers have it: `12.3 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
