"""The past runs that a user selects: of a period, in a status, of a version, and not of a batch."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import chain, islice

from noxcli.models import Run
from noxcli.runs.resolve import EVIDENCE, LONG_AGO, moment_of
from noxcli.value_class import value_class


@value_class(frozen=True, slots=True)
class Selection:
    """Which runs of a list are selected; `since` is the first moment, `until` is the one after."""

    statuses: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    version_id: str | None = None
    excluded: Collection[str] = ()  # ids of runs

    def includes(self, run: Run) -> bool:
        """True if the run is selected: not one whose time or version matters and is not known."""
        if self.statuses and run.status not in self.statuses:
            return False
        if self.version_id is not None and run.version_id != self.version_id:
            return False
        return self._is_in_period(run) and run.id not in self.excluded

    def _is_in_period(self, run: Run) -> bool:
        if self.since is None and self.until is None:
            return True
        created = moment_of(run)
        if created == LONG_AGO:
            return False
        if self.since is not None and created < self.since:
            return False
        return self.until is None or created < self.until


def newest_first(runs: Iterable[Run], since: datetime | None = None) -> Iterator[Run]:
    """Yield the runs of a list by their creation, the newest first, and none that are much older
    than `since`.

    If the list begins in that order, its pages are read only on demand, and not beyond `since`.
    Otherwise, the whole list is read and sorted.
    """
    rest = iter(runs)
    first = list(islice(rest, EVIDENCE))
    in_order = _is_newest_first(first)
    ordered: Iterable[Run] = chain(first, rest)
    if not in_order:
        ordered = sorted(ordered, key=moment_of, reverse=True)
    older = 0
    for run in ordered:
        yield run
        if since is None or moment_of(run) >= since:
            older = 0
        else:
            older += 1
        if older == EVIDENCE and in_order:
            return


def _is_newest_first(runs: list[Run]) -> bool:
    """True if the times of these runs show that the list is in order."""
    moments = [moment_of(run) for run in runs]
    return moments == sorted(moments, reverse=True) and len({*moments}) > 1
