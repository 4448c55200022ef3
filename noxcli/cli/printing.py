"""What stdout carries: text, pieces of text, events, or exactly one document."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxcli.errors import Unfitting
from noxcli.render import Format
from noxcli.render.terminal import Terminal
from noxcli.render.text import visible

if TYPE_CHECKING:
    # Help needs none of these: each is loaded on first use.
    from noxcli.models import Run
    from noxcli.query import Query
    from noxcli.render import Renderer
    from noxcli.render.events import Content, Ndjson
    from noxcli.reports.result import Outcome


@dataclass(slots=True, eq=False, repr=False)  # without unused methods: each costs start-up time
class Printing:
    """The format of stdout, and the document that has been or will be printed."""

    terminal: Terminal
    format: Format = Format.TEXT
    query: "Query | None" = None  # the part of a document to print
    for_reading: bool = False  # no format was chosen: on a terminal, stdout may be formatted for reading
    target: Path | None = None  # the file that gets stdout's bytes if the command ends well
    content: "Content | None" = None  # what has written the streamed text
    _ndjson: "Ndjson | None" = None
    _concluded: bool = False

    @property
    def writes_text(self) -> bool:
        """True if stdout is for people and simple pipes, not for parsers."""
        return self.format in {Format.TEXT, Format.CONTENT}

    def event_writer(self, outcome: "Outcome") -> "Renderer | None":
        """Return what writes events to stdout as they arrive; text and json write nothing before the end."""
        if self.format is Format.NDJSON:
            lines = self._lines()
            lines.inputs = outcome.shown_inputs(self.terminal.mask)
            return lines
        if self.format is not Format.CONTENT:
            return None
        from noxcli.outputs.values import only_text
        from noxcli.render.events import Content

        self.content = Content(self.terminal, only_text)
        return self.content

    def print_run_line(self, run: "Run", *more: str) -> None:
        """Print a run's line, RUN_ID<TAB>STATUS, unless stdout is a document; no status can split it into two lines.

        `more` are further columns.
        """
        if self.writes_text:
            self.terminal.write("\t".join([run.id, *map(visible, (run.status, *more))]) + "\n")

    def print_result(self, document: Callable[[], dict[str, Any]]) -> None:
        """Print the result if the format promises one and no document is printed yet.

        Raises Unfitting if the query can't be applied to it; as Terminal.write.
        """
        if self._concluded:
            return
        if self.format is Format.JSON:
            self._print(document())
        elif self.format is Format.NDJSON:
            self._lines().finish(document())
        self._concluded = True

    def write_to(self, target: Path) -> None:
        """Keep what stdout gets from now on for the target file. Raises Undelivered if its disk takes no file."""
        from noxcli.files import open_scratch  # loads what only this needs

        self.target = target
        self.terminal.redirect(open_scratch(target.parent))

    def put_target_in_place(self, code: int) -> Path | None:
        """Put the target file in place, once, if the code is 0 or it holds the one document; return its path.

        Otherwise the old file stays. Raises Undelivered if it can't be written.
        """
        target, self.target = self.target, None
        if target is None:
            return None
        from noxcli.files import save  # as above

        with self.terminal.out as kept:
            if code and self.format is not Format.JSON:
                return None
            kept.seek(0)
            save(target, kept)
        self.terminal.note(f"wrote {target}")
        return target

    def print_document(self, document: Any, *, indent: int | None = None) -> None:
        """Print the document of a command that has its own kind. Raises as `result`."""
        self._print(document, indent)
        self._concluded = True

    def print_long_document(self, head: dict[str, Any], name: str, items: Iterable[Any]) -> None:
        """Print a document that ends in a long list: item by item, unless a query needs all. Raises as `result`."""
        if self.query is not None:
            self.print_document({**head, name: list(items)})
            return
        self._concluded = True  # no other document replaces the beginning of this one
        from noxcli.codec import to_json

        self.terminal.write(f'{to_json(head)[:-1]},"{name}":[')
        for place, item in enumerate(items):
            self.terminal.write(f"{',' if place else ''}{to_json(item)}")
        self.terminal.write("]}\n")

    def _print(self, document: Any, indent: int | None = None) -> None:
        from noxcli.query import as_line

        try:
            found = document if self.query is None else self.query.of(document)
        except Unfitting:
            self._concluded = True  # no other document replaces this one
            raise
        self.terminal.write(as_line(found, indent=indent))

    def _lines(self) -> "Ndjson":
        if self._ndjson is None:
            from noxcli.render.events import Ndjson

            self._ndjson = Ndjson(self.terminal, self.query)
        return self._ndjson
