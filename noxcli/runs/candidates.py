"""The runs in the list that may be the one of a start without a usable answer: a help for people, never a proof."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noxcli.errors import NoxError
from noxcli.models import Run
from noxcli.runs.resolve import moment_of
from noxcli.timing import latest_moment
from noxcli.waiting import run_apart

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

LAST_LOOK = 0.5  # seconds for the list if the command's own time is up
SLACK = 60.0  # seconds: servers write whole seconds, and those that share one address have different clocks
OLD_ENOUGH = 200  # consecutive runs from before the start, in a list that is newest first
MOST, MOST_NAMED = 200, 5


@dataclass(frozen=True, slots=True)
class Candidates:
    """Runs with the input of the start, created since. `listed` is false if the list could not be read to its end."""

    runs: list[Run]
    listed: bool

    def brief(self) -> list[dict[str, Any]]:
        """Return the runs in the form of `error.candidates`."""
        return [{"id": run.id, "status": run.status, "created_at": run.created_at} for run in self.runs]

    def words(self) -> str:
        """Return what was found, for a message."""
        named = [f"{run.id} ({run.word})" for run in self.runs[:MOST_NAMED]]
        more = len(self.runs) - len(named)
        if named:
            return f"runs with the same input: {', '.join(named)}" + (f" and {more} more" if more else "")
        if not self.listed:
            return "the run list can't be read at the moment"
        return "found no run with this input, but the server may list other keys for it"


def find_candidates(
    api: "NoxusApi",
    workflow_id: str,
    fits: Callable[[Run], bool],
    since: Callable[[], float],
    within: float,
    most: int = MOST,
) -> Candidates:
    """Read the list of runs once, for at most `within` seconds, and return those that `fits` takes, at most so many.

    `since` is asked once the server has answered: when the first of them may have started, in seconds since 1970.
    """
    found = list[Run]()

    def read() -> None:
        older, first = 0, None
        for run in api.list_runs(workflow_id):
            if first is None:  # its answer has the server's time
                first, begin = run, since() - SLACK
            # As seconds since 1970: servers also write the year 1, from which nothing can be subtracted.
            created = latest_moment(run.created_at)
            older = 0 if created is None or created >= begin else older + 1
            if not older and fits(run):
                found.append(run)
            if len(found) == most or (older >= OLD_ENOUGH and moment_of(run) <= moment_of(first)):
                return

    listed = True
    try:
        run_apart(read, within)
    except NoxError:
        listed = False
    return Candidates(found[:most], listed)
