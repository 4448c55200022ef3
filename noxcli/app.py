"""The table of verbs. A verb's module is loaded when the verb is called."""

from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from noxcli import __version__
from noxcli.cli.usage import HelpOnStdout, Verb, end_with, name_meant, write_definitions
from noxcli.errors import UsageProblem
from noxcli.nearest import suggestion

UNLISTED = ""  # the heading of verbs that only `noxcli VERB --help` describes
# Each verb's heading in the help, and what it does; `a-verb` is in commands/a_verb.py.
VERBS = {
    "run": ("Run", "Start a workflow, follow it live, and print its output."),
    "rerun": ("Run", "Start a run again with the same inputs, or some others, and follow it like run."),
    "stream": ("Run", "Follow a run that was started elsewhere, and print its output."),
    "wait": ("Run", "Wait for runs to end, and print RUN_ID<TAB>STATUS for each."),
    "fetch-output": ("Run", "Print or save the output of a finished run."),
    "stop": ("Run", "Stop runs, and print RUN_ID<TAB>STATUS for each."),
    "inspect": ("Look", "Show a run's nodes in workflow order: status, times, sizes and errors."),
    "report": ("Look", "Write an HTML page about a run, saved events, or a batch."),
    "workflows": ("Look", "List workflows, most recently changed first."),
    "versions": ("Look", "List the saved versions of a workflow, newest first."),
    "inputs": ("Look", "Show a workflow's inputs, and a command line to start from."),
    "runs": ("Look", "List runs, newest first."),
    "batch": ("Many rows", "Run a workflow once for each row of a file, and print one JSON line for each result."),
    "results": ("Many rows", "Join the journals of a batch's shards, and print one JSON line for each row."),
    "config": ("Set up", "Show the current settings, and where each comes from."),
    "doctor": ("Set up", "Check settings, key, connection, clock and event stream; starts nothing."),
    "probe": (UNLISTED, "Learn how a server behaves where the API's documentation is silent."),
    "schema": ("Set up", "Print the JSON Schemas of the documents that noxcli prints."),
    "completion": ("Set up", "Print the completion script of a shell, or install it."),
    "sandbox": ("Set up", "Serve the Noxus API on this machine, or run one command against it."),
    "help": ("Set up", "Print the help of a command, the exit codes, or the sandbox's switches."),
}
EPILOG = (
    "More: man noxcli, noxcli help exit-codes. Try it without an account:\n\n"
    "noxcli sandbox -- noxcli run demo 'User Input=hello'"
)


@cache
def verb_named(word: str) -> Any:
    """Return the verb's Typer command, and load its module."""
    module = import_module(f"noxcli.commands.{word.replace('-', '_')}")
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    alone.command(word, cls=Verb)(module.Options)
    command: Any = typer.main.get_command(alone)
    command.execute = module.execute
    return command


class Verbs(HelpOnStdout, TyperGroup):
    """The verbs, each loaded when it is called, so that `--help` takes a third of the time."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is theirs
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        return verb_named(cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the verb that is called.

        Raises UsageProblem for an unknown verb, with the one that the user probably meant.
        """
        word = args[0]
        if word not in VERBS and not word.startswith("-"):
            hint = suggestion(name_meant(word, VERBS), "see noxcli --help")
            raise UsageProblem(f"no such command {word!r}", hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the verbs under their headings, from the table, without loading any."""
        for heading in dict.fromkeys(heading for heading, _ in VERBS.values() if heading != UNLISTED):
            rows = [(name, does) for name, (under, does) in VERBS.items() if under == heading]
            with formatter.section(heading):
                write_definitions(formatter, rows, max(map(len, VERBS)))


# Without rich markup, help and usage errors do not load rich: 65 ms instead of 137.
app = typer.Typer(
    name="noxcli",
    cls=Verbs,
    help="Run Noxus AI workflows from the shell.",
    epilog=EPILOG,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def noxcli(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and exit.")] = False,
) -> None:
    """Run Noxus AI workflows from the shell."""
    # `--version` alone never gets here: __main__ answers it without loading Typer.
    if version:
        end_with(ctx, f"noxcli {__version__}")
    elif ctx.invoked_subcommand is None:
        end_with(ctx, ctx.get_help())
