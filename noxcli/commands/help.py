"""`noxcli help TOPIC`: what every verb shares, told once."""

from typing import Annotated

import typer

from noxcli.cli.context import Context
from noxcli.errors import ExitCode, UsageProblem

Topic = Annotated[str, typer.Argument(metavar="[exit-codes]", help="The topic.")]


def help(ctx: typer.Context, topic: Topic = "exit-codes") -> None:
    """Print the exit codes, and what to do about each.

    Examples:
        noxcli help exit-codes
    """
    context: Context = ctx.obj
    if topic != "exit-codes":
        raise UsageProblem(f"there is no help on {topic!r}", "noxcli help exit-codes, or noxcli COMMAND --help")
    for code in ExitCode:
        context.terminal.write(f"{int(code):>3}  {code.meaning}\n".replace("`", ""))
        if code.again != "-":
            context.terminal.write(f"     retry: {code.again}\n".replace("`", ""))
