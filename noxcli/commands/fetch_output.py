"""`noxcli fetch-output`: deliver the output of a finished run, with truncated texts completed."""

from typing import Annotated

import typer

from noxcli.cli import options
from noxcli.cli.deliver import deliver, destination
from noxcli.cli.follow import attend, judge, not_finished, policy_of
from noxcli.cli.grouped import grouped
from noxcli.cli.groups import Common, Delivering, Following, Reporting, WaitingForRun
from noxcli.cli.invocation import begin
from noxcli.errors import LostContact, Phase
from noxcli.outputs.await_output import own_record
from noxcli.runs.resolve import one_run

WaitFirst = Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")]


@grouped
def fetch_output(
    ctx: typer.Context,
    run: options.RunArgument,
    *,
    wait: WaitFirst = False,
    delivering: Delivering,
    reporting: Reporting,
    waiting: WaitingForRun,
    common: Common,
) -> None:
    """Print or save the output of a finished run.

    Examples:
        noxcli run demo 'User Input=hello' --detach
        noxcli fetch-output @last --wait --raw Essay | wc -c
        noxcli fetch-output @last --output-dir out
    """
    call = begin(ctx, common, waiting, delivering, reporting, subject=run)
    context = call.context
    into = destination(ctx, delivering)
    with call.connect() as api:
        context.outcome.may_exist = True
        context.enter(Phase.FOLLOW)
        patience = call.patience(gave_up=LostContact)
        found = call.run(one_run(run, context.sources), patience)
        found = context.outcome.run = own_record(api, found, patience)
        context.outcome.confirmed = True
        if not found.settled:
            if wait:
                found = attend(call, found, policy_of(context, Following(retry_for=waiting.retry_for)))
            elif not found.paused:
                raise not_finished(found, "add --wait to wait for its end")
        judge(call, found)
        deliver(call, found, delivering, into)
