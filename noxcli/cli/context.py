"""The surroundings of a command: its streams, what stdout carries, its clock, and its outcome."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxcli.errors import CommandLine, ExitCode, NoxError, Unfitting
from noxcli.inputs.sources import Sources
from noxcli.masking import MIN_SECRET, can_hide
from noxcli.render import Format
from noxcli.render.terminal import Terminal
from noxcli.render.text import visible
from noxcli.reports.result import Outcome
from noxcli.reports.writer import Reports
from noxcli.timing import Clock

if TYPE_CHECKING:
    # Help needs none of these: each is loaded on first use.
    from noxcli.config.settings import Configured
    from noxcli.expressions.query import Query
    from noxcli.inputs.parse import Inputs
    from noxcli.models import Run
    from noxcli.render import EventWriter
    from noxcli.reports.html.markup import Page
    from noxcli.runs.progress import Progress
    from noxcli.state.completion_cache import CompletionCache
    from noxcli.state.history import History

TOO_SHORT = f"has fewer than {MIN_SECRET} characters, too short to hide in messages"


@dataclass(slots=True, eq=False, repr=False)  # without unused methods: each costs start-up time
class Printing:
    """What stdout carries: text, pieces of text, events, or exactly one document."""

    terminal: Terminal
    format: Format = Format.TEXT
    query: "Query | None" = None  # the part of a document to print
    # True if no format was chosen: on a terminal, stdout may be formatted for reading.
    for_reading: bool = False
    target: Path | None = None  # the file that gets stdout's bytes if the command ends well
    writer: "EventWriter | None" = None  # what has written to stdout while the run ran
    _concluded: bool = False

    def event_writer(self, outcome: "Outcome") -> "EventWriter | None":
        """Return what writes to stdout while the run with this outcome runs, if anything does."""
        if self.format.is_live and self.writer is None:
            from noxcli.outputs.values import only_text
            from noxcli.render.events import event_writer

            self.writer = event_writer(self.format, self.terminal, self.query, only_text)
        if self.writer is not None:
            self.writer.inputs = self.terminal.mask.whole(outcome.inputs)
        return self.writer

    def print_run_line(self, run: "Run") -> None:
        """Print a run's line, RUN_ID<TAB>STATUS, unless stdout is a document.

        No status can split it into two lines.
        """
        if self.format.is_text:
            self.terminal.write(f"{run.id}\t{visible(run.status)}\n")

    def print_result(self, document: Callable[[], dict[str, Any]], outcome: "Outcome") -> None:
        """Print the result if the format promises one and no document is printed yet.

        `outcome` has the run of the events. Raises Unfitting if the query can't be applied to it;
        as Terminal.write.
        """
        if self._concluded:
            return
        if self.format.is_document:
            self.print_document(document())
        else:
            writer = self.event_writer(outcome)
            if writer is not None:
                writer.finish(document, outcome.run)
        self._concluded = True

    def write_to(self, target: Path) -> None:
        """Keep what stdout gets from now on for the target file.

        Raises OutputNotDelivered if its disk takes no file.
        """
        from noxcli.files import open_scratch  # loads what only this needs

        self.target = target
        self.terminal.redirect(open_scratch(target.parent), str(target))

    def put_in_place(self, target: Path, code: int) -> None:
        """Put the target file in place, once, if the code is 0 or it holds the one document.

        Otherwise the old file stays. Raises OutputNotDelivered if it can't be written.
        """
        self.target = None
        from noxcli.files import save  # as above

        with self.terminal.out as kept:
            if code == ExitCode.OK or self.format.is_document:
                kept.seek(0)
                save(target, kept)
                self.terminal.note(f"wrote {target}")

    def print_document(self, document: Any, *, indent: int | None = None) -> None:
        """Print the document of a command that has its own kind: no other one follows it.

        Raises as `print_result`.
        """
        from noxcli.expressions.query import as_line

        found = document
        if self.query is not None:
            try:
                found = self.query.of(document)
            except Unfitting:
                self._concluded = True
                raise
        line = as_line(found, indent=indent)
        self._concluded = True
        self.terminal.write(line)

    def print_named(
        self, name: str, fields: Mapping[str, Any], code: ExitCode = ExitCode.OK
    ) -> None:
        """Print the document `noxcli.NAME/1` with these fields. Raises as `print_result`."""
        head = {"schema": f"noxcli.{name}/1", "ok": code == ExitCode.OK, "exit_code": int(code)}
        self.print_document({**head, **fields})

    def print_long_document(self, head: dict[str, Any], name: str, items: Iterable[Any]) -> None:
        """Print a document that ends in a long list, item by item unless a query needs all.

        Raises as `print_result`.
        """
        if self.query is not None:
            self.print_document({**head, name: list(items)})
            return
        self._concluded = True
        self.terminal.write_all(_pieces(head, name, items))


def _pieces(head: Mapping[str, Any], name: str, items: Iterable[Any]) -> Iterator[str]:
    """Yield the text of a document that ends in a list."""
    from noxcli.codec import to_json

    yield f'{to_json(head)[:-1]},"{name}":['
    separator = ""
    for item in items:
        yield f"{separator}{to_json(item)}"
        separator = ","
    yield "]}\n"


@dataclass(slots=True, eq=False, repr=False)  # without unused methods: each costs start-up time
class Context:
    """The surroundings of one command; a test passes its own."""

    terminal: Terminal
    clock: Clock = field(default_factory=Clock)
    argv: Sequence[str] = ()
    printing: Printing = field(init=False)
    # What the config files say: read before all other options.
    configured: "Configured" = field(init=False)
    listed: bool = False  # True: report the runs as a list, even if there is only one or none
    outcomes: list[Outcome] = field(init=False)  # of its runs: empty if a list names none
    own: Outcome = field(default_factory=Outcome)  # what is known without any run
    resume_command: CommandLine | None = None  # the command that continues
    base_url: str = ""  # the current one, once connected
    server: str = ""  # what names it, for completion
    route: str = ""  # the options that select the server, for commands to paste
    reports: Reports = field(default_factory=Reports)
    sources: Sources = field(default_factory=Sources)
    state_file_error: NoxError | None = None  # why there is no state file of the run
    began: float = field(init=False)  # by the clock
    followed: "Progress | None" = None  # the run whose ending is still to be shown to the user

    def __post_init__(self) -> None:
        self.printing = Printing(self.terminal)
        self.outcomes = [self.own]
        self.began = self.clock.monotonic()

    @property
    def outcome(self) -> Outcome:
        """What is known about the command's only or first run, or without any."""
        return self.outcomes[0] if self.outcomes else self.own

    def hide(self, inputs: "Inputs") -> None:
        """Hide the values of secret inputs in everything written from now on."""
        secrets = {}
        for key, value in inputs.values.items():
            if key in inputs.secret and isinstance(value, str):
                secrets[key] = value
        self.terminal.mask.learn(secrets.values())
        for key, value in secrets.items():
            if not can_hide(value):
                self.terminal.warn(f"the value of --secret {key!r} {TOO_SHORT}")

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
        if on_interrupt is None:
            return not self.terminal.interactive
        return on_interrupt == "stop"

    def line_to_stream(self, run: str) -> CommandLine:
        """Return the command that follows the run from the last event on stdout."""
        form = self.printing.format
        if form.is_live:
            return CommandLine("stream", run, "--resume", "--format", str(form))
        return CommandLine("stream", run)
