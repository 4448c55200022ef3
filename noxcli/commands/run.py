"""`noxcli run`: start a workflow, follow it live, wait for its verdict, deliver its output."""

import typer

from noxcli.cli.options import WORKFLOW, RunOptions, declared
from noxcli.cli.verbs import Codes
from noxcli.errors import Phase


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
    """

    codes = Codes.FAILED | Codes.IN_DOUBT | Codes.TIMED_OUT

    workflow: str = WORKFLOW


def execute(ctx: typer.Context, options: Options) -> None:
    """Start the run, follow it and deliver its output.

    Raises the NoxError that the command ends with.
    """
    # The help loads none of what a run needs.
    from noxcli.cli import deliver, follow, session, start

    noxus = session.begin(ctx, options, subject=options.workflow)
    start.require_startable(ctx, options)
    deliver.check_directory(noxus)
    inputs = start.parse_given_inputs(noxus, options, options.whole)
    with noxus.connect(Phase.PREFLIGHT):
        found = noxus.resolve_workflow(options.workflow)
        workflow = start.read_workflow_to_run(
            noxus, found, options.version_id, checks=not options.no_check
        )
        inputs = start.check_inputs(noxus, workflow, inputs, options, options.workflow)
        run = start.start_once(noxus, workflow, inputs, options)
        if run is not None:
            ended = follow.to_end(noxus, run, options, workflow=workflow)
            deliver.deliver(noxus, ended, options, workflow=workflow)
