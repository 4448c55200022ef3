"""`noxcli stop`: request a stop and confirm it.

Safe to repeat, without runs, and for ended runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from noxcli.cli.ending import complain
from noxcli.cli.options import RUNS, CommonOptions, DocumentOptions, declared, option, timeout_after
from noxcli.cli.verbs import Codes
from noxcli.errors import (
    CommandLine,
    ConfigProblem,
    Hint,
    LostContact,
    NoxError,
    Phase,
    Unavailable,
    UsageProblem,
)
from noxcli.reports.result import Outcome, raise_worst
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.cli.session import Session
    from noxcli.render.terminal import Terminal

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
    given = options.runs or []
    if not given and options.started_by is None:
        raise UsageProblem("no run was given", "give RUN, such as @last, or --state-file FILE")
    context.listed = "-" in given
    named = parse_runs(given, context.sources)
    state = None
    if options.started_by is not None:
        state = read_state(Path(options.started_by))
    if not named and state is None:
        if context.listed:
            context.outcomes = []
        _note_nothing(context.terminal, options.started_by)
        return
    with noxus.connect():
        if state is not None:
            if state.base_url != context.base_url:
                where = f"was started at {state.base_url}, but the base URL is {context.base_url}"
                raise ConfigProblem(
                    f"the run in {options.started_by} {where}", "set NOXUS_BACKEND_URL"
                )
            named.append(f"{state.workflow_id}/{state.run_id}")
        context.outcomes = [Outcome(may_exist=True, phase=Phase.RUN) for _ in named]
        for text, outcome in zip(named, context.outcomes, strict=True):
            try:
                _stop_one(noxus, text, outcome)
            except NoxError as error:
                ended = _for_a_stop(error, text)
                outcome.ended(ended)
                if len(named) > 1:
                    complain(context, ended)
    raise_worst(context.outcomes)


def _note_nothing(terminal: "Terminal", state_file: str | None) -> None:
    """Say why there is nothing to stop."""
    if state_file is None:
        terminal.note("nothing to stop: stdin names no run")
        return
    terminal.note(
        f"nothing to stop: there is no file {state_file}; either nothing was started with it, "
        "or the name is wrong"
    )


def _for_a_stop(error: NoxError, text: str) -> NoxError:
    """Return the error of a stop: what is only temporary elsewhere means that contact is lost."""
    if not isinstance(error, Unavailable) or error.lasts:
        return error
    return LostContact(
        error.message, Hint("try again with: ", CommandLine("stop", text)), **error.facts()
    )


def _stop_one(noxus: "Session", text: str, outcome: Outcome) -> None:
    from noxcli.runs.record import not_stopped, stop_run  # as above

    context = noxus.context
    deadline = Deadline(context.clock, noxus.common.timeout)  # each run gets the whole time
    limit = deadline.remaining(STOP_TIMEOUT)
    retries = noxus.retries(limit, deadline, gave_up=LostContact, out_of_time=LostContact)
    run = noxus.resolve_run(text, retries, listed=False)
    outcome.read(run)
    if run.settled:
        context.terminal.note(f"run {run.id} had already ended: {run.word}")
    else:
        run = stop_run(noxus.api, run, deadline)
        outcome.read(run)
        if not run.settled:
            raise not_stopped(run)
        if run.status == "stopped":
            context.terminal.note(f"stopped run {run.id}")
        else:
            context.terminal.note(f"run {run.id} is {run.word}")
    context.printing.print_run_line(run)
