"""How a command line ends: whatever was raised becomes one line, one code and, where promised, one document."""

import re
import traceback
from collections.abc import Sequence

import typer

from noxcli.cli import VERBS, app
from noxcli.commands.context import Context
from noxcli.errors import Bug, ExitCode, Interruption, NoxError, ReaderGone, UsageProblem
from noxcli.output import Format
from noxcli.signals import Interrupted

# A command line in a hint; whoever pastes it means the same server.
PASTED = re.compile(r"noxcli (?:stream|wait|stop|fetch-output|runs)(?= )")


def run(argv: Sequence[str], context: Context) -> int:
    """Run one command line and return its exit code."""
    try:
        context.argv, context.format = argv, format_in(argv)
        returned = app(args=list(argv), obj=context, prog_name="noxcli", standalone_mode=False)
    except (NoxError, Interrupted, typer.TyperException, typer.Abort) as error:
        return conclude(context, expected(error, context, argv))
    except SystemExit as ending:
        # Typer ends so where its own output met a closed pipe.
        if isinstance(ending.__context__, BrokenPipeError):
            context.terminal.reader_gone = True
            return ExitCode.READER_GONE
        raise
    except Exception as error:
        # The last resort: a bug must not look like a failed run, which is 1.
        show_trace(context, error)
        return conclude(context, bug(error))
    if returned is not None:
        return int(returned)  # typer.Exit: a help page, or the code of the sandbox's command
    return conclude(context, None)


def bug(error: BaseException) -> Bug:
    """Return the error for one that nothing here expected."""
    return Bug(f"{type(error).__name__}: {error}", "please report it, with --verbose")


def show_trace(context: Context, error: BaseException) -> None:
    """Show where a bug happened, with `--verbose`; a trace quotes values, so it passes the mask before it is cut up."""
    if context.terminal.verbose:
        for line in context.terminal.mask("".join(traceback.format_exception(error))).splitlines():
            context.terminal.complain(line)


def tell_stray(context: Context, error: BaseException | None) -> None:
    """Tell of a bug that ended a thread, or the telling itself, in place of Python's own trace of it."""
    if error is not None:
        show_trace(context, error)
        context.terminal.complain(f"noxcli: {bug(error).line()}")


def conclude(context: Context, error: NoxError | None) -> int:
    """Tell the ending on stderr, in the result and in the log, and return the exit code."""
    context.signals.hold_on()  # the first signal comes too late now
    code = tell(context, error)
    context.log_ending(code, error)
    return code


def tell(context: Context, error: NoxError | None) -> ExitCode:
    """Tell the ending on stderr and in the result, and return the exit code."""
    code = error.exit_code if error else ExitCode.OK
    if error is not None:
        error.hint = error.hint and PASTED.sub(lambda line: line[0] + context.route, error.hint)
        error.hide(context.terminal.mask)
        context.terminal.complain(f"noxcli: {error.line()}")
        context.blame(error)
    code = context.write_reports(code)
    if context.terminal.reader_gone:
        return code
    try:
        context.conclude(code)
    except NoxError as late:
        context.terminal.complain(f"noxcli: {late.line()}")
        return late.exit_code
    return code


def expected(
    error: NoxError | Interrupted | typer.TyperException | typer.Abort, context: Context, argv: Sequence[str]
) -> NoxError:
    """Return the error in our own terms."""
    match error:
        case ReaderGone():
            return ReaderGone(error.message, come_back(context))
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
    """Return Typer's complaint in our form; of an option that there is not, it knows what may have been meant."""
    alike = getattr(error, "possibilities", None)
    message = error.message if alike else error.format_message()
    hint = f"did you mean {alike[0]}? {page} has them all" if alike else f"see {page}"
    return UsageProblem(f"{message[:1].lower()}{message[1:]}".rstrip("."), hint)


def come_back(context: Context) -> str | None:
    """Return how to come back to what was left."""
    run = context.outcome.run
    if context.way_back is None:
        return None
    if run is None or len(context.outcomes) > 1:
        return f"come back with: {context.way_back}"
    if run.settled:
        return f"fetch its output with: noxcli fetch-output {run.id}" if run.status == "completed" else None
    return f"run {run.id} goes on; come back with: {context.way_back}"


def format_in(argv: Sequence[str]) -> Format:
    """Return the format that is asked for, read before parsing: a parse error has to be told in it, too."""
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    for place, word in enumerate(words):
        if word == "--json" or word == "--format=json" or words[place : place + 2] == ["--format", "json"]:
            return Format.JSON
        if word == "--format=ndjson" or words[place : place + 2] == ["--format", "ndjson"]:
            return Format.NDJSON
    return Format.TEXT
