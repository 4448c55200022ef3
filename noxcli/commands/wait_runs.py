"""How `wait` waits: one run is followed to its end; many are read from time to time."""

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

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
    CommandLine,
    Hint,
    LostContact,
    NoSlotInTime,
    NotAccessible,
    NotFinished,
    NoxError,
    TimedOut,
    Unavailable,
)
from noxcli.models import PAUSE, Paused, Run
from noxcli.outputs.await_output import read_own_record
from noxcli.render import Renderer
from noxcli.render.log import PauseNotes
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

if TYPE_CHECKING:
    from noxcli.api.rate_limit import RateLimiter

MAX_READ = 30.0  # seconds to check all runs once
LIMIT_SEEN_EVERY = 0.1  # seconds between two checks of the time limit
READS_A_SECOND = 20.0  # of all runs together
READERS = 16  # threads


class PauseNote(Renderer):
    """Says that the run waits for human input, since nothing else is shown meanwhile."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def show(self, burst: Sequence[Step]) -> None:
        for update, _ in burst:
            if isinstance(update, Paused):
                note_pause(self._terminal, update.run)


def note_pause(terminal: Terminal, run: Run) -> None:
    terminal.note(f"run {run.id} is {PAUSE}")


def wait_for_one(noxus: Session, text: str, policy: Policy) -> None:
    """Follow the run to its end, and print it.

    Raises what it ended with; Incomplete, NotFinished and TimedOut if it has not ended.
    """
    context = noxus.context
    outcome = context.outcome
    try:
        run = resolve_and_read(noxus, text, noxus.retries(gave_up=LostContact))
    except TimedOut as late:
        if not noxus.deadline.passed:  # the server asked to wait for longer
            raise
        run = _read_late(noxus, text, late)
    outcome.read(run)
    progress = progress_of(noxus, run, run.workflow)
    try:
        if noxus.deadline.seconds != 0:
            notes = [] if policy.leave_when_paused else [PauseNote(context.terminal)]
            waiting = noxus.api.http.waiting
            run = follow_updates(noxus, progress, policy, notes, waiting=waiting)
    except TimedOut:
        context.printing.print_run_line(outcome.run or run)
        raise
    context.printing.print_run_line(run)
    require_completed(noxus, run, progress)
    require_queries(context.reports.asserts, outcome, context.terminal.mask)


def _read_late(noxus: Session, text: str, late: TimedOut) -> Run:
    """Return the run by one read past the time limit: it may have ended long ago.

    Raises `late` if that says nothing.
    """
    last_moment = Deadline(noxus.context.clock, LAST_READ)
    retries = replace(noxus.retries(deadline=last_moment), once=True)
    try:
        return resolve_and_read(noxus, text, retries)
    except NoxError:
        raise late from None


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
        """Wait for all: with `any_one`, for one to end.

        With `fail_fast`, for one to not complete.
        """
        self._noxus = noxus
        self._context = noxus.context
        self._policy = policy
        self._any_one = any_one
        self._fail_fast = fail_fast
        self._once = noxus.deadline.seconds == 0
        clock = noxus.context.clock
        self._all = []
        for outcome in noxus.context.outcomes:
            is_young = noxus.is_young(outcome.subject)
            failures = FailureTracker(clock, policy.retry_for, known=is_young)
            self._all.append(Waited(outcome, failures))
        self._one_try = replace(noxus.retries(policy.retry_for, Deadline(clock, None)), once=True)

    def wait_to_end(self) -> None:
        """Print each run as it ends, until all or enough have ended.

        At the time limit, read the others once more. Raises the worst error of those that are over.
        """
        pace = self._noxus.api.pace_requests()
        is_enough = self._poll(pace)
        pace.hurry()
        if not is_enough:
            self._read_a_last_time()
        for one in self._all:
            if not one.over:
                what = f"noxcli stopped waiting for {one.outcome.subject}"
                one.outcome.ended(NotFinished(what))
        raise_worst([one.outcome for one in self._all if one.over])

    def _read_a_last_time(self) -> None:
        """Read all runs together that are not over."""
        going = [one for one in self._all if not one.over]
        within = MAX_READ if self._once else LAST_READ
        reads = run_all_within(within, [partial(self._read_record, one) for one in going])
        for one, read in zip(going, reads, strict=True):
            self._receive(one, read, last=True)

    def _poll(self, pace: "RateLimiter") -> bool:
        """Read the runs until all, or enough of them, are over, or until the time limit.

        Return true if they are over.
        """
        deadline = self._noxus.deadline
        pauses = PauseNotes(self._context.terminal)
        workers: Workers[tuple[Waited, Result[Run]]] = Workers(READERS)
        # The first reads are not spaced: many may have ended long ago.
        due = deque((0.0, one) for one in self._all)
        last_due = 0.0
        unread = set(self._all)
        is_enough = False
        while due or workers.busy:
            # Runs that had ended before the wait are all reported, even if one is enough.
            if deadline.passed or (is_enough and not unread):
                return is_enough
            pauses.check(pace.pause)
            # What waits for a thread would also be read after the limit.
            while due and due[0][0] <= time.monotonic() and workers.busy < READERS:
                _, one = due.popleft()
                workers.call(partial(self._read, one))
            for news in workers.next_outcomes(deadline.remaining(LIMIT_SEEN_EVERY)):
                one, read = value_of(news)
                self._receive(one, read, last=False)
                unread.discard(one)
                if isinstance(one.outcome.error, AskedToWait):  # so would the others be
                    return True
                if not one.over:
                    spaced = last_due + 1 / READS_A_SECOND
                    last_due = max(time.monotonic() + self._policy.poll_interval, spaced)
                    due.append((last_due, one))
                elif self._is_enough(one):
                    is_enough = True
        return True

    def _is_enough(self, one: Waited) -> bool:
        """Return whether no other run needs to end after this one has."""
        return self._any_one or (self._fail_fast and one.outcome.error is not None)

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
        context = self._context
        outcome = one.outcome
        try:
            if not self._is_over(one, read):
                if not last:
                    return
                self._give_up(one)
            assert outcome.run is not None  # it was read
            why = "" if outcome.progress is None else outcome.progress.why
            verdict = verdict_of(outcome.run, why)
            if verdict is not None:
                raise verdict
            require_queries(context.reports.asserts, outcome, context.terminal.mask)
        except NoxError as error:
            outcome.ended(error)
        one.over = True
        if outcome.run is not None:
            context.printing.print_run_line(outcome.run)
        if outcome.error is not None:
            complain(context, outcome.error)

    def _give_up(self, one: Waited) -> None:
        """Raise why the run is not over at the last read, unless it is judged by what is known."""
        run = one.outcome.run
        if run is None:
            raise self._never_read(one)
        if not self._once:
            late = still_running(run, Hint("wait for it: ", CommandLine("wait", run.id)))
            stop_or_raise(self._noxus, one.outcome, self._policy, late)

    def _never_read(self, one: Waited) -> NoxError:
        """Return the error of a run that could not be read at all."""
        trouble = one.trouble
        assert trouble is not None
        is_refusal = isinstance(trouble, NotAccessible)
        kind: type[NoxError] = TimedOut
        if self._once:
            kind = NotFinished if is_refusal else LostContact
        hint = ASK_LATER if is_refusal else trouble.hint
        return kind(f"run {one.outcome.subject}: {trouble.message}", hint, **trouble.facts())

    def _is_over(self, one: Waited, read: Result[Run]) -> bool:
        """Return whether the run needs no other read.

        Raises why there is no reason to read it again.
        """
        run, error = read
        outcome = one.outcome
        if run is not None:
            is_over = self._policy.over(run)
            was_paused = outcome.run is not None and outcome.run.paused
            if run.paused and not is_over and not was_paused:
                note_pause(self._context.terminal, run)
            outcome.read(run)
            one.failures.got_answer()
            return is_over
        assert error is not None
        if not isinstance(error, Unavailable | NotAccessible):
            raise error
        # A read that was not sent says nothing about the run.
        was_sent = not isinstance(error, NoSlotInTime)
        if was_sent and one.failures.is_lost(error):
            if isinstance(error, NotAccessible) and outcome.run is None:
                raise error
            raise lost_contact(error, outcome.run.id if outcome.run else outcome.subject)
        one.trouble = error
        if not self._noxus.deadline.passed:
            require_time(error, outcome.subject, self._noxus.deadline)
        return False
