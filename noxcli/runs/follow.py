"""The core: one ordered sequence of updates about a run, across dropped connections, to a verdict from its record.

The event stream is for showing; the record is for judging. Knows no HTTP, no terminal and no real time of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from noxcli.errors import NotAccessible, NoxError, RequestRejected, TimedOut, Unavailable
from noxcli.models import Finished, Reconnecting, Run, Update
from noxcli.retry import FailureTracker
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
MAX_DELAY = 60.0  # of a stream's Retry-After, since the record must still be read; of reads, longer ones are shown
FIRST_READ = 3.0  # without an event until the record is read; twice as long each time
READ_AT_END = 0.2  # the same after an event that may be the end: the record may lag behind it
MAX_STALE = 2.0  # the same if the stream closed then, until it is opened again
BREAKS_BEFORE_POLLING = 5  # consecutive, without one event between them
# Polling before noxcli retries the stream, twice as long after each attempt without events.
STREAM_AGAIN_AFTER, STREAM_AGAIN_AT_LAST = 2.0, 60.0


@value_class(frozen=True, slots=True)
class Policy:
    """How to follow. Seconds throughout."""

    stream: bool = True
    every_event: bool = (
        False  # True: the events are the product, so missing ones are fetched after the verdict
    )
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

    It listens to a connection, or polls where there is no stream, until the record says that the run is over; then it
    passes on the remaining events.
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
        self._policy, self._deadline, self._stuck = policy, deadline, stuck
        self._clock = clock = deadline.clock
        self.record = Record(source, run, clock, policy.over, just_started=just_started)
        self.dedup = EventDeduplicator(positions, from_start=just_started)
        self.stream = RunStream(source, run.id, self.dedup)
        self._over = self.record.over
        self._stall = Deadline(clock, policy.stall_timeout)
        self._failures = FailureTracker(clock, policy.retry_for)
        self._unasked = Deadline(clock, 0.0)  # until then, the server wants no reads
        # What to do next, once the wait before it is over.
        self._next: Callable[[], Burst] = self._listen if policy.stream else self._poll
        self._wait = Deadline(clock, 0.0)
        # When to read the record although the stream is open.
        # At least twice within the limit for a stall: only what changes between two reads is progress.
        self._max_read_after = min(policy.idle_timeout, (policy.stall_timeout or float("inf")) / 2)
        self._read_after = min(FIRST_READ, self._max_read_after)
        self._next_read = Deadline(clock, self._read_after)
        # Without a stream.
        self._breaks = FailureTracker(clock)  # of the stream, without an event between them
        self._poll_until = Deadline(clock, None)
        self._stream_again = STREAM_AGAIN_AFTER

    def updates(self) -> Iterator[Burst]:
        """Yield each event once and in order, then exactly one `Finished`.

        Raises TimedOut at a limit; LostContact if nothing answered for `retry_for`; Unauthorized and NotFound if the
        server answers a read of the record so.
        """
        try:
            yield self.record.pause_begins() if self.record.was_read else []
            if not self._policy.stream:
                self._wait_for_poll()
            while not self._over():
                try:
                    yield self._next() if self._wait.passed else self._sleep()
                except AskedToWait:
                    raise
                except TimedOut:
                    yield self._read_once_more()
                    if not self._over() and (self._stall.passed or self._deadline.passed):
                        raise
            every_event = self._policy.every_event and self._policy.stream
            yield from TrailingEvents(
                self.stream, self.record, self._deadline, every_event=every_event
            ).read()
        finally:
            self.stream.close()
        yield [Finished(self.record.run)]

    # Limits.

    def _check_limits(self) -> None:
        """Raise TimedOut if the time is up; the run continues."""
        run, hint = self.record.now, f"continue with: noxcli wait {self.record.run.id}"
        if self._deadline.passed:
            limit = show_seconds(self._deadline.seconds or 0)
            raise TimedOut(f"run {run.id} was still {run.word} after {limit}", hint)
        if self._stall.passed:
            still = (
                f"run {run.id} has made no progress for {show_seconds(self._stall.seconds or 0)}"
            )
            where = self._stuck()
            raise TimedOut(f"{still}: {where}" if where else still, hint)

    def _read_once_more(self) -> Burst:
        """Show what has arrived by the limit, and read the run although its time is up; an error changes nothing."""
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
        try:
            most = min(READ_LIMIT, self._failures.for_an_attempt)
            updates = self.record.read(
                min(self._deadline.remaining(most), self._stall.remaining(most))
            )
        except (Unavailable, RequestRejected, NotAccessible) as error:
            is_lost = self._failures.is_lost(error)
            self._check_limits()
            if is_lost:
                raise lost_contact(error, self.record.run.id) from error
            self._unasked.restart(asked := require_time(error, self.record.run.id, self._deadline))
            return [Reconnecting(1, asked, error.message, lost=False)] if asked > MAX_DELAY else []
        self._failures.got_answer()
        if self.record.moved:
            self._stall.restart()
        return updates

    def _poll(self) -> Burst:
        """Read the record; then the stream is tried again if it is time to."""
        updates = self._read()
        if self._poll_until.passed:
            self._next = self._listen
        else:
            self._wait_for_poll()
        return updates

    def _wait_for_poll(self) -> None:
        asked_for = self._unasked.remaining()
        interval = max(self._policy.poll_interval, asked_for)
        self._wait.restart(interval if asked_for else self._poll_until.remaining(interval))

    # The stream.

    def _listen(self) -> Burst:
        """Pass on what a connection brings; read the record if an event hints at the end, or none comes."""
        stream = self.stream
        if not stream.is_open:
            stream.open()
            self._read_after = min(self._read_after, FIRST_READ)
            self._next_read.restart(self._read_after)
        if self._next_read.passed or self._is_silent():
            updates = self._read()
            self._read_after = min(2 * self._read_after, self._max_read_after)
            self._next_read.restart(self._read_after)
            if self._is_silent() and not self._over():  # else what is in transit is drained
                stream.give_up(f"the stream was silent for {show_seconds(stream.silent_for())}")
        else:
            self._check_limits()
            updates = self._receive(self._at_most(self._next_read))
        if not stream.is_open:
            self._next = self._reconnect
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
        if any(map(may_be_the_end, events)):
            self._read_after = READ_AT_END / 2
            self._next_read.restart(0.0)
        elif events:
            self._next_read.restart(self._read_after)
        return updates

    def _reconnect(self) -> Burst:
        """Read the record, and say why the stream ended and when it is opened again, or that the run is polled."""
        self.stream.close()
        updates = self._read()
        if self._over():
            return updates
        if (
            self.record.is_at_an_end and self._read_after < MAX_STALE
        ):  # the record may lag behind it
            self._wait.restart(self._read_after)
            self._read_after *= 2
            return updates
        if not self.dedup.can_resume:
            self._next = self._poll
            self._wait_for_poll()
            return [*updates, self.stream.abandon()]
        came, paused = self.dedup.fresh > 0, self.record.run.paused
        if came:
            self._breaks.answered()
            self._stream_again = STREAM_AGAIN_AFTER
        if self.stream.is_refused or (
            not came and (paused or self._breaks.in_a_row >= BREAKS_BEFORE_POLLING)
        ):
            self._next, self._poll_until = self._poll, Deadline(self._clock, self._stream_again)
            self._wait_for_poll()
            if self._stream_again == STREAM_AGAIN_AFTER and not paused:
                updates.append(self._reconnecting(0.0, f"{self.stream.why()}; polling"))
            self._stream_again = min(2 * self._stream_again, STREAM_AGAIN_AT_LAST)
            return updates
        if not came:
            self._breaks.failed()
        delay = (
            self.stream.requested_delay if came else self._breaks.delay(self.stream.requested_delay)
        )
        delay = min(delay, MAX_DELAY)
        self._next = self._listen
        self._wait.restart(delay)
        if (
            not self.record.is_announced
        ):  # otherwise it was closed for a pause, or after an end: nothing broke
            updates.append(self._reconnecting(delay, self.stream.why()))
        return updates

    def _reconnecting(self, delay: float, why: str) -> Reconnecting:
        return Reconnecting(max(1, self._breaks.in_a_row), delay, why, self.stream.was_open)
