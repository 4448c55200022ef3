"""`noxcli run`: start a workflow, follow it live, wait for its verdict, deliver its output."""

from typing import TYPE_CHECKING

import typer

from noxcli.cli.options import RunOptions, WorkflowArgument, declared
from noxcli.errors import Phase

if TYPE_CHECKING:
    from noxcli.cli.session import Session
    from noxcli.inputs.parse import Inputs
    from noxcli.models import Workflow


@declared
class Options(RunOptions):
    """Start a workflow, follow it live, and print its output.

    Examples:
        # Save the output named Answer; the exit code is the verdict.
        noxcli run demo 'User Input=hello' --raw Answer > answer.txt
        # Read inputs from files and as JSON, and preview the request.
        noxcli run fixed-inputs 'User Question=@answer.txt' Temperature:=0.5 --dry-run
        # Save every output as a file, and print one document about the run.
        noxcli run structured --output-dir out --json | jq .run.status
        # Start a run, and wait for it with a time limit.
        noxcli wait $(noxcli run demo 'User Input=hello' --detach) --timeout 10m
    """

    workflow: WorkflowArgument


def execute(ctx: typer.Context, options: Options) -> None:
    """Start the run, follow it and deliver its output. Raises the NoxError that the command ends with."""
    from noxcli.cli import deliver, prepare, session  # the help loads none of what a run needs

    noxus = session.begin(ctx, options, subject=options.workflow)
    prepare.require_startable(ctx, options)
    deliver.check_directory(noxus)
    inputs = prepare.parse_given_inputs(noxus, options)
    with noxus.connect(Phase.PREFLIGHT):
        workflow = prepare.read_workflow_to_run(
            noxus, noxus.resolve_workflow(options.workflow), options.version_id, look=not options.no_check
        )
        carry_out(noxus, workflow, inputs, options, options.workflow)


def carry_out(noxus: "Session", workflow: "Workflow", inputs: "Inputs", options: RunOptions, named: str) -> None:
    """Check the inputs, start the run and see it through to its output, as far as the options require.

    `named` is the workflow in messages.
    """
    from noxcli.cli import deliver, follow, prepare, start  # as above

    if not options.no_check:
        inputs = prepare.check_inputs(noxus, workflow, inputs, named=named)
        prepare.check_outputs(noxus, options.raw or (), workflow)
    if options.dry_run:
        start.show_request(noxus, workflow, inputs, options)
        return
    run = start.start_once(noxus, workflow, inputs, options)
    if options.detach:
        start.report_detached(noxus, run)
        return
    ended = follow.to_end(noxus, run, options, workflow=workflow)
    follow.require_completed(noxus, ended)
    deliver.deliver(noxus, ended, options, workflow=workflow)
