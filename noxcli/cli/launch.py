"""One run from its inputs to its output, for `run` and `rerun`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import typer

from noxcli.cli import options
from noxcli.cli.context import Context
from noxcli.cli.deliver import Destination, check_directory, deliver, destination
from noxcli.cli.follow import attend, judge, policy_of
from noxcli.cli.groups import Common, Delivering, FollowingOwn, Given, Reporting, Starting, Waiting
from noxcli.cli.invocation import Invocation, begin
from noxcli.cli.prepare import (
    checked,
    chosen_version,
    given_inputs,
    note_keys,
    read_workflow,
    show_request,
)
from noxcli.cli.start import RunSpec, start_once
from noxcli.errors import Interruption, NoxError, Phase, TimedOutBeforeStart, UsageProblem
from noxcli.files import check_target
from noxcli.fixed import fixed
from noxcli.inputs.parse import Inputs
from noxcli.models import Workflow
from noxcli.outputs.choose import check_keys
from noxcli.retry import Patience
from noxcli.runs.stop import LONGEST_STOP, not_stopped, stop_run
from noxcli.signals import Interrupted
from noxcli.timing import Deadline


@fixed
class Asked:
    """The options of one start; times are in seconds."""

    workflow: str
    given: Given
    starting: Starting
    delivering: Delivering
    state_file: str | None
    reporting: Reporting
    timeout: float | None
    following: FollowingOwn
    common: Common


class Origin(Protocol):
    """What determines a run: an earlier run that is started again, or the command line alone."""

    @property
    def workflow(self) -> Workflow:
        """Its workflow, as far as it was read."""

    @property
    def named(self) -> str:
        """The name of the workflow in messages."""

    def version_id(self) -> str | None:
        """Return the saved version to run, None for the current one."""

    def inputs(self, given: Inputs, known: Workflow | None) -> Inputs:
        """Return its inputs, changed by those on the command line."""


@fixed
class NewRun:
    """A run that is determined by the command line alone."""

    workflow: Workflow
    asked: Asked

    @property
    def named(self) -> str:
        """The workflow as the command line named it."""
        return self.asked.workflow

    def version_id(self) -> str | None:
        """Return --version-id."""
        return self.asked.starting.version_id

    def inputs(self, given: Inputs, _: Workflow | None) -> Inputs:
        """Return those on the command line."""
        return given


def launch(ctx: typer.Context, asked: Asked, find: "Callable[[Invocation, Patience], Origin] | None" = None) -> None:
    """Start the run, follow it and deliver its output; `find` returns the earlier run to start again.

    Raises the NoxError that the command ends with.
    """
    waiting = Waiting(asked.timeout, asked.following.retry_for)
    call = begin(ctx, asked.common, waiting, asked.delivering, asked.reporting, subject=asked.workflow)
    into = destination(ctx, asked.delivering)
    check_start(asked)
    inputs = given_inputs(call.context, asked.given)
    with call.connect():
        check_targets(asked, into)
        see_through(call, *prepared(call, asked, inputs, find), asked, into)


def check_start(asked: Asked) -> None:
    """Find errors that prevent a start, before the first request.

    Raises UsageProblem, and TimedOutBeforeStart for a limit of 0.
    """
    starting = asked.starting
    if asked.timeout == 0:
        raise TimedOutBeforeStart("--timeout 0 leaves no time to start anything", "increase --timeout, or use --detach")
    if asked.reporting.asserts and (starting.detach or starting.dry_run):
        raise UsageProblem("--assert needs a result", "drop --assert, or --detach and --dry-run")


def check_targets(asked: Asked, into: Destination | None) -> None:
    """Check, before anything is started, that files can be written at the end. Raises UsageProblem."""
    check_directory(into)
    if asked.state_file is not None:
        check_target(Path(asked.state_file), "--state-file")


def prepared(
    call: Invocation, asked: Asked, given: Inputs, find: "Callable[[Invocation, Patience], Origin] | None" = None
) -> tuple[RunSpec, Patience]:
    """Return the run to start, its inputs checked against the workflow.

    And how long to keep retrying. Raises as `checked`, `chosen_version`, and if there is one, as `find` and what it
    finds.
    """
    context = call.context
    context.enter(Phase.PREFLIGHT)
    patience = call.patience(out_of_time=TimedOutBeforeStart)
    origin = find(call, patience) if find is not None else NewRun(call.workflow(asked.workflow, patience), asked)
    found, starting = origin.workflow, replace(asked.starting, version_id=origin.version_id())
    version = chosen_version(call, found, starting, patience)
    known = found if found.nodes else None  # the list of workflows already had everything
    if not starting.no_check:
        known = read_workflow(call, found, patience, version)
    inputs = origin.inputs(given, known)
    if known is not None and not starting.no_check:
        if version is None:
            note_keys(context, known)
        inputs = checked(call, known, inputs, named=origin.named)
        _warn_of_keys(context, asked.delivering.raw, known)
    version_id = version.id if version else None
    spec = RunSpec(found, known or found, inputs, version_id, starting.callback_url, keys_known=not starting.no_check)
    return spec, patience


def _warn_of_keys(context: Context, keys: Sequence[str] | None, workflow: Workflow) -> None:
    for line in check_keys(keys or [], workflow.definition):
        context.terminal.note(f"warning: {line}")


def see_through(call: Invocation, spec: RunSpec, patience: Patience, asked: Asked, into: Destination | None) -> None:
    """Start the run and follow it to its output, as far as the options require.

    Raises as the steps do; if a signal should stop the run, Interruption with the outcome of the stop.
    """
    context, following = call.context, asked.following
    if asked.starting.dry_run:
        show_request(context, spec.found, spec.request(call.api, spec.inputs.shown()))
        return
    try:
        run = start_once(call, spec, patience, asked.state_file)
        if asked.starting.detach:
            context.terminal.note(f"follow it with: noxcli stream{context.route} {run.id}")
            if context.writes_text:
                context.terminal.write(f"{run.id}\n")
            return
        finished = attend(call, run, policy_of(context, following), just_started=True, workflow=spec.known)
        judge(call, finished)
        deliver(call, finished, asked.delivering, into, workflow=spec.known)
    except Interrupted as signal:
        if asked.starting.detach or not _may_stop(context, following.on_interrupt):
            raise
        raise _stopped(call, signal) from None


def _may_stop(context: Context, on_interrupt: options.WhenInterrupted | None) -> bool:
    """True if a signal is to stop the run, and there is one."""
    return context.outcome.run is not None and context.stops_runs(on_interrupt)


def _stopped(call: Invocation, signal: Interrupted) -> Interruption:
    """Stop the run and report how it ended."""
    context = call.context
    run = context.outcome.run
    assert run is not None
    context.way_back = None
    try:
        run = context.outcome.run = stop_run(call.api, run, Deadline(context.clock, LONGEST_STOP))
        context.outcome.confirmed = True
    except NoxError as error:
        hint = f"stop it with: noxcli stop {run.id}"
        return Interruption(
            f"interrupted by {signal}; run {run.id} could not be stopped: {error.message}", hint, number=signal.number
        )
    if run.settled:
        return Interruption(f"interrupted by {signal}; run {run.id} is {run.status}", number=signal.number)
    still = not_stopped(run)
    return Interruption(f"interrupted by {signal}; {still.message}", still.hint, number=signal.number)
