"""`noxcli wait`: wait for runs without a live view; print one line each as they end, and exit with the worst code."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import typer

from noxcli.cli.context import Context
from noxcli.cli.ending import complain
from noxcli.cli.follow import (
    explainer,
    follower_of,
    judge,
    not_finished,
    policy_of,
    stop_or_raise,
    wait_for,
    workflow_of,
)
from noxcli.cli.options import Common, Following, JsonOption, QueryOption, Reporting, declared
from noxcli.cli.session import Session, begin
from noxcli.cli.wait_for import follow_without_picture, read_conditions, wait_until
from noxcli.errors import (
    LostContact,
    NotFinished,
    NoxError,
    Phase,
    TimedOut,
    Unavailable,
    UsageProblem,
)
from noxcli.models import Run
from noxcli.outputs.await_output import own_record
from noxcli.render.renderers import bar_fits, wait_progress
from noxcli.reports.assertions import require_queries
from noxcli.reports.result import Outcome, raise_worst, verdict_of
from noxcli.retry import Patience
from noxcli.runs.conditions import Condition
from noxcli.runs.follow import Policy
from noxcli.runs.reasons import EXPLAIN_WITHIN, Explainer
from noxcli.runs.record import LAST_READ, judged, still_running
from noxcli.runs.resolve import read_runs
from noxcli.timing import Deadline, Outage
from noxcli.waiting import Result, result_of, run_all_within, value_of

LONGEST_READ = 30.0
LIMIT_SEEN_EVERY = 0.1  # seconds between two checks of the time limit
# Reads of several runs: for all of them together, and by threads.
READS_A_SECOND, LOOKERS = 20.0, 16


@declared
class Options(Reporting, Following, Common):
    """Wait for runs to end, and print RUN_ID<TAB>STATUS for each.

    Examples:
        noxcli run qa Question=one --detach > runs.txt
        noxcli run qa Question=two --detach >> runs.txt
        noxcli wait - --timeout 10m < runs.txt
        # Exit at the first run that does not complete.
        noxcli wait $(cat runs.txt) --fail-fast
        # Exit as soon as a node has completed, or the run has failed.
        noxcli wait @last --for 'node:Answer it=completed' --for run=failed
    """

    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run ids, WORKFLOW_ID/RUN_ID, @last or -.")]
    as_json: JsonOption = False
    query: QueryOption = None
    any_one: Annotated[bool, typer.Option("--any", help="Exit when the first run has ended.")] = False
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Exit at the first run that did not complete.")] = False
    conditions: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="CONDITION",
            help="Exit when the run meets this: node:NAME=STATUS, node:NAME, run=STATUS, output:KEY or event:EXPR "
            "(JMESPath); repeatable, the first one counts; exit with 12 if the run ends without meeting one.",
            show_default=False,
        ),
    ] = None


def execute(ctx: typer.Context, options: Options) -> None:
    """Wait for each run, or for a condition. Raises the worst error, after all of them."""
    noxus = begin(ctx, options)
    context = noxus.context
    conditions = _conditions(options)
    context.listed = "-" in options.runs
    runs = read_runs(options.runs, context.sources)
    if not runs:
        context.outcomes = []
        context.terminal.note("nothing to wait for: stdin names no run")
        return
    context.way_back = f"noxcli wait {' '.join(runs)}"
    context.outcomes = [Outcome(text, may_exist=True, phase=Phase.FOLLOW) for text in runs]
    if conditions and len(runs) > 1:
        raise UsageProblem("--for waits for one run", f"it got {len(runs)}: wait for each one separately")
    policy = policy_of(context, options)

    def enough(ended: Outcome) -> bool:
        return options.any_one or (options.fail_fast and ended.error is not None)

    with noxus.connect():
        if conditions:
            wait_until(noxus, runs[0], conditions, policy)
        elif len(runs) == 1:
            _wait_for_one(noxus, runs[0], policy)
        else:
            _wait_for_all(noxus, runs, policy, enough)


def _conditions(options: Options) -> list[Condition]:
    """Return the conditions of --for. Raises UsageProblem if one is not valid, or contradicts another option."""
    if options.conditions and options.asserts:
        raise UsageProblem("--assert needs a result, and --for may end before there is one", "remove one of them")
    return read_conditions(options.conditions or [], streams=not options.no_stream and options.timeout != 0)


def _wait_for_one(noxus: Session, text: str, policy: Policy) -> None:
    context, deadline = noxus.context, noxus.deadline
    patience = noxus.patience(gave_up=LostContact)
    run = context.outcome.run = _resolved(noxus, text, patience)
    context.outcome.confirmed = True
    progress = None
    if deadline.seconds != 0:
        known = workflow_of(noxus, run) if bar_fits(context.terminal) else run.workflow
        progress, follower = follower_of(noxus, run, policy, known)
        run = follow_without_picture(noxus, follower, progress, follower.updates(), policy)
    noxus.print_status(run)
    if not (run.settled or run.paused):
        raise _still_going(run, deadline)
    judge(noxus, run, progress)
    require_queries(context.reports.asserts, context.outcome, context.terminal.mask)


@dataclass(slots=True)
class _Waited:
    """One of several runs: its name on the command line, what is known, and since when it can't be read."""

    text: str
    outcome: Outcome
    outage: Outage
    denied: bool = False  # the last answer was 403 or 404
    over: bool = False


def _wait_for_all(noxus: Session, runs: Sequence[str], policy: Policy, enough: Callable[[Outcome], bool]) -> None:
    """Print each run as it ends, until all have ended, or enough for --any or --fail-fast."""
    context = noxus.context
    waited = [
        _Waited(text, outcome, Outage(context.clock, policy.retry_for))
        for text, outcome in zip(runs, context.outcomes, strict=True)
    ]
    explains, gate = explainer(context, noxus.api), noxus.api.paced()
    with wait_progress(context.terminal, partial(_how_many, waited)):
        # "Check once" needs one read, which a limit of 0 would not allow.
        is_enough = noxus.deadline.seconds != 0 and _watch_all(noxus, waited, policy, explains, enough)
        gate.hurry()
        if not is_enough:
            _read_last(noxus, waited, policy, explains)
    for one in waited:
        if not one.over:
            one.outcome.error = NotFinished(f"noxcli stopped waiting for {one.text}")
    raise_worst([one.outcome for one in waited if one.over])


def _how_many(waited: Sequence[_Waited]) -> tuple[float | None, str]:
    over = sum(one.over for one in waited)
    statuses = Counter(one.outcome.run.status for one in waited if one.outcome.run and not one.over)
    going = "".join(f", {count} {status}" for status, count in sorted(statuses.items()))
    return over / len(waited), f"{over} of {len(waited)} runs ended{going}"


def _watch_all(
    noxus: Session,
    waited: Sequence[_Waited],
    policy: Policy,
    explains: Explainer,
    enough: Callable[[Outcome], bool],
) -> bool:
    """Wait until all runs, or enough of them, are over, or for the time limit; true if they are."""
    from noxcli.batch.poll import Schedule, Workers  # loaded where there are many

    deadline, interval = noxus.deadline, policy.poll_interval

    def look(number: int) -> tuple[int, Result[Run]]:
        def read() -> Run:
            run = _read(noxus, waited[number])
            if run.status == "failed":
                waited[number].outcome.progress = explains.explain(run, deadline)
            return _as_needed(noxus.context, run)

        return number, result_of(read)

    unread, going, satisfied = set(range(len(waited))), len(waited), False
    schedule = Schedule(interval, shortest=interval, most_a_second=READS_A_SECOND)
    workers: Workers[tuple[int, Result[Run]]] = Workers(LOOKERS)
    for number in unread:
        schedule.add(number)
    while going and not deadline.passed:
        for number in schedule.take_due():
            workers.call(partial(look, number))
        news = workers.next_outcome(schedule.until_due(deadline.left(LIMIT_SEEN_EVERY)))
        while news is not None:
            number, read = value_of(news)
            one = waited[number]
            _take_in(noxus, one, read, policy, last=False)
            unread.discard(number)
            if one.over:
                going, satisfied = going - 1, satisfied or enough(one.outcome)
            else:
                schedule.add(number, interval)
            news = workers.next_outcome(0)
        # Runs that had ended before the wait are all reported, even if one is enough.
        if satisfied and not unread:
            return True
    return satisfied or not going


def _as_needed(context: Context, run: Run) -> Run:
    """Return the run without its large parts, unless a document or an assertion needs them."""
    if not context.printing.writes_text or context.reports.asserts:
        return run
    workflow = replace(run.workflow, nodes={}, definition={}) if run.workflow is not None else None
    return replace(run, input=None, output=None, progress_details={}, workflow=workflow)


def _read_last(noxus: Session, waited: Sequence[_Waited], policy: Policy, explains: Explainer) -> None:
    """Read the runs that are not over once more, at the time limit."""
    deadline = noxus.deadline
    going = [one for one in waited if not one.over]
    reads = run_all_within(
        LAST_READ if deadline.seconds else LONGEST_READ, [partial(_read, noxus, one) for one in going]
    )
    _explain(explains, [(one, run) for one, (run, _) in zip(going, reads, strict=True) if run], deadline)
    for one, read in zip(going, reads, strict=True):
        _take_in(noxus, one, read, policy, last=True)


def _take_in(noxus: Session, one: _Waited, read: Result[Run], policy: Policy, *, last: bool) -> None:
    """Record the result of a read, and report it if it was the `last` one. Raises unexpected errors."""
    context, outcome = noxus.context, one.outcome
    run, error = read
    if run is not None:
        outcome.run, outcome.confirmed = run, True
        context.log.note_run(run)
        one.outage.answered()
        one.denied = False
    try:
        if run is None or not policy.over(run):
            if not _is_last(one, error, last=last):
                return
            run = _ended_late(noxus, outcome, error, policy, last=last)
        verdict = verdict_of(run, outcome.progress.why if outcome.progress else "")
        if verdict is not None:
            raise verdict
        require_queries(context.reports.asserts, outcome, context.terminal.mask)
    except NoxError as why:
        outcome.error = why
    one.over = True
    if outcome.run is not None:
        noxus.print_status(outcome.run)
    if outcome.error is not None:
        complain(context, outcome.error)


def _is_last(one: _Waited, error: BaseException | None, *, last: bool) -> bool:
    """True if a run that has no verdict is not read again. Raises the errors that make it so."""
    if error is None or isinstance(error, Unavailable):
        if error is not None:
            one.outage.failed()
        return last or (error is not None and one.outage.is_too_long)
    if not last and isinstance(error, NoxError) and error.http_status != 401 and one.outcome.run and not one.denied:
        one.denied = True  # it was read before, so one rejection may be a slip; only a rejected key is final
        return False
    raise error


def _ended_late(noxus: Session, outcome: Outcome, error: BaseException | None, policy: Policy, *, last: bool) -> Run:
    """Return a run that had ended when it was to be stopped. Raises why there is no verdict of any other."""
    run, deadline = outcome.run, noxus.deadline
    if isinstance(error, Unavailable) and (run is None or not last):
        late = last and deadline.seconds != 0
        why: NoxError = (TimedOut if late else LostContact)(error.message, error.hint, **error.facts())
    else:
        assert run is not None
        why = _still_going(run, deadline)
    if isinstance(why, TimedOut):
        return stop_or_raise(noxus, outcome, policy, why)
    raise why


def _explain(explains: Explainer, read: Sequence[tuple[_Waited, Run]], deadline: Deadline) -> None:
    """Find out why runs failed, for all at once, so that none waits for another's reason."""
    failed = [(one, run) for one, run in read if run.status == "failed"]
    if failed:
        within = EXPLAIN_WITHIN if deadline.seconds == 0 else deadline.left(EXPLAIN_WITHIN)
        known = run_all_within(within, [partial(explains.explain, run, deadline) for _, run in failed])
        for (one, _), (progress, error) in zip(failed, known, strict=True):
            if error is not None and not isinstance(error, NoxError):
                raise error
            one.outcome.progress = progress


def _still_going(run: Run, deadline: Deadline) -> NoxError:
    if deadline.seconds == 0:
        return not_finished(run)
    return still_running(run, wait_for(run))


def _read(noxus: Session, one: _Waited) -> Run:
    known = one.outcome.run
    if known is not None:
        return judged(noxus.api.get_run(known.workflow_id, known.id), known, noxus.context.clock.monotonic())
    return _resolved(noxus, one.text, noxus.context.patience(Deadline(noxus.context.clock, None), 0.0))


def _resolved(noxus: Session, text: str, patience: Patience) -> Run:
    """Return the run; an ended one with its output if the server sends it."""
    run = noxus.run(text, patience)
    if noxus.context.printing.writes_text and not noxus.context.reports.asserts:
        return run
    with suppress(NoxError):  # its status is known without it
        return own_record(noxus.api, run, patience)
    return run
