"""Starting a run exactly once on an API without idempotency keys."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from noxcli.errors import Interruption, NoxError, StartUnknown, Unavailable
from noxcli.models import Run
from noxcli.patience import Patience
from noxcli.recent import newest_first
from noxcli.signals import Interrupted
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

    def list_runs(self, workflow_id: str | None = None) -> Iterable[Run]: ...


def start_run(
    api: RunStarter,
    send: Callable[[], Run],
    workflow_id: str,
    input: Mapping[str, Any],
    *,
    patience: Patience,
    clock: Clock,
    deadline: Deadline,
) -> Run:
    """Start the run with `send`, which is called again only where nothing can have been started.

    Raises StartUnknown, or Interruption for a signal that could not wait, with the runs that may be ours, where the
    request was sent and no usable answer came. Raises Unavailable when the server could not be reached at all;
    Refused, Unauthorized and NotFound as answered.
    """
    began = clock.now()
    try:
        return patience.keep_trying(send, worth=surely_nothing_started, bounded=False)
    except Unavailable as error:
        if surely_nothing_started(error):
            raise
        found = candidates(api, workflow_id, input, began, max(LAST_LOOK, deadline.left(LONGEST_LOOK)))
        raise StartUnknown(
            f"the start was sent and its outcome is unknown: {error.message}",
            _look_first(workflow_id, found),
            **error.facts(),
            candidates=brief(found),
        ) from error
    except Interrupted as signal:
        doubt = signal.__context__
        if not signal.unanswered and not (isinstance(doubt, Unavailable) and not surely_nothing_started(doubt)):
            raise
        found = candidates(api, workflow_id, input, began, LAST_LOOK)
        raise Interruption(
            f"interrupted by {signal} during the start, whose outcome is unknown",
            _look_first(workflow_id, found),
            number=signal.number,
            leaves_doubt=True,
            candidates=brief(found),
        ) from None


def _look_first(workflow_id: str, found: Sequence[Run]) -> str:
    same = ", ".join(f"{run.id} ({run.status}) has the same input" for run in found)
    none = "none with this input was found"
    return f"look at the runs before you start again (noxcli runs {workflow_id}): {same or none}"


def brief(found: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the runs as `error.candidates` has them."""
    return [{"id": run.id, "status": run.status, "created_at": run.created_at} for run in found]


def surely_nothing_started(error: Unavailable) -> bool:
    """True where the server can't have seen the whole request, or said that it did not take it."""
    return not error.sent or error.http_status in NOTHING_STARTED


def candidates(
    api: RunStarter, workflow_id: str, input: Mapping[str, Any], since: datetime, within: float
) -> list[Run]:
    """Return the recent runs with the same input: ours may be among them, and so may somebody else's."""
    try:
        recent = run_within(within, lambda: list(islice(newest_first(api.list_runs(workflow_id)), RECENT_RUNS)))
    except NoxError:
        return []  # the answer is unknown either way
    return [run for run in recent if run.input == input and created_since(run, since)]


def created_since(run: Run, since: datetime) -> bool:
    """True where the run may have been created at that time, by the server's clock, or later."""
    created = parse_time(run.created_at)
    return created is None or created >= since - CLOCK_SLACK
