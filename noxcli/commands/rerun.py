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
    timeout: options.RunTimeout = None,
    following: FollowingOwn,
    common: Common,
) -> None:
    """Start a run again with the same inputs, or some others, and follow it like run.

    Workflow, version, inputs and uploaded files come from the record of RUN, which may have been started elsewhere.
    Secret inputs are not reused: give them again with --secret.

    Examples:
        noxcli run demo 'User Input=hello'
        noxcli rerun @last
        # Change one of the inputs, and preview the request.
        noxcli rerun @last 'Analysis Type=long' --dry-run
    """
    from noxcli.cli.again import relaunch  # loads everything that a run needs and the help does not
    from noxcli.cli.launch import Asked

    asked = Asked(run, given, restarting, delivering, state_file, reporting, timeout, following, common)
    relaunch(ctx, asked, restarting)
