"""The core: one ordered sequence of updates about a run, across dropped connections.

The event stream is for showing; the record is for judging. Knows no HTTP, no terminal and no real
time of its own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING

from noxcli.errors import (
    CommandLine,
    Hint,
    NotAccessible,
    NoxError,
    RequestRejected,
    TimedOut,
    Unavailable,
)
from noxcli.models import Finished, Reconnecting, Run, Update
from noxcli.retry import FailureTracker, Pause
from noxcli.runs.event_dedup import EventDeduplicator
from noxcli.runs.record import (
    LAST_READ,
    AskedToWait,
    Record,
    events_of_a_run,
    lost_contact,
    may_be_the_end,
    require_time,
)
from noxcli.runs.stream import MAX_WAIT, RunStream, TrailingEvents
from noxcli.timing import Deadline, show_seconds
from noxcli.value_class import value_class

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

# A burst is what arrived together; an empty one means that time has passed.
Burst = Sequence[Update]

READ_LIMIT = 30.0  # for one read of the record
# Of a stream's Retry-After, since the record must still be read; of reads, longer ones are shown.
MAX_DELAY = 60.0
FIRST_READ = 3.0  # without an event until the record is read; twice as long each time
READ_AT_END = 0.2  # the same after an event that may be the end: the record may lag behind it
MAX_STALE = 2.0  # the same if the stream closed then, until it is opened again
BREAKS_BEFORE_POLLING = 5  # consecutive, without one event between them
# Polling before noxcli retries the stream, twice as long after each attempt without events.
STREAM_AGAIN_AFTER = 2.0
STREAM_AGAIN_AT_LAST = 60.0


class State(Enum):
    """What the follower does next, once the wait before it is over."""

    LISTEN = auto()  # to a connection, which is opened if there is none
    DECIDE = auto()  # what follows a connection that has ended, by a new read of the record
    POLL = auto()  # read the record, until the stream is tried again
    POLL_ONLY = auto()  # read the record, since there is no stream to try again


@value_class(frozen=True, slots=True)
class Policy:
    """How to follow. Seconds throughout."""

    stream: bool = True
    # True: the events are the product, so missing ones are fetched after the verdict.
    every_event: bool = False
    leave_when_paused: bool = True
    poll_interval: float = 2.0
    idle_timeout: float = 30.0
    stall_timeout: float | None = None
    retry_for: float = 300.0  # without any answer until contact counts as lost
    stop_when_late: bool = False  # True: stop a run that outlasts a limit

    def over(self, run: Run) -> bool:
        """True if there is nothing more to wait for."""
        return run.settled or (run.paused and self.leave_when_paused)


class Follower:
    """Follows one run; call `updates()` once.

    It listens to a connection, or polls where there is no stream, until the record says that the
    run is over; then it passes on the remaining events. `_next_state` has all transitions.
    """

    def __init__(  # noqa: PLR0913 - what to follow, how, and where a run begins: each by name
        self,
        source: "NoxusApi",
        run: Run,
        *,
        policy: Policy,
        deadline: Deadline,
        positions: Sequence[str] = (),
        just_started: bool = False,
        stuck: Callable[[], str] = str,
    ) -> None:
        """`positions` are the last that another reader has shown, one or two.

        `stuck` describes what is running when nothing changes.
        """
        clock = deadline.clock
        self._policy = policy
        self._deadline = deadline
        self._stuck = stuck
        self._clock = clock
        self.record = Record(source, run, clock, policy.over, just_started=just_started)
        self.dedup = EventDeduplicator(positions, from_start=just_started)
        self.stream = RunStream(source, run.id, self.dedup)
        self._over = self.record.over
        self._stall = Deadline(clock, policy.stall_timeout)
        self._failures = FailureTracker(clock, policy.retry_for)
        self._unasked = Deadline(clock, 0.0)  # until then, the server wants no reads
        self.pause: Pause | None = None  # since the reads of the record fail
        self._state = State.LISTEN if policy.stream else State.POLL_ONLY
        self._wait = Deadline(clock, 0.0)  # before what the state says is done
        # When to read the record although the stream is open.
        self._max_read_after = policy.idle_timeout
        if policy.stall_timeout:
            # At least twice within that limit: only what changes between two reads is progress.
            self._max_read_after = min(policy.idle_timeout, policy.stall_timeout / 2)
        self._read_after = min(FIRST_READ, self._max_read_after)
        self._next_read = Deadline(clock, self._read_after)
        # Without a stream.
        self._breaks = FailureTracker(clock)  # of the stream, without an event between them
        self._poll_until = Deadline(clock, None)
        self._stream_again = STREAM_AGAIN_AFTER

    def updates(self) -> Iterator[Burst]:
        """Yield each event once and in order, then exactly one `Finished`.

        Raises TimedOut at a limit; LostContact if nothing answered for `retry_for`; Unauthorized
        and NotFound if the server answers a read of the record so.
        """
        try:
            yield self.record.pause_begins() if self.record.was_read else []
            if self._state is State.POLL_ONLY:
                self._wait_for_poll()
            while not self._over():
                try:
                    yield self._step() if self._wait.passed else self._sleep()
                except AskedToWait:
                    raise
                except TimedOut:
                    yield self._read_once_more()
                    if not self._over():
                        self._check_limits()  # again: the error names the status shown last
            every_event = self._policy.every_event and self._policy.stream
            yield from TrailingEvents(
                self.stream, self.record, self._deadline, every_event=every_event
            ).read()
        finally:
            self.stream.close()
        yield [Finished(self.record.run)]

    # States.

    def _step(self) -> Burst:
        """Do what the state says, and go to the state that follows."""
        before = self._state
        if before is State.LISTEN:
            updates = self._listen()
            self._state = self._next_state()
            return updates
        if before is State.DECIDE:
            self.stream.close()
        updates = self._read()
        if self._over():
            return updates
        self._state = self._next_state()
        if before is State.DECIDE:
            updates += self._leave_connection()
        elif self._state is not State.LISTEN:
            self._wait_for_poll()
        return updates

    def _next_state(self) -> State:
        """Return the state that follows once what this one says is done."""
        if self._state is State.LISTEN:
            return State.LISTEN if self.stream.is_open else State.DECIDE
        if self._state is State.POLL:
            return State.LISTEN if self._poll_until.passed else State.POLL
        if self._state is State.POLL_ONLY:
            return State.POLL_ONLY
        # A connection has ended.
        if self.record.is_at_an_end and self._read_after < MAX_STALE:
            return State.DECIDE  # the record may lag behind the announced end
        if not self.dedup.can_resume:
            return State.POLL_ONLY
        if self.stream.is_refused:
            return State.POLL
        if self.dedup.fresh:
            return State.LISTEN
        if self.record.run.paused or self._breaks.in_a_row >= BREAKS_BEFORE_POLLING:
            return State.POLL
        return State.LISTEN

    def _leave_connection(self) -> list[Update]:
        """Set the wait before the state that follows a connection; return what is reported."""
        if self._state is State.DECIDE:
            self._wait.restart(self._read_after)
            self._read_after *= 2
            return []
        if self._state is State.POLL_ONLY:
            self._poll_until = Deadline(self._clock, None)
            self._wait_for_poll()
            return [self.stream.abandon()]
        if self.dedup.fresh:
            self._breaks.answered()
            self._stream_again = STREAM_AGAIN_AFTER
        if self._state is State.POLL:
            return self._begin_polling()
        return self._begin_reconnecting()

    def _begin_polling(self) -> list[Update]:
        is_first_time = self._stream_again == STREAM_AGAIN_AFTER
        self._poll_until = Deadline(self._clock, self._stream_again)
        self._stream_again = min(2 * self._stream_again, STREAM_AGAIN_AT_LAST)
        self._wait_for_poll()
        if not is_first_time or self.record.run.paused:
            return []
        return [self._reconnecting(0.0, f"{self.stream.why()}; polling")]

    def _begin_reconnecting(self) -> list[Update]:
        delay = self.stream.requested_delay
        if not self.dedup.fresh:
            self._breaks.failed()
            delay = self._breaks.delay(delay)
        delay = min(delay, MAX_DELAY)
        self._wait.restart(delay)
        if self.record.is_announced:
            return []  # it was closed for a pause, or after an end: nothing broke
        return [self._reconnecting(delay, self.stream.why())]

    def _reconnecting(self, delay: float, why: str) -> Reconnecting:
        return Reconnecting(max(1, self._breaks.in_a_row), delay, why, self.stream.was_open)

    # Limits.

    def _check_limits(self) -> None:
        """Raise TimedOut if the time is up; the run continues."""
        run = self.record.now
        hint = Hint("continue with: ", CommandLine("wait", self.record.run.id))
        if self._deadline.passed:
            limit = show_seconds(self._deadline.seconds or 0)
            raise TimedOut(f"run {run.id} was still {run.word} after {limit}", hint)
        if self._stall.passed:
            limit = show_seconds(self._stall.seconds or 0)
            what = f"run {run.id} has made no progress for {limit}"
            where = self._stuck()
            if where:
                what = f"{what}: {where}"
            raise TimedOut(what, hint)

    def _read_once_more(self) -> Burst:
        """Show what has arrived by the limit, and read the run although its time is up.

        An error of the read changes nothing.
        """
        updates = self._receive(0) if self.stream.is_open else []
        try:
            updates += self.record.read(LAST_READ)
        except NoxError:
            return updates
        if self.record.moved:
            self._stall.restart()
        return updates

    def _at_most(self, other: Deadline) -> float:
        """Return how long to wait in one step."""
        return min(other.remaining(MAX_WAIT), self._deadline.remaining(), self._stall.remaining())

    def _sleep(self) -> Burst:
        """Let a part of the wait pass."""
        self._check_limits()
        self._clock.sleep(self._at_most(self._wait))
        return []

    # The record.

    def _read(self) -> list[Update]:
        """Read the record; a failed read is ignored as long as contact is not lost."""
        self._check_limits()
        if not self._unasked.passed:
            return []
        most = min(READ_LIMIT, self._failures.for_an_attempt)
        within = min(self._deadline.remaining(most), self._stall.remaining(most))
        try:
            updates = self.record.read(within)
        except (Unavailable, RequestRejected, NotAccessible) as error:
            is_lost = self._failures.is_lost(error)
            self._check_limits()
            if is_lost:
                raise lost_contact(error, self.record.run.id) from error
            asked_for = require_time(error, self.record.run.id, self._deadline)
            self._unasked.restart(asked_for)
            now = time.monotonic()
            asked_until = now + asked_for if asked_for else None
            self.pause = Pause(error.http_status, now - self._failures.seconds, asked_until)
            if asked_for <= MAX_DELAY:
                return []
            return [Reconnecting(1, asked_for, error.message, lost=False)]
        self._failures.got_answer()
        self.pause = None
        if self.record.moved:
            self._stall.restart()
        return updates

    def _wait_for_poll(self) -> None:
        asked_for = self._unasked.remaining()
        interval = max(self._policy.poll_interval, asked_for)
        if not asked_for:
            interval = self._poll_until.remaining(interval)
        self._wait.restart(interval)

    # The stream.

    def _listen(self) -> list[Update]:
        """Pass on what a connection brings; read the record at a hint of the end, or in silence."""
        stream = self.stream
        if not stream.is_open:
            stream.open()
            self._read_after = min(self._read_after, FIRST_READ)
            self._next_read.restart(self._read_after)
        if not self._next_read.passed and not self._is_silent():
            self._check_limits()
            return self._receive(self._at_most(self._next_read))
        updates = self._read()
        self._read_after = min(2 * self._read_after, self._max_read_after)
        self._next_read.restart(self._read_after)
        # Of a run that is over, what is in transit is still drained.
        if self._is_silent() and not self._over():
            stream.give_up(f"the stream was silent for {show_seconds(stream.silent_for())}")
        return updates

    def _is_silent(self) -> bool:
        """True if the connection may be dead; one that can't be resumed is kept all the same."""
        return self.dedup.can_resume and self.stream.silent_for() >= self._policy.idle_timeout

    def _receive(self, seconds: float) -> list[Update]:
        """Wait for events, and return the new ones."""
        updates = self.stream.receive(seconds)
        if updates:
            self._failures.answered()
        events = events_of_a_run(updates)
        if self.record.apply_events(events):
            self._stall.restart()
        if any(may_be_the_end(event) for event in events):
            self._read_after = READ_AT_END / 2
            self._next_read.restart(0.0)
        elif events:
            self._next_read.restart(self._read_after)
        return updates
