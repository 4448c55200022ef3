"""Starts that were sent but not answered: the runs that may be theirs, and when the list proves that there are none.

The absence of a run is proof only if the list is known to work for this: it was read back to before the start or to
its end, and it shows a run that we know, with the input that we sent for it, of the same shape.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from noxcli.errors import Unavailable
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.runs.likeness import Comparison, Likeness
from noxcli.runs.newest import moment_of
from noxcli.timing import parse_time

# A gateway answers with these when it could not reach the server, or lost it.
LOST_BY_GATEWAY = frozenset({502, 503})
SETTLING = 3.0  # seconds until an interrupted start appears in the list
CLOCK_SLACK = timedelta(seconds=2)  # servers write whole seconds
WIDE_SLACK = timedelta(seconds=60)  # servers that share one address may have different clocks
OLD_ENOUGH = 200  # consecutive runs from before the time in question, in a list that is newest first
SAMPLE = 200


@fixed
class Doubt:
    """A start whose outcome is unknown; `number` is its row's. `by_server` says whose clock `sent` is from."""

    number: int
    input: Likeness
    sent: datetime
    by_server: bool


@dataclass(slots=True, eq=False, repr=False)
class KnownStarts:
    """What we know about other starts, whose runs we know.

    `lead` is the minimum time between sending a start and the creation of its run, by the server's clock; `own_lead`
    is the same by ours. A negative value means that created_at comes from a clock that is slow.
    """

    lead: timedelta | None = None
    own_lead: timedelta | None = None
    newest: tuple[datetime, str] | None = None
    digests: dict[str, str] = field(default_factory=dict)  # by run

    def note(self, run_id: str, created_at: str | None, by_server: datetime | None, by_us: datetime | None) -> None:
        """Add the times of a run: when its start was sent, by both clocks, and when it was created."""
        created = parse_time(created_at)
        if created is None:
            return
        self.newest = max(self.newest or (created, run_id), (created, run_id))
        if by_server is not None:
            # Never above zero: starts take different times.
            self.lead = min(self.lead or timedelta(), created - by_server)
        if by_us is not None:
            self.own_lead = min(self.own_lead or created - by_us, created - by_us)

    def since(self, doubt: Doubt) -> datetime:
        """Return when the doubtful start was sent, by the clock of created_at."""
        return doubt.sent + ((self.lead if doubt.by_server else self.own_lead) or timedelta())


@dataclass(slots=True, eq=False, repr=False)
class Finding:
    """What the server's list says about the doubts. `own` has at most one run for each of them."""

    candidates: dict[int, list[Run]] = field(default_factory=dict)
    own: dict[int, Run] = field(default_factory=dict)
    absent: set[int] = field(default_factory=set)  # certainly never started

    def leave_open(self, numbers: Collection[int]) -> None:
        """Assign no run to these doubts: some of their candidates belong to somebody else, and it is unknown which."""
        for number in numbers:
            self.own.pop(number, None)
            if self.candidates[number]:
                self.absent.discard(number)


class Search:
    """One search of the list of a workflow's runs, for several doubts at once.

    `recall` returns what is known; digests at least for the given runs.
    """

    def __init__(
        self, doubts: Sequence[Doubt], comparison: Comparison, recall: Callable[[Collection[str]], KnownStarts]
    ) -> None:
        self._doubts = doubts
        self._comparison = comparison
        self._recall = recall
        self._known = recall(())
        self._begin = min(map(self._known.since, doubts)) - WIDE_SLACK
        self._wanted = {doubt.input.digest for doubt in doubts}
        self._shapes = {doubt.input.shape for doubt in doubts}
        self._matching: dict[str, tuple[Run, Likeness]] = {}
        self._sample: dict[str, Likeness] = {}
        self._complete = False

    def read(self, listed: Iterable[Run]) -> None:
        """Read as far back as the doubts go. Raises what the list raises; everything read until then counts."""
        descending, older, before, shows_newest = True, 0, None, False
        for run in listed:
            created = parse_time(run.created_at)
            if created is not None:
                descending = descending and (before is None or created <= before)
                before = created
            older = older + 1 if created is not None and created < self._begin else 0
            if older >= OLD_ENOUGH and descending:
                break
            shows_newest = shows_newest or (self._known.newest is not None and run.id == self._known.newest[1])
            self._keep(run)
        # A list that is not newest first, and was interrupted, may lack the newest runs.
        self._complete = descending or shows_newest

    def _keep(self, run: Run) -> None:
        likeness = self._comparison.of(run.input)
        if likeness.digest in self._wanted:
            self._matching[run.id] = run, likeness
        elif likeness.shape in self._shapes and len(self._sample) < SAMPLE:
            self._sample[run.id] = likeness

    def finding(self) -> Finding:
        """Return what the list showed."""
        matching, sample = dict(self._matching), dict(self._sample)  # copies: a search past its limit reads on
        known = self._recall(matching.keys() | sample.keys())
        free = [(run, one) for run, one in matching.values() if self._is_free(run, known)]
        finding = Finding()
        for digest in self._wanted:
            group = [doubt for doubt in self._doubts if doubt.input.digest == digest]
            self._assign(finding, group, [run for run, one in free if one.digest == digest])
        proven = self._proven(known, {**sample, **{run_id: one for run_id, (_, one) in matching.items()}})
        for doubt in self._doubts:
            if not doubt.by_server or doubt.input.shape not in proven:
                finding.absent.discard(doubt.number)
        return finding

    def _is_free(self, run: Run, known: KnownStarts) -> bool:
        """True if the run may belong to one of the doubts: to no start that we know, and not too old."""
        return run.id not in known.digests and created_since(run, self._begin)

    def _proven(self, known: KnownStarts, listed: Mapping[str, Likeness]) -> set[str]:
        """Return the shapes of inputs for which the absence of a run in the list proves that there is none."""
        if not (self._complete and self._comparison.knows_keys and known.lead is not None):
            return set()
        return {one.shape for run_id, one in listed.items() if known.digests.get(run_id) == one.digest}

    def _assign(self, finding: Finding, doubts: Sequence[Doubt], free: Sequence[Run]) -> None:
        """Assign the runs to the doubts with this input."""
        since = {doubt.number: self._known.since(doubt) for doubt in doubts}
        runs = sorted(free, key=moment_of, reverse=True)
        left = list(runs)
        # The latest first: a run created since their start may also belong to an earlier one, but not the reverse.
        for number in sorted(since, key=lambda number: since[number], reverse=True):
            fitting = finding.candidates[number] = [run for run in runs if created_since(run, since[number])]
            mine = next((run for run in left if run in fitting), None)
            if mine is not None:
                left.remove(mine)
                finding.own[number] = mine
        for number in since.keys() - finding.own.keys():
            if not any(created_since(run, since[number], WIDE_SLACK) for run in left):
                finding.absent.add(number)
        if len(runs) > len(doubts):
            finding.leave_open(since.keys())


def created_since(run: Run, since: datetime, slack: timedelta = CLOCK_SLACK) -> bool:
    """True if the run may have been created at that time, by the server's clock, or later."""
    created = parse_time(run.created_at)
    return created is None or created >= since - slack


def brief(found: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the runs in the form of `error.candidates`."""
    return [{"id": run.id, "status": run.status, "created_at": run.created_at} for run in found]


def surely_nothing_started(error: Unavailable) -> bool:
    """True if the server can't have seen the whole request, or said that it did not accept it."""
    return not error.sent or error.declined


def lost_by_gateway(error: Unavailable) -> bool:
    """True if the request is no longer being processed, accepted or not: then the run list can resolve the doubt."""
    return error.http_status in LOST_BY_GATEWAY
