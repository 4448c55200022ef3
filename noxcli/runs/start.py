"""Starting a run exactly once on an API without idempotency keys."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

from noxcli.errors import Interruption, NoxError, StartUnknown, Unavailable
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.retry import Patience
from noxcli.runs.likeness import Comparison, Likeness
from noxcli.signals import Interrupted
from noxcli.timing import Clock, Deadline
from noxcli.waiting import run_within

if TYPE_CHECKING:
    from noxcli.runs.doubt import Doubt, Finding, KnownStarts

# A gateway answers with these when it could not reach the server, or lost it. With others (500, 504), or without
# any answer, the server may still be processing the request, and the run may appear in the list much later.
LOST_BY_GATEWAY = frozenset({502, 503})
MOST_CANDIDATES = 200
# Seconds to check the run list: at most, and if the command's own time is up.
LONGEST_LOOK, LAST_LOOK = 10.0, 0.5
MOST_LOOKS = 3  # if the list itself is unreachable


class ServerTime(Protocol):
    """The part of the API that the time needs."""

    def server_now(self) -> datetime | None: ...


class RunStarter(ServerTime, Protocol):
    """The part of the API that starting needs."""

    def list_runs(self, workflow_id: str | None = None) -> Iterable[Run]: ...


class Moment:
    """The present moment, by the server's clock; if that is not known yet, a later answer tells it."""

    def __init__(self, api: ServerTime, clock: Clock) -> None:
        self.by_us = clock.now()
        self._api, self._clock = api, clock
        self._at, self._known = clock.monotonic(), api.server_now()

    def by_server(self) -> datetime | None:
        """Return the time, None if no answer had it."""
        if self._known is None and (now := self._api.server_now()) is not None:
            self._known = now - timedelta(seconds=self._clock.monotonic() - self._at)
        return self._known


@fixed
class Wanted:
    """What to start. `recall` returns what is known about earlier runs of this workflow."""

    workflow_id: str
    input: Likeness
    comparison: Comparison
    recall: "Callable[[Collection[str]], KnownStarts]"


class _Attempt:
    """One start whose request may have been accepted, and what the run list says about it."""

    def __init__(self, api: RunStarter, wanted: Wanted, deadline: Deadline) -> None:
        self.found: Sequence[Run] = ()  # runs that may be ours
        self.listed = False  # the run list was read far enough to decide
        self._api = api
        self._wanted = wanted
        self._clock = deadline.clock
        self._deadline = deadline
        self._began = Moment(api, deadline.clock)
        self._doubt: Unavailable | None = None
        self._cleared: Unavailable | None = None

    def may_send_again(self, error: Unavailable) -> bool:
        """True if nothing was started: the answer says so, or the run list proves it."""
        if surely_nothing_started(error):
            return True
        self._doubt = error
        if not lost_by_gateway(error):
            self.look(self._within)
        elif self._is_absent():
            self._doubt, self._cleared = None, error
        return self._doubt is None

    def left_in_doubt(self, error: BaseException | None) -> bool:
        """True if a run may exist after this error."""
        if self._doubt is not None:
            return True
        return isinstance(error, Unavailable) and not surely_nothing_started(error) and error is not self._cleared

    def look(self, within: float) -> "Finding | None":
        """Search the run list for at most that many seconds; None if it could not be read."""
        from noxcli.runs.doubt import Search  # loaded with the first doubt

        searches: list[Search] = []

        def read() -> None:
            listed = iter(self._api.list_runs(self._wanted.workflow_id))
            first = list(islice(listed, 1))  # whose answer has the server's time
            searches.append(Search([self._as_doubt()], self._wanted.comparison, self._wanted.recall))
            searches[-1].read(chain(first, listed))

        def read_twice_if_lost() -> None:
            try:
                read()
            except Unavailable:  # the connection that was kept after the start may be closed already
                read()

        whole = True
        try:
            run_within(within, read_twice_if_lost)
        except NoxError:
            whole = False
        if not searches:
            return None
        finding = searches[-1].finding()
        self.found = finding.candidates[0][:MOST_CANDIDATES]
        self.listed = whole
        return finding if whole else None

    def _is_absent(self) -> bool:
        from noxcli.runs.doubt import SETTLING  # as in look

        for looks in range(MOST_LOOKS):
            finding = self.look(self._within)
            if self.found or (finding is not None and not finding.absent):
                return False
            if finding is not None and looks > 0:
                return True
            if self._deadline.left(SETTLING) < SETTLING:
                return False
            self._clock.sleep(SETTLING)
        return False

    @property
    def _within(self) -> float:
        return max(LAST_LOOK, self._deadline.left(LONGEST_LOOK))

    def _as_doubt(self) -> "Doubt":
        from noxcli.runs.doubt import Doubt  # as in look

        by_server = self._began.by_server()
        return Doubt(0, self._wanted.input, by_server or self._began.by_us, by_server is not None)


def start_run(
    api: RunStarter,
    send: Callable[[], Run],
    wanted: Wanted,
    *,
    patience: Patience,
    deadline: Deadline,
) -> Run:
    """Start the run with `send`, which is called again only if nothing was started.

    If the request was sent and a run may exist, raises StartUnknown, or Interruption for a signal that could not
    wait, with the runs that may be ours. Raises Unavailable if the server was unreachable or declined for too long;
    Refused, Unauthorized and NotFound as answered.
    """
    attempt = _Attempt(api, wanted, deadline)
    try:
        return patience.keep_trying(send, worth=attempt.may_send_again, bounded=False)
    except Unavailable as error:
        if not attempt.left_in_doubt(error):
            raise
        raise StartUnknown(
            f"the start was sent, but its outcome is unknown: {error.message}",
            _look_first(wanted, attempt),
            **error.facts(),
            candidates=brief(attempt.found),
        ) from error
    except Interrupted as signal:
        if not signal.unanswered and not attempt.left_in_doubt(signal.__context__):
            raise
        attempt.look(LAST_LOOK)
        raise Interruption(
            f"interrupted by {signal} during the start, whose outcome is unknown",
            _look_first(wanted, attempt),
            number=signal.number,
            leaves_doubt=True,
            candidates=brief(attempt.found),
        ) from None


def _look_first(wanted: Wanted, attempt: _Attempt) -> str:
    found = ", ".join(f"{run.id} ({run.status}) has the same input" for run in attempt.found)
    if not found and not attempt.listed:
        found = "the run list can't be read at the moment"
    elif not found and not wanted.comparison.knows_keys:
        found = "found no run with these input keys, but the server may list other keys for the same inputs"
    found = found or "found no run with this input"
    return f"check the runs before you start again (noxcli runs {wanted.workflow_id}): {found}"


def brief(found: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the runs in the form of `error.candidates`."""
    return [{"id": run.id, "status": run.status, "created_at": run.created_at} for run in found]


def surely_nothing_started(error: Unavailable) -> bool:
    """True if the server can't have seen the whole request, or said that it did not accept it."""
    return not error.sent or error.declined


def lost_by_gateway(error: Unavailable) -> bool:
    """True if the request is no longer being processed, accepted or not: then the run list can resolve the doubt."""
    return error.http_status in LOST_BY_GATEWAY
