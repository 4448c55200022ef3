"""`noxcli run`: start a workflow, follow it live, wait for its verdict, deliver its output."""

from pathlib import Path

import typer

from noxcli.cli import options
from noxcli.cli.deliver import check_directory, destination
from noxcli.cli.grouped import grouped
from noxcli.cli.groups import Common, Delivering, FollowingOwn, Given, Reporting, Starting, Waiting
from noxcli.cli.invocation import begin
from noxcli.cli.start import check_start, given_inputs, prepared, see_through
from noxcli.files import check_target


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
    waiting = Waiting(timeout, following.retry_for)
    call = begin(ctx, common, waiting, delivering, reporting, subject=workflow)
    context = call.context
    check_start(starting, reporting, timeout)
    into = destination(ctx, delivering)
    inputs = given_inputs(context, given)
    with call.connect():
        check_directory(into)
        if state_file is not None:
            check_target(Path(state_file), "--state-file")
        start = prepared(call, workflow, inputs, starting, delivering.raw)
        see_through(start, delivering, following, into, state_file)
