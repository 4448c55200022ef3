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
    timeout: options.Timeout = None,
    following: FollowingOwn,
    common: Common,
) -> None:
    """Start a workflow, follow it live, and print its output.

    Examples:
        # What the output named Answer holds, in a file; the exit code is the verdict.
        noxcli run demo 'User Input=hello' --raw Answer > answer.txt
        # Inputs from files and as JSON; what is sent can be looked at first.
        noxcli run fixed-inputs 'User Question=@answer.txt' Temperature:=0.5 --dry-run
        # Every output as a file, and one document about the run.
        noxcli run structured --output-dir out --json | jq .run.status
        # Once a day, however often it is called on this machine.
        noxcli run demo 'User Input=news' --once "news $(date +%F)"
        # Start only, and give up waiting after a while.
        noxcli wait $(noxcli run demo 'User Input=hello' --detach) --timeout 10m
    """
    from noxcli.cli.launch import Asked, launch  # loads all that a run takes, which its help can do without

    asked = Asked(workflow, given, starting, delivering, state_file, reporting, timeout, following, common)
    launch(ctx, asked)
