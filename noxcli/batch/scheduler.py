"""The loop of a batch, from its first row to its end: it starts rows and waits for their runs.

The main thread decides everything, in one loop over three queues: rows to start, runs to poll,
results to print. A limited number of threads wait on the network; each returns a row's next state.
`Shutdown` has the reasons to end.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from noxcli.batch.in_flight import PollSchedule, RowsInFlight
from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.shutdown import ANSWER_AT_END, Shutdown, Stage
from noxcli.batch.spec import BatchSpec
from noxcli.batch.worker import (
    InDoubt,
    NotStarted,
    RowState,
    RowWorker,
    RunningRow,
    StartedRow,
)
from noxcli.batchdir.append_file import JournalTrouble
from noxcli.batchdir.journal_state import SENT, STARTED, JournalState
from noxcli.batchdir.results_file import RowResult
from noxcli.errors import (
    CommandLine,
    ConnectionRejected,
    ExitCode,
    Hint,
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
# Seconds.
TICK = 0.1
SHORT_TICK = 0.01


class Scheduler:
    """One batch; call `run` once. `tick` gets the rows in flight."""

    def __init__(  # noqa: PLR0913 - made in one place, of parts that each have a life of their own
        self,
        work: RowWorker,
        rows: Iterator[Row | None],
        journaled: JournalState,
        finding: "CandidateIndex | None",
        output: ResultWriter,
        tick: Callable[[RowsInFlight], None],
        spec: BatchSpec,
        ahead: deque[Row],
    ) -> None:
        """`finding` is what the run list shows about rows that an earlier call left in doubt.

        Rows that results add to `ahead` start before all others.
        """
        self.work = work
        self.journaled = journaled
        self.output = output
        self.tick = tick
        self.summary = output.summary
        self.schedule = PollSchedule(spec.poll_interval)
        self.in_flight = RowsInFlight(work, output, self.schedule)
        self._ahead = ahead
        self._rows = rows
        self._has_more = True
        self._finding = finding
        self._spec = spec
        self._threads = min(MAX_THREADS, spec.max_parallel)
        self._workers: Workers[RowState] = Workers(self._threads)
        self.shutdown = Shutdown(work, self.in_flight, output, spec)

    def run(self) -> NoxError | None:
        """Work through the rows, and report those taken; return why not all have a result."""
        try:
            for step in (self._work_through, self._report_remaining):
                try:
                    step()
                except TimedOut:  # a reader of stdout does not read
                    pass
                except Exception as error:
                    # Even a bug only ends the batch early: all runs are named at the end.
                    self.shutdown.enter(Stage.DETACHING, self._as_expected(error))
        except Interrupted as signal:
            return self._interrupt(signal)
        return self.shutdown.verdict

    def _as_expected(self, error: Exception) -> NoxError:
        if isinstance(error, NoxError):
            return error
        return self.work.explain_unexpected(error)

    # The loop.

    def _work_through(self) -> None:
        """Work while there is something to do. Raises Interrupted, and TimedOut as flush does."""
        while True:
            self.shutdown.check()
            if self.shutdown.stage is Stage.DETACHING:
                return
            self._give_up_late_rows()
            self._start_rows()
            for number in self.schedule.pop_due():
                self._call(partial(self.work.poll, self.in_flight.running[number]))
            self.output.flush_due()  # while the disk writes them, the next rows are in flight
            if not self._has_work:
                return
            within = 0.0 if self._can_start else self.schedule.until_due(TICK)
            self._handle_responses(self.output.until_due(within))
            self.tick(self.in_flight)

    @property
    def _has_work(self) -> bool:
        """True if a row is in flight, or may be started."""
        if self.in_flight.running:
            return True
        if self.shutdown.stage is Stage.STARTING and self._has_rows:
            return True
        return any(not starting.aborted for starting in self.in_flight.starting.values())

    def _give_up_late_rows(self) -> None:
        """Report rows whose last read was not answered."""
        limit = self._spec.row_timeout
        if limit is None:
            return
        late = time.monotonic() - limit - LAST_READ
        for running in list(self.in_flight.running.values()):
            if running.began < late:
                self._give_up(running)

    @property
    def _has_rows(self) -> bool:
        return bool(self._ahead) or self._has_more

    @property
    def _can_start(self) -> bool:
        """True if a row may take a place; starts leave room for reads of running ones."""
        starting = len(self.in_flight.starting)
        if not self._has_rows or self.shutdown.stage is not Stage.STARTING:
            return False
        if starting + len(self.in_flight.running) >= self._spec.max_parallel:
            return False
        return starting < max(1, self._threads // 2)

    def _start_rows(self) -> None:
        """Give free places to rows, for as long as the runs can wait."""
        end = time.monotonic() + TICK
        while self._can_start and time.monotonic() < end:
            if self._ahead:
                self._begin(self._ahead.popleft())
                continue
            try:
                row = next(self._rows)
            except StopIteration:
                self._has_more = False
            except Exception as error:  # the rows before it are run
                self.shutdown.enter(Stage.STARTING, self._as_expected(error))
                self._has_more = False
            else:
                if row is not None:
                    self._begin(row)

    def _begin(self, row: Row) -> None:
        """Start a row, or continue where an earlier call left it."""
        number = row.number
        state = self.journaled.state(number)
        if row.problem is not None:
            what = f"line {row.line}: {row.problem}" if row.line else row.problem
            outcome = Outcome(phase=Phase.USAGE, error=UsageProblem(what))
            self.in_flight.report(self.work.result_of(row, outcome))
        elif state == SENT:
            doubt = self.journaled.pop_pending(number)
            if self._finding is None:
                # A gate adopts nothing: its starts are searched for at the end.
                self.in_flight.in_doubt.append(InDoubt(row, doubt))
            else:
                self.in_flight.report(self._finding.unresolved(row, doubt, None, self.work.mask))
        elif state == STARTED:
            known = self.journaled.pop_pending(number)
            workflow_id = self.work.workflows[row.side].id
            run = Run(known.run_id or "", workflow_id, "queued", created_at=known.created_at)
            self.in_flight.follow(RunningRow(row, run, time.monotonic(), was_found=True))
            self.schedule.add(number)
        else:
            self.summary.note_begun(row)
            self._call(partial(self.work.start, self.in_flight.start(row)))

    def _call(self, work: Callable[[], RowState]) -> None:
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

    def _apply_state(self, state: RowState) -> None:
        """Put a row where its state belongs, unless it was left in the meantime."""
        if not self.in_flight.has(state.row.number):
            return
        match state:
            case RowResult():
                self._apply_result(state)
            case InDoubt():
                self.summary.starts.lost(state.sent_at, state.noticed_at)
                self.in_flight.doubt(state)
            case NotStarted():
                self._apply_not_started(state)
            case StartedRow():
                self._apply_started(state)
            case RunningRow():
                self._schedule_read(state)

    def _apply_not_started(self, state: NotStarted) -> None:
        error = state.error
        if error is not None:  # disk, server or network let no row start
            if isinstance(error, ConnectionRejected) and self.summary.has_started:
                error = LostContact(error.message, error.hint)
            self.shutdown.enter(Stage.FINISHING, error)
        self.in_flight.leave_unstarted(state.row)

    def _apply_started(self, state: StartedRow) -> None:
        if state.row.number in self.in_flight.starting:  # else the end has counted it
            self.shutdown.note_start()
            self.summary.starts.answered(state.sent_at)
            if state.error is not None:
                self.shutdown.enter(Stage.FINISHING, state.error)
        self.in_flight.follow(state.running)
        self._schedule_read(state.running)

    def _schedule_read(self, running: RunningRow) -> None:
        """Plan the next read of a run, or give it up at --row-timeout."""
        taken = time.monotonic() - running.began
        limit = self._spec.row_timeout
        if limit is not None and taken >= limit:
            self._give_up(running)
            return
        self.schedule.add(running.row.number, taken, limit)

    def _apply_result(self, row: RowResult) -> None:
        """Report a row, or start it again if an interrupted batch stopped its run."""
        if row.fatal_error is not None:
            self.shutdown.enter(Stage.FINISHING, row.fatal_error)
        if row.took is not None:
            self.schedule.note(row.took)
        # True if noxcli itself stopped its run, in this call or an earlier one.
        was_stopped_here = row.row.number in self.journaled.stopping
        row.interrupted = row.code == ExitCode.RUN_STOPPED and was_stopped_here
        starts_again = row.interrupted and not row.row.is_gone
        if not starts_again or self.shutdown.stage is not Stage.STARTING:
            self.in_flight.report(row)
            return
        try:
            self.work.journal.note_ended([row])
        except JournalTrouble as error:
            self.shutdown.enter(Stage.FINISHING, error)
            self.in_flight.report(row)
            return
        self.in_flight.drop(row.row.number)
        self.journaled.reset_row(row.row.number)
        self._begin(row.row)

    def _give_up(self, running: RunningRow) -> None:
        """Report a row past --row-timeout."""
        run = running.run
        what = f"run {run.id} was still {run.word} at"
        if run.settled:
            what = f"the output of run {run.id} was not fetched by"
        error = TimedOut(f"{what} --row-timeout", "--resume waits for it again")
        self.in_flight.report_running(running, error)

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
        is_silent = self.work.pace.silent_for > self.work.retry_for
        if is_silent and self.output.unprinted is None:
            hint = Hint("continue with: ", CommandLine("wait", f"{run.workflow_id}/{run.id}"))
            return LostContact(f"lost contact with run {run.id}", hint)
        return NotFinished(f"stopped waiting; run {run.id} is still {run.word}")

    def _interrupt(self, signal: Interrupted) -> Interruption:
        self.work.pace.hurry()
        self._await_starts()
        stopping = self._stop_runs() if self._spec.stops else 0
        remaining = len(self.in_flight.running)
        done = f", {stopping - remaining} stopped" if stopping else ""
        number = signal.number

        def error_for(run: Run) -> Interruption:
            what = f"stopped waiting; run {run.id} is still {run.word}"
            return Interruption(what, number=number)

        within = self.work.deadline.remaining(LAST_SEARCH)
        self.in_flight.report_all_running(error_for, within)
        what = f"interrupted by {signal}{done}, {remaining} runs still running"
        return Interruption(what, number=number)

    def _await_starts(self) -> None:
        """Wait until the journal has the answers to starts in flight: none stays in doubt."""
        self.shutdown.enter(Stage.DETACHING, None)
        end = time.monotonic() + ANSWER_AT_END
        while self._has_sent_starts and time.monotonic() < end:
            self._handle_responses(min(TICK, end - time.monotonic()))

    @property
    def _has_sent_starts(self) -> bool:
        starting = self.in_flight.starting.values()
        return any(row.was_sent or row.sent is not None for row in starting)

    def _stop_runs(self) -> int:
        """Stop the running runs, and report those that were; return how many were to stop.

        The journal says before that that noxcli itself stops them; if it can't, none is stopped.
        """
        running = list(self.in_flight.running.values())
        try:
            self.work.journal.note_stopping([(each.row, each.run) for each in running])
        except JournalTrouble as error:
            self.shutdown.enter(Stage.DETACHING, error)
            return 0
        self.journaled.stopping.update(self.in_flight.running)
        deadline = Deadline(self.work.clock, MAX_STOP)
        stops = [partial(stop_run, self.work.api, each.run, deadline) for each in running]
        for each, (run, _) in zip(running, run_all_within(MAX_STOP, stops), strict=True):
            if run is None or not run.settled:
                continue
            if run.status == "completed":  # in the meantime: it is undelivered, and left
                continue
            verdict = verdict_of(run, if_stopped=Hint("--resume starts the row again"))
            outcome = Outcome(run=run, confirmed=True, phase=Phase.RUN, error=verdict)
            self._apply_state(self.work.result_of(each.row, outcome))
        return len(running)

    def _poll_all_once(self, end: float) -> None:
        """Read the records of all running rows, until that moment at the latest."""
        self.in_flight.end_starts()
        # What is being read now has half of the time.
        half = end - LAST_READ / 2
        while self._is_reading and time.monotonic() < half:
            self._handle_responses(SHORT_TICK)
        remaining = max(0.0, end - time.monotonic())
        reads = []
        for number, running in self.in_flight.running.items():
            if self.schedule.has(number):
                reads.append(partial(self.work.poll, running, remaining))
        for state, _ in run_all_within(remaining, reads, MAX_THREADS):
            if isinstance(state, RowResult):
                self._apply_state(state)

    @property
    def _is_reading(self) -> bool:
        """True if a record is being read, or waits for a thread."""
        return not all(self.schedule.has(number) for number in self.in_flight.running)
