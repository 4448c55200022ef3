"""`noxcli stop`: ask for a stop and make sure of it; safe to repeat, on nothing, and on a run that has ended."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noxcli.cli import options
from noxcli.cli.context import Context
from noxcli.errors import ConfigProblem, LostContact, NotFinished, NoxError, Phase, Unavailable, UsageProblem
from noxcli.models import Run
from noxcli.reports.result import Outcome, raise_worst
from noxcli.runs.resolve import read_runs, resolve_run
from noxcli.runs.stop import stop_run
from noxcli.state.statefile import read_state
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

STOP_TIMEOUT = 30.0
RunsToStop = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUN]...", help="Run ids, WORKFLOW_ID/RUN_ID, @last or -.", show_default=False),
]
StateFileToRead = Annotated[
    str | None, typer.Option("--state-file", metavar="FILE", help="Stop what `noxcli run --state-file` started.")
]


def stop(
    ctx: typer.Context,
    runs: RunsToStop = None,
    state_file: StateFileToRead = None,
    as_json: options.JsonOption = False,
    timeout: options.Timeout = STOP_TIMEOUT,
    connect_timeout: options.ConnectTimeout = 10.0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = "auto",
    log_file: options.LogFile = None,
    base_url: options.BaseUrl = None,
    api_key_file: options.ApiKeyFile = None,
    _profile: options.ProfileOption = None,
) -> None:
    """Stop runs, and print RUN_ID<TAB>STATUS for each.

    Examples:
        noxcli run slow --detach --state-file run.state
        noxcli stop @last
        # All that are going on, of whatever workflow.
        noxcli runs --status queued --status running | noxcli stop -
        # A step that cleans up, whether or not anything was started.
        noxcli stop --state-file run.state
    """
    context: Context = ctx.obj
    context.present(as_json=as_json, quiet=quiet, verbose=verbose, color=color, log_file=log_file)
    if not runs and state_file is None:
        raise UsageProblem("no run is named", "give RUN, or --state-file FILE")
    named = read_runs(runs or [], sys.stdin, required=False)
    state = read_state(Path(state_file)) if state_file is not None else None
    if not named and state is None:
        missing = f"{state_file} is not there, so nothing was started" if state_file else "stdin names no run"
        context.terminal.note(f"nothing to stop: {missing}")
        return
    with context.connect(base_url, api_key_file, connect_timeout) as api:
        if state is not None:
            if state.base_url != context.base_url:
                raise ConfigProblem(
                    f"the run of {state_file} was started at {state.base_url}, and this is {context.base_url}",
                    "set NOXUS_BACKEND_URL",
                )
            named.append(f"{state.workflow_id}/{state.run_id}")
        context.outcomes = [Outcome(may_exist=True, phase=Phase.RUN) for _ in named]
        for text, outcome in zip(named, context.outcomes, strict=True):
            try:
                _stop_one(context, api, text, outcome, Deadline(context.clock, timeout))
            except Unavailable as error:
                outcome.error = LostContact(error.message, error.hint, **error.facts())
            except NoxError as error:
                outcome.error = error
            if outcome.error is not None and len(named) > 1:
                context.terminal.complain(f"noxcli: {outcome.error.line()}")
    raise_worst(context.outcomes)


def _stop_one(context: Context, api: "NoxusApi", text: str, outcome: Outcome, deadline: Deadline) -> None:
    patience = context.patience(deadline, deadline.left(STOP_TIMEOUT), gave_up=LostContact)
    run: Run = resolve_run(api, text, patience, context.noted_run)
    outcome.run, outcome.confirmed = run, True
    if run.settled:
        context.terminal.note(f"run {run.id} had ended by itself: {run.status}")
    else:
        run = outcome.run = stop_run(api, run, context.clock, deadline)
        if not run.settled:
            raise NotFinished(
                f"run {run.id} was asked to stop and is still {run.status}", f"look again with: noxcli stop {run.id}"
            )
        context.terminal.note(f"run {run.id} is {run.status}")
    context.tell(run)
