"""The loop of a batch: it starts rows as places become free, reads their records until a verdict, and reports them.

The main thread decides everything, in one loop over three queues: rows to start, runs to look at, results to print. A
limited number of threads wait on the network; each returns a row's next state.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

from noxcli.batch.doubts import Finding
from noxcli.batch.journal import JournalTrouble
from noxcli.batch.output import Output
from noxcli.batch.past import SENT, STARTED, Past
from noxcli.batch.poll import Schedule, Workers
from noxcli.batch.row import ActiveRow, FinishedRow
from noxcli.batch.rows import Prefetch, Row
from noxcli.batch.tally import STUCK_AFTER
from noxcli.batch.work import RowWork
from noxcli.errors import ExitCode, Incomplete, NoxError, Phase, TimedOut, UsageProblem
from noxcli.models import Run
from noxcli.reports.result import Outcome

MOST_THREADS = 32
TICK, SHORT_TICK = 0.1, 0.01  # seconds
WINDOW = 4  # times max_parallel: rows that wait for an earlier one's result (--ordered)
LONGEST_ANSWER = 5.0  # seconds for the answer to a start: in the last ones of --timeout, or its last half, none is sent


class Engine:
    """One batch; call `work_through` once. `tick` is called ten times a second."""

    def __init__(  # noqa: PLR0913 - made in one place, of parts that each have a life of their own
        self,
        work: RowWork,
        rows: Iterator[Row],
        past: Past,
        doubtful: Finding,
        output: Output,
        tick: Callable[[], None],
        *,
        max_parallel: int,
        max_failures: int | None,
        row_timeout: float | None,
        poll_interval: float,
    ) -> None:
        """`doubtful` is what the run list shows about rows that an earlier call left in doubt."""
        self.work, self.past, self.output, self.tick = work, past, output, tick
        self.tally = output.tally
        self.starting: dict[int, ActiveRow] = {}
        self.active: dict[int, ActiveRow] = {}  # rows that have a run
        self.doubts: list[ActiveRow] = []
        self.schedule = Schedule(poll_interval)
        self.trouble: NoxError | None = None  # why no more rows are started, apart from the user's request
        self.out_of_time = False  # rows remain that would have been answered too late
        self.has_started = self.has_left = False  # a row has a run; one that was taken was never sent
        self._source = Prefetch(rows)
        self._doubtful = doubtful
        self._max_parallel, self._max_failures, self._row_timeout = max_parallel, max_failures, row_timeout
        self._threads = min(MOST_THREADS, max_parallel)
        self._workers: Workers[ActiveRow | FinishedRow] = Workers(self._threads)
        limit = work.deadline.seconds
        self._quiet = -1.0 if limit is None else min(LONGEST_ANSWER, limit / 2)  # seconds before the deadline
        self._starts_no_more = False

    def work_through(self) -> bool:
        """Work as long as there is something to do; return False if something else has ended it.

        Raises Interrupted, and TimedOut for a reader of stdout that does not read.
        """
        while True:
            self._start_rows()
            for number in self.schedule.take_due():
                self._workers.call(partial(self.work.look, self.active[number]))
            self.output.flush_due()  # while the disk writes them, the next rows are in flight
            self.tally.running, self.tally.doubt = len(self.active), len(self.doubts)
            if not (self.active or self.starting) and (self._starts_no_more or self._source.exhausted):
                return True
            self.take_news(self._longest_wait())
            self.tick()
            if self.work.deadline.passed or self.work.gate.silent_for > self.work.retry_for:
                return False
            if self.output.unprinted is not None:
                return False

    def has_no_more(self) -> bool:
        """True if no row remains; call it only once nothing more is started, since it may consume a row."""
        if self.active or self.starting or self.doubts or self.has_left:
            return False
        return self._source.next() is None and self._source.exhausted

    def end_starting(self, trouble: NoxError | None = None) -> None:
        """Start nothing more; what was sent is still answered, and what waits to be sent is called off."""
        self.trouble = self.trouble or trouble
        if not self._starts_no_more:
            self._starts_no_more = True
            self.work.gate.end_starts()
            for row in self.starting.values():
                if row.attempt is not None:
                    row.attempt.call_off()

    def take_news(self, within: float) -> None:
        """File the states that have arrived, after waiting for the first."""
        outcome = self._workers.next_outcome(within)
        while outcome is not None:
            state, error = outcome
            if error is not None:
                raise error
            assert state is not None
            self.file(state)
            outcome = self._workers.next_outcome(0)

    def file(self, state: ActiveRow | FinishedRow) -> None:
        """Put a row where its state belongs, unless it was left in the meantime."""
        number = state.row.number
        if number not in self.active and number not in self.starting:
            return
        if isinstance(state, FinishedRow):
            self._file_result(state)
        elif state.run is None:
            self.doubt(number)
        else:
            if self.starting.pop(number, None) is not None and state.error is not None:
                self.end_starting(state.error)
            self.has_started = True
            state.attempt = None  # it knows the row: the two would keep each other
            self.active[number] = state
            self._look_again(state, state.run)

    def doubt(self, number: int) -> None:
        """Keep a row whose start may have been sent; one that was not sent was never started."""
        row = self.starting.pop(number)
        self.output.pass_over(number)
        if row.in_doubt:
            self.doubts.append(row)
        else:
            self.has_left = True

    def finish(self, row: FinishedRow) -> None:
        """Report a row's result."""
        self._drop(row.row.number)
        self.tally.interrupted += row.interrupted
        self.output.add(row)

    def _start_rows(self) -> None:
        """Give free places to rows, but never so many that reads of running ones would wait for starts."""
        if self.output.trouble is not None:
            self.end_starting(self.output.trouble)
        if self._max_failures != 0 and self.tally.stuck is not None:
            what = f"the first {STUCK_AFTER} rows all ended with: {self.tally.stuck}"
            self.end_starting(Incomplete(f"{what} (--max-failures 0 starts the others, too)", None, ExitCode.OK))
        if self._max_failures:
            # A failed run counts at once, not when its reason is known.
            failing = sum(row.run is not None and row.run.status == "failed" for row in self.active.values())
            if self.tally.failed + failing >= self._max_failures:
                self.end_starting()
        if not self._starts_no_more and self.work.deadline.left() <= self._quiet:
            self.out_of_time = True
            self.end_starting()
        most_starts = max(1, self._threads // 2)
        while not self._starts_no_more and len(self.starting) < most_starts and self._has_place():
            row = self._source.next()
            if row is None:
                return
            self.output.expect(row.number)
            self._begin(row)

    def _look_again(self, row: ActiveRow, run: Run) -> None:
        """Schedule the next read of a run, or report its row once it has had its time."""
        taken = time.monotonic() - row.began
        if self._row_timeout is None or taken < self._row_timeout:
            self.schedule.add(row.row.number, taken, self._row_timeout)
        else:
            error = TimedOut(f"run {run.id} was still {run.word} at --row-timeout", "--resume waits for it again")
            self.finish(self.work.left(row, error))

    def _has_place(self) -> bool:
        within_window = self.output.awaited < WINDOW * self._max_parallel
        return within_window and len(self.active) + len(self.starting) < self._max_parallel

    def _begin(self, row: Row) -> None:
        number, state = row.number, self.past.state(row.number)
        if row.problem is not None:
            problem = UsageProblem(f"{row.place}: {row.problem}")
            self.finish(self.work.result_of(row, Outcome(phase=Phase.USAGE, error=problem)))
        elif state == SENT:
            self.finish(self._doubtful.unresolved(row, self.past.pending[number], None, self.work.mask))
        elif state == STARTED:
            known = self.past.pending[number]
            run = Run(known.run_id or "", self.work.workflow.id, "queued", created_at=known.created_at)
            self.active[number] = ActiveRow(row, run, began=time.monotonic(), found=True)
            self.schedule.add(number)
        else:
            self.starting[number] = ActiveRow(row)
            self._workers.call(partial(self.work.start, self.starting[number]))

    def _longest_wait(self) -> float:
        if not self._starts_no_more and not self._source.exhausted and self._has_place():
            return self.output.until_due(SHORT_TICK)  # the next row may be read at any moment
        return self.output.until_due(self.schedule.until_due(TICK))

    def _file_result(self, row: FinishedRow) -> None:
        if row.ends_all is not None:
            self.end_starting(row.ends_all)
        if row.took is not None:
            self.schedule.note(row.took)
        # True if noxcli itself stopped its run, in this call or an earlier one.
        row.interrupted = row.code == ExitCode.RUN_STOPPED and row.row.number in self.past.stopping
        if row.interrupted and not self._starts_no_more:
            self._start_over(row)
        else:
            self.finish(row)

    def _start_over(self, row: FinishedRow) -> None:
        """Start a row again whose run an interrupted batch stopped."""
        self._drop(row.row.number)
        try:
            self.work.journal.ended([row])
        except JournalTrouble as error:
            self.output.pass_over(row.row.number)
            self.end_starting(error)
        else:
            self.past.forget(row.row.number)
            self._begin(row.row)

    def _drop(self, number: int) -> None:
        self.active.pop(number, None)
        if (row := self.starting.pop(number, None)) is not None:
            row.attempt = None
        self.schedule.drop(number)
