"""The runs in the server's list that may be those of rows whose start has no usable answer: a help, never a proof."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Protocol

from noxcli.batch.past import Pending
from noxcli.batch.row import FinishedRow
from noxcli.batch.rows import Row
from noxcli.errors import NoxError, Phase, StartUnknown
from noxcli.fixed import fixed
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.reports.result import Outcome
from noxcli.runs.candidates import MOST_TOLD, OLD_ENOUGH, SLACK, Comparison
from noxcli.timing import parse_time
from noxcli.waiting import run_within


class RunList(Protocol):
    """The part of the API that the search needs."""

    def list_runs(self, workflow_id: str | None = None) -> Iterable[Run]: ...


@fixed
class Finding:
    """What the list shows: for each row, the runs with its input, created since, that no other row has."""

    candidates: Mapping[int, list[Run]] = field(default_factory=dict)
    listed: bool = False  # it could be read

    def own(self, doubts: Sequence[Pending]) -> Iterator[tuple[Pending, Run]]:
        """Yield the rows that can take a run, with that run: those with the same input have no more runs than rows."""
        for digest in {doubt.input_digest for doubt in doubts}:
            group = [doubt for doubt in doubts if doubt.input_digest == digest]
            runs = {run.id: run for doubt in group for run in self.candidates.get(doubt.number, ())}
            if len(runs) > len(group):
                continue  # some are somebody else's, and it is not known which
            # The latest first: a run created since its start may also belong to an earlier one, but not the reverse.
            for doubt in sorted(group, key=sent_at, reverse=True):
                mine = next((run for run in self.candidates[doubt.number] if run.id in runs), None)
                if mine is not None:
                    del runs[mine.id]
                    yield doubt, mine

    def unresolved(self, row: Row, why: NoxError | None, mask: Mask) -> FinishedRow:
        """Return the result of a row that stays in doubt."""
        found = self.candidates.get(row.number, [])
        told = f": {why.message}" if why is not None else ", since the batch was interrupted"
        same = ", ".join(f"{run.id} ({run.status})" for run in found[:MOST_TOLD]) or "none was found"
        if not self.listed:
            same = "the list can't be read at the moment"
        doubt = StartUnknown(
            f"row {row.number}: its start was sent, but the outcome is unknown{told}",
            f"runs with the same input: {same}; --resume takes the run if there is just one",
            candidates=[{"id": run.id, "status": run.status, "created_at": run.created_at} for run in found],
        )
        return FinishedRow.of(row, Outcome(may_exist=True, phase=Phase.START, error=doubt), mask)


def look_for(
    api: RunList,
    workflow_id: str,
    comparison: Comparison,
    doubts: Sequence[Pending],
    is_taken: Callable[[str], bool],
    within: float,
) -> Finding:
    """Read the list of runs once, as far back as the doubts go, for at most that many seconds."""
    begin = {doubt.number: sent_at(doubt) - SLACK for doubt in doubts}
    first = min(begin.values(), default=0.0)
    wanted = {doubt.input_digest for doubt in doubts}
    found: list[tuple[str, Run]] = []

    def read() -> None:
        older, newest_first, before = 0, True, float("inf")
        for run in api.list_runs(workflow_id):
            created = _created(run)
            if created is not None:
                newest_first, before = newest_first and created <= before, created
            older = older + 1 if created is not None and created < first else 0
            digest = comparison.digest_of(run.input)
            if digest in wanted and not older and not is_taken(run.id):
                found.append((digest, run))
            if older >= OLD_ENOUGH and newest_first:
                return

    listed = True
    try:
        run_within(within, read)
    except NoxError:
        listed = False

    def fits(doubt: Pending, digest: str, run: Run) -> bool:
        created = _created(run)
        return digest == doubt.input_digest and (created is None or created >= begin[doubt.number])

    runs = list(found)
    return Finding({one.number: [run for digest, run in runs if fits(one, digest, run)] for one in doubts}, listed)


def sent_at(doubt: Pending) -> float:
    """Return when the start was sent, in seconds since 1970, by the server's clock if that is known."""
    by_server = parse_time(doubt.server_at)
    return (by_server or datetime.fromisoformat(doubt.at)).timestamp()


def _created(run: Run) -> float | None:
    # As seconds since 1970: servers also write the year 1, from which nothing can be subtracted.
    created = parse_time(run.created_at)
    return created.timestamp() if created is not None else None
