"""How a command ends: one line on stderr, one code, one document, the reports and the CI system."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from noxcli.cli.context import Context
from noxcli.codec import Replaced
from noxcli.errors import (
    NO_ROOM,
    Bug,
    CommandLine,
    ExitCode,
    Hint,
    Interruption,
    LostContact,
    NoxError,
    OutputNotDelivered,
    ReaderGone,
    StartUnknown,
    StdoutFailed,
    TimedOut,
    Unavailable,
)
from noxcli.render.text import hint_lines, word_lines
from noxcli.reports.result import document_of
from noxcli.signals import SIGNALS, Interrupted
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    from noxcli.models import Run


def conclude(context: Context, error: NoxError | None) -> int:
    """Report the ending on stderr, in the reports and in the result, and return the exit code."""
    SIGNALS.disregard()  # a first signal is now too late
    error = error or context.state_file_error
    code = ExitCode.OK
    if error is not None:
        code = error.exit_code
        _show_verdict(context)
        _print_error(context, error)
    try:
        code = _report_ending(context, code)
    except Exception as trouble:
        # The last resort again: an error after the verdict must not replace it.
        code = _report_briefly(context, code, trouble)
    _show_verdict(context)
    if Replaced.texts:
        Replaced.texts = 0  # it is reported once
        context.terminal.warn(
            "lone surrogates, which UTF-8 can't carry, became U+FFFD; --json keeps them"
        )
    if context.terminal.verbose:
        took = show_seconds(context.clock.monotonic() - context.began)
        context.terminal.complain(f"exit code {int(code)} after {took}")
    return code


def complain(context: Context, error: NoxError) -> None:
    """Write the error to stderr, once: in one line, or with the hint in lines of its own on a
    terminal.
    """
    if error.reported:
        return
    error.reported = True
    error.lead_to(context.route)
    error.hide(context.terminal.mask)
    terminal = context.terminal
    what = f"noxcli: {error.line(with_hint=not terminal.interactive)}"
    if not terminal.interactive:
        terminal.complain(what)
        return
    columns = terminal.size().columns
    hint = "" if error.hint is None else error.hint.shown()
    for line in (*word_lines(what, columns), *hint_lines(hint, columns)):
        terminal.complain(line)


def print_hint(context: Context, hint: Hint) -> None:
    """Write a hint as progress; on a terminal, in lines in which no command is broken."""
    terminal = context.terminal
    text = hint.shown(context.route)
    if not terminal.interactive:
        terminal.note(text)
        return
    for line in hint_lines(text, terminal.size().columns):
        terminal.note(line)


def explain_unexpected(context: Context, error: BaseException) -> NoxError:
    """Return the error for an unexpected one: a bug, or a system without resources.

    With --verbose, print its traceback now.
    """
    if context.terminal.verbose:
        import traceback

        trace = "".join(traceback.format_exception(error))
        for line in context.terminal.mask(trace).splitlines():
            context.terminal.complain(line)
    if not isinstance(error, OSError) or error.errno not in NO_ROOM:
        return Bug(f"{type(error).__name__}: {error}", "please report it, with --verbose")
    what = f"out of system resources: {(error.strerror or str(error)).lower()}"
    hint = "check the limits of this process (ulimit -a)"
    if context.outcome.retry_safe:
        return Unavailable(what, hint, sent=False)
    if context.outcome.run is None and not context.outcome.may_exist:
        return StartUnknown(what, hint)
    return LostContact(what, hint)


def own_error(context: Context, error: NoxError | Interrupted) -> NoxError:
    """Return a signal as a NoxError, and what ended the output with how to continue."""
    if isinstance(error, Interrupted):
        return Interruption(f"interrupted by {error}", resume_hint(context), number=error.number)
    gave_up = isinstance(error, TimedOut) and error is context.terminal.unread
    if gave_up or isinstance(error, ReaderGone | StdoutFailed):
        return type(error)(error.message, resume_hint(context))
    return error


def resume_hint(context: Context) -> Hint | None:
    """Return how to continue with the run, or how to get its output."""
    run = context.outcome.run
    way = context.resume_command
    of_one_run = run is not None and len(context.outcomes) == 1
    if run is not None and of_one_run and run.settled:
        return way_to_output(run)
    if way is None:
        return None
    if run is None or not of_one_run:
        return Hint("continue with: ", way)
    state = "the run keeps running; continue with: "
    if run.paused:
        state = "the run is paused for human input; give it in Noxus and continue with: "
    return Hint(state, way, "; stop it with: ", CommandLine("stop", run.id))


def way_to_output(run: "Run") -> Hint | None:
    """Return how to get the output of a run that has completed."""
    if run.status != "completed":
        return None
    return Hint("fetch its output with: ", CommandLine("fetch-output", run.id))


def line_to_fetch(context: Context, run: "Run") -> str:
    """Return the command that prints the run's output again."""
    return CommandLine("fetch-output", run.id).shown(context.route)


def _show_verdict(context: Context) -> None:
    """Show the user how the run has ended, once: above an error, or below the output."""
    terminal = context.terminal
    form = context.printing.format
    progress = context.followed
    context.followed = None
    if progress is None or terminal.quiet or not terminal.interactive:
        return
    among_events = form.is_live and not (form.is_text and terminal.stdout_is_tty)
    if among_events and terminal.shares_screen():
        return
    from noxcli.render.live import draw_verdict  # loaded only for drawing

    draw_verdict(terminal, progress, line_to_fetch(context, progress.run))


def _print_error(context: Context, error: NoxError) -> None:
    """Write the error to stderr, and note it in each outcome that has no other error and did not
    end well.
    """
    complain(context, error)
    for outcome in context.outcomes:
        if outcome.error is None and (len(context.outcomes) == 1 or not outcome.completed):
            outcome.ended(error)


def _report_ending(context: Context, code: ExitCode) -> ExitCode:
    """Write reports and result, and return the exit code.

    The reports also say if writing to stdout failed.
    """
    code = _write_reports(context, code)
    late = _finish_stdout(context, code)
    if late is not None:
        own = context.outcome.error
        if own is None or not isinstance(own, type(late)):
            _print_error(context, late)
        # A reader that went away and a signal say more than the run's own code; others do not.
        final = code or late.exit_code
        if isinstance(late, ReaderGone | Interruption):
            final = late.exit_code
        if final != code:
            code = _write_reports(context, final)
    # The last one, and once, since it only appends to files.
    mask = context.terminal.mask
    _write_one(context, lambda: context.reports.write_ci(context.outcomes, code, mask))
    return code


def _finish_stdout(context: Context, code: ExitCode) -> NoxError | None:
    """Print the result and put the file of stdout in place; return what prevented that."""
    terminal = context.terminal
    printing = context.printing
    if terminal.reader_gone or terminal.unread is not None:
        return None

    def document() -> dict[str, Any]:
        return document_of(context.outcomes, code, terminal.mask, listed=context.listed)

    try:
        printing.print_result(document, context.outcome)
        if printing.target is not None:
            printing.put_in_place(printing.target, code)
    except (ReaderGone, OutputNotDelivered, TimedOut, Interrupted) as error:
        return own_error(context, error)
    return None


def _report_briefly(context: Context, code: ExitCode, trouble: Exception) -> ExitCode:
    """Report an ending without output and nodes if the full report failed.

    Keep a code that it has.
    """
    late: NoxError
    if isinstance(trouble, MemoryError):
        hint = resume_hint(context)
        late = OutputNotDelivered("the output is too large to print", hint)
    else:
        late = explain_unexpected(context, trouble)
    context.outcomes = [outcome.brief() for outcome in context.outcomes]
    _print_error(context, late)
    with suppress(Exception):
        return _report_ending(context, code or late.exit_code)
    return code or late.exit_code


def _write_reports(context: Context, code: ExitCode) -> ExitCode:
    """Write the reports, for every outcome.

    A failure to write one counts if everything else succeeded. Then the others are written again,
    since all must agree.
    """
    elapsed = context.clock.monotonic() - context.began

    def write(name: str, code: ExitCode) -> NoxError | None:
        return _write_one(
            context,
            lambda: context.reports.write(
                name, context.outcomes, code, elapsed, context.terminal.mask, context.new_page
            ),
        )

    def explain(code: ExitCode) -> None:
        error = context.outcome.error
        message = error.line() if error is not None else ""
        context.reports.explain_code(code, message, context.terminal.mask)

    troubles = {name: write(name, code) for name in context.reports.targets}
    troubles["cases of rows"] = _write_one(context, lambda: explain(code))
    failed = [trouble for trouble in troubles.values() if trouble is not None]
    if code or not failed:
        return code
    final = failed[0].exit_code
    for name in context.reports.targets:
        if troubles[name] is None:
            write(name, final)
    _write_one(context, lambda: explain(final))
    return final


def _write_one(context: Context, write: Callable[[], None]) -> NoxError | None:
    """Write a report; print and return an error.

    Even a bug must not prevent other reports or the result.
    """
    try:
        write()
    except NoxError as error:
        late = error
    except Exception as error:
        late = explain_unexpected(context, error)
    else:
        return None
    _print_error(context, late)
    return late
