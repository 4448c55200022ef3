"""The progress of downloads: a bar on a terminal, an occasional line elsewhere, nothing for quick ones."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from noxcli.render.base import BAR_WIDTH, FIRST_BAR, AtBottom, Plainly
from noxcli.render.terminal import Terminal

if TYPE_CHECKING:
    from noxcli.outputs.download import Transfer
    from noxcli.render.line import Line

FIRST_LINE = 5.0  # seconds
DOWNLOAD_LINE_EVERY = 5.0
POINTER_WIDTH = 40  # cells


def watching(terminal: Terminal) -> AbstractContextManager["DownloadLines | DownloadBars"]:
    """Return the renderer of downloads for this terminal."""
    return DownloadBars(terminal) if not terminal.quiet and terminal.can_redraw() else DownloadLines(terminal)


class DownloadLines(Plainly):
    """Plain lines on stderr."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self._next = self._began + FIRST_LINE

    def say(self, line: str) -> None:
        self._terminal.note(line)

    def show(self, transfers: Sequence["Transfer"]) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + DOWNLOAD_LINE_EVERY
            self._terminal.note(download_summary(transfers, now - self._began))


class DownloadBars(AtBottom):
    """A bar per file, at the bottom of a terminal, for downloads that take some time."""

    def say(self, line: str) -> None:
        self._terminal.note(line)

    def show(self, transfers: Sequence["Transfer"]) -> None:
        took = time.monotonic() - self._began
        if took < FIRST_BAR:
            return
        going = [transfer for transfer in transfers if not transfer.finished]
        longest = max((len(transfer.remote.pointer) for transfer in going), default=0)
        cells = min(longest, POINTER_WIDTH, self._terminal.size().columns // 3)
        self._draw([_bar(transfer, took, self._line(), cells) for transfer in going])


def _bar(transfer: "Transfer", seconds: float, line: "Line", name_cells: int) -> "Line":
    line.add(transfer.remote.pointer, cells=name_cells).add(" ")
    if transfer.total:
        line.add_bar(transfer.done / transfer.total, min(BAR_WIDTH, line.left // 4)).add(" ")
    return line.add(_facts(transfer.done, transfer.total, seconds), "dim")


def download_summary(transfers: Sequence["Transfer"], seconds: float) -> str:
    """Return one line about all of them: bytes, rate, time left."""
    totals = [transfer.total for transfer in transfers if transfer.total is not None]
    total = sum(totals) if len(totals) == len(transfers) else None
    open_ = sum(not transfer.finished for transfer in transfers)
    facts = _facts(sum(transfer.done for transfer in transfers), total, seconds)
    return f"downloading {open_} {'file' if open_ == 1 else 'files'}: {facts}"


def _facts(done: int, total: int | None, seconds: float) -> str:
    rate = done / seconds if seconds > 0 else 0.0
    parts = [show_bytes(done) if total is None else f"{show_bytes(done)} of {show_bytes(total)}"]
    parts.append(f"{show_bytes(rate)}/s")
    if total is not None and rate:
        parts.append(f"{(total - done) / rate:.0f}s left")
    return ", ".join(parts)


def show_bytes(count: float) -> str:
    """Return a short decimal form, as in curl and browsers: `12.3 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
