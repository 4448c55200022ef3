"""A command line: the table of verbs, each loaded when it is called, and the way from argv to the exit code."""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import pairwise
from keyword import iskeyword
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from noxcli import __version__
from noxcli.cli.context import Context
from noxcli.cli.ending import complain, conclude, explain_unexpected, own_error
from noxcli.cli.help_format import HelpOnStdout, Verb, end_with, write_definitions
from noxcli.errors import Interruption, NoxError, UsageProblem
from noxcli.render import Format
from noxcli.signals import Interrupted

HELP = {"help_option_names": ["-h", "--help"]}
REPORTING = (
    "--junit",
    "--report",
    "--dotenv",
    "--markdown",
)  # the options that say where an error is also reported
# Each verb's heading in the help, and what it does; `a-verb` is in commands/a_verb.py, `import` in import_.py.
VERBS = {
    "run": ("Run", "Start a workflow, follow it live, and print its output."),
    "rerun": ("Run", "Start a run again with the same inputs, or others, and follow it like run."),
    "stream": ("Run", "Follow a run that was started elsewhere, and print its output."),
    "wait": ("Run", "Wait for runs to end, and print RUN_ID<TAB>STATUS for each."),
    "fetch-output": ("Run", "Print or save the output of a finished run."),
    "stop": ("Run", "Stop runs, and print RUN_ID<TAB>STATUS for each."),
    "inspect": ("Look", "Show a run's nodes with status, times, sizes and errors, and its inputs."),
    "report": ("Look", "Write an HTML page about a run."),
    "workflows": ("Look", "List workflows, most recently changed first."),
    "versions": ("Look", "List the saved versions of a workflow, newest first."),
    "inputs": ("Look", "Show a workflow's inputs, and a command line to start from."),
    "runs": ("Look", "List runs, newest first."),
    "export": (
        "Look",
        "Print a workflow as a bundle for `noxcli import`, or its definition for git.",
    ),
    "import": ("Look", "Show what importing a bundle would do, and with --apply, import it."),
    "batch": (
        "Many rows",
        "Run a workflow once for each row of a file, and print a JSON line for each.",
    ),
    "results": (
        "Many rows",
        "Print the stored result of every row of a batch, one JSON line each, in the order of the rows.",
    ),
    "compare": (
        "Many rows",
        "Compare two batches row by row, and exit with 11 if a row broke.",
    ),
    "gate": (
        "Many rows",
        "Run two versions of a workflow over a table, and exit with 11 if NEW is worse.",
    ),
    "doctor": ("Set up", "Check host, TLS, clock, key and event stream; starts nothing."),
    "schema": ("Set up", "Print the JSON Schemas of the documents that noxcli prints."),
    "completion": ("Set up", "Print the completion script of a shell."),
    "sandbox": ("Set up", "Serve the Noxus API on this machine, or run one command against it."),
    "help": (
        "Set up",
        "Print the help of a command, exit codes, switches, or a page for assistants.",
    ),
}
STEPS_APART = frozenset(
    {"batch", "results", "compare", "gate"}
)  # in NAME_call.py, since those load much
EPILOG = (
    "More: man noxcli, noxcli help exit-codes. Try it without an account:\n\n"
    "noxcli sandbox -- noxcli run demo 'User Input=hello'"
)


@cache
def verb_named(word: str) -> Any:
    """Return the verb's Typer command, and load its module."""
    name = f"{word}_" if iskeyword(word) else word.replace("-", "_")
    module = import_module(f"noxcli.commands.{name}")
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    # Typer keeps a command's first help option: it must not depend on the context of that request.
    alone.command(word, cls=Verb, context_settings=HELP)(module.Options)
    command: Any = typer.main.get_command(alone)
    command.steps = f"{module.__name__}_call" if word in STEPS_APART else module.__name__
    return command


class Verbs(HelpOnStdout, TyperGroup):
    """The verbs, each loaded when it is called, so that `--help` takes a third of the time."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is theirs
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return the verb; None for an option.

        Raises UsageProblem for an unknown verb, with the one that the user probably meant.
        """
        if cmd_name in VERBS:
            return verb_named(cmd_name)
        if cmd_name.startswith("-"):
            return None
        from noxcli.cli.suggestions import verb_hint  # loaded only after a mistake

        raise UsageProblem(f"no such command {cmd_name!r}", verb_hint(cmd_name, VERBS))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the verbs under their headings, from the table, without loading any."""
        for heading in dict.fromkeys(heading for heading, _ in VERBS.values()):
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
    context_settings=HELP,
)


@app.callback()
def noxcli(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version and exit.")
    ] = False,
) -> None:
    """Run Noxus AI workflows from the shell."""
    # `--version` alone never gets here: __main__ answers it without loading Typer.
    if version:
        end_with(ctx, f"noxcli {__version__}")
    elif ctx.invoked_subcommand is None:
        end_with(ctx, ctx.get_help())


def run_argv(argv: Sequence[str], context: Context) -> int:
    """Run one command line and return its exit code."""
    context.argv, context.printing.format = argv, format_in(argv)
    try:
        returned = app(args=list(argv), obj=context, prog_name="noxcli", standalone_mode=False)
    except (NoxError, Interrupted, typer.TyperException) as error:
        verb = argv[0] if argv and argv[0] in VERBS else ""
        reports = "CI" in context.terminal.environ or any(
            word.startswith(REPORTING) for word in argv
        )
        if verb and reports and not context.reports.command:  # it failed before they were planned
            _plan_reports_of(context, verb, argv[1:])
        ours = (
            usage_problem(error, verb)
            if isinstance(error, typer.TyperException)
            else own_error(context, error)
        )
        return conclude(context, without_keys(ours, argv))
    except typer.Abort:
        return conclude(context, Interruption("aborted", number=2))
    except SystemExit as ending:  # by Typer, for a broken pipe that is not stdout
        return conclude(context, explain_unexpected(context, ending.__context__ or ending))
    except Exception as error:
        # The last resort: a bug must not look like a failed run (exit code 1).
        return conclude(context, explain_unexpected(context, error))
    if returned is not None:
        return int(returned)  # typer.Exit: a help page, or the code of the sandbox's command
    return conclude(context, None)


def report_thread_crash(context: Context, error: BaseException | None) -> None:
    """Report a bug that ended a thread, or the reporting itself, instead of Python's own traceback."""
    if error is not None:
        complain(context, explain_unexpected(context, error))


def _plan_reports_of(context: Context, verb: str, words: Sequence[str]) -> None:
    """Decide which reports to write about a command line that is not valid: its error also belongs into them."""
    from noxcli.cli.destinations import plan_reports  # loaded only where reports are written

    options = verb_named(verb).readable(words, context)
    workflow = getattr(options, "workflow", None) or "-"  # an unknown option may be in its place
    if workflow.startswith("-"):
        context.outcome.concerns(f"noxcli {verb}")
    else:
        context.outcome.concerns(workflow)
    with suppress(NoxError):  # one that a valid command line would have been refused with
        plan_reports(context, options)
    context.reports.keep_other_files()  # it may be a table, as in `batch --report rows.jsonl demo`


def usage_problem(error: typer.TyperException, verb: str) -> UsageProblem:
    """Return Typer's usage error about a verb as ours, with what the user probably meant."""
    page = f"noxcli {verb} --help" if verb else "noxcli --help; options of a command come after it"
    ctx: Any = getattr(error, "ctx", None)
    if ctx is None or not hasattr(error, "possibilities"):
        return UsageProblem(in_our_words(error), f"see {page}")
    from noxcli.cli.suggestions import option_hint  # loaded only after a mistake

    option: str = error.option_name  # type: ignore[attr-defined]
    offered = [name for param in ctx.command.params for name in param.opts]
    shown = option.replace("\r", r"\r")  # of a script with the line ends of Windows
    return UsageProblem(f"no such option: {shown}", option_hint(option, offered, page))


def in_our_words(error: typer.TyperException) -> str:
    """Return Typer's message about an argument or a number in plain words."""
    message = error.format_message()
    kind = getattr(getattr(error, "param", None), "type", None)
    if "int range" in message or "is not in the range" in message:
        least, most = getattr(kind, "min", None), getattr(kind, "max", None)
        value = re.sub(r"(?s).*?: '?(.*?)'? is not .*", r"\1", message)
        span = f"from {least} to {most}" if most is not None else f"of {least} or more"
        message = f"{message.partition(': ')[0]}: {value!r} is not a number {span}"
    if match := re.fullmatch(r"(?s)Got unexpected extra argument\S* \((.*)\)\.?", message):
        message = f"unexpected argument: {match[1]}"
    if match := re.fullmatch(r"(?s)(Missing .*?)\. Choose from:(.*)", message):
        message = f"{match[1]}, one of {' '.join(match[2].split())}"
    return f"{message[:1].lower()}{message[1:]}".rstrip(".").replace(
        "'RUN'", "'RUN', such as @last"
    )


def without_keys(error: NoxError, argv: Sequence[str]) -> NoxError:
    """Return the error without any word of the command line that looks like a key."""
    from noxcli.masking import HIDDEN_KEY, Mask, looks_like_key

    mask = Mask()
    mask.learn(
        filter(looks_like_key, (word.rpartition("=")[2] or word for word in argv)), HIDDEN_KEY
    )
    error.hide(mask)
    return error


def format_in(argv: Sequence[str]) -> Format:
    """Return the requested format, read before parsing, since a parse error is also reported in it."""
    words = argv[: argv.index("--")] if "--" in argv else argv
    for word, following in pairwise([*words, ""]):
        option, _, value = word.partition("=")
        if word == "--json":
            return Format.JSON
        if option == "--format":
            with suppress(ValueError):
                return Format(value or following)
    return Format.TEXT
