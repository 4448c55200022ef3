"""The runs in the list that may be the one of a start without a usable answer: a help for people, never a proof."""

import json
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from noxcli.errors import NoxError
from noxcli.files import new_digest
from noxcli.fixed import fixed
from noxcli.inputs.definition import InputNode, keys_of
from noxcli.models import Run
from noxcli.runs.resolve import moment_of
from noxcli.timing import parse_time
from noxcli.waiting import run_apart

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

LONGEST_LOOK, LAST_LOOK = 10.0, 0.5  # seconds for the list, and if the command's own time is up
SLACK = 60.0  # seconds: servers write whole seconds, and those that share one address have different clocks
OLD_ENOUGH = 200  # consecutive runs from before the start, in a list that is newest first
MOST, MOST_TOLD = 200, 5


class Comparison:
    """The comparison of the inputs of one workflow, without secrets."""

    def __init__(self, nodes: Sequence[InputNode] | None = None, secret: Collection[str] = ()) -> None:
        """`nodes` is None if the workflow's definition is unknown: then keys equal only themselves."""
        self.knows_keys = nodes is not None
        self._names = {address: key for key, node in keys_of(nodes or ()).items() for address in (key, *node.addresses)}
        self._secret = {self._names.get(key, key) for key in secret}

    def digest_of(self, input: Any) -> str:
        """Return what equal inputs have in common."""
        if isinstance(input, dict):
            named = {self._names.get(key, key): value for key, value in input.items()}
            input = {key: value for key, value in named.items() if key not in self._secret}
        digest = new_digest()
        digest.update(json.dumps(_plain(input), sort_keys=True).encode())
        return digest.hexdigest()[:32]


def _plain(value: Any) -> Any:
    """Whole numbers are equal in any form that a server writes."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case _:
            return value


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
            created = parse_time(run.created_at)
            older = 0 if created is None or created.timestamp() >= begin else older + 1
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
