"""`noxcli stop`: request a stop and confirm it; safe to repeat, without runs, and for ended runs."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from noxcli.cli.ending import complain
from noxcli.cli.options import RUNS, CommonOptions, DocumentOptions, declared, option, timeout_after
from noxcli.cli.verbs import Codes
from noxcli.errors import ConfigProblem, LostContact, NoxError, Phase, Unavailable, UsageProblem
from noxcli.reports.result import Outcome, raise_worst
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.cli.session import Session

STOP_TIMEOUT = 30.0


@declared
class Options(DocumentOptions, CommonOptions):
    """Stop runs, and print RUN_ID<TAB>STATUS for each.

    Examples:
        noxcli run slow --detach --state-file run.state
        noxcli stop @last
        # Stop all running runs of all workflows.
        noxcli runs --status queued --status running | noxcli stop -
        # Clean up, whether or not anything was started.
        noxcli stop --state-file run.state
    """

    codes = Codes.NOT_FOUND | Codes.LOST | Codes.TIMED_OUT
    routed_in_hints = True
    # How long to follow a run is not how long to wait for a stop.
    without_default = ("timeout",)

    runs: list[str] | None = RUNS
    started_by: str | None = option(
        "--state-file", "FILE", "Stop the run that `noxcli run --state-file` started.", None
    )
    timeout: float | None = timeout_after(STOP_TIMEOUT)


def execute(ctx: typer.Context, options: Options) -> None:
    """Stop each run. Raises the worst error, after all of them."""
    from noxcli.cli.session import begin  # the help loads none of these
    from noxcli.runs.resolve import parse_runs
    from noxcli.state.history import read_state

    noxus = begin(ctx, options)
    context = noxus.context
    given, state_file = options.runs or [], options.started_by
    if not given and state_file is None:
        raise UsageProblem("no run was given", "give RUN, such as @last, or --state-file FILE")
    context.listed = "-" in given
    named = parse_runs(given, context.sources)
    state = read_state(Path(state_file)) if state_file is not None else None
    if not named and state is None:
        context.outcomes = [] if context.listed else context.outcomes
        missing = f"there is no file {state_file}; either nothing was started with it, or the name is wrong"
        context.terminal.note(f"nothing to stop: {missing if state_file else 'stdin names no run'}")
        return
    with noxus.connect():
        if state is not None:
            if state.base_url != context.base_url:
                where = f"was started at {state.base_url}, but the base URL is {context.base_url}"
                raise ConfigProblem(f"the run in {state_file} {where}", "set NOXUS_BACKEND_URL")
            named.append(f"{state.workflow_id}/{state.run_id}")
        context.outcomes = [Outcome(may_exist=True, phase=Phase.RUN) for _ in named]
        for text, outcome in zip(named, context.outcomes, strict=True):
            try:
                _stop_one(noxus, text, outcome)
            except NoxError as error:
                if isinstance(error, Unavailable) and not error.lasts:
                    hint = f"try again with: noxcli stop {text}"
                    error = LostContact(error.message, hint, **error.facts())
                outcome.ended(error)
                if len(named) > 1:
                    complain(context, error)
    raise_worst(context.outcomes)


def _stop_one(noxus: "Session", text: str, outcome: Outcome) -> None:
    from noxcli.runs.record import not_stopped, stop_run  # as above

    context = noxus.context
    deadline = Deadline(context.clock, noxus.common.timeout)  # each run gets the whole time
    limit = deadline.remaining(STOP_TIMEOUT)
    run = noxus.resolve_run(
        text,
        noxus.retries(limit, deadline, gave_up=LostContact, out_of_time=LostContact),
        listed=False,
    )
    outcome.read(run)
    if run.settled:
        context.terminal.note(f"run {run.id} had already ended: {run.word}")
    else:
        run = stop_run(noxus.api, run, deadline)
        outcome.read(run)
        if not run.settled:
            raise not_stopped(run)
        context.terminal.note(
            f"stopped run {run.id}" if run.status == "stopped" else f"run {run.id} is {run.word}"
        )
    context.printing.print_run_line(run)
