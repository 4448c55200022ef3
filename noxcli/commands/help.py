"""`noxcli help`: the help of any command, and the topics that all verbs share."""

from textwrap import fill, indent
from typing import Annotated, Any

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import declared
from noxcli.cli.usage import end_with
from noxcli.errors import ENGINES_FAIL, ENGINES_RETRY, ExitCode, UsageProblem
from noxcli.nearest import suggestion

EXIT_CODES, SWITCHES = "exit-codes", "switches"


@declared
class Options:
    """Print the help of a command, the exit codes, or the sandbox's switches.

    Examples:
        noxcli help run
        noxcli help exit-codes
        noxcli help switches
    """

    topic: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help="A command, exit-codes or switches.", show_default=False)
    ] = None


def execute(ctx: typer.Context, options: Options) -> None:
    """Print the page. Raises UsageProblem for an unknown topic."""
    context: Context = ctx.obj
    topic = options.topic
    group: Any = ctx.find_root().command
    verbs = group.list_commands(ctx)
    topics = [*verbs, EXIT_CODES, SWITCHES]
    if topic is not None and topic not in topics:
        from noxcli.cli.meant import name_meant  # loaded only after a mistake

        hint = suggestion(name_meant(topic, topics), "see noxcli --help")
        raise UsageProblem(f"there is no help on {topic!r}", hint)
    if topic == EXIT_CODES:
        _show_exit_codes(context)
    elif topic == SWITCHES:
        _show_switches(context)
    elif topic is None:
        end_with(ctx, ctx.find_root().get_help())
    else:
        verb = group.get_command(ctx, topic)
        end_with(ctx, typer.Context(verb, info_name=topic, parent=ctx.parent, **verb.context_settings).get_help())


def _show_exit_codes(context: Context) -> None:
    for code in ExitCode:
        context.terminal.write(f"{int(code):>3}  {code.meaning}\n".replace("`", ""))
        if code.again != "-":
            context.terminal.write(f"     retry: {code.again}\n".replace("`", ""))
    context.terminal.write(f"\n{fill(engines_view().replace('`', ''), width=80)}\n")


def _show_switches(context: Context) -> None:
    """Print each switch of the sandbox with its values and its meaning."""
    from noxcli.sandbox.switches import Switches, choices, meanings  # only for this topic

    defaults = Switches()
    for name, meaning in meanings().items():
        default = str(getattr(defaults, name))
        default = default.lower() if default in ("True", "False") else default
        context.terminal.write(f"{name}={'|'.join(choices(name))}  [default: {default}]\n")
        context.terminal.write(indent(fill(meaning.replace("`", ""), width=76), "    ") + "\n\n")


def engines_view() -> str:
    """Return what a workflow engine should do about the codes, as one paragraph."""
    retried, final = (", ".join(map(str, codes)) for codes in (ENGINES_RETRY, ENGINES_FAIL))
    return (
        f"An engine that runs `noxcli batch` with `--resume` should retry {retried} (137 is a kill -9), "
        f"and never {final}: they fail again until something is fixed. docs/engines.md shows how to configure each "
        "engine: Slurm, GitHub Actions, GitLab, Snakemake, GNU parallel, Airflow, Kubernetes, Argo and AWS Batch."
    )
