"""What a command is handed: streams, clock, signals, and the outcome that it fills in."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noxcli.config import load_settings
from noxcli.encode import to_json
from noxcli.errors import ExitCode, NoxError, Phase, UsageProblem
from noxcli.journal import Journal
from noxcli.known import Known
from noxcli.models import Run
from noxcli.output import Format, Renderer
from noxcli.output.pipe import Content, Ndjson
from noxcli.output.terminal import Terminal
from noxcli.patience import Patience
from noxcli.result import Outcome, document_of
from noxcli.signals import Signals
from noxcli.timing import Clock, Deadline

if TYPE_CHECKING:
    from noxcli.api import Exchange, NoxusApi

COLORS = ("auto", "always", "never")


@dataclass(slots=True)
class Context:
    """One command line's surroundings; a test hands in its own."""

    terminal: Terminal
    clock: Clock = field(default_factory=Clock)
    signals: Signals = field(default_factory=Signals)
    format: Format = Format.TEXT
    outcomes: list[Outcome] = field(default_factory=lambda: [Outcome()])
    way_back: str | None = None  # the command line that comes back to what was left
    base_url: str = ""  # in force, once there is a connection
    _ndjson: Ndjson | None = None

    def __post_init__(self) -> None:
        self.terminal.hold = self.signals.held

    @property
    def outcome(self) -> Outcome:
        """What is known of the command's only or first run."""
        return self.outcomes[0]

    @property
    def writes_text(self) -> bool:
        """True where stdout is for eyes and simple pipes, not for parsers."""
        return self.format in {Format.TEXT, Format.CONTENT}

    def present(
        self,
        *,
        form: Format = Format.TEXT,
        as_json: bool = False,
        raw: str | None = None,
        quiet: bool,
        verbose: bool,
        color: str,
    ) -> None:
        """Settle how things are shown, before anything can fail that would have to be shown so.

        Raises UsageProblem where the options contradict each other.
        """
        self.format = Format.JSON if as_json else form
        self.terminal.quiet, self.terminal.verbose = quiet, verbose
        if color not in COLORS:
            raise UsageProblem(f"--color {color} is not known", f"write one of {', '.join(COLORS)}")
        self.terminal.color = color
        if as_json and form not in {Format.TEXT, Format.JSON}:
            raise UsageProblem(f"--json and --format {form} contradict each other", "leave one of the two")
        if raw is not None and self.format is not Format.TEXT:
            raise UsageProblem("--raw prints one output and nothing else", f"leave --raw or --format {self.format}")

    def connect(self, base_url: str | None, api_key_file: str | None, connect_timeout: float = 10.0) -> "NoxusApi":
        """Return the API at the settings in force. Loads the HTTP libraries, which `--help` never needs."""
        settings = load_settings(base_url, api_key_file, self.terminal.environ)
        self.base_url = settings.url
        from noxcli.api import NoxusApi

        return NoxusApi(settings, connect_timeout=connect_timeout, observe=self._log, mask=self.terminal.mask)

    @property
    def journal(self) -> Journal:
        """What this user started, wherever the environment says that it is kept."""
        return Journal(self.terminal.environ)

    @property
    def known(self) -> Known:
        """What completion may offer for the address in force."""
        return Known(self.terminal.environ, self.base_url)

    def last_run(self) -> tuple[str, str] | None:
        """Return workflow and run id of what was started last at the address in force."""
        entry = self.journal.last(self.base_url)
        return (entry.workflow_id, entry.run_id) if entry else None

    def line_to_stream(self, run: str) -> str:
        """Return the command line that follows the run from where stdout was left."""
        shown = f" --resume --format {self.format}" if self.format in {Format.NDJSON, Format.CONTENT} else ""
        return f"noxcli stream {run}{shown}"

    def patience(self, deadline: Deadline, retry_for: float, **kwargs: type[NoxError]) -> Patience:
        """Return how long this command goes on trying."""
        return Patience(self.clock, deadline, retry_for, self.terminal.note, **kwargs)

    def event_writer(self) -> Renderer | None:
        """Return what writes events to stdout as they come; text and json have nothing to say before the end."""
        if self.format is Format.NDJSON:
            return self._lines()
        return Content(self.terminal) if self.format is Format.CONTENT else None

    def conclude(self, exit_code: ExitCode) -> None:
        """Write the result where the format promises one, whatever the ending."""
        if self.format is Format.JSON:
            self.terminal.write(f"{to_json(document_of(self.outcomes, exit_code))}\n")
        elif self.format is Format.NDJSON:
            self._lines().finish(document_of(self.outcomes, exit_code))

    def tell(self, run: Run) -> None:
        """Print a run's line, RUN_ID<TAB>STATUS, where stdout is no document."""
        if self.writes_text:
            self.terminal.write(f"{run.id}\t{run.status}\n")

    def enter(self, phase: Phase) -> None:
        """Note how far the command has come."""
        self.outcome.phase = phase

    def _lines(self) -> Ndjson:
        if self._ndjson is None:
            self._ndjson = Ndjson(self.terminal)
        return self._ndjson

    def _log(self, exchange: "Exchange") -> None:
        if self.terminal.verbose:
            known_as = f" (request id {exchange.request_id})" if exchange.request_id else ""
            took = f"{exchange.seconds * 1000:.0f} ms"
            self.terminal.complain(f"{exchange.method} {exchange.path} {exchange.outcome} {took}{known_as}")
