"""One command line, from argv to the exit code: every exception becomes an ending."""

from collections.abc import Sequence

import typer

from noxcli.app import VERBS, app
from noxcli.cli.context import Context
from noxcli.cli.ending import conclude, own_error, unexpected
from noxcli.cli.usage import name_meant
from noxcli.errors import ExitCode, Interruption, NoxError, UsageProblem
from noxcli.nearest import suggestion
from noxcli.render import Format
from noxcli.signals import Interrupted
from noxcli.waiting import has_no_reader


def run_argv(argv: Sequence[str], context: Context) -> int:
    """Run one command line and return its exit code."""
    context.argv, context.printing.format = argv, format_in(argv)
    try:
        returned = app(args=list(argv), obj=context, prog_name="noxcli", standalone_mode=False)
    except (NoxError, Interrupted) as error:
        return conclude(context, own_error(context, error))
    except typer.TyperException as error:
        verb = argv[0] if argv and argv[0] in VERBS else ""
        return conclude(context, usage_problem(error, f"{f'noxcli {verb}'.strip()} --help"))
    except typer.Abort:
        return conclude(context, Interruption("aborted", number=2))
    except SystemExit as ending:
        # Typer exits this way if its own output met a closed pipe; but it takes any closed pipe for that.
        if not isinstance(ending.__context__, BrokenPipeError):
            raise
        if not has_no_reader(context.terminal.out):
            return conclude(context, unexpected(context, ending.__context__))
        context.terminal.reader_gone = True
        return ExitCode.READER_GONE
    except Exception as error:
        # The last resort: a bug must not look like a failed run (exit code 1).
        return conclude(context, unexpected(context, error))
    if returned is not None:
        return int(returned)  # typer.Exit: a help page, or the code of the sandbox's command
    return conclude(context, None)


def tell_stray(context: Context, error: BaseException | None) -> None:
    """Report a bug that ended a thread, or the reporting itself, instead of Python's own traceback."""
    if error is not None:
        context.terminal.complain(f"noxcli: {unexpected(context, error).line()}")


def usage_problem(error: typer.TyperException, page: str) -> UsageProblem:
    """Return Typer's usage error as ours; for an unknown option, with the one that the user probably meant."""
    offered = getattr(error, "possibilities", None)
    # Typer also compares the dashes, which make --foo look like --color.
    word = getattr(error, "option_name", "").lstrip("-")
    meant = name_meant(word, [name.lstrip("-") for name in offered]) if offered else None
    message = error.message if offered else error.format_message()
    hint = f"{suggestion(f'--{meant}')} {page} has them all" if meant else f"see {page}"
    return UsageProblem(f"{message[:1].lower()}{message[1:]}".rstrip("."), hint)


def format_in(argv: Sequence[str]) -> Format:
    """Return the requested format, read before parsing, since a parse error must be reported in it, too."""
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    for place, word in enumerate(words):
        if word == "--json" or word == "--format=json" or words[place : place + 2] == ["--format", "json"]:
            return Format.JSON
        if word == "--format=ndjson" or words[place : place + 2] == ["--format", "ndjson"]:
            return Format.NDJSON
    return Format.TEXT
