"""`noxcli fetch-output`: deliver the output of a finished run, with truncated texts completed."""

import typer

from noxcli.cli.options import LAST, RUN_OR_NONE, DeliverOptions, LimitOptions, declared, flag
from noxcli.cli.verbs import Codes
from noxcli.errors import CommandLine, NotFinished


@declared
class Options(DeliverOptions, LimitOptions):
    """Print or save the output of a finished run.

    Examples:
        noxcli run demo 'User Input=hello' --detach
        noxcli fetch-output @last --wait --raw Essay | wc -c
        noxcli fetch-output @last --output-dir out
    """

    codes = Codes.FAILED | {8: "not finished", 9: "output incomplete or not written"}

    run: str | None = RUN_OR_NONE
    wait: bool = flag("--wait", "Wait until the run has ended.")


def execute(ctx: typer.Context, options: Options) -> None:
    """Deliver the output of the run. Raises the NoxError that the command ends with."""
    from noxcli.cli import deliver, follow, session  # the help loads none of what delivery needs

    noxus = session.begin(ctx, options, subject=options.run or LAST)
    text = session.choose_run(noxus.context, options.run)
    if options.wait:
        noxus.context.resume_command = CommandLine("fetch-output", "--wait", text)
    with noxus.connect():
        found = noxus.find_run(text)
        noxus.context.outcome.read(found)
        if not found.settled:
            if options.wait:
                found = follow.to_end(noxus, found, options)
            elif not found.paused:
                raise NotFinished(
                    f"run {found.id} is still {found.word}", "add --wait to wait for its end"
                )
        deliver.deliver(noxus, found, options)
