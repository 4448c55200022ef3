"""How a command ends: each exception becomes one line, one code and, if promised, one document."""

from collections.abc import Sequence
from contextlib import suppress

import typer

from noxcli.app import VERBS, app
from noxcli.cli.context import Context
from noxcli.cli.usage import name_meant
from noxcli.errors import (
    ExitCode,
    Interruption,
    NoxError,
    ReaderGone,
    TimedOut,
    Undelivered,
    Unfitting,
    Unwritten,
    UsageProblem,
)
from noxcli.nearest import suggestion
from noxcli.render import Format
from noxcli.signals import SIGNALS, Interrupted


def run_argv(argv: Sequence[str], context: Context) -> int:
    """Run one command line and return its exit code."""
    context.argv, context.format = argv, format_in(argv)
    try:
        returned = app(args=list(argv), obj=context, prog_name="noxcli", standalone_mode=False)
    except (NoxError, Interrupted, typer.TyperException, typer.Abort) as error:
        return conclude(context, expected(error, context, argv))
    except SystemExit as ending:
        # Typer exits this way if its own output met a closed pipe.
        if isinstance(ending.__context__, BrokenPipeError):
            context.terminal.reader_gone = True
            return ExitCode.READER_GONE
        raise
    except Exception as error:
        # The last resort: a bug must not look like a failed run (exit code 1).
        return conclude(context, context.unexpected(error))
    if returned is not None:
        return int(returned)  # typer.Exit: a help page, or the code of the sandbox's command
    return conclude(context, None)


def tell_stray(context: Context, error: BaseException | None) -> None:
    """Report a bug that ended a thread, or the reporting itself, instead of Python's own traceback."""
    if error is not None:
        context.terminal.complain(f"noxcli: {context.unexpected(error).line()}")


def conclude(context: Context, error: NoxError | None) -> int:
    """Report the ending on stderr, in the reports, in the result and in the log, and return the exit code."""
    SIGNALS.disregard()  # a first signal is now too late
    if error is not None:
        say(context, error)
    code = error.exit_code if error else ExitCode.OK
    try:
        code = tell(context, code)
    except Exception as trouble:
        # The last resort again: an error after the verdict must not replace it.
        code = tell_briefly(context, code, trouble)
    context.log_ending(code, error or context.outcome.error)
    return code


def tell(context: Context, code: ExitCode) -> ExitCode:
    """Write reports and result, and return the exit code; the reports also say if writing to stdout failed."""
    code = context.write_reports(code)
    unheard = context.terminal.reader_gone or context.terminal.unread is not None
    late = None if unheard else write_result(context, code)
    if late is not None:
        final = late.exit_code if isinstance(late, ReaderGone | Interruption) else code or late.exit_code
        if context.outcome.error is None or not isinstance(context.outcome.error, type(late)):
            say(context, late)
        if final != code:
            code = context.write_reports(final)
    context.tell_ci(code)
    return code


def write_result(context: Context, code: ExitCode) -> NoxError | None:
    """Write the result to stdout; return why it could not be written."""
    try:
        context.conclude(code)
    except (ReaderGone, Unfitting, Unwritten, TimedOut, Interrupted) as late:
        return expected(late, context, ())
    return None


def tell_briefly(context: Context, code: ExitCode, trouble: Exception) -> ExitCode:
    """Report an ending without output and nodes if the full report failed; keep its code if it has one."""
    if isinstance(trouble, RecursionError | MemoryError):
        late: NoxError = Undelivered("the output is too large or nested too deeply to print", come_back(context))
    else:
        late = context.unexpected(trouble)
    context.outcomes = [outcome.brief() for outcome in context.outcomes]
    say(context, late)
    with suppress(Exception):
        return tell(context, code or late.exit_code)
    return code or late.exit_code


def say(context: Context, error: NoxError) -> None:
    """Write the error to stderr, and note it for reports and result."""
    context.complain(error)
    context.blame(error)


def expected(
    error: NoxError | Interrupted | typer.TyperException | typer.Abort, context: Context, argv: Sequence[str]
) -> NoxError:
    """Return the error as a NoxError."""
    match error:
        case ReaderGone() | Unwritten():
            return type(error)(error.message, come_back(context))
        case NoxError():
            return error
        case Interrupted():
            return Interruption(f"interrupted by {error}", come_back(context), number=error.number)
        case typer.TyperException():
            verb = argv[0] if argv and argv[0] in VERBS else ""
            return usage_problem(error, f"{f'noxcli {verb}'.strip()} --help")
        case _:
            return Interruption("aborted", number=2)


def usage_problem(error: typer.TyperException, page: str) -> UsageProblem:
    """Return Typer's usage error as ours; for an unknown option, with the one that the user probably meant."""
    offered = getattr(error, "possibilities", None)
    # Typer also compares the dashes, which make --foo look like --color.
    word = getattr(error, "option_name", "").lstrip("-")
    meant = name_meant(word, [name.lstrip("-") for name in offered]) if offered else None
    message = error.message if offered else error.format_message()
    hint = f"{suggestion(f'--{meant}')} {page} has them all" if meant else f"see {page}"
    return UsageProblem(f"{message[:1].lower()}{message[1:]}".rstrip("."), hint)


def come_back(context: Context) -> str | None:
    """Return how to continue with the run."""
    run = context.outcome.run
    if run is not None and run.settled and len(context.outcomes) == 1:
        return f"fetch its output with: noxcli fetch-output {run.id}" if run.status == "completed" else None
    if context.way_back is None:
        return None
    if run is None or len(context.outcomes) > 1:
        return f"continue with: {context.way_back}"
    return f"the run keeps running; continue with: {context.way_back}; stop it with: noxcli stop {run.id}"


def format_in(argv: Sequence[str]) -> Format:
    """Return the requested format, read before parsing, since a parse error must be reported in it, too."""
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    for place, word in enumerate(words):
        if word == "--json" or word == "--format=json" or words[place : place + 2] == ["--format", "json"]:
            return Format.JSON
        if word == "--format=ndjson" or words[place : place + 2] == ["--format", "ndjson"]:
            return Format.NDJSON
    return Format.TEXT
