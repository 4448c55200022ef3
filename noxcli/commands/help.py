"""`noxcli help`: the help of any command, the topics that all verbs share, and the manual."""

import shlex
from textwrap import fill, indent
from typing import Annotated, Any

import typer

from noxcli.cli.context import Context
from noxcli.cli.shipped import manual_page, page_target
from noxcli.cli.usage import end_with, name_meant
from noxcli.errors import ENGINES_FAIL, ENGINES_RETRY, ExitCode, UsageProblem
from noxcli.nearest import suggestion

EXIT_CODES, SWITCHES = "exit-codes", "switches"
TopicArgument = Annotated[
    str | None, typer.Argument(metavar="[TOPIC]", help="A command, exit-codes or switches.", show_default=False)
]
ManOption = Annotated[bool, typer.Option("--man", help="Print the manual page instead, as troff source.")]
InstallPages = Annotated[
    bool, typer.Option("--install", help="With --man, install all manual pages where `man` finds your own.")
]


def help(
    ctx: typer.Context, topic: TopicArgument = None, man: ManOption = False, install: InstallPages = False
) -> None:
    """Print the help of a command, the exit codes, the sandbox's switches, or the manual.

    Examples:
        noxcli help run
        noxcli help exit-codes
        noxcli help switches
        # Read a page of the manual without installing it.
        noxcli help --man run | man -l -
        noxcli help --man --install
    """
    context: Context = ctx.obj
    group: Any = ctx.find_root().command
    verbs = group.list_commands(ctx)
    topics = verbs if man else [*verbs, EXIT_CODES, SWITCHES]
    if topic is not None and topic not in topics:
        what = "manual page" if man else "help"
        hint = suggestion(name_meant(topic, topics), "see noxcli --help")
        raise UsageProblem(f"there is no {what} on {topic!r}", hint)
    if install:
        _install(context, [None, *verbs], man, topic)
    elif man:
        context.terminal.write(manual_page(topic).decode())
    elif topic == EXIT_CODES:
        _show_exit_codes(context)
    elif topic == SWITCHES:
        _show_switches(context)
    elif topic is None:
        end_with(ctx, ctx.find_root().get_help())
    else:
        verb = group.get_command(ctx, topic)
        end_with(ctx, typer.Context(verb, info_name=topic, parent=ctx.parent, **verb.context_settings).get_help())


def _install(context: Context, pages: list[str | None], man: bool, topic: str | None) -> None:
    if not man:
        raise UsageProblem("--install goes with --man", "noxcli help --man --install")
    if topic is not None:
        raise UsageProblem("--install writes the whole manual, not one page", f"remove {topic}")
    targets = {page: page_target(page, context.terminal.environ) for page in pages}
    written = [target.put(manual_page(page)) for page, target in targets.items()]
    directory = targets[None].directory
    state = f"wrote {sum(written)} pages to" if any(written) else "up to date:"
    context.terminal.write(f"{state} {directory}\n")
    context.terminal.write(f"if man noxcli does not find them: export MANPATH={shlex.quote(f'{directory.parent}:')}\n")


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
        f"An engine that runs `noxcli batch` with `--resume --adopt` should retry {retried} (137 is a kill -9), "
        f"and never {final}: they fail again until something is fixed. docs/engines.md shows how to configure each "
        "engine: Slurm, GitHub Actions, GitLab, Snakemake, GNU parallel, Airflow, Kubernetes, Argo and AWS Batch."
    )
