"""The wait for many runs: each is read from time to time, and printed when it has ended."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial

from noxcli.batch.poll import Schedule, Workers
from noxcli.cli.ending import complain
from noxcli.cli.follow import explainer, not_finished, stop_or_raise, wait_for
from noxcli.cli.session import Session
from noxcli.commands.wait_one import resolved
from noxcli.errors import LostContact, NotFinished, NoxError, TimedOut, Unavailable
from noxcli.models import Run
from noxcli.render.renderers import wait_progress
from noxcli.reports.assertions import require_queries
from noxcli.reports.result import Outcome, raise_worst, verdict_of
from noxcli.runs.follow import Policy
from noxcli.runs.record import LAST_READ, judged, still_running
from noxcli.timing import Deadline, Outage
from noxcli.waiting import Result, result_of, run_all_within, value_of

LONGEST_READ = 30.0  # seconds to check all runs once
LIMIT_SEEN_EVERY = 0.1  # seconds between two checks of the time limit
# Reads of all runs together, and by how many threads.
READS_A_SECOND, LOOKERS = 20.0, 16


@dataclass(slots=True, eq=False)
class Waited:
    """One of the runs: what is known, and since when it can't be read."""

    outcome: Outcome
    outage: Outage
    denied: bool = False  # the last answer was 403 or 404
    over: bool = False


class ManyRuns:
    """The runs of the command's outcomes, and how to wait for them."""

    def __init__(self, noxus: Session, policy: Policy, *, any_one: bool, fail_fast: bool) -> None:
        """With `any_one`, one that has ended is enough; with `fail_fast`, one that did not complete."""
        self._noxus, self._context, self._policy = noxus, noxus.context, policy
        self._any_one, self._fail_fast = any_one, fail_fast
        self._once = noxus.deadline.seconds == 0
        self._explains = explainer(noxus.context, noxus.api)
        clock = noxus.context.clock
        self._all = [Waited(outcome, Outage(clock, policy.retry_for)) for outcome in noxus.context.outcomes]

    def to_end(self) -> None:
        """Print each run as it ends, until all or enough have ended; at the time limit, read the others once more.

        Raises the worst error of those that are over.
        """
        gate = self._noxus.api.paced()
        with wait_progress(self._context.terminal, self._how_far):
            # "Check once" needs one read, which a limit of 0 would not allow.
            is_enough = not self._once and self._poll()
            gate.hurry()
            going = [] if is_enough else [one for one in self._all if not one.over]
            reads = run_all_within(
                LONGEST_READ if self._once else LAST_READ, [partial(self._look, one) for one in going]
            )
            for one, read in zip(going, reads, strict=True):
                self._take_in(one, read, last=True)
        for one in self._all:
            if not one.over:
                one.outcome.error = NotFinished(f"noxcli stopped waiting for {one.outcome.subject}")
        raise_worst([one.outcome for one in self._all if one.over])

    def _how_far(self) -> tuple[float | None, str]:
        over = sum(one.over for one in self._all)
        statuses = Counter(one.outcome.run.word for one in self._all if one.outcome.run and not one.over)
        going = "".join(f", {count} {status}" for status, count in sorted(statuses.items()))
        return over / len(self._all), f"{over} of {len(self._all)} runs ended{going}"

    def _poll(self) -> bool:
        """Read the runs until all, or enough of them, are over, or until the time limit; true if they are."""
        deadline, interval = self._noxus.deadline, self._policy.poll_interval
        schedule = Schedule(interval, shortest=interval, most_a_second=READS_A_SECOND)
        workers: Workers[tuple[int, Result[Run]]] = Workers(LOOKERS)

        def look(number: int) -> tuple[int, Result[Run]]:
            return number, result_of(partial(self._look, self._all[number]))

        unread, going, is_enough = set(range(len(self._all))), len(self._all), False
        for number in unread:
            schedule.add(number)
        # Runs that had ended before the wait are all reported, even if one is enough.
        while going and not deadline.passed and (unread or not is_enough):
            for number in schedule.take_due():
                workers.call(partial(look, number))
            news = workers.next_outcome(schedule.until_due(deadline.left(LIMIT_SEEN_EVERY)))
            while news is not None:
                number, read = value_of(news)
                one = self._all[number]
                self._take_in(one, read, last=False)
                unread.discard(number)
                if one.over:
                    going -= 1
                    is_enough |= self._any_one or (self._fail_fast and one.outcome.error is not None)
                else:
                    schedule.add(number, interval)
                news = workers.next_outcome(0)
        return is_enough or not going

    def _look(self, one: Waited) -> Run:
        """Read the run, and why it failed; keep its large parts only for a document or an assertion."""
        context, api, known = self._context, self._noxus.api, one.outcome.run
        if known is None:
            run = resolved(self._noxus, one.outcome.subject, context.patience(Deadline(context.clock, None), 0.0))
        else:
            run = judged(api.get_run(known.workflow_id, known.id), known, context.clock.monotonic())
        if run.status == "failed":
            one.outcome.progress = self._explains.explain(run, self._noxus.deadline)
        if not context.printing.writes_text or context.reports.asserts:
            return run
        workflow = run.workflow and replace(run.workflow, nodes={}, definition={})
        return replace(run, input=None, output=None, progress_details={}, workflow=workflow)

    def _take_in(self, one: Waited, read: Result[Run], *, last: bool) -> None:
        """Record the result of a read, and report a run that is over. Raises unexpected errors."""
        context, outcome = self._context, one.outcome
        try:
            run = self._ended(one, read, last=last)
            if run is None:
                return
            verdict = verdict_of(run, outcome.progress.why if outcome.progress else "")
            if verdict is not None:
                raise verdict
            require_queries(context.reports.asserts, outcome, context.terminal.mask)
        except NoxError as why:
            outcome.error = why
        one.over = True
        if outcome.run is not None:
            self._context.printing.run_line(outcome.run)
        if outcome.error is not None:
            complain(context, outcome.error)

    def _ended(self, one: Waited, read: Result[Run], *, last: bool) -> Run | None:
        """Return the run if there is nothing more to wait for, None to read it again. Raises why it has no verdict."""
        run, error = read
        known = one.outcome.run
        if run is not None:
            one.outcome.run, one.outcome.confirmed, one.denied = run, True, False
            one.outage.answered()
            if self._policy.over(run):
                return run
        elif isinstance(error, Unavailable):
            one.outage.failed()
            if known is None if last else one.outage.is_too_long:
                kind = TimedOut if last and not self._once else LostContact
                raise kind(error.message, error.hint, **error.facts())
        elif isinstance(error, NoxError) and error.http_status != 401 and known and not (last or one.denied):
            one.denied = True  # it was read before, so one rejection may be a slip; only a rejected key is final
        elif error is not None:
            raise error
        latest = run or known
        if not last or latest is None:
            return None
        if self._once:
            raise not_finished(latest)
        return stop_or_raise(self._noxus, one.outcome, self._policy, still_running(latest, wait_for(latest)))
