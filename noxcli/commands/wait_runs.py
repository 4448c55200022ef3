"""How `wait` waits: one run is followed to its end; many are read from time to time."""

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from noxcli.cli.ending import complain
from noxcli.cli.follow import (
    explain_failure,
    follow_updates,
    progress_of,
    require_completed,
    stop_or_raise,
)
from noxcli.cli.session import Session
from noxcli.errors import (
    LostContact,
    NoSlotInTime,
    NotAccessible,
    NotFinished,
    NoxError,
    TimedOut,
    Unavailable,
)
from noxcli.models import Paused, Run
from noxcli.outputs.await_output import read_own_record
from noxcli.render import Renderer
from noxcli.render.terminal import Terminal
from noxcli.reports.assertions import require_queries
from noxcli.reports.result import Outcome, raise_worst, verdict_of
from noxcli.retry import ASK_LATER, FailureTracker, RetryPolicy
from noxcli.runs.follow import Policy
from noxcli.runs.progress import Step
from noxcli.runs.record import (
    LAST_READ,
    AskedToWait,
    lost_contact,
    require_time,
    settled_if_unchanged,
    still_running,
)
from noxcli.timing import Deadline
from noxcli.waiting import Result, Workers, result_of, run_all_within, value_of

MAX_READ = 30.0  # seconds to check all runs once
LIMIT_SEEN_EVERY = 0.1  # seconds between two checks of the time limit
# Reads of all runs together, and by how many threads.
READS_A_SECOND, READERS = 20.0, 16


class PauseNote(Renderer):
    """Says that the run waits for human input, since nothing else is shown meanwhile."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def show(self, burst: Sequence[Step]) -> None:
        for update, _ in burst:
            if isinstance(update, Paused):
                note_pause(self._terminal, update.run)


def note_pause(terminal: Terminal, run: Run) -> None:
    terminal.note(f"run {run.id} is paused for human input")


def wait_for_one(noxus: Session, text: str, policy: Policy) -> None:
    """Follow the run to its end, and print it.

    Raises what it ended with; Incomplete, NotFinished and TimedOut if it has not ended.
    """
    context, outcome = noxus.context, noxus.context.outcome
    run = resolve_and_read(noxus, text, noxus.retries(gave_up=LostContact))
    outcome.read(run)
    progress = progress_of(noxus, run, run.workflow)
    try:
        if noxus.deadline.seconds != 0:
            notes = [] if policy.leave_when_paused else [PauseNote(context.terminal)]
            run = follow_updates(noxus, progress, policy, notes)
    except TimedOut:
        context.printing.print_run_line(outcome.run or run)
        raise
    context.printing.print_run_line(run)
    require_completed(noxus, run, progress)
    require_queries(context.reports.asserts, outcome, context.terminal.mask)


def resolve_and_read(noxus: Session, text: str, retries: RetryPolicy) -> Run:
    """Return the run; an ended one with its output if the server sends it."""
    run = noxus.resolve_run(text, retries)
    if noxus.context.printing.format.is_text and not noxus.context.reports.asserts:
        return run
    with suppress(NoxError):  # its status is known without it
        return read_own_record(noxus.api, run, retries)
    return run


@dataclass(slots=True, eq=False)
class Waited:
    """One of the runs: its outcome, and since when it can't be read, or is refused."""

    outcome: Outcome
    failures: FailureTracker
    trouble: NoxError | None = None  # of the last read
    over: bool = False


class ManyRuns:
    """The runs of the command's outcomes, and how to wait for them."""

    def __init__(self, noxus: Session, policy: Policy, *, any_one: bool, fail_fast: bool) -> None:
        """With `any_one`, one that has ended is enough; with `fail_fast`, one that did not complete."""
        self._noxus, self._context, self._policy = noxus, noxus.context, policy
        self._any_one, self._fail_fast = any_one, fail_fast
        self._once = noxus.deadline.seconds == 0
        clock = noxus.context.clock
        self._all = [
            Waited(
                outcome,
                FailureTracker(clock, policy.retry_for, known=noxus.is_young(outcome.subject)),
            )
            for outcome in noxus.context.outcomes
        ]
        self._one_try = replace(noxus.retries(policy.retry_for, Deadline(clock, None)), once=True)

    def wait_to_end(self) -> None:
        """Print each run as it ends, until all or enough have ended; at the time limit, read the others once more.

        Raises the worst error of those that are over.
        """
        pace = self._noxus.api.pace_requests()
        is_enough = self._poll()
        pace.hurry()
        going = [] if is_enough else [one for one in self._all if not one.over]
        reads = run_all_within(
            MAX_READ if self._once else LAST_READ,
            [partial(self._read_record, one) for one in going],
        )
        for one, read in zip(going, reads, strict=True):
            self._receive(one, read, last=True)
        for one in self._all:
            if not one.over:
                what = f"noxcli stopped waiting for {one.outcome.subject}"
                one.outcome.ended(NotFinished(what))
        raise_worst([one.outcome for one in self._all if one.over])

    def _poll(self) -> bool:
        """Read the runs until all, or enough of them, are over, or until the time limit; true if they are."""
        deadline, interval = self._noxus.deadline, self._policy.poll_interval
        workers: Workers[tuple[Waited, Result[Run]]] = Workers(READERS)
        # The first reads are not spaced: many may have ended long ago.
        due, last_due = deque((0.0, one) for one in self._all), 0.0
        unread, is_enough = {*self._all}, False
        # Runs that had ended before the wait are all reported, even if one is enough.
        while (due or workers.busy) and not deadline.passed and (unread or not is_enough):
            # What waits for a thread would also be read after the limit.
            while due and due[0][0] <= time.monotonic() and workers.busy < READERS:
                workers.call(partial(self._read, due.popleft()[1]))
            for news in workers.next_outcomes(deadline.remaining(LIMIT_SEEN_EVERY)):
                one, read = value_of(news)
                self._receive(one, read, last=False)
                unread.discard(one)
                if isinstance(one.outcome.error, AskedToWait):  # so would the others be
                    return True
                if one.over:
                    is_enough |= self._any_one or (
                        self._fail_fast and one.outcome.error is not None
                    )
                else:
                    last_due = max(time.monotonic() + interval, last_due + 1 / READS_A_SECOND)
                    due.append((last_due, one))
        return is_enough or not (due or workers.busy)

    def _read(self, one: Waited) -> tuple[Waited, Result[Run]]:
        return one, result_of(partial(self._read_record, one))

    def _read_record(self, one: Waited) -> Run:
        """Read the run, and why it failed."""
        known = one.outcome.run
        if known is None:
            run = resolve_and_read(self._noxus, one.outcome.subject, self._one_try)
        else:
            api = self._noxus.api.within(one.failures.for_an_attempt)
            read = api.get_run(known.workflow_id, known.id)
            run = settled_if_unchanged(read, known, self._context.clock.monotonic())
        if run.status == "failed":
            one.outcome.watched(explain_failure(self._noxus, run))
        return run

    def _receive(self, one: Waited, read: Result[Run], *, last: bool) -> None:
        """Note what a read has found, and report a run that is over. Raises unexpected errors."""
        context, outcome = self._context, one.outcome
        try:
            if not self._is_over(one, read):
                if not last:
                    return
                run, trouble = one.outcome.run, one.trouble
                if run is None:
                    assert trouble is not None
                    is_refusal = isinstance(trouble, NotAccessible)
                    kind = (
                        TimedOut if not self._once else NotFinished if is_refusal else LostContact
                    )
                    hint = ASK_LATER if is_refusal else trouble.hint
                    raise kind(
                        f"run {one.outcome.subject}: {trouble.message}", hint, **trouble.facts()
                    )
                if not self._once:
                    late = still_running(run, f"wait for it: noxcli wait {run.id}")
                    stop_or_raise(self._noxus, one.outcome, self._policy, late)
            assert outcome.run is not None  # it was read
            if verdict := verdict_of(outcome.run, outcome.progress.why if outcome.progress else ""):
                raise verdict
            require_queries(context.reports.asserts, outcome, context.terminal.mask)
        except NoxError as why:
            outcome.ended(why)
        one.over = True
        if outcome.run is not None:
            context.printing.print_run_line(outcome.run)
        if outcome.error is not None:
            complain(context, outcome.error)

    def _is_over(self, one: Waited, read: Result[Run]) -> bool:
        """Return whether the run needs no other read. Raises why there is no reason to read it again."""
        (run, error), outcome = read, one.outcome
        if run is not None:
            if (
                run.paused
                and not self._policy.over(run)
                and not (outcome.run and outcome.run.paused)
            ):
                note_pause(self._context.terminal, run)
            outcome.read(run)
            one.failures.got_answer()
            return self._policy.over(run)
        was_sent = not isinstance(error, NoSlotInTime)
        if isinstance(error, Unavailable | NotAccessible) and not (
            was_sent and one.failures.is_lost(error)
        ):
            one.trouble = error
            if not self._noxus.deadline.passed:
                require_time(error, outcome.subject, self._noxus.deadline)
            return False
        if isinstance(error, Unavailable) or (isinstance(error, NotAccessible) and outcome.run):
            raise lost_contact(error, outcome.run.id if outcome.run else outcome.subject)
        assert error is not None
        raise error
