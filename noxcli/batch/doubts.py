"""What a batch's journal knows about its rows' runs, for the search for the runs of rows in doubt."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from noxcli.batch.journal import Pending, lines_of
from noxcli.batch.search import Doubt, Finding, KnownStarts, Search
from noxcli.models import Run
from noxcli.runs.likeness import Comparison, Likeness
from noxcli.timing import parse_time


class RunList(Protocol):
    """The part of the API that the search needs."""

    def list_runs(self, workflow_id: str | None = None) -> Iterable[Run]: ...


def look_for(
    api: RunList, workflow_id: str, journal: Path, doubts: Sequence[Pending], comparison: Comparison
) -> Finding:
    """Search for the runs of rows in doubt. Raises what the API raises."""
    search = Search([doubt_about(row) for row in doubts], comparison, recall_from(journal))
    search.read(api.list_runs(workflow_id))
    return search.finding()


def doubt_about(row: Pending) -> Doubt:
    """Return the doubt about a row; without the server's time, it has ours, which proves nothing."""
    by_server = parse_time(row.server_at)
    sent = by_server or datetime.fromisoformat(row.at)
    return Doubt(row.number, Likeness(row.input_digest, row.input_shape), sent, by_server is not None)


def recall_from(journal: Path) -> Callable[[Collection[str]], KnownStarts]:
    """Return a function that reads the journal, and keeps only the requested runs."""

    def recall(run_ids: Collection[str]) -> KnownStarts:
        known = KnownStarts()
        intents: dict[int, tuple[datetime | None, datetime | None, str]] = {}
        for _, line in lines_of(journal):
            match line.get("step"):
                case "withdrawn":
                    intents.pop(line["row"], None)
                case "intent":
                    times = parse_time(line.get("server_at")), parse_time(line["at"])
                    intents[line["row"]] = *times, line["input_digest"]
                case "started":
                    by_server, by_us, digest = intents.pop(line["row"], (None, None, ""))
                    known.note(line["run_id"], line["created_at"], by_server, by_us)
                    if line["run_id"] in run_ids:
                        known.digests[line["run_id"]] = digest
        return known

    return recall
