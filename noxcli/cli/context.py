"""The surroundings of a command: streams, clock, and the outcome that it fills in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from noxcli.cli.printing import Printing
from noxcli.errors import NoxError
from noxcli.inputs.sources import Sources
from noxcli.masking import HIDDEN_KEY, LEAST, can_hide
from noxcli.render import Format
from noxcli.render.terminal import Terminal
from noxcli.reports.result import Outcome
from noxcli.reports.writer import Reports
from noxcli.timing import Clock
from noxcli.utf8 import REPLACED

if TYPE_CHECKING:
    # Help needs none of these: each is loaded on first use.
    from noxcli.config.settings import Configured
    from noxcli.inputs.parse import Inputs
    from noxcli.reports.html.markup import Page
    from noxcli.runs.progress import Progress
    from noxcli.state.completion_cache import CompletionCache
    from noxcli.state.history import History


@dataclass(slots=True, eq=False, repr=False)  # without unused methods: each costs start-up time
class Context:
    """The surroundings of one command; a test passes its own."""

    terminal: Terminal
    clock: Clock = field(default_factory=Clock)
    argv: Sequence[str] = ()
    printing: Printing = field(init=False)
    configured: "Configured" = field(init=False)  # by the config files: read before all other options
    listed: bool = False  # True: report the runs as a list, even if there is only one or none
    outcomes: list[Outcome] = field(default_factory=lambda: [Outcome()])
    way_back: str | None = None  # the command that continues
    base_url: str = ""  # the current one, once connected
    server: str = ""  # what names it, for completion
    requests: int = 0  # that were answered, or failed
    route: str = ""  # the options that select the server, for commands to paste
    reports: Reports = field(default_factory=Reports)
    sources: Sources = field(default_factory=Sources)
    unkept: NoxError | None = None  # why there is no state file of the run
    began: float = field(init=False)  # by the clock
    replaced_before: int = field(default_factory=lambda: REPLACED.texts)  # by another command in this process
    followed: "Progress | None" = None  # the run whose ending is still to be shown to a person

    def __post_init__(self) -> None:
        self.printing = Printing(self.terminal)
        self.began = self.clock.monotonic()

    @property
    def outcome(self) -> Outcome:
        """What is known about the command's only or first run."""
        return self.outcomes[0] if self.outcomes else Outcome()

    def hide(self, inputs: "Inputs") -> None:
        """Hide the values of secret inputs in everything written from now on, and in the CI system's log."""
        secrets = inputs.secret_values()
        self.terminal.mask.learn(secrets.values())
        if self.reports.ci is not None:
            self.reports.ci.hide(secrets.values())
        for key, value in secrets.items():
            if not can_hide(value):
                self._warn_of_short(f"the value of --secret {key!r}")

    def hide_key(self, key: str) -> None:
        """Hide the API key in everything written from now on."""
        self.terminal.mask.learn([key], HIDDEN_KEY)
        if not can_hide(key):
            self._warn_of_short("the API key")

    def _warn_of_short(self, what: str) -> None:
        self.terminal.warn(f"{what} has fewer than {LEAST} characters, too short to hide in messages")

    @property
    def history(self) -> "History":
        """The runs that this user started, from the directory in the environment."""
        from noxcli.state.history import History

        return History(self.terminal.environ, self.terminal.mask, self.terminal.warn)

    @property
    def cache(self) -> "CompletionCache":
        """What completion may offer for the current server."""
        from noxcli.state.completion_cache import CompletionCache

        return CompletionCache(self.terminal.environ, self.server, self.terminal.mask)

    def new_page(self, directory: Path) -> "Page":
        """Return an empty HTML page whose links start from the directory."""
        from noxcli.reports.html.markup import Page

        return Page(self.terminal.mask, directory, self.argv, self.clock.now(), self.base_url)

    def stops_runs(self, on_interrupt: str | None) -> bool:
        """True if a signal should stop runs; by default, only without an interactive user."""
        return not self.terminal.interactive if on_interrupt is None else on_interrupt == "stop"

    def line_to_stream(self, run: str) -> str:
        """Return the command that follows the run from the last event on stdout."""
        form = self.printing.format
        shown = f" --resume --format {form}" if form in {Format.NDJSON, Format.CONTENT} else ""
        return f"noxcli stream {run}{shown}"
