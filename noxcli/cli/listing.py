"""The first entries of a list as a table, as tab-separated lines, or as a document."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from noxcli.cli.context import Context
from noxcli.errors import ExitCode
from noxcli.fixed import fixed
from noxcli.render import Format
from noxcli.render.table import Layout, for_eyes, with_tabs
from noxcli.timing import parse_time, show_age

DEFAULT_LIMIT = 30
T = TypeVar("T")


@fixed
class Listing(Generic[T]):
    """How to list one kind of entry. `row` gets a formatter for times, and true for a table on a terminal."""

    name: str  # in the document, also the schema's name
    layout: Layout
    row: Callable[[T, Callable[[str | None], str], bool], Sequence[str]]
    record: Callable[[T], Mapping[str, Any]]  # under the API's names

    def show(self, context: Context, items: Sequence[T], limit: int) -> None:
        """Write the list to stdout, and notes to stderr."""
        terminal = context.terminal
        if context.printing.format is Format.JSON:
            head = {"schema": f"noxcli.{self.name}/1", "ok": True, "exit_code": int(ExitCode.OK), "limit": limit}
            context.printing.document({**head, self.name: [self.record(item) for item in items]})
        elif terminal.read_by_eyes:
            now = context.clock.now()
            rows = [self.row(item, lambda text: _age(text, now), True) for item in items]
            if rows:
                terminal.show(for_eyes(terminal, self.layout, rows))
        else:
            terminal.write(with_tabs([self.row(item, lambda text: text or "", False) for item in items]))
        if not items:
            terminal.note(f"no {self.name}")
        elif len(items) == limit == DEFAULT_LIMIT:
            terminal.note(f"showing the newest {limit}; list more with --limit N")


def _age(text: str | None, now: datetime) -> str:
    moment = parse_time(text)
    return show_age(moment, now) if moment else text or ""
