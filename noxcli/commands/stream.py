"""`noxcli stream`: follow a run that was started elsewhere, to its verdict and its output."""

import typer

from noxcli.cli import options
from noxcli.cli.deliver import check_directory, deliver, destination
from noxcli.cli.follow import attend, judge, policy_of
from noxcli.cli.grouped import grouped
from noxcli.cli.groups import Common, Delivering, Following, Reporting, Waiting
from noxcli.cli.invocation import begin
from noxcli.errors import LostContact, Phase, UsageProblem
from noxcli.fixed import fixed
from noxcli.outputs.await_output import own_record
from noxcli.runs.resolve import one_run


@fixed
class FollowingElsewhere(Following):
    """How to follow a run that another command started, and that is left running."""

    on_interrupt: options.WhenInterrupted | None = options.WhenInterrupted.DETACH


@grouped
def stream(
    ctx: typer.Context,
    run: options.RunArgument,
    *,
    etag: options.Etag = None,
    resume: options.Resume = False,
    delivering: Delivering,
    reporting: Reporting,
    timeout: options.RunTimeout = None,
    following: FollowingElsewhere,
    common: Common,
) -> None:
    """Follow a run that was started elsewhere, and print its output.

    Examples:
        noxcli run demo 'User Input=hello' --detach
        noxcli stream @last --raw Answer
        # Print its events from the start, one JSON line each.
        noxcli stream @last --format ndjson | jq -r .type | sort | uniq -c
    """
    call = begin(ctx, common, Waiting(timeout, following.retry_for), delivering, reporting, subject=run)
    context = call.context
    into = destination(ctx, delivering)
    if resume and etag is not None:
        raise UsageProblem("--resume and --etag both set where to resume", "remove one of them")
    policy = policy_of(context, following)
    run = one_run(run, context.sources)
    context.way_back = context.line_to_stream(run)
    with call.connect() as api:
        check_directory(into)
        context.outcome.may_exist = True
        context.enter(Phase.FOLLOW)
        patience = call.patience(gave_up=LostContact)
        found = call.run(run, patience)
        found = context.outcome.run = own_record(api, found, patience)
        if resume:
            etag = context.history.cursor(found.id)
        finished = attend(call, found, policy, cursor=etag)
        judge(call, finished)
        deliver(call, finished, delivering, into)
