"""The loop of a batch, from its first row to its end: it starts rows and waits for their runs.

The main thread decides everything, in one loop over three queues: rows to start, runs to poll, results to print. A
limited number of threads wait on the network; each returns a row's next state. `Shutdown` has the reasons to end.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from noxcli.batch.in_flight import PollSchedule, RowsInFlight
from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.shutdown import ANSWER_AT_END, Shutdown, Stage
from noxcli.batch.spec import BatchSpec
from noxcli.batch.worker import ActiveRow, RowWorker
from noxcli.batchdir.append_file import JournalTrouble
from noxcli.batchdir.journal_state import SENT, STARTED, JournalState
from noxcli.batchdir.results_file import RowResult
from noxcli.errors import (
    ConnectionRejected,
    ExitCode,
    Interruption,
    LostContact,
    NotFinished,
    NoxError,
    Phase,
    TimedOut,
    Unavailable,
    UsageProblem,
)
from noxcli.models import Run
from noxcli.reports.result import Outcome, verdict_of
from noxcli.rows.columns import Row
from noxcli.runs.record import LAST_READ, MAX_STOP, still_running, stop_run
from noxcli.runs.resolve import LAST_SEARCH
from noxcli.runs.start import MAX_SEARCH
from noxcli.signals import Interrupted
from noxcli.timing import Deadline
from noxcli.waiting import Workers, run_all_within

if TYPE_CHECKING:
    from noxcli.batch.reconcile import CandidateIndex

MAX_THREADS = 32
TICK, SHORT_TICK = 0.1, 0.01  # seconds


class Scheduler:
    """One batch; call `run` once. `tick` is called ten times a second with the numbers of rows running and in doubt."""

    def __init__(  # noqa: PLR0913 - made in one place, of parts that each have a life of their own
        self,
        work: RowWorker,
        rows: Iterator[Row | None],
        journaled: JournalState,
        finding: "CandidateIndex | None",
        output: ResultWriter,
        tick: Callable[[int, int], None],
        spec: BatchSpec,
    ) -> None:
        """`finding` is what the run list shows about rows that an earlier call left in doubt."""
        self.work, self.journaled, self.output, self.tick = work, journaled, output, tick
        self.summary = output.summary
        self.schedule = PollSchedule(spec.poll_interval)
        self.in_flight = RowsInFlight(work, output, self.schedule)
        self._rows, self._has_rows = rows, True
        self._finding, self._spec = finding, spec
        self._threads = min(MAX_THREADS, spec.max_parallel)
        self._workers: Workers[ActiveRow | RowResult] = Workers(self._threads)
        self.shutdown = Shutdown(work, self.in_flight, output, spec)

    def run(self) -> NoxError | None:
        """Work through the rows, and report all that were taken; return why not every row has a result."""
        try:
            for step in (self._work_through, self._report_remaining):
                try:
                    step()
                except TimedOut:  # a reader of stdout does not read
                    pass
                except (
                    Exception
                ) as error:  # even a bug only ends the batch early: all runs are named at the end
                    self.shutdown.enter(Stage.DETACHING, self._as_expected(error))
        except Interrupted as signal:
            return self._interrupt(signal)
        return self.shutdown.verdict

    def _as_expected(self, error: Exception) -> NoxError:
        return error if isinstance(error, NoxError) else self.work.explain_unexpected(error)

    # The loop.

    def _work_through(self) -> None:
        """Work as long as there is something to do. Raises Interrupted, and TimedOut as ResultWriter.flush."""
        while True:
            self.shutdown.check()
            if self.shutdown.stage is Stage.DETACHING:
                return
            if (limit := self._spec.row_timeout) is not None:  # a last read is not answered
                late = time.monotonic() - limit - LAST_READ
                for row in [row for row in self.in_flight.active.values() if row.began < late]:
                    self._give_up(row)
            self._start_rows()
            for number in self.schedule.pop_due():
                self._call(partial(self.work.poll, self.in_flight.active[number]))
            self.output.flush_due()  # while the disk writes them, the next rows are in flight
            starts = any(not row.aborted for row in self.in_flight.starting.values())
            if not (
                self.in_flight.active
                or starts
                or (self.shutdown.stage is Stage.STARTING and self._has_rows)
            ):
                return
            within = 0.0 if self._can_start else self.schedule.until_due(TICK)
            self._handle_responses(self.output.until_due(within))
            self.tick(len(self.in_flight.active), len(self.in_flight.in_doubt))

    @property
    def _can_start(self) -> bool:
        """True if a row may take a place; starts leave room for reads of running ones."""
        starting = len(self.in_flight.starting)
        has_place = starting + len(self.in_flight.active) < self._spec.max_parallel
        has_thread = starting < max(1, self._threads // 2)
        return self._has_rows and has_place and has_thread and self.shutdown.stage is Stage.STARTING

    def _start_rows(self) -> None:
        """Give free places to rows, for as long as the runs can wait."""
        end = time.monotonic() + TICK
        while self._can_start and time.monotonic() < end:
            try:
                row = next(self._rows)
            except StopIteration:
                self._has_rows = False
            except Exception as error:  # the rows before it are run
                self.shutdown.enter(Stage.STARTING, self._as_expected(error))
                self._has_rows = False
            else:
                if row is not None:
                    self._begin(row)

    def _begin(self, row: Row) -> None:
        number, state = row.number, self.journaled.state(row.number)
        if row.problem is not None:
            problem = UsageProblem(f"line {row.line}: {row.problem}" if row.line else row.problem)
            self.in_flight.report(
                self.work.result_of(row, Outcome(phase=Phase.USAGE, error=problem))
            )
        elif state == SENT:
            doubt = self.journaled.pop_pending(number)
            if (
                self._finding is None
            ):  # a gate adopts nothing: its starts are searched for at the end
                self.in_flight.in_doubt.append(ActiveRow(row, sent=doubt))
            else:
                self.in_flight.report(self._finding.unresolved(row, doubt, None, self.work.mask))
        elif state == STARTED:
            known = self.journaled.pop_pending(number)
            run = Run(
                known.run_id or "", self.work.workflow_id, "queued", created_at=known.created_at
            )
            self.in_flight.follow(ActiveRow(row, run, began=time.monotonic(), found=True))
            self.schedule.add(number)
        else:
            self.summary.note_begun(row.file_number)
            self.in_flight.starting[number] = active = ActiveRow(row)
            self._call(partial(self.work.start, active))

    def _call(self, work: Callable[[], ActiveRow | RowResult]) -> None:
        try:
            self._workers.call(work)
        except Unavailable as error:  # no thread can be started
            self.shutdown.enter(Stage.DETACHING, error)

    def _handle_responses(self, within: float) -> None:
        """File the states that have arrived, after waiting for the first."""
        for state, error in self._workers.next_outcomes(within):
            if error is not None:
                raise error
            assert state is not None
            self._apply_state(state)

    def _apply_state(self, state: ActiveRow | RowResult) -> None:
        """Put a row where its state belongs, unless it was left in the meantime."""
        number = state.row.number
        if number not in self.in_flight.active and number not in self.in_flight.starting:
            return
        if isinstance(state, RowResult):
            self._apply_result(state)
        elif state.run is None:
            if (
                state.error is not None and not state.in_doubt
            ):  # disk, server or network let no row start
                error = state.error
                if isinstance(error, ConnectionRejected) and self.summary.has_started:
                    error = LostContact(error.message, error.hint)
                self.shutdown.enter(Stage.FINISHING, error)
            if state.in_doubt:
                self.summary.note_start(in_doubt=True)
            self.in_flight.end_start(number)
        else:
            if number in self.in_flight.starting:
                self.shutdown.note_start()
                self.summary.note_start(in_doubt=False)
                if state.error is not None:
                    self.shutdown.enter(Stage.FINISHING, state.error)
            self.in_flight.follow(state)
            taken, limit = time.monotonic() - state.began, self._spec.row_timeout
            if limit is None or taken < limit:
                self.schedule.add(number, taken, limit)
            else:
                self._give_up(state)

    def _apply_result(self, row: RowResult) -> None:
        """Report a row with its result, or start it again if an interrupted batch stopped its run."""
        if row.fatal_error is not None:
            self.shutdown.enter(Stage.FINISHING, row.fatal_error)
        if row.took is not None:
            self.schedule.note(row.took)
        # True if noxcli itself stopped its run, in this call or an earlier one.
        row.interrupted = (
            row.code == ExitCode.RUN_STOPPED and row.row.number in self.journaled.stopping
        )
        if row.interrupted and self.shutdown.stage is Stage.STARTING:
            try:
                self.work.journal.note_ended([row])
            except JournalTrouble as error:
                self.shutdown.enter(Stage.FINISHING, error)
            else:
                self.in_flight.drop(row.row.number)
                self.journaled.reset_row(row.row.number)
                self._begin(row.row)
                return
        self.in_flight.report(row)

    def _give_up(self, row: ActiveRow) -> None:
        """Report a row past --row-timeout."""
        run = row.run
        assert run is not None
        what = f"run {run.id} was still {run.word} at"
        what = f"the output of run {run.id} was not fetched by" if run.settled else what
        self.in_flight.report_running(
            row, TimedOut(f"{what} --row-timeout", "--resume waits for it again")
        )

    # The end.

    def _report_remaining(self) -> None:
        """Report what was taken."""
        self.shutdown.check()
        self.work.pace.hurry()
        end = time.monotonic() + self.work.deadline.remaining(MAX_SEARCH)
        if self.shutdown.stage is Stage.DETACHING:
            if self.work.deadline.passed:
                end = time.monotonic() + LAST_READ
                self._poll_all_once(end)
            else:
                self._await_starts()
                end = time.monotonic() + self.work.deadline.remaining(LAST_SEARCH)
            self.shutdown.note_open()
        self.in_flight.report_all_running(self._error_for_running, max(0.0, end - time.monotonic()))
        self.shutdown.check_disk()  # for the last results

    def _error_for_running(self, run: Run) -> NoxError:
        """Return the error of a row whose run is still running."""
        if self.work.deadline.passed:
            return still_running(run)
        if self.output.unprinted is None and self.work.pace.silent_for > self.work.retry_for:
            hint = f"continue with: noxcli wait {run.workflow_id}/{run.id}"
            return LostContact(f"lost contact with run {run.id}", hint)
        return NotFinished(f"stopped waiting; run {run.id} is still {run.word}")

    def _interrupt(self, signal: Interrupted) -> Interruption:
        self.work.pace.hurry()
        self._await_starts()
        stopping = self._stop_runs() if self._spec.stops else 0
        remaining = len(self.in_flight.active)
        done = f", {stopping - remaining} stopped" if stopping else ""
        number, within = signal.number, self.work.deadline.remaining(LAST_SEARCH)
        self.in_flight.report_all_running(
            lambda run: Interruption(
                f"stopped waiting; run {run.id} is still {run.word}", number=number
            ),
            within,
        )
        return Interruption(
            f"interrupted by {signal}{done}, {remaining} runs still running", number=number
        )

    def _await_starts(self) -> None:
        """Wait for the answers to starts in flight, and until the journal has them, so that none stays in doubt."""
        self.shutdown.enter(Stage.DETACHING, None)
        end = time.monotonic() + ANSWER_AT_END
        while (
            any(row.was_sent or row.sent for row in self.in_flight.starting.values())
            and time.monotonic() < end
        ):
            self._handle_responses(min(TICK, end - time.monotonic()))

    def _stop_runs(self) -> int:
        """Stop the running runs, and report those that were; return how many were to stop.

        The journal says before that that noxcli itself stops them; if it can't, none is stopped.
        """
        running = [
            (row.row, row.run) for row in self.in_flight.active.values() if row.run is not None
        ]
        try:
            self.work.journal.note_stopping(running)
        except JournalTrouble as error:
            self.shutdown.enter(Stage.DETACHING, error)
            return 0
        self.journaled.stopping.update(self.in_flight.active)
        deadline = Deadline(self.work.clock, MAX_STOP)
        stops = [partial(stop_run, self.work.api, run, deadline) for _, run in running]
        for (row, _), (run, _) in zip(running, run_all_within(MAX_STOP, stops), strict=True):
            # One that completed in the meantime is undelivered, and left.
            if run is not None and run.settled and run.status != "completed":
                verdict = verdict_of(run, if_stopped="--resume starts the row again")
                outcome = Outcome(run=run, confirmed=True, phase=Phase.RUN, error=verdict)
                self._apply_state(self.work.result_of(row, outcome))
        return len(running)

    def _poll_all_once(self, end: float) -> None:
        """Read the records of all running rows, until that moment at the latest."""
        in_flight = self.in_flight
        in_flight.end_starts()
        # What is being read now has half of the time.
        while (
            not all(map(self.schedule.has, in_flight.active))
            and time.monotonic() < end - LAST_READ / 2
        ):
            self._handle_responses(SHORT_TICK)
        remaining = max(0.0, end - time.monotonic())
        waiting = [row for number, row in in_flight.active.items() if self.schedule.has(number)]
        for state, _ in run_all_within(
            remaining, [partial(self.work.poll, row, remaining) for row in waiting], MAX_THREADS
        ):
            if isinstance(state, RowResult):
                self._apply_state(state)
