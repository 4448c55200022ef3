"""Why a batch starts no more rows, or waits no longer for runs, and its error at the end."""

import time
from enum import IntEnum
from typing import NamedTuple

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
from noxcli.retry import MIN_ATTEMPT
from noxcli.timing import show_seconds

# Seconds for the answer to a start: in the last ones of --timeout, or its last half, none is sent.
ANSWER_AT_END = 5.0


class Stage(IntEnum):
    """What a batch does: start rows; then only wait for their runs; then detach from them."""

    STARTING = 0
    FINISHING = 1
    DETACHING = 2


class Reason(NamedTuple):
    """Why a stage began; `only_if_open`: it no longer counts once every row has its result."""

    error: NoxError
    only_if_open: bool


class Shutdown:
    """The stage of one batch, and what began it early."""

    def __init__(
        self, work: RowWorker, in_flight: RowsInFlight, output: ResultWriter, spec: BatchSpec
    ) -> None:
        self.stage = Stage.STARTING
        self._work = work
        self._in_flight = in_flight
        self._output = output
        self._spec = spec
        self._summary = output.summary
        self._reasons: list[Reason] = []
        self._had_open_rows = False  # rows had no result when the batch began to detach
        self._start_answered = time.monotonic()  # when the last start was, or this began
        # Seconds before the deadline.
        self._quiet = -1.0
        if work.deadline.seconds is not None:
            self._quiet = min(ANSWER_AT_END, work.deadline.seconds / 2)

    def note_start(self) -> None:
        """A start was answered."""
        self._start_answered = time.monotonic()

    def note_open(self) -> None:
        """Remember whether rows have no result, before they are left with one."""
        in_flight = self._in_flight
        open_rows = len(in_flight.starting) + len(in_flight.running) + len(in_flight.in_doubt)
        self._had_open_rows = open_rows > 0

    def check(self) -> None:
        """Begin a later stage where a limit, an outage or the disk demands it."""
        self.check_disk()
        if self.stage is Stage.STARTING:
            self._check_starting()
        silent_for = self._work.pace.silent_for
        longest_silence = self._work.retry_for
        requested = self._work.pace.longest_requested
        may_wait = self._work.deadline.remaining() + silent_for  # from the beginning of the silence
        if longest_silence < requested <= may_wait:
            longest_silence = requested + MIN_ATTEMPT
        if self.stage is Stage.DETACHING:
            return
        if self._output.unprinted is not None:
            self.enter(Stage.DETACHING, self._output.unprinted)
        elif self._work.deadline.passed:
            timeout = TimedOut("the timeout was reached")
            self.enter(Stage.DETACHING, timeout, unless_done=True)
        elif silent_for > longest_silence:
            what = f"the server gave no usable answer for {show_seconds(silent_for)}"
            self.enter(Stage.DETACHING, Unavailable(what))

    def check_disk(self) -> None:
        """Start no more rows if the disk takes no more results."""
        trouble = self._output.pop_trouble()
        if trouble is not None:
            self.enter(Stage.FINISHING, trouble)

    def _check_starting(self) -> None:
        """Start no more rows after too many failures, near the timeout, or if none is accepted."""
        most = self._spec.max_failures  # None without the option; 0 lets rows fail
        summary = self._summary
        if most and summary.failed + self._count_failing() >= most:
            self.enter(Stage.FINISHING, None)
            return
        if summary.why_end is not None:
            self._end_starts(summary.why_end)
            return
        if most != 0 and summary.stuck is not None:
            self._end_starts(f"the first {STUCK_AFTER} failed the same way: {summary.stuck}")
            return
        doubts = summary.starts.doubts
        if most != 0 and doubts is not None:
            self._end_starts(f"{doubts} are in doubt")
            return
        if self._work.deadline.remaining() <= self._quiet:
            near = TimedOut("too close to the timeout to start more rows")
            self.enter(Stage.FINISHING, near, unless_done=True)
            return
        limit = self._spec.row_timeout
        if limit is not None and self._waiting_for() > limit:
            what = f"the server accepted no run for {show_seconds(limit)} (--row-timeout)"
            self.enter(Stage.FINISHING, TimedOut(what), unless_done=True)

    def _count_failing(self) -> int:
        """Return how many runs have failed: they count before the reason is known."""
        running = self._in_flight.running.values()
        return len([row for row in running if row.run.status == "failed"])

    def _waiting_for(self) -> float:
        """Return for how long a start has waited to be sent, while no other was answered."""
        waiting = [
            starting.ready_at
            for starting in self._in_flight.starting.values()
            if starting.attempt is not None and not starting.was_sent
        ]
        if not waiting:
            return 0.0
        return time.monotonic() - max(min(waiting), self._start_answered)

    def _end_starts(self, why: str) -> None:
        """Start no more rows for a reason that --max-failures turns off; the code is the rows'."""
        what = f"stopped starting rows: {why}"
        if not self._spec.of_gate:
            what += " (--max-failures 0 starts them anyway)"
        self.enter(Stage.FINISHING, Incomplete(what, None, ExitCode.OK), unless_done=True)

    def enter(self, stage: Stage, error: NoxError | None, *, unless_done: bool = False) -> None:
        """Begin a stage, unless it has begun: other starts than those that were sent are not.

        With `unless_done`, the error no longer counts once every row has its result.
        """
        if error is not None:
            self._reasons.append(Reason(error, unless_done))
        if stage > self.stage:
            self.stage = stage
            self._work.pace.end_starts()
            self._in_flight.abort_starts()

    @property
    def _has_open_rows(self) -> bool:
        """True if rows are without a result, or were when the batch began to detach."""
        if self._had_open_rows:
            return True
        return self._in_flight.unstarted + self._summary.not_started > 0

    @property
    def _lack_of_results(self) -> NoxError | None:
        """The error that rows have no result, unless the codes of others say it, or --min-pass."""
        if self._summary.min_pass is not None or self._summary.failed:
            return None
        return Incomplete("not every row has a result", None, ExitCode.NOT_FINISHED)

    @property
    def verdict(self) -> NoxError | None:
        """The worst reason for an early end, the last of several; or that rows have no result."""
        is_open = self._has_open_rows
        errors = [reason.error for reason in self._reasons if is_open or not reason.only_if_open]
        if not errors:
            return self._lack_of_results if is_open else None
        code = worst(error.exit_code for error in errors)
        error = [error for error in errors if error.exit_code == code][-1]
        if isinstance(error, TimedOut) and not self._summary.has_started:
            what = f"nothing was started: {error.message}"
            return TimedOutBeforeStart(what, "increase --timeout")
        return error
