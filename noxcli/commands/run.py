"""`noxcli run`: start a workflow, follow it live, wait for its verdict, deliver its output."""

import typer

from noxcli.cli import options
from noxcli.cli.grouped import grouped
from noxcli.cli.groups import Common, Delivering, FollowingOwn, Given, Reporting, Starting


@grouped
def run(
    ctx: typer.Context,
    workflow: options.WorkflowArgument,
    *,
    given: Given,
    starting: Starting,
    delivering: Delivering,
    state_file: options.StateFile = None,
    reporting: Reporting,
    timeout: options.RunTimeout = None,
    following: FollowingOwn,
    common: Common,
) -> None:
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
    from noxcli.cli.launch import Asked, launch  # loads everything that a run needs and the help does not

    asked = Asked(workflow, given, starting, delivering, state_file, reporting, timeout, following, common)
    launch(ctx, asked)
