"""What `noxcli run` does once its command line is read: one run, from its inputs to its output."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from noxcli.cli.context import Context
from noxcli.cli.deliver import check_directory, deliver, destination
from noxcli.cli.follow import attend, judge, policy_of
from noxcli.cli.groups import Common, Delivering, FollowingOwn, Given, Reporting, Starting, Waiting
from noxcli.cli.invocation import Invocation, begin
from noxcli.cli.prepare import checked, chosen_version, given_inputs, require_time, show_request, stored
from noxcli.errors import Interruption, NoxError, Phase, TimedOutBeforeStart, UsageProblem
from noxcli.files import check_target
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.parse import Inputs
from noxcli.models import Run, Workflow
from noxcli.outputs.choose import check_keys
from noxcli.retry import Patience
from noxcli.runs.doubt import KnownStarts
from noxcli.runs.likeness import Comparison
from noxcli.runs.start import Moment, Wanted, start_run
from noxcli.runs.stop import LONGEST_STOP, not_stopped, stop_run
from noxcli.signals import Interrupted
from noxcli.state.statefile import State, write_state
from noxcli.timing import Deadline, parse_time

LONGEST_START = 60.0  # seconds for the answer to the start; the server's own limit is not documented


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line of one start; times are in seconds."""

    workflow: str
    given: Given
    starting: Starting
    delivering: Delivering
    state_file: str | None
    reporting: Reporting
    timeout: float | None
    following: FollowingOwn
    common: Common


def launch(ctx: typer.Context, asked: Asked) -> None:
    """Start the run, follow it and deliver its output. Raises the NoxError that the command ends with."""
    starting, delivering, following = asked.starting, asked.delivering, asked.following
    waiting = Waiting(asked.timeout, following.retry_for)
    call = begin(ctx, asked.common, waiting, delivering, asked.reporting, subject=asked.workflow)
    context = call.context
    into = destination(ctx, delivering)
    if asked.timeout == 0:
        raise TimedOutBeforeStart("--timeout 0 leaves no time to start anything", "give it some, or use --detach")
    if asked.reporting.asserts and (starting.detach or starting.dry_run):
        raise UsageProblem("--assert needs a result", "drop --assert, or --detach and --dry-run")
    inputs = given_inputs(context, asked.given)
    policy = policy_of(context, following)
    with call.connect() as api:
        check_directory(into)
        if asked.state_file is not None:
            check_target(Path(asked.state_file), "--state-file")
        start = _prepared(call, asked.workflow, inputs, starting, delivering.raw)
        if starting.dry_run:
            body = api.run_request(start.inputs.shown(), start.version_id, starting.callback_url)
            show_request(context, start.found, body)
            return
        started = start.send(asked.state_file)
        if starting.detach:
            context.terminal.note(f"follow it with: noxcli stream{context.route} {started.id}")
            if context.writes_text:
                context.terminal.write(f"{started.id}\n")
            return
        try:
            finished = attend(call, started, policy, just_started=True, workflow=start.known)
            judge(call, finished)
            deliver(call, finished, delivering, into, workflow=start.known)
        except Interrupted as signal:
            if not context.stops_runs(following.on_interrupt):
                raise
            raise _stopped(call, signal) from None


@dataclass(frozen=True, slots=True)
class Start:
    """One start with all that it needs; `known` is the workflow as far as it was read."""

    call: Invocation
    starting: Starting
    found: Workflow
    known: Workflow | None
    inputs: Inputs
    version_id: str | None
    patience: Patience

    def send(self, state_file: str | None) -> Run:
        """Store the files and start the run, once."""
        call, context, api = self.call, self.call.context, self.call.api
        payload = stored(call, self.inputs, self.patience)
        require_time(call.deadline)
        context.enter(Phase.START)
        nodes = inputs_of(self.known.definition) if self.known is not None and not self.starting.no_check else None
        comparison = Comparison(nodes, self.inputs.secret)
        wanted = Wanted(self.found.id, comparison.of(payload), comparison, self._recall)

        def send() -> Run:
            moment = Moment(api, context.clock)
            # From the request until its id is written down, a signal waits: the id must not be lost.
            with context.signals.held():
                started = context.signals.finish_first(
                    lambda: api.create_run(
                        self.found.id, payload, version_id=self.version_id, callback_url=self.starting.callback_url
                    ),
                    call.deadline.left(LONGEST_START),
                )
                context.outcome.run, context.outcome.inputs = started, self.inputs.shown()
                context.log.note_run(started)
                digest, shown = wanted.input.digest, context.outcome.inputs
                context.history.begin(started, context.base_url, shown, digest, moment.by_server())
                context.cache.run(started, (self.known or self.found).name)
                _note_state(context, state_file, started)
                _note_for_others(context, started)
                context.way_back = context.line_to_stream(started.id)
                context.terminal.note(f"started run {started.id}")
            return started

        return start_run(api, send, wanted, patience=self.patience, clock=context.clock, deadline=call.deadline)

    def _recall(self, _: Collection[str]) -> KnownStarts:
        """Return what this user's history knows of earlier runs."""
        known = KnownStarts()
        context = self.call.context
        for run in context.history.earlier(context.base_url, self.found.id):
            known.digests[run.run_id] = run.input_digest
            known.note(run.run_id, run.created_at, parse_time(run.sent_at), None)
        return known


def _prepared(call: Invocation, workflow: str, inputs: Inputs, starting: Starting, raw: Sequence[str] | None) -> Start:
    """Return the start, its inputs checked against the workflow. Raises as `checked` and `chosen_version`."""
    call.context.enter(Phase.PREFLIGHT)
    patience = call.patience(out_of_time=TimedOutBeforeStart)
    found = call.workflow(workflow, patience)
    known = found if found.nodes else None  # a list of workflows has told it all
    version = chosen_version(call, found, starting, patience)
    if not starting.no_check:
        known, inputs = checked(call, found, inputs, patience, named=workflow, version=version)
        for line in check_keys(raw or [], known.definition):
            call.context.terminal.note(f"warning: {line}")
    return Start(call, starting, found, known, inputs, version.id if version else None, patience)


def _note_state(context: Context, state_file: str | None, started: Run) -> None:
    if state_file is not None:
        try:
            mask = context.terminal.mask
            write_state(Path(state_file), State(mask(started.id), mask(started.workflow_id), context.base_url))
        except NoxError as error:
            context.terminal.complain(f"noxcli: {error.line()}")  # the run is going on, and its id is on stderr


def _note_for_others(context: Context, started: Run) -> None:
    try:
        context.reports.started(started, context.terminal.mask)
    except NoxError as error:
        context.terminal.complain(f"noxcli: {error.line()}")  # as with the state file


def _stopped(call: Invocation, signal: Interrupted) -> Interruption:
    """Stop the run and say how it ended."""
    context = call.context
    run = context.outcome.run
    assert run is not None
    context.way_back = None
    try:
        run = context.outcome.run = stop_run(call.api, run, context.clock, Deadline(context.clock, LONGEST_STOP))
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
