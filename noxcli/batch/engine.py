"""The engine of a batch: it starts rows as slots become free, reads their records until a verdict, and reports them.

The main thread decides everything; a limited number of threads wait on the network, and one watches event streams.
Those only say when to read the record, which alone has the verdict.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol, assert_never

from noxcli.batch.ahead import Ahead
from noxcli.batch.bell import HEARD_AT_MOST
from noxcli.batch.calls import (
    Calls,
    CallsApi,
    Doubted,
    Failed,
    Going,
    Looked,
    News,
    Over,
    RowStarted,
    Unsent,
)
from noxcli.batch.doubts import RunList, look_for
from noxcli.batch.journal import INTENDED, STARTED, Journal, JournalTrouble, Past, Pending
from noxcli.batch.lookout import Lookout
from noxcli.batch.pace import Pace
from noxcli.batch.plan import Counts, Plan, RowResult
from noxcli.batch.rows import Row
from noxcli.batch.search import SETTLING, Finding, brief, lost_by_gateway
from noxcli.batch.telling import Teller, Telling
from noxcli.batch.watch import Listening, Rang, StreamWatch
from noxcli.batch.workers import Workers
from noxcli.errors import (
    ExitCode,
    LostContact,
    NoxError,
    Phase,
    ReaderGone,
    RunStopped,
    StartUnknown,
    Unavailable,
    Unwritten,
    UsageProblem,
)
from noxcli.models import Run
from noxcli.reports.result import Outcome, verdict_of
from noxcli.timing import Deadline, parse_time
from noxcli.waiting import run_all_within

MOST_THREADS = 32
IDLE = 0.25  # the share of threads that are busy, at most, while streams are opened
TICK, SHORT_TICK = 0.1, 0.01  # seconds
MOST_STARTS = 3  # starts of one row in one call; each was in doubt before the next
WINDOW = 4  # times max_parallel: rows that wait for an earlier one's result (--ordered)


class BatchApi(CallsApi, RunList, Protocol):
    """The part of the API that a batch needs."""


class Engine:
    """One batch; call `work()` once. `teller` gets each row's result, `tick` is called ten times a second."""

    def __init__(  # noqa: PLR0913 - made in one place, of parts that each have a life of their own
        self,
        api: BatchApi,
        plan: Plan,
        rows: Iterator[Row],
        journal: Journal,
        past: Past,
        pace: Pace,
        deadline: Deadline,
        counts: Counts,
        *,
        teller: Teller,
        tick: Callable[[], None],
    ) -> None:
        self.counts = counts
        self.trouble: NoxError | None = None  # why no more rows are started, apart from the user's request
        self.going: dict[int, Going] = {}
        self._api = api
        self._plan = plan
        self._journal = journal
        self._past = past
        self._pace = pace
        self._deadline = deadline
        self._telling = Telling(journal, teller, ordered=plan.ordered, on_end=self._end_starting)
        self._tick = tick
        self._threads = min(MOST_THREADS, plan.max_parallel)
        self._workers: Workers[News] = Workers(self._threads)
        self._calls = Calls(api, plan, journal, pace, lambda: not self._starts_no_more)
        self._source = Ahead(rows)
        self._again: list[Row] = []  # rows in doubt that are started again
        self._doubts: dict[int, tuple[Row, NoxError | None]] = {}
        self._starts: Counter[int] = Counter()  # of rows that were in doubt, beyond the first
        self._last_doubt = -SETTLING  # when a start was last interrupted
        self._lookout = Lookout(plan.poll_interval, plan.max_parallel)
        self._watch = StreamWatch(self._lookout, self._open_line, self._workers.bring)
        self._unopened: deque[tuple[int, float]] = deque()  # rows without their stream, and its latest time
        self._starting: dict[int, Row] = {}
        self._failing: set[int] = set()  # failed rows whose reason is being read
        self._starts_no_more = False
        self._left = False

    @property
    def unprinted(self) -> ReaderGone | Unwritten | None:
        """Why writing to stdout failed."""
        return self._telling.unprinted

    def work(self) -> None:
        """Process every row to its result, or as far as the limits allow; `leave` reports the rest.

        Raises Interrupted.
        """
        while True:
            self._work_through()
            goes_on = not self._left and bool(self._doubts) and self._settle_doubts()
            self._telling.say_all()
            if not goes_on:
                return

    def is_done(self) -> bool:
        """True if no row remains; call it only once nothing more is started, since it may consume a row."""
        if self.going or self._starting or self._doubts or self._again:
            return False
        return self._source.next() is None and self._source.exhausted

    def close(self) -> None:
        """Close everything that is open."""
        self._watch.close()

    def stop_starting(self) -> None:
        """Start nothing more, but wait for starts in flight."""
        self._starts_no_more = True

    def await_starts(self, within: float) -> None:
        """Wait for the answers to starts in flight, so that no run's id is lost."""
        self.stop_starting()
        self._pace.close()
        end = time.monotonic() + within
        while self._starting and time.monotonic() < end:
            self._take_news(min(TICK, end - time.monotonic()))

    def look_once_more(self, within: float) -> None:
        """Read the records of all running rows, for at most that many seconds, since ended runs have a verdict.

        Call it once nothing more is started.
        """
        end = time.monotonic() + within
        while any(map(self._is_looked_at, self.going)) and time.monotonic() < end - within / 2:
            self._take_news(SHORT_TICK)
        left = max(0.0, end - time.monotonic())
        going = [each for number, each in self.going.items() if self._lookout.waits(number)]
        looks = [partial(self._calls.look_last, each, left) for each in going]
        for news, _ in run_all_within(left, looks, MOST_THREADS):
            if isinstance(news, Failed):  # there is no time to find the reason
                error = verdict_of(news.run)
                self._finish(news.row, Outcome(run=news.run, confirmed=True, phase=Phase.RUN, error=error))
            elif isinstance(news, Over | Looked):
                self._take(news)

    def _is_looked_at(self, number: int) -> bool:
        return not (self._lookout.waits(number) or number in self._failing)

    def to_stop(self) -> list[Run]:
        """Return the runs to stop, after recording in the journal that noxcli itself stops them; none if that fails."""
        stopping = [(number, going.row.id, going.run) for number, going in self.going.items()]
        try:
            self._journal.stopping(stopping)
        except JournalTrouble as error:
            self._end_starting(error)
            return []
        self._past.stopping.update(self.going)
        return [run for _, _, run in stopping]

    def settle(self, runs: Iterable[Run]) -> None:
        """Apply the records of stopped rows; skip one that completed in the meantime, since it is undelivered."""
        settled = {run.id: run for run in runs if run.settled and run.status != "completed"}
        for going in list(self.going.values()):
            run = settled.get(going.run.id)
            if run is not None:
                error = verdict_of(run)
                if isinstance(error, RunStopped):
                    error.hint = "--resume starts the row again"
                self._finish(going.row, Outcome(run=run, confirmed=True, phase=Phase.RUN, error=error))

    def leave(self, error_for: Callable[[Run], NoxError]) -> None:
        """Report all rows that are still running, with the matching error."""
        for going in list(self.going.values()):
            outcome = Outcome(run=going.run, confirmed=going.read, may_exist=True, phase=Phase.FOLLOW)
            # The reason of a failure may still be open, but the verdict is known.
            failed = verdict_of(going.run) if going.run.status == "failed" else None
            outcome.error = failed or error_for(going.run)
            self._finish(going.row, outcome)
        self._tell_doubts(Finding())
        self._telling.say_rest()

    # One round: rows in, results out.

    def _work_through(self) -> None:
        while True:
            self._fill()
            self._look()
            self._open_lines()
            self._telling.say_due()  # last: while the disk writes them, the next rows are in flight
            self.counts.running, self.counts.doubt = len(self.going), len(self._doubts)
            if not (self.going or self._starting) and (self._starts_no_more or not self._has_more()):
                return
            self._take_news(self._longest_wait())
            silent = self._pace.silent_for > self._plan.retry_for
            self._tick()
            if self._deadline.passed or silent or self.unprinted is not None:
                self._left = True
                return

    def _has_more(self) -> bool:
        return bool(self._again) or not self._source.exhausted

    def _fill(self) -> None:
        """Give free slots to rows, but never so many that reads of running ones would wait for starts."""
        most_starts = max(1, self._threads // 2)
        while not self._starts_no_more and len(self._starting) < most_starts:
            if len(self.going) + len(self._starting) >= self._plan.max_parallel or self._window_is_full():
                return
            row = self._again.pop() if self._again else self._source.next()
            if row is None:
                return
            self._begin(row)

    def _window_is_full(self) -> bool:
        return self._telling.awaited >= WINDOW * self._plan.max_parallel

    def _begin(self, row: Row) -> None:
        state, pending = self._past.state(row.number), self._past.pending.get(row.number)
        if state == INTENDED:
            self._doubts[row.number] = (row, None)
            return
        self._telling.expect(row.number)
        if row.problem is not None:
            error = UsageProblem(f"{row.place}: {row.problem}")
            self._finish(row, Outcome(phase=Phase.USAGE, error=error))
        elif state == STARTED and pending is not None and pending.run_id is not None:
            run = Run(pending.run_id, self._plan.workflow_id, "queued", created_at=pending.created_at)
            self._follow(Going(row, run, time.monotonic(), found=True))
        else:
            self._starting[row.number] = row
            self._workers.call(partial(self._calls.start, row))

    def _follow(self, going: Going) -> None:
        number = going.row.number
        self.going[number] = going
        if not going.found:
            self._listen_to(going)
        self._lookout.follow(number, going.began, found=going.found)

    def _listen_to(self, going: Going) -> None:
        """Open the run's stream once, if that is worth it."""
        # Limited requests are better spent on starts.
        if not going.heard and not self._pace.limited:
            going.heard = self._watch.listen(going.row.number, HEARD_AT_MOST)

    def _open_line(self, number: int) -> None:
        self._unopened.append((number, time.monotonic() + self._lookout.deaf_for))

    def _open_lines(self) -> None:
        """Open streams while few threads are busy: a start can't wait, and a stream can for a while."""
        while self._unopened and self._pace.limited:  # limited requests are better spent on starts
            self._lookout.unheard(self._unopened.popleft()[0])
        idle = max(1.0, IDLE * self._threads)
        while self._unopened and (self._workers.busy < idle or self._unopened[0][1] <= time.monotonic()):
            number, _ = self._unopened.popleft()
            if number in self.going:
                self._workers.call(partial(self._listen, self.going[number]))

    def _listen(self, going: Going) -> Listening:
        return self._watch.opened(going.row.number, self._calls.listen(going))

    def _longest_wait(self) -> float:
        if (
            not self._starts_no_more
            and self._has_more()
            and len(self.going) + len(self._starting) < self._plan.max_parallel
        ):
            return self._telling.until_due(SHORT_TICK)  # the next row may be read at any moment
        return self._telling.until_due(self._lookout.until_due(TICK))

    def _look(self) -> None:
        for number in self._lookout.take_due():
            self._workers.call(partial(self._calls.look, self.going[number]))

    # The handling of news.

    def _take_news(self, within: float) -> None:
        """Handle the news that has arrived, after waiting for the first."""
        outcome = self._workers.next_outcome(within)
        while outcome is not None:
            news, error = outcome
            if error is not None:
                raise error
            assert news is not None
            self._take(news)
            outcome = self._workers.next_outcome(0)

    def _take(self, news: News) -> None:
        match news:
            case RowStarted(row, run, at, trouble):
                del self._starting[row.number]
                if trouble is not None:
                    self._end_starting(trouble)
                self._follow(Going(row, run, at))
            case Doubted(row, error):
                del self._starting[row.number]
                self._doubts[row.number] = (row, error)
                self._last_doubt = time.monotonic()
                self._telling.pass_over(row.number)
            case Unsent(row):
                del self._starting[row.number]
                self._telling.pass_over(row.number)
            case Over(row, outcome, stop):
                self._end(row, outcome, stop=stop)
            case Failed(row, run):
                self.going[row.number].run, self.going[row.number].read = run, True
                self._failing.add(row.number)
                self._count_failures()
                self._workers.call(partial(self._calls.explain, news))
            case Looked(row, seen, trouble):
                self._looked(row, seen, trouble)
            case Listening() | Rang():
                self._watch.hear(news, goes_on=news.number in self.going)
            case _:
                assert_never(news)

    def _end(self, row: Row, outcome: Outcome, *, stop: bool) -> None:
        """Handle a row's verdict; `stop` says that no other row would succeed either."""
        self._starting.pop(row.number, None)
        if stop and outcome.error is not None:
            self._end_starting(outcome.error)
        if outcome.run is not None and self._stopped_here(row.number, outcome):
            self._start_over(row, outcome.run)
        else:
            self._finish(row, outcome)

    def _let_be(self, number: int) -> Going | None:
        """Stop following the row; return how it went, None if it has no run."""
        self._watch.let_be(number)
        return self.going.pop(number, None)

    def _stopped_here(self, number: int, outcome: Outcome) -> bool:
        """True if noxcli itself stopped the row's run, in this call or an earlier one."""
        return number in self._past.stopping and isinstance(outcome.error, RunStopped)

    def _start_over(self, row: Row, run: Run) -> None:
        """Start a row again whose run an interrupted batch stopped."""
        try:
            self._journal.interrupted(row.number, row.id, run.id, run.status)
        except JournalTrouble as error:
            self._end_starting(error)
        self._let_be(row.number)
        self._past.forget(row.number)
        self._telling.pass_over(row.number)
        self._again.append(row)

    def _end_starting(self, trouble: NoxError | None) -> None:
        self.trouble = self.trouble or trouble
        self.stop_starting()

    def _looked(self, row: Row, run: Run | None, trouble: NoxError | None) -> None:
        going = self.going.get(row.number)
        if going is None:
            return
        now = time.monotonic()
        if run is not None:
            going.run, going.read = run, True
        if trouble is None:
            going.lost_since = None
        else:
            going.lost_since = going.lost_since or now
            if now - going.lost_since > self._plan.retry_for:
                self._lose(going, trouble)
                return
        if run is not None:
            self._listen_to(going)  # it takes longer than a read
        self._lookout.look_again(row.number, now - going.began)

    def _lose(self, going: Going, trouble: NoxError) -> None:
        """End a row whose record can't be read, though others' can."""
        run = going.run
        error = LostContact(
            f"lost contact with run {run.id}: {trouble.message}",
            f"continue with: noxcli wait {run.workflow_id}/{run.id}",
            **trouble.facts(),
        )
        outcome = Outcome(run=run, confirmed=going.read, may_exist=True, phase=Phase.FOLLOW, error=error)
        self._finish(going.row, outcome)

    def _finish(self, row: Row, outcome: Outcome) -> None:
        going = self._let_be(row.number)
        if going is not None and not going.found and outcome.run is not None and outcome.confirmed:
            self._lookout.ended(outcome.run, time.monotonic() - going.began - going.held)
        code = outcome.error.exit_code if outcome.error else ExitCode.OK
        result = outcome.document(code, self._plan.mask)
        told = RowResult(row, result, code, interrupted=self._stopped_here(row.number, outcome))
        self.counts.codes[code] += 1
        self.counts.interrupted += told.interrupted
        self._failing.discard(row.number)
        self._count_failures()
        self._telling.take(told)

    def _count_failures(self) -> None:
        most = self._plan.max_failures
        if most is not None and self.counts.failed + len(self._failing) >= most:
            self.stop_starting()

    # Doubts, once nothing else is in flight.

    def _settle_doubts(self) -> bool:
        """Search for the runs of rows in doubt; True if that gives the next round something to do."""
        pending = self._journal.past().pending
        doubts = [pending[number] for number in sorted(self._doubts) if number in pending]
        if not self._wait_for_list(doubts):
            return False
        finding = self._find(doubts) if doubts else Finding()
        for number, (row, error) in sorted(self._doubts.items()):
            mine = finding.own.get(number) if self._plan.adopt else None
            if mine is not None:
                self._journal.started(number, row.id, mine)
                del self._doubts[number]
                self._follow(Going(row, mine, time.monotonic(), found=True))
            elif self._may_start_again(number, error, finding):
                self._starts[number] += 1
                del self._doubts[number]
                self._past.forget(number)
                self._again.append(row)
        if self.going or self._again:
            return True
        self._tell_doubts(finding)
        return False

    def _may_start_again(self, number: int, error: NoxError | None, finding: Finding) -> bool:
        if self._starts_no_more or self._starts[number] >= MOST_STARTS - 1:
            return False
        if self._plan.retry_in_doubt:
            return True
        return number in finding.absent and (self._plan.adopt or _by_gateway(error))

    def _wait_for_list(self, doubts: list[Pending]) -> bool:
        """Give interrupted starts time to appear in the list if its proof may start them again."""
        if not self._plan.adopt and not any(_by_gateway(error) for _, error in self._doubts.values()):
            return True
        ages = [time.monotonic() - self._last_doubt, *map(self._age, doubts)]
        end = time.monotonic() + SETTLING - min(SETTLING, max(0.0, min(ages)))
        while time.monotonic() < end:
            self._take_news(TICK)
            self._tick()
            if self._deadline.passed:
                self._left = True
                return False
        return True

    def _age(self, pending: Pending) -> float:
        """Return the seconds since the row's intent, only by the server's clock: ours may have jumped."""
        sent, now = parse_time(pending.server_at), self._api.server_now()
        return (now - sent).total_seconds() if sent is not None and now is not None else 0.0

    def _find(self, doubts: list[Pending]) -> Finding:
        plan = self._plan
        findings: Workers[Finding] = Workers(1)

        def look() -> Finding:
            while True:
                try:
                    return self._pace.send(
                        lambda: look_for(self._api, plan.workflow_id, self._journal.path, doubts, plan.comparison)
                    )
                except Unavailable:
                    if self._pace.silent_for > plan.retry_for:
                        raise

        findings.call(look)
        while True:
            outcome = findings.next_outcome(TICK)
            if outcome is not None:
                return outcome[0] or Finding()  # without a readable list, nothing is known
            self._tick()
            if self._deadline.passed:
                self._left = True
                return Finding()

    def _tell_doubts(self, finding: Finding) -> None:
        for number, (row, error) in sorted(self._doubts.items()):
            found = finding.candidates.get(number, [])
            why = f": {error.message}" if error is not None else ", since the batch was interrupted"
            same = ", ".join(f"{run.id} ({run.status})" for run in found) or "none was found"
            doubt = StartUnknown(
                f"row {number}: its start was sent, but the outcome is unknown{why}",
                f"runs with the same input: {same}; --resume --adopt adopts the run if there is just one",
                candidates=brief(found),
            )
            self._finish(row, Outcome(may_exist=True, phase=Phase.START, error=doubt))
        self._doubts.clear()
        self.counts.doubt = 0


def _by_gateway(error: NoxError | None) -> bool:
    return isinstance(error, Unavailable) and lost_by_gateway(error)
