"""`noxcli help TOPIC`: what every verb shares, told once."""

from textwrap import fill
from typing import Annotated

import typer

from noxcli.cli.context import Context
from noxcli.errors import ENGINES_FAIL, ENGINES_RETRY, ExitCode, UsageProblem

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
    context.terminal.write(f"\n{fill(engines_view().replace('`', ''), width=80)}\n")


def engines_view() -> str:
    """Return what a workflow engine should do about the codes, as one paragraph."""
    retried, final = (", ".join(map(str, codes)) for codes in (ENGINES_RETRY, ENGINES_FAIL))
    return (
        f"An engine that runs `noxcli batch` with `--resume --adopt` should retry {retried} (137 is a kill -9), "
        f"and never {final}: they fail again until something is fixed. docs/engines.md shows how each engine is told: "
        "Slurm, GitHub Actions, GitLab, Snakemake, GNU parallel, Airflow, Kubernetes, Argo and AWS Batch."
    )
