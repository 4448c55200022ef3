"""`noxcli rerun`: start another run with the inputs of an earlier one, and follow it like `run`."""

import typer

from noxcli.cli import options
from noxcli.cli.grouped import grouped
from noxcli.cli.groups import Common, Delivering, FollowingOwn, Given, Reporting, Restarting


@grouped
def rerun(
    ctx: typer.Context,
    run: options.RunArgument,
    *,
    given: Given,
    restarting: Restarting,
    delivering: Delivering,
    state_file: options.StateFile = None,
    reporting: Reporting,
    timeout: options.Timeout = None,
    following: FollowingOwn,
    common: Common,
) -> None:
    """Start a run again with the same inputs, or some others, and follow it like run.

    Workflow, version, inputs and uploaded files are those in the record of RUN, which anybody may have started. Inputs
    that were secret are not passed on: give them anew with --secret.

    Examples:
        noxcli run demo 'User Input=hello'
        noxcli rerun @last
        # Another value for one of the inputs; what is sent can be looked at first.
        noxcli rerun @last 'Analysis Type=long' --dry-run
        # A part of the workflow: a node and what it depends on, or a node alone.
        noxcli rerun @last --node Research
        noxcli rerun @last --only-node Write --detach
    """
    from noxcli.cli.again import relaunch  # loads all that a run takes, which its help can do without
    from noxcli.cli.launch import Asked

    asked = Asked(run, given, restarting, delivering, state_file, reporting, timeout, following, common)
    relaunch(ctx, asked, restarting)
