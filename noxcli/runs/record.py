"""A run's record: the only source of a verdict, read again and again, also to confirm a stop."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from noxcli.errors import (
    CommandLine,
    Hint,
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
from noxcli.retry import FailureTracker, requested_pause
from noxcli.timing import Clock, Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

LAST_READ = 0.7  # seconds past a time limit; the whole command may take 1 s more
MAX_STOP = 5.0  # seconds for the stop on Ctrl-C
STOP_LOOKS_APART = 0.3  # seconds between two reads of any stop
STOP_REQUEST = 5.0  # seconds for one request of a stop
UNKNOWN_END = 30.0  # seconds until an unknown status of a run with an end counts as its last one


def settled_if_unchanged(run: Run, before: Run | None, now: float) -> Run:
    """Return a read of a run, settled if its unknown status did not change for `UNKNOWN_END`.

    That needs a run with an end. `before` is the read before it, settled in the same way; `now` is
    in seconds of a monotonic clock.
    """
    if not run.unknown_end:
        return run
    since = now
    if before is not None and before.status == run.status and before.unknown_since is not None:
        since = before.unknown_since
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
        self.now = run
        if just_started and (run.settled or run.paused):
            # The answer to the start is neither a verdict nor an update.
            self.now = replace(run, status="unknown")
        self.was_read = not just_started
        self.moved = False  # the last read said something that nothing had said before
        self._source = source
        self._ends = ends
        self._clock = clock
        self._at_work = False  # an event of a node has arrived
        self._last: RunEvent | None = None
        self._last_state: object = None
        # An event has arrived since the last read, and the next one may only repeat it.
        self._has_events = False
        self._pause_shown = False

    @property
    def confirmed(self) -> bool:
        """True when the status comes from a read of the record."""
        return self.was_read and self.now.status == self.run.status

    def over(self) -> bool:
        """True if there is nothing more to wait for, according to a record that was read."""
        return self.was_read and self._ends(self.run)

    def read(self, within: float) -> list[Update]:
        """Read the run for at most `within` seconds, and return what changed.

        Raises what the API raises.
        """
        read = self._source.within(within).get_run(self.run.workflow_id, self.run.id)
        latest = settled_if_unchanged(read, self.run, self._clock.monotonic())
        has_changed = _place(latest) != _place(self.run)
        self.run = latest
        self.moved = has_changed and not self._has_events
        self._has_events = False
        self.was_read = True
        self.now = latest
        if latest.status == "queued" and self._at_work:
            # The record is out of date: running nodes are not queued.
            self.now = replace(latest, status="running")
        updates: list[Update] = []
        if has_changed:
            updates.append(Polled(self.now))
        updates += self.pause_begins()
        return updates

    def apply_events(self, events: Sequence[RunEvent]) -> bool:
        """Note what new events say, and return whether the run has moved.

        Only a read says that it has ended.
        """
        if not events:
            return False
        has_moved = False
        last_state: RunEvent | None = None
        for event in events:
            if isinstance(event.data, dict):
                self._last = event
            if event.type != "state":
                has_moved = True
                continue
            if event.data != self._last_state:
                has_moved = True
            self._last_state = event.data
            last_state = event
        if not self.over():
            self._has_events = True
            # The first event may show that the run is at work; the last state, how far it is.
            self._take(events[0])
            if last_state is not None:
                self._take(last_state)
        return has_moved

    def _take(self, event: RunEvent) -> None:
        """Take the run's current status and progress from an event."""
        status = event.state
        progress = None
        if event.type == "state":
            if isinstance(event.data, dict):
                progress = event.data.get("progress")
        elif self.now.status == "queued":
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
        """True if the last event announced an end or the current pause: no other has to follow."""
        if self._last is None:
            return False
        if self.run.paused and _named_ending(self._last) == PAUSED_STATUS:
            return True
        return self.is_at_an_end

    def pause_begins(self) -> list[Update]:
        """Return a pause when it begins."""
        begins = self.run.paused and not self._pause_shown
        self._pause_shown = self.run.paused
        if begins:
            return [Paused(self.run)]
        return []


def events_of_a_run(updates: Iterable[Update]) -> list[RunEvent]:
    """Return the events of documented types: others may also come after the end."""
    return [
        update for update in updates if isinstance(update, RunEvent) and update.type in OF_A_RUN
    ]


def may_be_the_end(event: RunEvent) -> bool:
    """True if an event has a status in which nothing more happens; the record tells whose it is."""
    data = event.data
    if event.type == "content" and isinstance(data, dict) and "workflow_status" not in data:
        return False  # as nearly all: a piece of text
    ending = _named_ending(event)
    if ending is None:
        return False
    return ending in FINAL_STATUSES or ending == PAUSED_STATUS or ending.lower() in ENDED_AS


def _named_ending(event: RunEvent) -> str | None:
    """Return the run's status in an event if it may be the last one."""
    return event.workflow_status or event.state


def lost_contact(error: NoxError, run_id: str, continuing: CommandLine | None = None) -> NoxError:
    """Return the error for a run that can no longer be read, with the command that continues."""
    if isinstance(error, NotAccessible):
        return access_lost(error, run_id, continuing)
    if isinstance(error, Unavailable) and error.lasts:
        return error
    if continuing is None:
        continuing = CommandLine("wait", run_id)
    what = f"lost contact with run {run_id}: {error.message}"
    return LostContact(what, Hint("continue with: ", continuing), **error.facts())


def access_lost(
    error: NotAccessible, run_id: str, continuing: CommandLine | None = None, *, ended: bool = False
) -> NoxError:
    """Return the refusal to read a run that was there, with the command that continues."""
    if ended:
        state = Hint(f"run {run_id} has ended")
        verb = "fetch-output"
    else:
        state = Hint(f"run {run_id} may still be running")
        verb = "wait"
    if error.hint and isinstance(error, Unauthorized):
        state = Hint(error.hint, "; ", state)  # any other hint doubts the id, which was right
    if continuing is None:
        continuing = CommandLine(verb, run_id)
    hint = Hint(state, "; continue with: ", continuing)
    return type(error)(error.message, hint, refusal=error.refusal, **error.facts())


class AskedToWait(TimedOut):
    """The server asks to wait for longer than there is time."""


def require_time(error: NoxError, run_id: str, deadline: Deadline) -> float:
    """Return for how many seconds the server asks not to read a run. Raises AskedToWait."""
    pause = requested_pause(error)
    if pause > deadline.remaining():
        hint = Hint("continue with: ", CommandLine("wait", run_id))
        raise AskedToWait(f"{error.line()}, beyond --timeout", hint)
    return pause


def still_running(run: Run, hint: Hint | None = None) -> TimedOut:
    """Return the error for a run that has not ended when one limit for several runs is reached."""
    return TimedOut(f"run {run.id} was still {run.word} at the timeout", hint)


def not_stopped(run: Run) -> NotFinished:
    """Return the error for a run that continues in spite of a stop request."""
    return NotFinished(
        f"run {run.id} was asked to stop, but is still {run.word}",
        Hint("try again with: ", CommandLine("stop", run.id)),
    )


class MaybeStopped(LostContact):
    """The server took the request to stop a run, whose record could not be read after it."""

    def __init__(self, run: Run, error: NoxError) -> None:
        what = f"run {run.id} was asked to stop, but could not be read: {error.message}"
        hint = Hint("try again with: ", CommandLine("stop", run.id))
        super().__init__(what, hint, **error.facts())


def stop_run(api: "NoxusApi", run: Run, deadline: Deadline) -> Run:
    """Request the stop, and return the record once the run has ended, or when the time is up.

    Safe to repeat, also for a run that has already ended. Raises the error of a rejection.
    Temporary failures are retried as long as there is time, and the last one is raised if the
    server never took the request; MaybeStopped if it did, but not one read succeeded.
    """
    is_requested = False
    trouble: NoxError | None = None
    unread: NoxError | None = None
    was_read = False
    failures = FailureTracker(deadline.clock)
    while True:
        pause = STOP_LOOKS_APART
        if not is_requested:
            trouble = _request_stop(api, run, deadline)
            is_requested = trouble is None
            pause = max(pause, requested_pause(trouble))
        try:
            read = api.within(deadline.remaining(STOP_REQUEST)).get_run(run.workflow_id, run.id)
            failures.got_answer()
            was_read = True
            # A record that lags behind puts no running run back in the queue.
            if read.status != "queued" or run.status != "running":
                run = read
        except Unavailable as error:  # that of the stop tells more
            unread = error
            pause = max(pause, requested_pause(error))
        except NotAccessible as error:
            unread = error
            if failures.is_lost(error):
                raise access_lost(error, run.id, CommandLine("stop", run.id)) from error
        if run.settled:
            return run
        if deadline.remaining() <= pause:
            if trouble is not None:
                raise trouble
            if unread is not None and not was_read:
                raise MaybeStopped(run, unread)
            return run
        deadline.clock.sleep(pause)


def _request_stop(api: "NoxusApi", run: Run, deadline: Deadline) -> NoxError | None:
    """Send the request; return why it has to be sent again, None if the server took it."""
    try:
        api.within(deadline.remaining(STOP_REQUEST)).stop_run(run.id)
    except RequestRejected:
        return None  # an ended run may reject the request; the record decides
    except (NotFound, Unavailable) as error:
        return error  # a replica may not know the run yet
    return None


def _place(run: Run) -> tuple[object, ...]:
    return run.status, run.progress, run.progress_details
