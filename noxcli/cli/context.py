"""The surroundings of a command: streams, clock, and the outcome that it fills in."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from noxcli.errors import Bug, ExitCode, NoxError, Phase, Unavailable, Unfitting
from noxcli.inputs.sources import Sources
from noxcli.masking import LEAST, can_hide
from noxcli.render import Format
from noxcli.render.terminal import Terminal
from noxcli.render.text import visible
from noxcli.reports.result import Outcome, document_of
from noxcli.reports.writer import Reports
from noxcli.state.logfile import Level, Logbook, own_words
from noxcli.timing import Clock, Deadline, show_seconds

if TYPE_CHECKING:
    # Help needs none of these: each is loaded on first use.
    from noxcli.api import Exchange, NoxusApi
    from noxcli.config.layers import Configured
    from noxcli.config.settings import Settings
    from noxcli.inputs.parse import Inputs
    from noxcli.models import Run
    from noxcli.query import Query
    from noxcli.render.events import Ndjson
    from noxcli.render.renderers import Renderer
    from noxcli.retry import Patience
    from noxcli.state.completion_cache import CompletionCache
    from noxcli.state.history import History
    from noxcli.state.logkeeper import LogKeeper

# A command in a hint, which must reach the same server when pasted.
PASTED = r"noxcli (?:stream|wait|stop|fetch-output|inspect|inputs|runs|workflows)(?= |$)"


@dataclass(slots=True, eq=False, repr=False)  # without unused methods: each costs start-up time
class Context:
    """The surroundings of one command; a test passes its own."""

    terminal: Terminal
    clock: Clock = field(default_factory=Clock)
    argv: Sequence[str] = ()
    format: Format = Format.TEXT
    listed: bool = False  # True: report the runs as a list, even if there is only one or none
    query: "Query | None" = None  # the part of a document to print
    for_reading: bool = False  # no format was chosen: on a terminal, stdout may be formatted for reading
    outcomes: list[Outcome] = field(default_factory=lambda: [Outcome()])
    way_back: str | None = None  # the command that continues
    base_url: str = ""  # the current one, once connected
    log: Logbook = field(default_factory=Logbook)
    route: str = ""  # the options that select the server, for commands to paste
    reports: Reports = field(default_factory=Reports)
    sources: Sources = field(default_factory=Sources)
    began: float = field(init=False)  # by the clock
    _ndjson: "Ndjson | None" = None
    _concluded: bool = False
    _configured: "Configured | None" = None

    def __post_init__(self) -> None:
        self.log.mask = self.terminal.mask
        self.began = self.clock.monotonic()

    @property
    def outcome(self) -> Outcome:
        """What is known about the command's only or first run."""
        return self.outcomes[0] if self.outcomes else Outcome()

    @property
    def writes_text(self) -> bool:
        """True if stdout is for people and simple pipes, not for parsers."""
        return self.format in {Format.TEXT, Format.CONTENT}

    def open(self, settings: "Settings") -> "NoxusApi":
        """Return the API for these settings. Loads the HTTP libraries, which `--help` does not need."""
        self._hide_key(settings.key)
        self.base_url = settings.url
        self.log.note("connect", base_url=settings.url)
        self.note_config()
        from noxcli.api import NoxusApi

        return NoxusApi(
            settings,
            connect_timeout=self.configured.preferences.limit("connect_timeout"),
            observe=self._log,
            warn=lambda line: self.terminal.complain(f"warning: {line}"),
            mask=self.terminal.mask,
        )

    def hide(self, inputs: "Inputs") -> None:
        """Hide the values of secret inputs in everything written from now on, and in the CI system's log."""
        secrets = inputs.secret_values()
        self.terminal.mask.learn(secrets.values())
        self.reports.ci.hide(secrets.values())
        for key, value in secrets.items():
            if not can_hide(value):
                self._warn_of_short(f"the value of --secret {key!r}")

    def _hide_key(self, key: str) -> None:
        self.terminal.mask.learn_key(key)
        if not can_hide(key):
            self._warn_of_short("the API key")

    def _warn_of_short(self, what: str) -> None:
        self.terminal.complain(f"warning: {what} has fewer than {LEAST} characters, too short to hide in messages")

    def configure(self, profile: str | None) -> "Configured":
        """Read the config files, for the named profile or the one that they and the environment choose.

        Raises ConfigProblem for mistakes in them.
        """
        from noxcli.config.layers import read_configured

        self._configured = read_configured(self.terminal.environ, profile)
        return self._configured

    @property
    def configured(self) -> "Configured":
        """The content of the config files."""
        return self._configured or self.configure(None)

    @property
    def history(self) -> "History":
        """The runs that this user started, from the directory in the environment."""
        from noxcli.state.history import History

        return History(
            self.terminal.environ, self.terminal.mask, lambda line: self.terminal.complain(f"warning: {line}")
        )

    @property
    def cache(self) -> "CompletionCache":
        """What completion may offer for the current server."""
        from noxcli.state.completion_cache import CompletionCache

        return CompletionCache(self.terminal.environ, self.base_url, self.terminal.mask)

    def note_config(self) -> None:
        """Save the names in the config files for completion."""
        from noxcli.config.settings import addresses_in

        self.cache.servers(addresses_in(self.configured.file))
        if self.base_url:
            self.cache.aliases(self.configured.aliases)

    def stops_runs(self, on_interrupt: str | None) -> bool:
        """True if a signal should stop runs; by default, only without an interactive user."""
        return not self.terminal.interactive if on_interrupt is None else on_interrupt == "stop"

    def noted_run(self, text: str) -> tuple[str, str] | None:
        """Return workflow and run id of a run started here at this server: the last one, or by its id."""
        history = self.history
        entry = history.last(self.base_url) if text == "@last" else history.entry(text, self.base_url)
        return (entry.workflow_id, entry.run_id) if entry else None

    def line_to_fetch(self, run: "Run") -> str:
        """Return the command that prints the run's output again."""
        return self._shortly(f"noxcli fetch-output{self.route} {run.id}")

    def _shortly(self, line: str) -> str:
        """Return a command with @last instead of the id if it is the last run that was started here."""
        last = self.noted_run("@last")
        return line.replace(last[1], "@last") if last else line

    def line_to_stream(self, run: str) -> str:
        """Return the command that follows the run from the last event on stdout."""
        shown = f" --resume --format {self.format}" if self.format in {Format.NDJSON, Format.CONTENT} else ""
        return f"noxcli stream {run}{shown}"

    def patience(self, deadline: Deadline, retry_for: float, **kwargs: type[NoxError]) -> "Patience":
        """Return how long this command keeps retrying."""
        from noxcli.retry import Patience

        say = self.terminal.complain if self.terminal.verbose else self.terminal.note
        return Patience(self.clock, deadline, retry_for, say, **kwargs).observed(self._log_try)

    def event_writer(self) -> "Renderer | None":
        """Return what writes events to stdout as they arrive; text and json write nothing before the end."""
        if self.format is Format.NDJSON:
            lines = self._lines()
            lines.documents.inputs = self.outcome.shown_inputs(self.terminal.mask)
            return lines
        if self.format is not Format.CONTENT:
            return None
        from noxcli.render.events import Content

        return Content(self.terminal)

    def write_reports(self, exit_code: ExitCode) -> ExitCode:
        """Write the reports, for every outcome; a failure to write one counts if everything else succeeded.

        Then the others are written again, since all must agree.
        """
        return self._write_each(
            list(self.reports.files(self.outcomes, self.clock.monotonic() - self.began, self.terminal.mask)), exit_code
        )

    def _write_each(self, reports: Sequence[Callable[[ExitCode], None]], exit_code: ExitCode) -> ExitCode:
        for write in reports:
            late = self._trouble_with(partial(write, exit_code))
            if late is not None:
                self.blame(late)
                return self._write_each([each for each in reports if each is not write], exit_code or late.exit_code)
        return exit_code

    def tell_ci(self, exit_code: ExitCode) -> None:
        """Report the ending to the CI system; call it last and once, since it only appends to files."""
        self._trouble_with(lambda: self.reports.tell_ci(self.outcomes, exit_code, self.terminal.mask))

    def _trouble_with(self, write: Callable[[], None]) -> NoxError | None:
        """Write a report; print and return an error: even a bug must not prevent other reports or the result."""
        try:
            write()
        except NoxError as error:
            late = error
        except Exception as error:
            # A bug in one report: the verdict must still be reported.
            late = self.unexpected(error)
        else:
            return None
        self.terminal.complain(f"noxcli: {late.line()}")
        return late

    def unexpected(self, error: BaseException) -> Bug:
        """Return the message for an unexpected error; --verbose prints its traceback at once."""
        if self.terminal.verbose:
            import traceback

            for line in self.terminal.mask("".join(traceback.format_exception(error))).splitlines():
                self.terminal.complain(line)
        return Bug(f"{type(error).__name__}: {error}", "please report it, with --verbose")

    def blame(self, error: NoxError) -> None:
        """Set the error that ended the command on each outcome that has no other error and did not end well."""
        for outcome in self.outcomes:
            if outcome.error is None and (len(self.outcomes) == 1 or not outcome.completed):
                outcome.error = error

    def conclude(self, exit_code: ExitCode) -> None:
        """Write the result if the format promises one and it is not written yet, for every outcome.

        Raises Unfitting if the query can't be applied to it; as Terminal.write.
        """
        if self._concluded:
            return
        if self.format is Format.JSON:
            self._print(self._document(exit_code))
        elif self.format is Format.NDJSON:
            self._lines().finish(self._document(exit_code))
        self._concluded = True

    def _document(self, exit_code: ExitCode) -> dict[str, Any]:
        return document_of(self.outcomes, exit_code, self.terminal.mask, listed=self.listed)

    def complain(self, error: NoxError) -> None:
        """Write the error to stderr, once."""
        if error.said:
            return
        error.said = True
        error.hint = error.hint and self.to_paste(error.hint)
        error.hide(self.terminal.mask)
        line = error.line()
        # The run's id is already on the screen; @last may mean another run later, so only read-only commands use it.
        if "noxcli inspect" in line and self.terminal.interactive:
            line = self._shortly(line)
        self.terminal.complain(f"noxcli: {line}")

    def to_paste(self, hint: str) -> str:
        """Return the hint with this command's server in each command."""
        return re.sub(PASTED, lambda line: line[0] + self.route, hint)

    def write_document(self, document: Any, *, indent: int | None = None) -> None:
        """Print the document of a command that has its own kind.

        Raises Unfitting if the query can't be applied to it; as Terminal.write.
        """
        self._print(document, indent)
        self._concluded = True

    def _print(self, document: Any, indent: int | None = None) -> None:
        from noxcli.query import line_slices

        try:
            found = document if self.query is None else self.query.of(document)
        except Unfitting:
            self._concluded = True  # no other document replaces this one
            raise
        for piece in line_slices(found, indent=indent):
            self.terminal.write(piece)

    def tell(self, run: "Run", *more: str) -> None:
        """Print a run's line, RUN_ID<TAB>STATUS, unless stdout is a document; no status can split it into two lines.

        `more` are further columns.
        """
        self.log.note_run(run)
        if self.writes_text:
            self.terminal.write("\t".join([run.id, *map(visible, (run.status, *more))]) + "\n")

    def enter(self, phase: Phase) -> None:
        """Record the phase of the command."""
        self.outcome.phase = phase

    def _lines(self) -> "Ndjson":
        if self._ndjson is None:
            from noxcli.render.events import Ndjson

            self._ndjson = Ndjson(self.terminal, self.query)
        return self._ndjson

    def log_ending(self, exit_code: int, error: NoxError | None) -> None:
        """Log how the command ended, and how long it took."""
        facts: dict[str, Any] = {}
        if error is not None:
            phase = error.phase or self.outcome.phase
            facts = {"error": type(error).__name__, "phase": str(phase), **error.facts()}
        self.log.note(
            "end",
            Level.ERROR if error else Level.INFO,
            exit_code=int(exit_code),
            seconds=self.log.seconds(),
            requests=self.log.requests,
            **facts,
        )
        self.log.close()
        if self.terminal.verbose:
            took = show_seconds(self.log.seconds())
            self.terminal.complain(f"exit code {int(exit_code)} after {took}, requests: {self.log.requests}")

    def log_keeper(self, run: "Run") -> "LogKeeper":
        """Return what logs the progress of the run while it is followed."""
        from noxcli.state.logkeeper import LogKeeper

        return LogKeeper(self.log, run)

    def _log(self, exchange: "Exchange") -> None:
        self.log.requests += 1
        self.log.note(
            "request",
            Level.INFO if exchange.outcome.startswith("2") else Level.WARNING,
            method=exchange.method,
            path=exchange.path,
            status=int(exchange.outcome) if exchange.outcome.isdigit() else None,
            seconds=round(exchange.seconds, 3),
            request_id=exchange.request_id,
            reason=exchange.cause,
        )
        if self.terminal.verbose:
            known_as = f" (request id {exchange.request_id})" if exchange.request_id else ""
            why = f": {exchange.cause}" if exchange.cause else ""
            took = f"{exchange.seconds * 1000:.0f} ms"
            self.terminal.complain(f"{exchange.method} {exchange.path} {exchange.outcome}{why} {took}{known_as}")

    def _log_try(self, error: Unavailable, delay: float) -> None:
        self.log.note("retry", Level.WARNING, reason=own_words(error.message), delay_s=round(delay, 3), **error.facts())
