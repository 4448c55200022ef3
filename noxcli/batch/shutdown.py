"""Why a batch starts no more rows, or waits no longer for their runs, and the error that it ends with."""

import time
from enum import IntEnum

from noxcli.batch.in_flight import RowsInFlight
from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.spec import BatchSpec
from noxcli.batch.worker import RowWorker
from noxcli.checks.batch_summary import STUCK_AFTER
from noxcli.errors import (
    ExitCode,
    Incomplete,
    NoxError,
    TimedOut,
    TimedOutBeforeStart,
    Unavailable,
    worst,
)
from noxcli.timing import show_seconds

ANSWER_AT_END = 5.0  # seconds for the answer to a start: in the last ones of --timeout, or its last half, none is sent


class Stage(IntEnum):
    """What a batch does: it starts rows; then only waits for their runs; then detaches from those still running."""

    STARTING, FINISHING, DETACHING = range(3)


class Shutdown:
    """The stage of one batch, and what began it early."""

    def __init__(
        self, work: RowWorker, in_flight: RowsInFlight, output: ResultWriter, spec: BatchSpec
    ) -> None:
        self.stage = Stage.STARTING
        self._work, self._in_flight, self._output, self._spec = work, in_flight, output, spec
        self._summary = output.summary
        self._errors: list[
            tuple[NoxError, bool]
        ] = []  # of each stage, and whether it counts only while rows remain
        self._had_open_rows = False  # rows had no result when the batch began to detach
        self._start_answered = time.monotonic()  # when the last start was, or this began
        limit = work.deadline.seconds
        self._quiet = (
            -1.0 if limit is None else min(ANSWER_AT_END, limit / 2)
        )  # seconds before the deadline

    def note_start(self) -> None:
        """A start was answered."""
        self._start_answered = time.monotonic()

    def note_open(self) -> None:
        """Remember whether rows have no result, before they are left with one."""
        self._had_open_rows = bool(
            self._in_flight.starting or self._in_flight.active or self._in_flight.in_doubt
        )

    def check(self) -> None:
        """Begin a later stage where a limit, an outage or the disk demands it."""
        self.check_disk()
        if self.stage is Stage.STARTING:
            self._check_starting()
        silent_for = self._work.pace.silent_for
        if self.stage is Stage.DETACHING:
            return
        if self._output.unprinted is not None:
            self.enter(Stage.DETACHING, self._output.unprinted)
        elif self._work.deadline.passed:
            self.enter(Stage.DETACHING, TimedOut("the timeout was reached"), unless_done=True)
        elif silent_for > self._work.retry_for:
            self.enter(
                Stage.DETACHING,
                Unavailable(f"the server gave no usable answer for {show_seconds(silent_for)}"),
            )

    def check_disk(self) -> None:
        """Start no more rows if the disk takes no more results."""
        if (trouble := self._output.pop_trouble()) is not None:
            self.enter(Stage.FINISHING, trouble)

    def _check_starting(self) -> None:
        """Start no more rows after too many failures, near the timeout, or where the server no longer accepts any."""
        # Runs that have failed count immediately, not when the reason is known.
        failing = sum(
            row.run is not None and row.run.status == "failed"
            for row in self._in_flight.active.values()
        )
        if self._spec.max_failures and self._summary.failed + failing >= self._spec.max_failures:
            self.enter(Stage.FINISHING, None)
        elif self._spec.max_failures != 0 and self._summary.stuck is not None:
            self._end_starts(f"the first {STUCK_AFTER} failed the same way: {self._summary.stuck}")
        elif self._spec.max_failures != 0 and self._summary.doubts is not None:
            self._end_starts(f"{self._summary.doubts} are in doubt")
        elif self._work.deadline.remaining() <= self._quiet:
            self.enter(
                Stage.FINISHING,
                TimedOut("too close to the timeout to start more rows"),
                unless_done=True,
            )
        elif self._spec.row_timeout is not None:
            starts = self._in_flight.starting.values()
            waiting = [row.began for row in starts if row.attempt is not None and not row.was_sent]
            if (
                waiting
                and time.monotonic() - max(min(waiting), self._start_answered)
                > self._spec.row_timeout
            ):
                what = f"the server accepted no run for {show_seconds(self._spec.row_timeout)} (--row-timeout)"
                self.enter(Stage.FINISHING, TimedOut(what), unless_done=True)

    def _end_starts(self, why: str) -> None:
        """Start no more rows for a reason that --max-failures of a batch turns off; the code is that of the rows."""
        anyway = "" if self._spec.of_gate else " (--max-failures 0 starts them anyway)"
        what = f"stopped starting rows: {why}{anyway}"
        self.enter(Stage.FINISHING, Incomplete(what, None, ExitCode.OK), unless_done=True)

    def enter(self, stage: Stage, error: NoxError | None, *, unless_done: bool = False) -> None:
        """Begin a stage, unless it has begun: what was sent is still answered, other starts are not sent.

        With `unless_done`, the error no longer counts once every row has its result.
        """
        if error is not None:
            self._errors.append((error, unless_done))
        if stage > self.stage:
            self.stage = stage
            self._work.pace.end_starts()
            self._in_flight.abort_starts()

    @property
    def verdict(self) -> NoxError | None:
        """The worst reason for an early end, the last of several; without any, no row may be without a result."""
        rest = self._had_open_rows or self._in_flight.unstarted or self._summary.not_started
        errors = [error for error, unless_done in self._errors if rest or not unless_done]
        if not errors:
            lacks = rest and self._summary.min_pass is None and not self._summary.failed
            return (
                Incomplete("not every row has a result", None, ExitCode.NOT_FINISHED)
                if lacks
                else None
            )
        error = next(
            error
            for error in reversed(errors)
            if error.exit_code == worst(each.exit_code for each in errors)
        )
        if isinstance(error, TimedOut) and not self._summary.has_started:
            return TimedOutBeforeStart(
                f"nothing was started: {error.message}", "increase --timeout"
            )
        return error
