"""A command line: from argv to the exit code."""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from noxcli import __version__
from noxcli.cli.context import Context
from noxcli.cli.ending import complain, conclude, explain_unexpected, own_error
from noxcli.cli.help_format import HelpOnStdout, Verb, end_with, write_definitions
from noxcli.cli.verbs import VERBS, module_of, verb_facts
from noxcli.errors import Interruption, NoxError, UsageProblem
from noxcli.render import Format
from noxcli.signals import Interrupted

HELP = {"help_option_names": ["-h", "--help"]}
# The options that say where an error is also reported.
REPORTING = ("--junit", "--report", "--dotenv", "--markdown")
EPILOG = (
    "More: man noxcli, noxcli help exit-codes. Try it without an account:\n\n"
    "noxcli sandbox -- noxcli run demo 'User Input=hello'"
)


@cache
def verb_named(word: str) -> Any:
    """Return the verb's Typer command, and load its module."""
    facts = verb_facts(word)
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    # Typer keeps a command's first help option: it must not depend on the context of that request.
    alone.command(word, cls=Verb, context_settings=HELP)(facts)
    command: Any = typer.main.get_command(alone)
    command.facts = facts
    command.steps = module_of(word)
    if facts.steps_apart:
        command.steps = f"{command.steps}_call"
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
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, (heading, does) in VERBS.items():
            sections.setdefault(heading, []).append((name, does))
        longest = max(map(len, VERBS))
        for heading, verbs in sections.items():
            with formatter.section(heading):
                write_definitions(formatter, verbs, longest)


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
    context.argv = argv
    context.printing.format = format_in(argv)
    try:
        returned = app(args=list(argv), obj=context, prog_name="noxcli", standalone_mode=False)
    except (NoxError, Interrupted, typer.TyperException) as error:
        return conclude(context, _as_ours(context, error))
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


def _as_ours(context: Context, error: NoxError | Interrupted | typer.TyperException) -> NoxError:
    """Return what ended the command as a NoxError, once its reports are planned."""
    argv = context.argv
    verb = argv[0] if argv and argv[0] in VERBS else ""
    # Without a command in its reports, it failed before they were planned.
    if verb and not context.reports.command and _is_reported(context):
        _plan_reports_of(context, verb, argv[1:])
    if isinstance(error, typer.TyperException):
        return without_keys(usage_problem(error, verb), argv)
    return without_keys(own_error(context, error), argv)


def _is_reported(context: Context) -> bool:
    """True if something on the command line, or the CI system around it, gets a report."""
    if "CI" in context.terminal.environ:
        return True
    return any(word.startswith(REPORTING) for word in context.argv)


def report_thread_crash(context: Context, error: BaseException | None) -> None:
    """Report a bug that ended a thread, or the reporting itself, without Python's own traceback."""
    if error is not None:
        complain(context, explain_unexpected(context, error))


def _plan_reports_of(context: Context, verb: str, words: Sequence[str]) -> None:
    """Decide which reports to write about an invalid command line: its error belongs into them."""
    from noxcli.cli.destinations import plan_reports  # loaded only where reports are written

    options = verb_named(verb).readable(words, context)
    workflow = getattr(options, "workflow", None)
    if not workflow or workflow.startswith("-"):  # an unknown option may be in its place
        workflow = f"noxcli {verb}"
    context.outcome.concerns(workflow)
    with suppress(NoxError):  # one that a valid command line would have been refused with
        plan_reports(context, options)
    # It may be a table, as in `batch --report rows.jsonl demo`.
    context.reports.keep_other_files()


def usage_problem(error: typer.TyperException, verb: str) -> UsageProblem:
    """Return Typer's usage error about a verb as ours, with what the user probably meant."""
    page = "noxcli --help; options of a command come after it"
    if verb:
        page = f"noxcli {verb} --help"
    ctx: Any = getattr(error, "ctx", None)
    if ctx is None or not hasattr(error, "possibilities"):
        return UsageProblem(in_our_words(error), f"see {page}")
    from noxcli.cli.suggestions import option_hint  # loaded only after a mistake

    option: str = error.option_name  # type: ignore[attr-defined]
    offered: list[str] = []
    for param in ctx.command.params:
        offered += param.opts
    shown = option.replace("\r", r"\r")  # of a script with the line ends of Windows
    return UsageProblem(f"no such option: {shown}", option_hint(option, offered, page))


def in_our_words(error: typer.TyperException) -> str:
    """Return Typer's message about an argument or a number in plain words."""
    message = error.format_message()
    if "int range" in message or "is not in the range" in message:
        message = _out_of_range(error, message)
    extra = re.fullmatch(r"(?s)Got unexpected extra argument\S* \((.*)\)\.?", message)
    if extra:
        message = f"unexpected argument: {extra[1]}"
    missing = re.fullmatch(r"(?s)(Missing .*?)\. Choose from:(.*)", message)
    if missing:
        message = f"{missing[1]}, one of {' '.join(missing[2].split())}"
    sentence = f"{message[:1].lower()}{message[1:]}".rstrip(".")
    return sentence.replace("'RUN'", "'RUN', such as @last")


def _out_of_range(error: typer.TyperException, message: str) -> str:
    """Return what is wrong with a number, and which are allowed."""
    kind = getattr(getattr(error, "param", None), "type", None)
    least = getattr(kind, "min", None)
    most = getattr(kind, "max", None)
    span = f"of {least} or more"
    if most is not None:
        span = f"from {least} to {most}"
    named = message.partition(": ")[0]
    value = re.sub(r"(?s).*?: '?(.*?)'? is not .*", r"\1", message)
    return f"{named}: {value!r} is not a number {span}"


def without_keys(error: NoxError, argv: Sequence[str]) -> NoxError:
    """Return the error without any word of the command line that looks like a key."""
    from noxcli.masking import HIDDEN_KEY, Mask, looks_like_key

    mask = Mask()
    for word in argv:
        value = word.rpartition("=")[2] or word
        if looks_like_key(value):
            mask.learn([value], HIDDEN_KEY)
    error.hide(mask)
    return error


def format_in(argv: Sequence[str]) -> Format:
    """Return the requested format before parsing, since an error of that is also reported in it."""
    words = argv[: argv.index("--")] if "--" in argv else argv
    for word, following in pairwise([*words, ""]):
        option, _, value = word.partition("=")
        if word == "--json":
            return Format.JSON
        if option == "--format":
            with suppress(ValueError):
                return Format(value or following)
    return Format.TEXT
