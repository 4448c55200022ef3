"""What `rerun` takes from an earlier run: its workflow, version and inputs, from its record."""

from dataclasses import replace
from functools import partial
from shlex import quote

import typer

from noxcli.cli.groups import Restarting
from noxcli.cli.invocation import Invocation
from noxcli.cli.launch import Asked, launch
from noxcli.errors import UsageProblem
from noxcli.fixed import fixed
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.parse import Inputs
from noxcli.inputs.recorded import secrets_among, with_recorded
from noxcli.models import Run, Workflow
from noxcli.retry import Patience
from noxcli.runs.resolve import one_run


def relaunch(ctx: typer.Context, asked: Asked, restarting: Restarting) -> None:
    """Start a run again as `asked.workflow`, the name of an earlier run, was started, and follow it like `run`.

    Raises the NoxError that the command ends with.
    """
    launch(ctx, asked, partial(_earlier, text=asked.workflow, restarting=restarting))


@fixed
class EarlierRun:
    """A run to start again. `secret` has the keys of its secrets, None if they are not known."""

    call: Invocation
    run: Run
    restarting: Restarting
    secret: frozenset[str] | None

    @property
    def workflow(self) -> Workflow:
        """Its workflow, which must be read: the run's record may have an older version of it."""
        return Workflow(self.run.workflow_id, self.run.workflow.name if self.run.workflow else "")

    @property
    def named(self) -> str:
        """The workflow's name, or its id if the record has no name."""
        return self.workflow.name or self.workflow.id

    def version_id(self) -> str | None:
        """Return the saved version to run: that of --version-id, or else the earlier run's own, which is reported."""
        asked, run = self.restarting.version_id, self.run
        if asked is None:
            self.call.context.terminal.note(
                f"uses the current version: the record of run {run.id} names none"
                if run.version_id is None
                else f"uses version {run.version_id}, as run {run.id} did"
            )
        return asked or run.version_id

    def inputs(self, given: Inputs, known: Workflow | None) -> Inputs:
        """Return its inputs, changed by those on the command line. Raises UsageProblem if more are needed."""
        run, context = self.run, self.call.context
        if not isinstance(run.input, dict):
            raise UsageProblem(
                f"the record of run {run.id} has no inputs",
                f"give them all: noxcli run {quote(run.workflow_id)} INPUT...",
            )
        nodes = inputs_of(known.definition) if known is not None else None
        context.terminal.mask.learn(secrets_among(run.input, self.secret or (), nodes))
        inputs = with_recorded(run.input, given, self.secret, nodes, run.id)
        context.hide(replace(inputs, secret=inputs.secret - given.secret))
        if inputs.veiled:
            context.terminal.note(
                f"sends the inputs of run {run.id} as recorded, and does not show them: which were secret is not known"
            )
        return inputs


def _earlier(call: Invocation, patience: Patience, *, text: str, restarting: Restarting) -> EarlierRun:
    found = call.run(one_run(text, call.context.sources), patience)
    if not found.with_output:
        own = patience.keep_trying(lambda: call.api.get_run(found.workflow_id, found.id))
        found = replace(own, workflow=found.workflow, input=found.input if own.input is None else own.input)
    entry = call.context.history.entry(found.id, call.context.base_url)
    return EarlierRun(call, found, restarting, entry.secret_inputs if entry is not None else None)
