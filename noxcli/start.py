"""Starting a run exactly once on an API without idempotency keys."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from noxcli.errors import NoxError, StartUnknown, Unavailable
from noxcli.models import Run
from noxcli.patience import Patience
from noxcli.timing import Clock, Deadline, parse_time
from noxcli.within import run_within

# Statuses that a server or gateway gives instead of starting anything; every other failure leaves doubt.
NOTHING_STARTED = frozenset({429, 503})
CLOCK_SLACK = timedelta(seconds=2)  # servers write whole seconds
RECENT_RUNS = 200
# Seconds for the look at the run list: at most, and where the command's own time is up.
LONGEST_LOOK, LAST_LOOK = 10.0, 0.5


class RunStarter(Protocol):
    """What starting needs of the API."""

    def create_run(
        self,
        workflow_id: str,
        input: Mapping[str, Any],
        *,
        version_id: str | None = None,
        callback_url: str | None = None,
    ) -> Run: ...
    def list_runs(self, workflow_id: str | None = None) -> Iterable[Run]: ...


def start_run(
    api: RunStarter,
    workflow_id: str,
    input: Mapping[str, Any],
    *,
    version_id: str | None,
    callback_url: str | None,
    patience: Patience,
    clock: Clock,
    deadline: Deadline,
) -> Run:
    """Start the run; the request is sent again only where nothing can have been started.

    Raises StartUnknown, with the runs that may be ours, where the request was sent and no usable answer came.
    Raises Unavailable when the server could not be reached at all; Refused, Unauthorized and NotFound as answered.
    """
    began = clock.now()
    try:
        return patience.keep_trying(
            lambda: api.create_run(workflow_id, input, version_id=version_id, callback_url=callback_url),
            worth=surely_nothing_started,
        )
    except Unavailable as error:
        if surely_nothing_started(error):
            raise
        found = candidates(api, workflow_id, input, began, max(LAST_LOOK, deadline.left(LONGEST_LOOK)))
        known = "look at the runs before you start again: " + (
            ", ".join(f"{run.id} ({run.status}) has the same input" for run in found)
            if found
            else "none with this input was found"
        )
        raise StartUnknown(
            f"the start was sent and its outcome is unknown: {error.message}",
            known,
            **error.facts(),
            candidates=[{"id": run.id, "status": run.status, "created_at": run.created_at} for run in found],
        ) from error


def surely_nothing_started(error: Unavailable) -> bool:
    """True where the server can't have seen the whole request, or said that it did not take it."""
    return not error.sent or error.http_status in NOTHING_STARTED


def candidates(
    api: RunStarter, workflow_id: str, input: Mapping[str, Any], since: datetime, within: float
) -> list[Run]:
    """Return the recent runs with the same input: ours may be among them, and so may somebody else's."""
    try:
        recent = run_within(within, lambda: list(islice(api.list_runs(workflow_id), RECENT_RUNS)))
    except NoxError:
        return []  # the answer is unknown either way
    return [run for run in recent if run.input == input and _created_since(run, since)]


def _created_since(run: Run, since: datetime) -> bool:
    created = parse_time(run.created_at)
    return created is None or created >= since - CLOCK_SLACK
