"""`noxcli wait`: wait for runs without a picture; one line each as they end, and the worst one's exit code."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from noxcli.commands import options
from noxcli.commands.attend import judge
from noxcli.commands.context import Context
from noxcli.errors import LostContact, NotFinished, NoxError, Phase, TimedOut, Unavailable, worst
from noxcli.follow import Follower, Policy
from noxcli.models import Run
from noxcli.resolve import resolve_run
from noxcli.result import Outcome
from noxcli.timing import Deadline
from noxcli.within import run_within

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

LONGEST_READ = 30.0
Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Run ids, or WORKFLOW_ID/RUN_ID.")]


def wait(
    ctx: typer.Context,
    runs: Runs,
    as_json: options.JsonOption = False,
    timeout: options.Timeout = None,
    idle_timeout: options.IdleTimeout = 30.0,
    retry_for: options.RetryFor = None,
    poll_interval: options.PollInterval = 2.0,
    no_stream: options.NoStream = False,
    connect_timeout: options.ConnectTimeout = 10.0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = "auto",
    base_url: options.BaseUrl = None,
    api_key_file: options.ApiKeyFile = None,
) -> None:
    """Wait for runs to end, and print RUN_ID<TAB>STATUS for each."""
    context: Context = ctx.obj
    deadline = Deadline(context.clock, timeout)
    context.present(as_json=as_json, quiet=quiet, verbose=verbose, color=color)
    context.outcomes = [Outcome(may_exist=True, phase=Phase.FOLLOW) for _ in runs]
    policy = Policy(
        stream=not no_stream,
        poll_interval=poll_interval,
        idle_timeout=idle_timeout,
        retry_for=options.during(retry_for),
    )
    with context.connect(base_url, api_key_file, connect_timeout) as api:
        waiting = dict(zip(runs, context.outcomes, strict=True))
        if len(waiting) == 1:
            _wait_for_one(context, api, runs[0], deadline, policy, options.before(retry_for))
        else:
            _wait_for_all(context, api, waiting, deadline, policy)


def _wait_for_one(
    context: Context, api: "NoxusApi", text: str, deadline: Deadline, policy: Policy, retry_for: float
) -> None:
    # "Check once" is worth one read, which a limit of no time at all would not allow.
    limit = Deadline(context.clock, None) if deadline.seconds == 0 else deadline
    patience = context.patience(limit, retry_for, gave_up=LostContact)
    run = context.outcome.run = resolve_run(api, text, patience)
    context.outcome.confirmed = True
    if deadline.seconds != 0:
        follower = Follower(api, run, policy=policy, clock=context.clock, deadline=deadline)
        try:
            for _ in follower.updates():
                pass
        finally:
            context.outcome.run, context.outcome.connects = follower.run, follower.connects
            context.outcome.ledger = follower.ledger
        run = follower.run
    _tell(context, run)
    if not (run.settled or run.paused):
        raise _still_going(run, deadline)
    judge(context, run)


def _wait_for_all(
    context: Context, api: "NoxusApi", waiting: dict[str, Outcome], deadline: Deadline, policy: Policy
) -> None:
    """Poll: one stream a run would hold as many connections as there are runs, and show nobody anything."""
    contact = Deadline(context.clock, policy.retry_for)
    open_ones = dict(waiting)
    while open_ones:
        for text, outcome in list(open_ones.items()):
            try:
                run = outcome.run = run_within(
                    _time_for_a_read(deadline), partial(_read, context, api, text, outcome.run)
                )
                outcome.confirmed = True
                contact.restart()
                if not (run.settled or run.paused):
                    if not deadline.passed:
                        continue
                    _tell(context, run)
                    raise _still_going(run, deadline)
                _tell(context, run)
                judge(context, run)
            except Unavailable as error:
                if not contact.passed and not deadline.passed:
                    continue
                late = deadline.passed and deadline.seconds != 0
                outcome.error = (TimedOut if late else LostContact)(error.message, error.hint, **error.facts())
            except NoxError as error:
                outcome.error = error
            del open_ones[text]
            if outcome.error is not None:
                context.terminal.complain(f"noxcli: {outcome.error.line()}")
        if open_ones and not deadline.passed:
            context.clock.sleep(deadline.left(policy.poll_interval))
    errors = {int(outcome.error.exit_code): outcome.error for outcome in waiting.values() if outcome.error}
    if errors:
        raise errors[worst(errors)]


def _time_for_a_read(deadline: Deadline) -> float:
    return LONGEST_READ if deadline.seconds == 0 else deadline.left(LONGEST_READ)


def _still_going(run: Run, deadline: Deadline) -> NoxError:
    hint = f"wait for it: noxcli wait {run.id}"
    if deadline.seconds == 0:
        return NotFinished(f"run {run.id} is still {run.status}", hint)
    return TimedOut(f"run {run.id} was still {run.status} when the time was up", hint)


def _read(context: Context, api: "NoxusApi", text: str, known: Run | None) -> Run:
    if known is not None:
        return api.get_run(known.workflow_id, known.id)
    return resolve_run(api, text, context.patience(Deadline(context.clock, None), 0.0))


def _tell(context: Context, run: Run) -> None:
    if context.writes_text:
        context.terminal.write(f"{run.id}\t{run.status}\n")
