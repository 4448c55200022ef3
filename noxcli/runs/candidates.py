"""The runs in the list that may be the one of a start without a usable answer: a help for people, never a proof."""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain, islice
from typing import Any, Protocol

from noxcli.errors import NoxError
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.runs.likeness import Comparison
from noxcli.runs.newest import moment_of
from noxcli.timing import Deadline, parse_time
from noxcli.waiting import run_within

LONGEST_LOOK, LAST_LOOK = 10.0, 0.5  # seconds for the list, and if the command's own time is up
SLACK = 60.0  # seconds: servers write whole seconds, and those that share one address have different clocks
OLD_ENOUGH = 200  # consecutive runs from before the start, in a list that is newest first
MOST, MOST_TOLD = 200, 5


class RunList(Protocol):
    """The part of the API that the search needs."""

    def list_runs(self, workflow_id: str | None = None) -> Iterable[Run]: ...
    def server_now(self) -> datetime | None: ...


@fixed
class Candidates:
    """Runs with the input of the start, created since. `listed` is false if the list could not be read to its end."""

    runs: list[Run]
    listed: bool

    def brief(self) -> list[dict[str, Any]]:
        """Return the runs in the form of `error.candidates`."""
        return [{"id": run.id, "status": run.status, "created_at": run.created_at} for run in self.runs]

    def told(self, comparison: Comparison) -> str:
        """Return what was found, for a message."""
        named = [f"{run.id} ({run.status})" for run in self.runs[:MOST_TOLD]]
        more = len(self.runs) - len(named)
        if named:
            return f"runs with the same input: {', '.join(named)}" + (f" and {more} more" if more else "")
        if not self.listed:
            return "the run list can't be read at the moment"
        if not comparison.knows_keys:
            return "found no run with these input keys, but the server may list other keys for the same inputs"
        return "found no run with this input"


def find_candidates(
    api: RunList, workflow_id: str, fits: Callable[[Run], bool], deadline: Deadline, began: float, *, hurry: bool
) -> Candidates:
    """Read the list of runs once, and return those that `fits` takes.

    `began` is when the start was first sent, by the deadline's clock; with `hurry`, the command's time is up.
    """
    clock, found = deadline.clock, list[Run]()

    def read() -> None:
        listed = iter(api.list_runs(workflow_id))
        first = list(islice(listed, 1))  # whose answer has the server's time
        # As seconds since 1970: servers also write the year 1, from which nothing can be subtracted.
        since = (api.server_now() or clock.now()).timestamp() - (clock.monotonic() - began) - SLACK
        older = 0
        for run in chain(first, listed):
            created = parse_time(run.created_at)
            older = 0 if created is None or created.timestamp() >= since else older + 1
            if not older and fits(run):
                found.append(run)
            if len(found) == MOST or (older >= OLD_ENOUGH and moment_of(run) <= moment_of(first[0])):
                return

    listed = True
    try:
        run_within(LAST_LOOK if hurry else deadline.left(LONGEST_LOOK), read)
    except NoxError:
        listed = False
    return Candidates(found[:MOST], listed)
