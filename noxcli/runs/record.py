"""A run's record: the only source of a verdict, read again and again, also to confirm a stop."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from noxcli.errors import (
    LostContact,
    NotAccessible,
    NotFinished,
    NotFound,
    NoxError,
    RequestRejected,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from noxcli.models import (
    ENDED_AS,
    FINAL_STATUSES,
    OF_A_RUN,
    PAUSED_STATUS,
    Paused,
    Polled,
    Run,
    RunEvent,
    Update,
)
from noxcli.retry import FailureTracker
from noxcli.timing import Clock, Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

LAST_READ = 0.7  # seconds past a time limit; the whole command may take 1 s more
MAX_STOP, STOP_LOOKS_APART = (
    5.0,
    0.3,
)  # seconds for the stop on Ctrl-C, and between two reads of any stop
UNKNOWN_END = (
    30.0  # seconds until an unknown status of a run with an end is treated as its last one
)


def settled_if_unchanged(run: Run, before: Run | None, now: float) -> Run:
    """Return a read of a run, settled if it has an end and an unknown status that did not change for `UNKNOWN_END`.

    `before` is the read before it, settled in the same way; `now` is in seconds of a monotonic clock.
    """
    if not run.unknown_end:
        return run
    since = before.unknown_since if before is not None and before.status == run.status else None
    since = now if since is None else since
    return replace(run, unknown_since=since, ended=now - since >= UNKNOWN_END)


class Record:
    """The latest read of one run, and what events have said since."""

    def __init__(
        self,
        source: "NoxusApi",
        run: Run,
        clock: Clock,
        ends: Callable[[Run], bool],
        *,
        just_started: bool,
    ) -> None:
        """`ends` says whether a record leaves anything to wait for."""
        self.run = run
        # The answer to the start is neither a verdict nor an update.
        self.now = (
            replace(run, status="unknown") if just_started and (run.settled or run.paused) else run
        )
        self.was_read = not just_started
        self.moved = False  # the last read said something that nothing had said before
        self._source = source
        self._ends = ends
        self._clock = clock
        self._at_work = False  # an event of a node has arrived
        self._last: RunEvent | None = None
        self._last_state: object = None
        self._has_events = (
            False  # an event has arrived since the last read, which the next one may only repeat
        )
        self._pause_shown = False

    @property
    def confirmed(self) -> bool:
        """True when the status comes from a read of the record."""
        return self.was_read and self.now.status == self.run.status

    def over(self) -> bool:
        """True if there is nothing more to wait for, according to a record that was read."""
        return self.was_read and self._ends(self.run)

    def read(self, within: float) -> list[Update]:
        """Read the run for at most `within` seconds, and return what changed. Raises what the API raises."""
        read = self._source.within(within).get_run(self.run.workflow_id, self.run.id)
        before, latest = self.run, settled_if_unchanged(read, self.run, self._clock.monotonic())
        self.run = latest
        changed = _place(latest) != _place(before)
        self.moved, self._has_events = changed and not self._has_events, False
        self.was_read = True
        # A record may be out of date: running nodes are not queued.
        self.now = (
            replace(latest, status="running")
            if latest.status == "queued" and self._at_work
            else latest
        )
        return [*([Polled(self.now)] if changed else []), *self.pause_begins()]

    def apply_events(self, events: Sequence[RunEvent]) -> bool:
        """Note what new events say, and return whether the run has moved; only a read says that it has ended."""
        self._last = next(
            (event for event in reversed(events) if isinstance(event.data, dict)), self._last
        )
        states = [event for event in events if event.type == "state"]
        moved = len(states) < len(events)
        for event in states:
            moved = moved or event.data != self._last_state
            self._last_state = event.data
        if events and not self.over():
            self._has_events = True
            for event in (events[0], *states[-1:]):
                self._take(event)
        return moved

    def _take(self, event: RunEvent) -> None:
        """Take the run's current status and progress from an event."""
        status, progress = event.state, None
        if event.type == "state" and isinstance(event.data, dict):
            progress = event.data.get("progress")
        elif event.type != "state" and self.now.status == "queued":
            status = "running"
        if status is not None and status not in FINAL_STATUSES | {"queued"}:
            self._at_work = True
            self.now = replace(self.now, status=status)
        if isinstance(progress, int | float) and not isinstance(progress, bool):
            self.now = replace(self.now, progress=progress)

    @property
    def is_at_an_end(self) -> bool:
        """True if the last event announced an end, which may be another one than the run's."""
        return self._last is not None and self._last.is_terminal

    @property
    def is_announced(self) -> bool:
        """True if the last event announced an end or the current pause: nothing more needs to follow."""
        paused = (
            self.run.paused
            and self._last is not None
            and _named_ending(self._last) == PAUSED_STATUS
        )
        return paused or self.is_at_an_end

    def pause_begins(self) -> list[Update]:
        """Return a pause when it begins."""
        updates: list[Update] = (
            [Paused(self.run)] if self.run.paused and not self._pause_shown else []
        )
        self._pause_shown = self.run.paused
        return updates


def events_of_a_run(updates: Iterable[Update]) -> list[RunEvent]:
    """Return the events of documented types: one of a kind of the server's own may also come after the end."""
    return [
        update for update in updates if isinstance(update, RunEvent) and update.type in OF_A_RUN
    ]


def may_be_the_end(event: RunEvent) -> bool:
    """True if an event has a status in which nothing more happens; only the record can tell whose it is."""
    if (
        event.type == "content"
        and isinstance(event.data, dict)
        and "workflow_status" not in event.data
    ):
        return False  # as nearly all: a piece of text
    ending = _named_ending(event)
    return ending is not None and (
        ending in FINAL_STATUSES or ending == PAUSED_STATUS or ending.lower() in ENDED_AS
    )


def _named_ending(event: RunEvent) -> str | None:
    """Return the run's status in an event if it may be the last one."""
    return event.workflow_status or event.state


def lost_contact(error: NoxError, run_id: str, continuing: str | None = None) -> NoxError:
    """Return the error for a run that can no longer be read, for this reason, with the command that continues."""
    if isinstance(error, NotAccessible):
        return access_lost(error, run_id, continuing)
    if isinstance(error, Unavailable) and error.lasts:
        return error
    hint = f"continue with: {continuing or f'noxcli wait {run_id}'}"
    return LostContact(f"lost contact with run {run_id}: {error.message}", hint, **error.facts())


def access_lost(
    error: NotAccessible, run_id: str, continuing: str | None = None, *, ended: bool = False
) -> NoxError:
    """Return the refusal to read a run that was there, with the command that continues."""
    hint = (
        f"{error.hint}; " if error.hint and isinstance(error, Unauthorized) else ""
    )  # the id was right
    still = f"run {run_id} has ended" if ended else f"run {run_id} may still be running"
    back = continuing or f"noxcli {'fetch-output' if ended else 'wait'} {run_id}"
    return type(error)(
        error.message,
        f"{hint}{still}; continue with: {back}",
        refusal=error.refusal,
        **error.facts(),
    )


class AskedToWait(TimedOut):
    """The server asks to wait for longer than there is time."""


def require_time(error: NoxError, run_id: str, deadline: Deadline) -> float:
    """Return for how many seconds the server asks not to read a run. Raises AskedToWait."""
    asked = (error.retry_after if isinstance(error, Unavailable) else None) or 0.0
    if asked > deadline.remaining():
        raise AskedToWait(
            f"{error.line()}, beyond --timeout", f"continue with: noxcli wait {run_id}"
        )
    return asked


def still_running(run: Run, hint: str | None = None) -> TimedOut:
    """Return the error for a run that has not ended when one limit for several runs is reached."""
    return TimedOut(f"run {run.id} was still {run.word} at the timeout", hint)


def not_stopped(run: Run) -> NotFinished:
    """Return the error for a run that continues in spite of a stop request."""
    return NotFinished(
        f"run {run.id} was asked to stop, but is still {run.word}",
        f"try again with: noxcli stop {run.id}",
    )


def stop_run(api: "NoxusApi", run: Run, deadline: Deadline) -> Run:
    """Request the stop, and return the record once the run has ended, or when the time is up.

    Safe to repeat, also for a run that has already ended. Raises the error of a rejection; temporary failures are
    retried as long as there is time, and the last one is raised if the server never took the request.
    """
    requested, trouble, failures = False, None, FailureTracker(deadline.clock)
    while True:
        try:
            if not requested:
                api.within(deadline.remaining(5.0)).stop_run(run.id)
                requested = True
        except RequestRejected:
            requested = True  # an ended run may reject the request; the record decides
        except (NotFound, Unavailable) as error:
            trouble = error  # a replica may not know the run yet
        try:
            run = api.within(deadline.remaining(5.0)).get_run(run.workflow_id, run.id)
            failures.got_answer()
        except Unavailable:
            pass  # the error of the stop tells more
        except NotAccessible as error:
            if failures.is_lost(error):
                raise access_lost(error, run.id, f"noxcli stop {run.id}") from error
        if run.settled:
            return run
        if deadline.remaining() <= STOP_LOOKS_APART:
            if not requested and trouble is not None:
                raise trouble
            return run
        deadline.clock.sleep(STOP_LOOKS_APART)


def _place(run: Run) -> tuple[object, ...]:
    return run.status, run.progress, run.progress_details
