"""The runs in the server's list that may be those of rows whose start has no usable answer: a help,
never a proof.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from noxcli.batchdir.journal_state import SentStart
from noxcli.batchdir.results_file import RowResult
from noxcli.errors import NoxError, Phase, StartUnknown
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.reports.result import Outcome
from noxcli.rows.columns import Row
from noxcli.runs.resolve import MAX_CANDIDATES, SLACK, Candidates, find_candidates
from noxcli.runs.start import InputDigests
from noxcli.timing import latest_moment, parse_time
from noxcli.waiting import run_all_within

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

SLACK_OF_BATCH = 5.0  # seconds: servers write whole seconds
UNREAD = "?"  # no version has this id


@dataclass(frozen=True, slots=True)
class CandidateIndex:
    """What the list shows: the runs with an input of rows in doubt, by its digest, which no row
    has.
    """

    runs: Mapping[str, list[Run]] = field(default_factory=dict)
    listed: bool = False  # it could be read
    of_batch: bool = (
        False  # their records name the version that those of this batch's own runs name
    )

    def candidates(self, doubt: SentStart) -> list[Run]:
        """Return the runs with the row's input that were created since its start."""
        moments = (
            (run, latest_moment(run.created_at)) for run in self.runs.get(doubt.input_digest, ())
        )
        return [
            run for run, created in moments if created is None or created >= doubt.sent_at - SLACK
        ]

    def match_rows(
        self, doubts: Sequence[SentStart], began: float
    ) -> Iterator[tuple[SentStart, Run]]:
        """Yield the rows that can take a run, with that run: those with the same input have no more
        runs than rows.

        No run is theirs that is older than the batch, which `began` at its first start.
        """
        for digest in {doubt.input_digest for doubt in doubts if self.listed and self.of_batch}:
            group = [doubt for doubt in doubts if doubt.input_digest == digest]
            runs = {run.id: run for doubt in group for run in self.candidates(doubt)}
            if len(runs) > len(group):
                continue  # some belong to others, and it is not known which
            # The latest first: a run created since its start may also belong to an earlier one, but
            # not the reverse.
            for doubt in sorted(group, key=lambda doubt: doubt.sent_at, reverse=True):
                mine = next(
                    (
                        run
                        for run in self.candidates(doubt)
                        if run.id in runs and _is_since(run, doubt, began)
                    ),
                    None,
                )
                if mine is not None:
                    del runs[mine.id]
                    yield doubt, mine

    def unresolved(self, row: Row, doubt: SentStart, why: NoxError | None, mask: Mask) -> RowResult:
        """Return the result of a row that stays in doubt."""
        found = Candidates(self.candidates(doubt), self.listed)
        reason = f": {why.message}" if why is not None else ""
        error = StartUnknown(
            f"its start was sent, but the outcome is unknown{reason}",
            f"{found.words()}; --resume adopts the run if exactly one matches this batch's version, and --again "
            "doubtful starts the row again, even if that runs it twice",
            candidates=found.brief(),
        )
        return RowResult.of(row, Outcome(may_exist=True, phase=Phase.START, error=error), mask)


def narrow_to_version(
    api: "NoxusApi",
    finding: CandidateIndex,
    own_runs: Sequence[str],
    workflow_id: str,
    within: float,
) -> CandidateIndex:
    """Return the runs of the finding whose records name the version that those of a batch's own
    runs name.

    All of them where its own runs do not show one version: then no row takes any.
    """
    others = [run for runs in finding.runs.values() for run in runs]
    if not others or not own_runs:
        return finding
    ids = [*own_runs, *(run.id for run in others)]
    limited = api.within(within)
    reads = run_all_within(
        within, [partial(limited.get_run, workflow_id, run_id) for run_id in ids]
    )
    named = {
        run_id: run.version_id
        for run_id, (run, _) in zip(ids, reads, strict=True)
        if run is not None
    }
    versions = {named.get(own, UNREAD) for own in own_runs}
    if len(versions) > 1 or UNREAD in versions:
        return finding
    (version,) = versions
    runs = {
        digest: [run for run in each if named.get(run.id, UNREAD) == version]
        for digest, each in finding.runs.items()
    }
    return CandidateIndex(runs, finding.listed and len(named) == len(set(ids)), of_batch=True)


def find_candidates_of_batch(
    api: "NoxusApi",
    workflow_id: str,
    digests: InputDigests,
    doubts: Sequence[SentStart],
    is_taken: Callable[[str], bool],
    within: float,
) -> CandidateIndex:
    """Read the list of runs once, as far back as the doubts go, for at most that many seconds."""
    runs: dict[str, list[Run]] = {doubt.input_digest: [] for doubt in doubts}
    begin = min((doubt.sent_at for doubt in doubts), default=0.0)
    most = MAX_CANDIDATES + 2 * len(doubts)

    def fits(run: Run) -> bool:
        return digests.of(run.input) in runs and not is_taken(run.id)

    found = find_candidates(api, workflow_id, fits, lambda: begin, within, most=most)
    for run in found.runs:
        runs[digests.of(run.input)].append(run)
    return CandidateIndex(runs, found.listed and len(found.runs) < most)


def _is_since(run: Run, doubt: SentStart, began: float) -> bool:
    """True if the run is no older than start and batch: a time without a zone is read as the
    earliest plausible one.
    """
    created = parse_time(run.created_at)
    since = max(doubt.sent_at - SLACK, began - SLACK_OF_BATCH)
    return created is not None and created.timestamp() >= since
