"""The runs in the server's list that rows in doubt may have started: a help, never a proof."""

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
    """What the list shows: runs that no row has, by the digest of their input, a row's in doubt."""

    runs: Mapping[str, list[Run]] = field(default_factory=dict)
    listed: bool = False  # it could be read
    # Their records name the version that those of this batch's own runs name.
    of_batch: bool = False

    def candidates(self, doubt: SentStart) -> list[Run]:
        """Return the runs with the row's input that were created since its start."""
        found = []
        for run in self.runs.get(doubt.input_digest, ()):
            created = latest_moment(run.created_at)
            if created is None or created >= doubt.sent_at - SLACK:
                found.append(run)
        return found

    def match_rows(
        self, doubts: Sequence[SentStart], began: float
    ) -> Iterator[tuple[SentStart, Run]]:
        """Yield the rows that can take a run, with that run.

        Rows with the same input take runs only if there are no more runs than rows. No run is
        theirs that is older than the batch, which `began` at its first start.
        """
        if not self.listed or not self.of_batch:
            return
        for digest in {doubt.input_digest for doubt in doubts}:
            group = [doubt for doubt in doubts if doubt.input_digest == digest]
            free: set[str] = set()
            for doubt in group:
                free.update(run.id for run in self.candidates(doubt))
            if len(free) > len(group):
                continue  # some belong to others, and it is not known which
            # The latest first: a run created since its start may also belong to an earlier one, but
            # not the reverse.
            for doubt in sorted(group, key=lambda doubt: doubt.sent_at, reverse=True):
                for run in self.candidates(doubt):
                    if run.id in free and _is_since(run, doubt, began):
                        free.remove(run.id)
                        yield doubt, run
                        break

    def unresolved(self, row: Row, doubt: SentStart, why: NoxError | None, mask: Mask) -> RowResult:
        """Return the result of a row that stays in doubt."""
        found = Candidates(self.candidates(doubt), self.listed)
        reason = f": {why.message}" if why is not None else ""
        error = StartUnknown(
            f"its start was sent, but the outcome is unknown{reason}",
            f"{found.words()}; --resume adopts the run if exactly one matches this batch's "
            "version, and --again doubtful starts the row again, even if that runs it twice",
            candidates=found.brief(),
        )
        outcome = Outcome(may_exist=True, phase=Phase.START, error=error)
        return RowResult.of(row, outcome, mask, route="")  # it has no line to paste


def narrow_to_version(
    api: "NoxusApi",
    finding: CandidateIndex,
    own_runs: Sequence[str],
    workflow_id: str,
    within: float,
) -> CandidateIndex:
    """Return the runs of the finding whose records name the version of the batch's own runs.

    All of them where its own runs do not show one version: then no row takes any.
    """
    others: list[str] = []
    for listed in finding.runs.values():
        others += [run.id for run in listed]
    if not others or not own_runs:
        return finding
    ids = [*own_runs, *others]
    version_of = _read_versions(api, workflow_id, ids, within)
    versions = {version_of.get(own, UNREAD) for own in own_runs}
    if len(versions) > 1 or UNREAD in versions:
        return finding
    (version,) = versions
    runs: dict[str, list[Run]] = {}
    for digest, listed in finding.runs.items():
        runs[digest] = [run for run in listed if version_of.get(run.id, UNREAD) == version]
    is_all_read = len(version_of) == len(set(ids))
    return CandidateIndex(runs, finding.listed and is_all_read, of_batch=True)


def _read_versions(
    api: "NoxusApi", workflow_id: str, ids: Sequence[str], within: float
) -> dict[str, str | None]:
    """Return the versions that the records of runs name, of those that were read in time."""
    limited = api.within(within)
    reads = [partial(limited.get_run, workflow_id, run_id) for run_id in ids]
    versions: dict[str, str | None] = {}
    for run_id, (run, _) in zip(ids, run_all_within(within, reads), strict=True):
        if run is not None:
            versions[run_id] = run.version_id
    return versions


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
    """True if the run is no older than start and batch.

    A time without a zone is read as the earliest plausible one.
    """
    created = parse_time(run.created_at)
    since = max(doubt.sent_at - SLACK, began - SLACK_OF_BATCH)
    return created is not None and created.timestamp() >= since
