"""`noxcli stream`: follow a run that was started elsewhere, to its verdict and its output."""

from collections.abc import Sequence

import typer

from noxcli.cli.options import (
    LAST,
    RUN_OR_NONE,
    DeliverOptions,
    FollowOptions,
    declared,
    flag,
    option,
)
from noxcli.cli.verbs import Codes
from noxcli.errors import UsageProblem


@declared
class Options(DeliverOptions, FollowOptions):
    """Follow a run that was started elsewhere, and print its output.

    Examples:
        noxcli run demo 'User Input=hello' --detach
        noxcli stream @last --raw Answer
        # Print its events from the start, one JSON line each.
        noxcli stream @last --format ndjson | jq -r .type | sort | uniq -c
    """

    codes = Codes.FAILED | Codes.LOST | Codes.TIMED_OUT

    run: str | None = RUN_OR_NONE
    etag: str | None = option("--etag", "CURSOR", "Resume after this event (its redis_id).", None)
    resume: bool = flag("--resume", "Resume after the last event read on this machine.")


def execute(ctx: typer.Context, options: Options) -> None:
    """Follow the run and deliver its output. Raises the NoxError that the command ends with."""
    from noxcli.cli import deliver, follow, session  # the help loads none of what following needs

    noxus = session.begin(ctx, options, subject=options.run or LAST)
    context = noxus.context
    if options.resume and options.etag is not None:
        raise UsageProblem("--resume and --etag both set where to resume", "remove one of them")
    text = session.choose_run(context, options.run)
    context.resume_command = context.line_to_stream(text)
    with noxus.connect():
        deliver.check_directory(noxus)
        found = noxus.find_run(text)
        positions: Sequence[str] = ()
        if options.resume:
            positions = context.history.read_positions(found.id)
        elif options.etag is not None:
            positions = (options.etag,)
        ended = follow.to_end(noxus, found, options, positions=positions)
        deliver.deliver(noxus, ended, options)
