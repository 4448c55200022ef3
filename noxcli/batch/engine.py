"""The engine of a batch: it starts rows as places become free, reads their records until a verdict, and reports them.

The main thread decides everything, in one loop over three queues: rows to start, runs to look at, results to print. A
limited number of threads wait on the network; each returns a row's next state.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from queue import Empty
from typing import TYPE_CHECKING

from noxcli.batch.doubts import Finding, look_for
from noxcli.batch.journal import JournalTrouble
from noxcli.batch.output import Output
from noxcli.batch.past import SENT, STARTED, Past
from noxcli.batch.poll import Schedule
from noxcli.batch.row import ActiveRow, FinishedRow
from noxcli.batch.rows import Row
from noxcli.batch.tally import Tally
from noxcli.batch.work import REJECTED_KEY, RowWork
from noxcli.batch.workers import Prefetch, Workers
from noxcli.errors import ExitCode, NoxError, Phase, UsageProblem
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.reports.result import Outcome, verdict_of
from noxcli.runs.candidates import LONGEST_LOOK
from noxcli.waiting import in_background, run_all_within, take

if TYPE_CHECKING:
    from noxcli.api.gate import Gate

MOST_THREADS = 32
TICK, SHORT_TICK = 0.1, 0.01  # seconds
WINDOW = 4  # times max_parallel: rows that wait for an earlier one's result (--ordered)
LONGEST_ANSWER = 5.0  # seconds for the answer to a start: in the last ones of --timeout, or its last half, none is sent


@fixed
class Bounds:
    """How a batch goes; times in seconds."""

    max_parallel: int = 8
    max_failures: int | None = None
    ordered: bool = False
    again_in_doubt: bool = False  # start rows that are in doubt again
    poll_interval: float = 5.0


class Engine:
    """One batch; call `run` once. `tick` is called ten times a second."""

    def __init__(  # noqa: PLR0913 - made in one place, of parts that each have a life of their own
        self,
        work: RowWork,
        gate: "Gate",
        rows: Iterator[Row],
        past: Past,
        doubtful: Finding,
        output: Output,
        tally: Tally,
        bounds: Bounds,
        tick: Callable[[], None],
    ) -> None:
        """`doubtful` is what the run list shows about rows that an earlier call left in doubt."""
        self.active: dict[int, ActiveRow] = {}  # rows that have a run
        self.trouble: NoxError | None = None  # why no more rows are started, apart from the user's request
        self.rejected: NoxError | None = None  # the answer 401: nothing works any more
        self.out_of_time = False  # rows remain that would have been answered too late
        self.output = output
        self._work = work
        self._gate = gate
        self._past = past
        self._doubtful = doubtful
        self._tally = tally
        self._bounds = bounds
        self._tick = tick
        self._threads = min(MOST_THREADS, bounds.max_parallel)
        self._workers: Workers[ActiveRow | FinishedRow] = Workers(self._threads)
        self._source = Prefetch(rows)
        self._again: deque[Row] = deque()  # rows whose runs an interrupted batch stopped
        self._starting: dict[int, ActiveRow] = {}
        self._doubts: list[ActiveRow] = []
        self._schedule = Schedule(bounds.poll_interval)
        limit = work.deadline.seconds
        self._quiet = -1.0 if limit is None else min(LONGEST_ANSWER, limit / 2)  # seconds before the deadline
        self._starts_no_more = False

    def run(self) -> None:
        """Process every row to its result, or as far as the limits allow; `leave` reports the rest.

        Raises Interrupted, and TimedOut for a reader of stdout that does not read.
        """
        if self._work_through():
            self._settle_doubts(LONGEST_LOOK)
            self.output.flush()

    def is_done(self) -> bool:
        """True if no row remains; call it only once nothing more is started, since it may consume a row."""
        if self.active or self._starting or self._doubts or self._again:
            return False
        return self._source.next() is None and self._source.exhausted

    def end_starting(self, trouble: NoxError | None = None) -> None:
        """Start nothing more; what was sent is still answered, and what waits to be sent is called off."""
        self.trouble = self.trouble or trouble
        if not self._starts_no_more:
            self._starts_no_more = True
            self._gate.end_starts()
            for row in self._starting.values():
                if row.attempt is not None:
                    row.attempt.call_off()

    def await_starts(self, within: float) -> None:
        """Wait for the answers to starts in flight, so that no run's id is lost."""
        self.end_starting()
        end = time.monotonic() + within
        while any(row.was_sent for row in self._starting.values()) and time.monotonic() < end:
            self._take_news(min(TICK, end - time.monotonic()))

    def look_once_more(self, within: float) -> None:
        """Read the records of all running rows, and the list for rows in doubt, for at most that many seconds.

        Call it once nothing more is started.
        """
        end = time.monotonic() + within
        self._doubt_what_was_sent()
        while not all(map(self._schedule.has, self.active)) and time.monotonic() < end - within / 2:
            self._take_news(SHORT_TICK)
        left = max(0.0, end - time.monotonic())
        waiting = [row for number, row in self.active.items() if self._schedule.has(number)]
        looks: list[Callable[[], ActiveRow | FinishedRow | Finding]] = [
            partial(self._work.look, row, left) for row in waiting
        ]
        if self._doubts:
            looks.append(partial(self._find, left))
        for state, _ in run_all_within(left, looks, MOST_THREADS):
            if isinstance(state, FinishedRow):
                self._file(state)
            elif isinstance(state, Finding):
                self._tell_doubts(state)

    def to_stop(self) -> list[Run]:
        """Return the runs to stop, after recording in the journal that noxcli itself stops them; none if that fails."""
        stopping = [(row.row, row.run) for row in self.active.values() if row.run is not None]
        try:
            self._work.journal.stopping(stopping)
        except JournalTrouble as error:
            self.end_starting(error)
            return []
        self._past.stopping.update(self.active)
        return [run for _, run in stopping]

    def settle(self, run: Run) -> None:
        """Apply the record of a stopped run; skip one that completed in the meantime, since it is undelivered."""
        row = next((row for row in self.active.values() if row.run is not None and row.run.id == run.id), None)
        if row is not None and run.settled and run.status != "completed":
            error = verdict_of(run)
            if error is not None and run.status == "stopped":
                error.hint = "--resume starts the row again"
            outcome = Outcome(run=run, confirmed=True, phase=Phase.RUN, error=error)
            self._file(FinishedRow.of(row.row, outcome, self._work.mask))

    def leave(self, error_for: Callable[[Run], NoxError], within: float) -> None:
        """Report all rows that are still running, with the matching error, and those in doubt."""
        self._doubt_what_was_sent()
        for row in list(self.active.values()):
            assert row.run is not None
            outcome = Outcome(run=row.run, confirmed=row.read, may_exist=True, phase=Phase.FOLLOW)
            # The reason of a failure may still be open, but the verdict is known.
            failed = verdict_of(row.run) if row.run.status == "failed" else None
            outcome.error = failed or error_for(row.run)
            self._finish(FinishedRow.of(row.row, outcome, self._work.mask))
        self._settle_doubts(within)
        self.output.flush_rest()

    # The three queues.

    def _work_through(self) -> bool:
        """Work as long as there is something to do; false if something else has ended it."""
        while True:
            self._start_rows()
            for number in self._schedule.take_due():
                self._workers.call(partial(self._work.look, self.active[number]))
            self.output.flush_due()  # while the disk writes them, the next rows are in flight
            self._tally.running, self._tally.doubt = len(self.active), len(self._doubts)
            if not (self.active or self._starting) and (self._starts_no_more or not self._has_more()):
                return True
            self._take_news(self._longest_wait())
            self._tick()
            if self._work.deadline.passed or self._gate.silent_for > self._work.retry_for:
                return False
            if self.rejected is not None or self.output.unprinted is not None:
                return False

    def _has_more(self) -> bool:
        return bool(self._again) or not self._source.exhausted

    def _start_rows(self) -> None:
        """Give free places to rows, but never so many that reads of running ones would wait for starts."""
        if self.output.trouble is not None:
            self.end_starting(self.output.trouble)
        if self._bounds.max_failures is not None:
            # A failed run counts at once, not when its reason is known.
            failing = sum(row.run is not None and row.run.status == "failed" for row in self.active.values())
            if self._tally.failed + failing >= self._bounds.max_failures:
                self.end_starting()
        if not self._starts_no_more and self._work.deadline.left() <= self._quiet:
            self.out_of_time = True
            self.end_starting()
        most_starts = max(1, self._threads // 2)
        while not self._starts_no_more and len(self._starting) < most_starts and self._has_place():
            row = self._again.popleft() if self._again else self._source.next()
            if row is None:
                return
            self._begin(row)

    def _has_place(self) -> bool:
        within_window = self.output.awaited < WINDOW * self._bounds.max_parallel
        return within_window and len(self.active) + len(self._starting) < self._bounds.max_parallel

    def _begin(self, row: Row) -> None:
        number, state = row.number, self._past.state(row.number)
        pending = self._past.pending.get(number)
        self.output.expect(number)
        if row.problem is not None:
            error = UsageProblem(f"{row.place}: {row.problem}")
            self._finish(FinishedRow.of(row, Outcome(phase=Phase.USAGE, error=error), self._work.mask))
        elif state == SENT and not self._bounds.again_in_doubt:
            self._finish(self._doubtful.unresolved(row, None, self._work.mask))
        elif state == STARTED and pending is not None and pending.run_id is not None:
            run = Run(pending.run_id, self._work.workflow.id, "queued", created_at=pending.created_at)
            self.active[number] = ActiveRow(row, run, began=time.monotonic(), found=True)
            self._schedule.add(number)
        else:
            self._starting[number] = ActiveRow(row)
            self._workers.call(partial(self._work.start, self._starting[number]))

    def _longest_wait(self) -> float:
        if not self._starts_no_more and self._has_more() and self._has_place():
            return self.output.until_due(SHORT_TICK)  # the next row may be read at any moment
        return self.output.until_due(self._schedule.until_due(TICK))

    def _take_news(self, within: float) -> None:
        """File the states that have arrived, after waiting for the first."""
        outcome = self._workers.next_outcome(within)
        while outcome is not None:
            state, error = outcome
            if error is not None:
                raise error
            assert state is not None
            self._file(state)
            outcome = self._workers.next_outcome(0)

    def _file(self, state: ActiveRow | FinishedRow) -> None:
        number = state.row.number
        if number not in self.active and number not in self._starting:
            return  # it was left in the meantime
        if isinstance(state, FinishedRow):
            self._file_result(state)
        elif state.run is None:
            del self._starting[number]
            self.output.pass_over(number)
            if state.in_doubt:
                self._doubts.append(state)
        else:
            if self._starting.pop(number, None) is not None and state.error is not None:
                self.end_starting(state.error)
            state.attempt = None  # it knows the row: the two would keep each other
            self.active[number] = state
            self._schedule.add(number, time.monotonic() - state.began)

    def _file_result(self, row: FinishedRow) -> None:
        if row.ends_all is not None:
            self.end_starting(row.ends_all)
            if row.ends_all.http_status == REJECTED_KEY:
                self.rejected = row.ends_all
        if row.took is not None:
            self._schedule.durations.note(row.took)
        # True if noxcli itself stopped its run, in this call or an earlier one.
        row.interrupted = row.code == ExitCode.RUN_STOPPED and row.row.number in self._past.stopping
        if row.interrupted and not self._starts_no_more:
            self._start_over(row)
        else:
            self._finish(row)

    def _start_over(self, row: FinishedRow) -> None:
        """Start a row again whose run an interrupted batch stopped."""
        run, number = row.result["run"], row.row.number
        try:
            self._work.journal.interrupted(row.row, run["id"], run["status"])
        except JournalTrouble as error:
            self.end_starting(error)
        self._drop(number)
        self._past.forget(number)
        self.output.pass_over(number)
        self._again.append(row.row)

    def _finish(self, row: FinishedRow) -> None:
        self._drop(row.row.number)
        self._tally.interrupted += row.interrupted
        self.output.take(row)

    def _drop(self, number: int) -> None:
        self.active.pop(number, None)
        if (row := self._starting.pop(number, None)) is not None:
            row.attempt = None
        self._schedule.drop(number)

    # Doubts.

    def _doubt_what_was_sent(self) -> None:
        """Take starts without an answer for doubtful; those that were not sent were never started."""
        self.end_starting()
        for number, row in list(self._starting.items()):
            del self._starting[number]
            if row.run is not None:  # it was answered just now
                self.active[number] = row
                continue
            self.output.pass_over(number)
            if row.in_doubt:
                self._doubts.append(row)

    def _find(self, within: float) -> Finding:
        """Search the list of runs once for all rows in doubt."""
        work, sent = self._work, [row.sent for row in self._doubts if row.sent is not None]
        return look_for(work.api, work.workflow.id, work.comparison, sent, work.known.__contains__, within)

    def _settle_doubts(self, within: float) -> None:
        if not self._doubts:
            return
        finding, end = in_background(partial(self._find, within)), time.monotonic() + within
        outcome = None
        while outcome is None and time.monotonic() < end and not self._work.deadline.passed:
            self._tick()
            with suppress(Empty):
                outcome = take(finding, min(TICK, end - time.monotonic()))
        self._tell_doubts(outcome[0] if outcome is not None and outcome[0] is not None else Finding())

    def _tell_doubts(self, finding: Finding) -> None:
        for row in sorted(self._doubts, key=lambda row: row.row.number):
            self.output.take(finding.unresolved(row.row, row.error, self._work.mask))
        self._doubts.clear()
        self._tally.doubt = 0
