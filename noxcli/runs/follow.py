"""The core: one ordered sequence of updates about a run, across dropped connections, to a verdict from its record.

The event stream is for showing; the record is for judging. Knows no HTTP, no terminal and no real time of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noxcli.errors import (
    CursorRefused,
    Denied,
    NotFound,
    NoxError,
    Refused,
    StreamClosed,
    StreamUnsupported,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from noxcli.models import (
    ENDED_AS,
    FINAL_STATUSES,
    PAUSED_STATUS,
    Finished,
    Reconnecting,
    Run,
    RunEvent,
    Update,
)
from noxcli.retry import Contact
from noxcli.runs.ledger import OF_A_RUN, Ledger
from noxcli.runs.record import LAST_READ, Record, lost_contact
from noxcli.timing import Deadline, Outage, show_seconds

if TYPE_CHECKING:
    from noxcli.api import NoxusApi
    from noxcli.api.feed import EventFeed

# A burst is what arrived together; an empty one means that time has passed.
Burst = Sequence[Update]

LONGEST_WAIT = 1.0  # so that the display is updated every second
READ_LIMIT = 30.0  # for one read of the record
LONGEST_DELAY = 60.0  # regardless of Retry-After, since the record must still be read
FIRST_LOOK = 3.0  # without an event until the record is read; twice as long each time
LOOK_AT_END = 0.2  # the same after an event that may be the end: the record may lag behind it
LONGEST_STALE = 2.0  # the same if the stream closed then, until it is opened again
# How long to wait for events in transit when the record already has the end: if they are the product, or not.
LAST_EVENTS_GRACE, SHORT_GRACE = 2.0, 0.25
LONGEST_REST = 60.0  # spent waiting for the rest: a stream that never ends must not delay the verdict
TRIES_FOR_THE_REST = 3  # consecutive connections without an event
BREAKS_BEFORE_POLLING = 5  # consecutive, without one event between them
# Polling before noxcli retries the stream, twice as long after each attempt without events.
STREAM_AGAIN_AFTER, STREAM_AGAIN_AT_LAST = 2.0, 60.0
# The docs say only that these two are announced; a stop or a pause may not be.
ANNOUNCED_ENDINGS = frozenset({"completed", "failed"})
# Whether the key or the run is the problem, the record says more reliably.
NO_STREAM = (StreamUnsupported, Unauthorized, NotFound, Refused)


@dataclass(frozen=True, slots=True)
class Policy:
    """How to follow. Seconds throughout."""

    stream: bool = True
    every_event: bool = False  # True: the events are the product, so missing ones are fetched after the verdict
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

    It listens to a connection, or polls where there is no stream, until the record says that the run is over. Then it
    drains the connection, and if the events are the product, it fetches those that are missing.
    """

    def __init__(  # noqa: PLR0913 - what to follow, how, and where a run begins: each by name
        self,
        source: "NoxusApi",
        run: Run,
        *,
        policy: Policy = Policy(),
        deadline: Deadline,
        positions: Sequence[str] = (),
        just_started: bool = False,
        stuck: Callable[[], str] = str,
    ) -> None:
        """`positions` are the last that another reader has shown, one or two.

        `stuck` describes what is running when nothing changes.
        """
        self.ledger = Ledger(positions, from_start=just_started)
        self.record = Record(source, run, deadline.clock, policy.over, just_started=just_started)
        self._source, self._policy, self._stuck = source, policy, stuck
        self._clock, self._deadline = deadline.clock, deadline
        self._stall = Deadline(self._clock, policy.stall_timeout)
        self._contact = Contact(self._clock, policy.retry_for)
        self._over = self.record.over
        # What to do next, once the wait before it is over.
        self._next: Callable[[], Burst] = self._listen if policy.stream else self._poll
        self._wait = Deadline(self._clock, 0.0)
        # The connection: None before the first one, and once it was closed.
        self._feed: EventFeed | None = None
        self._ended: NoxError | None = None  # why the server's side of it has ended
        self._was_open = False  # it was a stream of events
        self._connects = 0  # connections before it
        self._last: RunEvent | None = None
        self._last_state: object = None
        # When to read the record although the stream is open.
        # At least twice within the limit for a stall: only what changes between two reads is progress.
        self._longest_look = min(policy.idle_timeout, (policy.stall_timeout or float("inf")) / 2)
        self._first_look = self._look_after = min(FIRST_LOOK, self._longest_look)
        self._look = Deadline(self._clock, self._first_look)
        # Without a stream.
        self._breaks = Outage(self._clock)  # of the stream, without an event between them
        self._poll_until = Deadline(self._clock, None)
        self._stream_again = STREAM_AGAIN_AFTER
        self._retry_after = 0.0  # what the last failed read asked for
        self._rest_waited = 0.0

    @property
    def connects(self) -> int:
        """How many connections became a stream of events."""
        return self._connects + int(self._feed is not None and self._feed.opened)

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
                except TimedOut:
                    yield self._look_once_more()
                    if not self._over() and (self._stall.passed or self._deadline.passed):
                        raise
            yield from self._drain()
            yield from self._fetch_rest()
        finally:
            self._close()
        yield [Finished(self.record.run)]

    # Limits.

    def _check_limits(self) -> None:
        """Raise TimedOut if the time is up; the run goes on."""
        run, hint = self.record.now, f"continue with: noxcli wait {self.record.run.id}"
        if self._deadline.passed:
            limit = show_seconds(self._deadline.seconds or 0)
            raise TimedOut(f"run {run.id} was still {run.word} after {limit}", hint)
        if self._stall.passed:
            still = f"run {run.id} has made no progress for {show_seconds(self._stall.seconds or 0)}"
            where = self._stuck()
            raise TimedOut(f"{still}: {where}" if where else still, hint)

    def _look_once_more(self) -> Burst:
        """Show what has arrived by the limit, and read the run although its time is up; an error changes nothing."""
        updates = self._receive(0) if self._is_open() else []
        try:
            updates += self.record.read(LAST_READ)
        except NoxError:
            return updates
        if self.record.moved:
            self._stall.restart()
        return updates

    def _at_most(self, other: Deadline) -> float:
        """Return how long to wait at once."""
        stall = LONGEST_WAIT if self._over() else self._stall.left()
        return min(other.left(LONGEST_WAIT), self._deadline.left(), stall)

    def _sleep(self) -> Burst:
        """Let a part of the wait pass."""
        if not self._over():
            self._check_limits()
        self._clock.sleep(self._at_most(self._wait))
        return []

    # The record.

    def _read(self) -> list[Update]:
        """Read the record; a failed read is ignored as long as contact is not lost."""
        self._check_limits()
        try:
            most = min(READ_LIMIT, self._contact.outage.for_an_attempt)
            updates = self.record.read(min(self._deadline.left(most), self._stall.left(most)))
        except (Unavailable, Refused, Denied) as error:
            self._retry_after = (error.retry_after if isinstance(error, Unavailable) else None) or 0.0
            is_lost = self._contact.is_lost(error)
            self._check_limits()
            if is_lost:
                raise lost_contact(error, self.record.run.id) from error
            return []
        self._retry_after = 0.0
        self._contact.met_answer()
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
        asked_for = min(self._retry_after, LONGEST_DELAY)
        interval = max(self._policy.poll_interval, asked_for)
        self._wait.restart(interval if asked_for else self._poll_until.left(interval))

    # The stream.

    def _is_open(self) -> bool:
        return self._feed is not None and self._ended is None

    def _open(self) -> None:
        self._close()
        cursor = self.ledger.opened()
        self._ended = None
        self._look_after = min(self._look_after, self._first_look)
        self._look.restart(self._look_after)
        self._feed = self._source.open_events(self.record.run.id, cursor)

    def _close(self) -> None:
        if self._feed is not None:
            self._was_open = self._feed.opened
            self._connects = self.connects
            self._feed.close()
            self._feed = None

    def _listen(self) -> Burst:
        """Pass on what a connection brings; read the record if an event hints at the end, or none comes."""
        if self._feed is None:
            self._open()
        feed, idle = self._feed, self._policy.idle_timeout
        assert feed is not None
        if self._look.passed or feed.silent_for() >= idle:
            updates = self._read()
            self._look_after = min(2 * self._look_after, self._longest_look)
            self._look.restart(self._look_after)
            if feed.silent_for() >= idle and not self._over():  # else what is in transit is drained
                self._ended = Unavailable(f"the stream was silent for {show_seconds(feed.silent_for())}")
        else:
            self._check_limits()
            updates = self._receive(self._at_most(self._look))
            # Silence after events that wait: the replay is over. Without such events, it has not begun.
            if self.ledger.held and feed.silent_for() > min(LONGEST_WAIT, idle):
                updates += self._heard(self.ledger.place_waiting())
        if not self._is_open():
            self._next = self._reconnect
        return updates

    def _reconnect(self) -> Burst:
        """Read the record, and say why the stream ended and when it is opened again, or that the run is polled."""
        self._close()
        updates = self._read()
        if self._over():
            return updates
        if self._is_at_an_end and self._look_after < LONGEST_STALE:  # the record may lag behind it
            self._wait.restart(self._look_after)
            self._look_after *= 2
            return updates
        assert self._ended is not None
        paused, came = self.record.run.paused, self.ledger.fresh > 0
        if came:
            self._breaks.answered()
            self._stream_again = STREAM_AGAIN_AFTER
        refused = isinstance(self._ended, NO_STREAM) and not isinstance(self._ended, CursorRefused)
        if refused or (not came and (paused or self._breaks.failures >= BREAKS_BEFORE_POLLING)):
            self._next, self._poll_until = self._poll, Deadline(self._clock, self._stream_again)
            self._wait_for_poll()
            if self._stream_again == STREAM_AGAIN_AFTER and not paused:
                updates.append(self._reconnecting(0.0, f"{_why(self._ended)}; polling"))
            self._stream_again = min(2 * self._stream_again, STREAM_AGAIN_AT_LAST)
            return updates
        asked_for = (self._ended.retry_after if isinstance(self._ended, Unavailable) else None) or 0.0
        if not came:
            self._breaks.failed()
        delay = min(asked_for if came else self._breaks.delay(asked_for), LONGEST_DELAY)
        self._next = self._listen
        self._wait.restart(delay)
        if not self._is_announced:  # otherwise it was closed for a pause, or after an end: nothing broke
            updates.append(self._reconnecting(delay, _why(self._ended)))
        return updates

    def _reconnecting(self, delay: float, why: str) -> Reconnecting:
        return Reconnecting(max(1, self._breaks.failures), delay, why, self._was_open)

    # Events.

    def _receive(self, seconds: float) -> list[Update]:
        """Wait for events, and return the new ones; `_ended` says if the connection has ended."""
        assert self._feed is not None
        try:
            events = self._feed.take(seconds)
        except (*NO_STREAM, Unavailable) as ended:
            self._ended = ended
            if isinstance(ended, CursorRefused):
                self.ledger.refused()
            # A replay that was closed is taken for a whole one; another end of it only means to try again.
            return self._heard(self.ledger.place_waiting()) if isinstance(ended, StreamClosed) else []
        if any(event.type in OF_A_RUN for event in events):
            self._look.restart(self._look_after)
        # Nearly all events are a piece of streamed text, which says nothing about the run.
        news = (
            one
            for one in events
            if one.type != "content" or (isinstance(one.data, dict) and "workflow_status" in one.data)
        )
        if any(map(_may_be_the_end, news)) and not self._over():
            self._look_after = LOOK_AT_END / 2
            self._look.restart(0.0)
        return self._heard(self.ledger.accept(events)) if events else []

    def _heard(self, updates: list[Update]) -> list[Update]:
        """Note what new events say, and return them."""
        fresh = [update for update in updates if isinstance(update, RunEvent)]
        counting = [event for event in fresh if event.type in OF_A_RUN]
        if fresh:
            self._contact.outage.answered()
        # An event without data, or of a kind of the server's own, may also come after the end.
        self._last = next((event for event in reversed(counting) if isinstance(event.data, dict)), self._last)
        states = [event for event in counting if event.type == "state"]
        moved = len(states) < len(counting)
        for event in states:
            moved = moved or event.data != self._last_state
            self._last_state = event.data
        if moved:
            self._stall.restart()
        if counting and not self._over():
            for event in (counting[0], *states[-1:]):
                self.record.hear(event)
        return updates

    # The run is over.

    @property
    def _is_announced(self) -> bool:
        """True if the last event announced an end or the current pause: nothing more needs to follow."""
        paused = self.record.run.paused and self._last is not None and _named_ending(self._last) == PAUSED_STATUS
        return paused or self._is_at_an_end

    @property
    def _is_at_an_end(self) -> bool:
        """True if the last event announced an end, which may be another one than the run's."""
        return self._last is not None and self._last.is_terminal

    @property
    def _is_broken(self) -> bool:
        """True if the last connection ended in a way that events may have been lost."""
        return self._ended is not None and not isinstance(self._ended, StreamClosed)

    def _drain(self) -> Iterator[Burst]:
        """Pass on what the open connection brings until it ends, or falls silent."""
        every = self._policy.every_event
        if not (every or (self._last is not None and _may_be_the_end(self._last))):
            return
        longest = LAST_EVENTS_GRACE if every else SHORT_GRACE
        silence = Deadline(self._clock, longest)
        silence.restart(SHORT_GRACE if self._is_announced else longest)
        while self._is_open():
            came, began = self.ledger.came, self._clock.monotonic()
            updates = self._receive(min(silence.left(LONGEST_WAIT), self._deadline.left()))
            self._rest_waited += self._clock.monotonic() - began
            if self.ledger.came > came:
                silence.restart(SHORT_GRACE if self._is_announced else longest)
            if self._is_open() and silence.passed:
                updates += self._heard(self.ledger.place_waiting())
                self._close()
            elif not self._may_wait:
                self._ended = self._ended or Unavailable("there was no time for the remaining events")
            yield updates

    def _fetch_rest(self) -> Iterator[Burst]:
        """If the events are the product, read those that are missing, on connections of their own; else a gap."""
        outage, fetches = Outage(self._clock), 0
        while not self._has_all(fetches):
            if not (self._policy.every_event and self._policy.stream):
                self.ledger.ended_unannounced()
                return
            if not fetches or self.ledger.fresh:
                outage.answered()
            else:
                outage.failed()
                delay, is_quiet = outage.delay(), self._ended is None
                # The verdict is known: a limit ends only the search for events, not the command.
                if is_quiet or outage.failures > TRIES_FOR_THE_REST or delay >= self._deadline.left():
                    break
                yield [Reconnecting(outage.failures, delay, "the remaining events are missing")]
                self._wait.restart(delay)
                while not self._wait.passed:
                    yield self._sleep()
            if not self._may_wait:
                break
            fetches += 1
            self._open()
            yield from self._drain()
        else:
            if not self._is_announced:
                self.ledger.ended_unannounced()
            return
        updates = self._heard(self.ledger.place_waiting())
        self.ledger.ended_unannounced()
        what = f"the run is {self.record.now.word}, but its event stream never reported that; events may be missing"
        yield [*updates, self.ledger.gap(what)]

    def _has_all(self, fetches: int) -> bool:
        """True if nothing shows that events are missing, after so many connections for the rest."""
        if self._is_announced:
            return fetches > 0 or not (self._is_broken and self._may_wait)
        if not fetches or self._is_broken or self.ledger.fresh:
            return False
        # A stream that closes may have no event after a position from outside: it was the last. Silence tells nothing.
        closed = isinstance(self._ended, StreamClosed)
        from_outside = closed and self.ledger.origin is not None and not self.ledger.accepted
        return self.record.run.status not in ANNOUNCED_ENDINGS or from_outside

    @property
    def _may_wait(self) -> bool:
        """True while there is time for the rest of the events."""
        return self._rest_waited < LONGEST_REST and not self._deadline.passed


def _why(ended: NoxError) -> str:
    if isinstance(ended, CursorRefused):
        return f"the server rejected the position: {ended.message}"
    return f"no event stream: {ended.message}" if isinstance(ended, NO_STREAM) else ended.message


def _may_be_the_end(event: RunEvent) -> bool:
    """True if an event has a status in which nothing more happens; only the record can tell whose it is."""
    said = _named_ending(event)
    return said is not None and (said in FINAL_STATUSES or said == PAUSED_STATUS or said.lower() in ENDED_AS)


def _named_ending(event: RunEvent) -> str | None:
    """Return the run's status in an event if it may be the last one."""
    return event.workflow_status or event.state
