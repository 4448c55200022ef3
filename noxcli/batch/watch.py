"""What a running batch says of how far it is: on stderr, and in its directory for others."""

import os
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from noxcli.batch.batch import Batch
from noxcli.batch.in_flight import RowsInFlight
from noxcli.batch.worker import RunningRow
from noxcli.batchdir.progress_file import LongRow, write_progress
from noxcli.models import Workflow
from noxcli.render.log import PauseNotes, TaskLog
from noxcli.render.terminal import Terminal
from noxcli.timing import Clock, show_seconds

if TYPE_CHECKING:
    from noxcli.api.rate_limit import RateLimiter
    from noxcli.render.live_region import Bar

# Seconds.
WRITE_EVERY = 5.0
MOST_NAMED = 3  # rows that run longest


class BatchWatch:
    """Shows and writes how far the batch is, each time that it is called."""

    def __init__(
        self,
        batch: Batch,
        workflows: Sequence[Workflow],
        pace: "RateLimiter",
        clock: Clock,
        terminal: Terminal,
        shown: "Bar | TaskLog",
    ) -> None:
        self._batch = batch
        self._workflows = workflows
        self._pace = pace
        self._clock = clock
        self._terminal = terminal
        self._shown = shown
        self._pauses = PauseNotes(terminal)
        self._began = time.monotonic()
        self._written_at = float("-inf")

    def __call__(self, in_flight: RowsInFlight) -> None:
        running = len(in_flight.running)
        doubtful = len(in_flight.in_doubt)
        how_far = partial(self._batch.summary.how_far, running, doubtful, self._note())
        self._shown.update(how_far, partial(self._longest_words, in_flight))
        self._pauses.check(self._pace.pause)
        if time.monotonic() >= self._written_at + WRITE_EVERY:
            self._written_at = time.monotonic()
            self._write(running, doubtful, longest_rows(self._batch, self._workflows, in_flight))

    def finish(self) -> None:
        """Write how far the batch has come in the end."""
        summary = self._batch.summary
        self._write(len(summary.still_running), len(summary.in_doubt), ())

    def _note(self) -> str:
        """Return what slows the batch down, empty if nothing does."""
        if self._pace.silent_for > 1:
            return f"no answer for {show_seconds(self._pace.silent_for)}"
        if self._pace.rate is not None:
            return f"limited to {self._pace.rate:.1f} requests/s by the server"
        return ""

    def _longest_words(self, in_flight: RowsInFlight) -> str:
        rows = longest_rows(self._batch, self._workflows, in_flight)
        if not rows:
            return ""
        return f"; longest: {', '.join(row.words() for row in rows)}"

    def _write(self, running: int, doubtful: int, longest: Sequence[LongRow]) -> None:
        summary = self._batch.summary
        seconds = time.monotonic() - self._began
        counted = summary.codes.total()
        codes = summary.codes_so_far - summary.not_final
        rate = None
        left = None
        if counted and seconds > 0:
            rate = counted / seconds
            left = summary.not_started / rate
        facts: dict[str, Any] = {
            "at": self._clock.now().isoformat(),
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "total": summary.total,
            "done": codes.total(),
            "running": running,
            "in_doubt": doubtful,
            "codes": {str(int(code)): count for code, count in sorted(codes.items())},
            "rate_per_s": rate,
            "seconds_left": left,
            "longest": [row._asdict() for row in longest],
        }
        write_progress(self._batch.journal.place, self._terminal.mask.whole(facts))


def longest_rows(
    batch: Batch, workflows: Sequence[Workflow], in_flight: RowsInFlight
) -> list[LongRow]:
    """Return the rows that run longest, the longest first."""
    by_age = sorted(in_flight.running.values(), key=lambda running: running.began)
    return [_long_row(batch, workflows, running) for running in by_age[:MOST_NAMED]]


def _long_row(batch: Batch, workflows: Sequence[Workflow], running: RunningRow) -> LongRow:
    row = running.row
    printed = batch.header.printed({"row": row.number, "id": row.id})
    node = None
    ids = running.run.progress_details.get("running_nodes")
    if isinstance(ids, list) and ids and isinstance(ids[0], str):
        node = workflows[row.side].nodes.get(ids[0], ids[0])
    seconds = time.monotonic() - running.began
    return LongRow(printed["row"], printed["id"], running.run.id, round(seconds, 1), node)
