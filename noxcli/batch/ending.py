"""The end of a batch: at the last row, a limit, an outage or a signal; no row is left unreported."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from noxcli.batch.doubts import Finding, look_for
from noxcli.batch.engine import LONGEST_ANSWER, MOST_THREADS, SHORT_TICK, TICK, Engine
from noxcli.batch.journal import JournalTrouble
from noxcli.batch.past import Pending
from noxcli.batch.row import ActiveRow, FinishedRow
from noxcli.errors import (
    Incomplete,
    Interruption,
    LostContact,
    NoxError,
    Phase,
    TimedOut,
    TimedOutBeforeStart,
    Unavailable,
)
from noxcli.models import Run
from noxcli.reports.result import Outcome, verdict_of
from noxcli.runs.candidates import LAST_LOOK
from noxcli.runs.record import LAST_READ, still_running
from noxcli.runs.start import LONGEST_LOOK
from noxcli.runs.stop import LONGEST_STOP, stop_run
from noxcli.signals import Interrupted
from noxcli.timing import Deadline, show_seconds
from noxcli.waiting import run_all_within


def run_to_end(engine: Engine, *, stops: bool) -> NoxError | None:
    """Work through the rows, and report those that are left; return what interrupted it.

    `stops` says whether a signal stops the running runs.
    """
    try:
        with suppress(TimedOut):  # of a reader of stdout that does not read
            if engine.work_through():
                _settle_doubts(engine, LONGEST_LOOK)
                engine.output.flush()
        engine.work.gate.hurry()
        return _ended(engine)
    except Interrupted as signal:
        engine.work.gate.hurry()
        return _interrupted(engine, signal, stops=stops)


def _ended(engine: Engine) -> NoxError | None:
    gate, deadline = engine.work.gate, engine.work.deadline
    if deadline.passed:
        _look_once_more(engine, LAST_READ)
        done = engine.has_no_more()
        _leave(engine, still_running, 0.0)
        return engine.trouble if done else TimedOut("the timeout was reached")
    if engine.output.unprinted is not None:
        _await_starts(engine)
        return engine.output.unprinted
    if gate.silent_for > engine.work.retry_for:
        _await_starts(engine)
        _leave(engine, _lost, LAST_LOOK)
        return Unavailable(f"the server gave no usable answer for {show_seconds(gate.silent_for)}")
    if engine.out_of_time and not engine.has_no_more():
        kind = TimedOut if engine.has_started or engine.tally.codes else TimedOutBeforeStart
        return kind("no row is started just before the timeout", "increase --timeout")
    return None if isinstance(engine.trouble, Incomplete) and engine.has_no_more() else engine.trouble


def _interrupted(engine: Engine, signal: Interrupted, *, stops: bool) -> Interruption:
    _await_starts(engine)
    stopping = _stop_runs(engine) if stops else 0
    left = len(engine.active)
    done = f", {stopping - left} stopped" if stopping else ""
    _leave(engine, lambda run: Interruption(f"run {run.id} was left {run.word}", number=signal.number), LAST_LOOK)
    return Interruption(f"interrupted by {signal}{done}, {left} runs left running", number=signal.number)


def _await_starts(engine: Engine) -> None:
    """Wait for the answers to starts in flight, and until the journal has them, so that none is left in doubt."""
    engine.end_starting()
    end = time.monotonic() + LONGEST_ANSWER
    while any(row.was_sent or row.sent for row in engine.starting.values()) and time.monotonic() < end:
        engine.take_news(min(TICK, end - time.monotonic()))


def _stop_runs(engine: Engine) -> int:
    """Stop the running runs, and report those that were; return how many were to stop.

    The journal says before that that noxcli itself stops them; if it can't, none is stopped.
    """
    running = [(row.row, row.run) for row in engine.active.values() if row.run is not None]
    try:
        engine.work.journal.stopping(running)
    except JournalTrouble as error:
        engine.end_starting(error)
        return 0
    engine.past.stopping.update(engine.active)
    deadline = Deadline(engine.work.clock, LONGEST_STOP)
    stops = [partial(stop_run, engine.work.api, run, deadline) for _, run in running]
    for (row, _), (run, _) in zip(running, run_all_within(LONGEST_STOP, stops), strict=True):
        # One that completed in the meantime is undelivered, and left.
        if run is not None and run.settled and run.status != "completed":
            verdict = verdict_of(run)
            if verdict is not None and run.status == "stopped":
                verdict.hint = "--resume starts the row again"
            outcome = Outcome(run=run, confirmed=True, phase=Phase.RUN, error=verdict)
            engine.file(engine.work.result_of(row, outcome))
    return len(running)


def _look_once_more(engine: Engine, within: float) -> None:
    """Read the records of all running rows, and the list for rows in doubt, for at most that many seconds."""
    end = time.monotonic() + within
    _doubt_what_was_sent(engine)
    while not all(map(engine.schedule.has, engine.active)) and time.monotonic() < end - within / 2:
        engine.take_news(SHORT_TICK)
    left = max(0.0, end - time.monotonic())
    waiting = [row for number, row in engine.active.items() if engine.schedule.has(number)]
    looks: list[Callable[[], ActiveRow | FinishedRow | Finding]] = [
        partial(engine.work.look, row, left) for row in waiting
    ]
    if engine.doubts:
        looks.append(partial(_find, engine, left))
    for state, _ in run_all_within(left, looks, MOST_THREADS):
        if isinstance(state, FinishedRow):
            engine.file(state)
        elif isinstance(state, Finding):
            _tell_doubts(engine, state)


def _leave(engine: Engine, error_for: Callable[[Run], NoxError], within: float) -> None:
    """Report all rows that are still running, with the matching error, and those in doubt."""
    _doubt_what_was_sent(engine)
    for row in list(engine.active.values()):
        assert row.run is not None
        # The reason of a failure may still be open, but the verdict is known.
        error = (verdict_of(row.run) if row.run.status == "failed" else None) or error_for(row.run)
        engine.finish(engine.work.left(row, error))
    _settle_doubts(engine, within)
    engine.output.flush_rest()


def _doubt_what_was_sent(engine: Engine) -> None:
    """Take starts without an answer for doubtful."""
    engine.end_starting()
    for number, row in list(engine.starting.items()):
        if row.run is not None:  # it was answered just now
            engine.active[number] = engine.starting.pop(number)
        else:
            engine.doubt(number)


def _settle_doubts(engine: Engine, within: float) -> None:
    """Search the list of runs for rows in doubt, for at most that many seconds, and report them."""
    if engine.doubts:
        within = engine.work.deadline.left(within)
        found = (state for state, _ in run_all_within(within, [partial(_find, engine, within)], 1))
        _tell_doubts(engine, next(filter(None, found), Finding()))


def _find(engine: Engine, within: float) -> Finding:
    """Search the list of runs once for all rows in doubt."""
    work, sent = engine.work, [row.sent for row in engine.doubts if row.sent is not None]
    return look_for(work.api, work.workflow.id, work.comparison, sent, work.known.__contains__, within)


def _tell_doubts(engine: Engine, finding: Finding) -> None:
    for row in sorted(engine.doubts, key=lambda row: row.row.number):
        sent = row.sent or Pending(row.row.number, row.row.id)  # None while the journal is being written
        engine.output.add(finding.unresolved(row.row, sent, row.error, engine.work.mask))
    engine.doubts.clear()
    engine.tally.doubt = 0


def _lost(run: Run) -> LostContact:
    return LostContact(f"lost contact with run {run.id}", f"continue with: noxcli wait {run.workflow_id}/{run.id}")
