"""The core: one ordered sequence of updates about a run, across dropped connections, to a verdict from its record.

The event stream is for showing; the record is for judging. Knows no HTTP, no terminal and no real time of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from typing import Protocol

from noxcli.errors import (
    CursorRefused,
    LostContact,
    NotFound,
    NoxError,
    Refused,
    StreamClosed,
    StreamUnsupported,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from noxcli.fixed import fixed
from noxcli.models import (
    ENDED_AS,
    FINAL_STATUSES,
    PAUSED_STATUS,
    Finished,
    Gap,
    Reconnecting,
    Run,
    RunEvent,
    Silent,
    Update,
)
from noxcli.runs.ledger import OF_A_RUN, Ledger
from noxcli.runs.record import LAST_READ, Record, RecordSource
from noxcli.timing import Backoff, Deadline, Outage, show_seconds

# A burst is what arrived together; an empty one means that time has passed.
Burst = Sequence[Update]

LONGEST_WAIT = 1.0  # so that the display is updated every second
READ_LIMIT = 30.0  # for one read of the record
SECOND_LOOK = 0.5  # after an answer to a read that would end the command: one such answer may be a mistake
LONGEST_DELAY = 60.0  # regardless of Retry-After, since the record must still be read
FIRST_LOOK = 3.0  # without an event until the record is read; twice as long each time
LOOK_AT_END = 0.2  # the same after an event that may be the end: the record may lag behind it
LONGEST_STALE = 2.0  # the same if the stream closed then, until it is opened again
# How long to wait for events in transit when the record already has the end: if they are the product, or not.
LAST_EVENTS_GRACE, SHORT_GRACE = 2.0, 0.25
LONGEST_REST = 60.0  # total for the rest: a stream that never ends must not delay the verdict
CONNECTION = 0.05  # that each connection for the rest counts as: a stream may restart forever
TRIES_FOR_THE_REST = 3  # consecutive connections without an event
BREAKS_BEFORE_POLLING = 5  # consecutive, without one event between them
# Polling before noxcli retries the stream, twice as long after each attempt without events.
STREAM_AGAIN_AFTER, STREAM_AGAIN_AT_LAST = 2.0, 60.0
# The docs say only that these two are announced; a stop or a pause may not be.
ANNOUNCED_ENDINGS = frozenset({"completed", "failed"})


class Feed(Protocol):
    """One connection to the event stream; `opened` once the server has accepted it."""

    opened: bool

    def take(self, seconds: float) -> Sequence[RunEvent]: ...
    def silent_for(self) -> float: ...
    def close(self) -> None: ...


class EventSource(Protocol):
    """The part of the API that reading events needs."""

    def open_events(self, run_id: str, cursor: str | None = None) -> Feed: ...


class RunSource(EventSource, RecordSource, Protocol):
    """The part of the API that the follower needs."""


class Ending(Enum):
    """How the last connection ended."""

    NONE = auto()  # no connection was made, or the last one is open
    QUIET = auto()  # it stayed open but silent
    CLOSED = auto()  # cleanly closed by the server
    BROKEN = auto()


@fixed
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


Step = Callable[[], Burst]


class Follower:
    """Follows one run; call `updates()` once.

    Each step waits for at most a second or reads the record once, returns what that brought, and sets the next step.
    """

    def __init__(  # noqa: PLR0913 - what to follow, how, and where a run begins: each by name
        self,
        source: RunSource,
        run: Run,
        *,
        policy: Policy = Policy(),  # noqa: B008 - it never changes
        deadline: Deadline,
        cursor: str | None = None,
        just_started: bool = False,
        stuck: Callable[[], str] = str,
    ) -> None:
        """`stuck` describes what is running when nothing changes."""
        self.ledger = Ledger(cursor)
        self._source, self._policy, self._stuck = source, policy, stuck
        self._clock, self._deadline = deadline.clock, deadline
        self._stall = Deadline(self._clock, policy.stall_timeout)
        self._outage = Outage(self._clock, policy.retry_for)
        self._record = Record(source, run, self._clock, policy.over, just_started=just_started)
        self._over = self._record.over
        self._step: Step | None = self._begin
        self._wait, self._after_wait = Deadline(self._clock, 0.0), self._begin
        # The last connection.
        self._feed: Feed | None = None
        self._ending = Ending.NONE
        self._reason, self._asked_for = "", 0.0  # why it ended, and the delay that the server asked for
        self._arrived = False  # the last wait brought something
        self._connects = self._before = 0  # connections before it, and events that were accepted before it
        self._replay = False  # the next one starts over, since the server rejected the position
        self._rejected, self._replays_closed = False, 0
        self._from_outside = cursor is not None
        self._last: RunEvent | None = None
        self._last_state: object = None
        # When to read the record although the stream is open.
        # At least twice within the limit for a stall: only what changes between two reads is progress.
        self._longest_look = min(policy.idle_timeout, (policy.stall_timeout or float("inf")) / 2)
        self._first_look = self._look_after = min(FIRST_LOOK, self._longest_look)
        self._look = Deadline(self._clock, self._first_look)
        self._quiet = Deadline(self._clock, policy.idle_timeout)
        self._silence_told = False
        # Without a stream.
        self._backoff = Backoff()
        self._poll_until: Deadline | None = None if policy.stream else Deadline(self._clock, None)
        self._stream_again = STREAM_AGAIN_AFTER
        self._polling_told = self._just_read = False
        self._retry_after = 0.0  # what the last failed read asked for
        # The rest of the events, once the run is over.
        self._grace = Deadline(self._clock, 0.0)
        self._fetches, self._rest_waited = 0, 0.0
        self._looked_late = False

    @property
    def run(self) -> Run:
        """The run as last read, with what events have said since."""
        return self._record.now

    @property
    def confirmed(self) -> bool:
        """True when its status comes from a read of the record."""
        return self._record.confirmed

    @property
    def connects(self) -> int:
        """How many connections became a stream of events."""
        return self._connects + int(self._opened)

    def updates(self) -> Iterator[Burst]:
        """Yield each event once and in order, then exactly one `Finished`.

        Raises TimedOut at a limit; LostContact if nothing answered for `retry_for`; Unauthorized and NotFound if the
        server answers a read of the record so.
        """
        try:
            while (step := self._step) is not None:
                try:
                    if not self._over():
                        self._check_limits()
                    burst = step()
                except TimedOut:
                    if self._looked_late:
                        raise
                    burst = self._look_once_more()
                yield burst
        finally:
            self._close()
        yield [Finished(self._record.run)]

    # Limits.

    def _check_limits(self) -> None:
        """Raise TimedOut if the time is up; the run goes on."""
        run, hint = self._record.now, f"continue with: noxcli wait {self._record.run.id}"
        if self._deadline.passed:
            limit = show_seconds(self._deadline.seconds or 0)
            raise TimedOut(f"run {run.id} was still {run.status} after {limit}", hint)
        if self._stall.passed:
            still = f"run {run.id} has made no progress for {show_seconds(self._stall.seconds or 0)}"
            where = self._stuck()
            raise TimedOut(f"{still}: {where}" if where else still, hint)

    def _at_most(self, *others: Deadline) -> float:
        """Return how long to wait at once."""
        limits = [self._deadline] if self._over() else [self._deadline, self._stall]
        return min([one.left(LONGEST_WAIT) for one in (*limits, *others)])

    def _look_once_more(self) -> Burst:
        """Show what has arrived by the limit, and read the run although its time is up; an error changes nothing."""
        self._looked_late = True
        told: list[Update] = []
        try:
            if self._feed is not None and self._ending is Ending.NONE:
                told += self._accept(self._feed.take(0))
        except NoxError:
            pass
        try:
            told += self._record.read(LAST_READ)
        except NoxError:
            return told
        if self._record.moved:
            self._stall.restart()
        if self._over():
            self._step = self._drain_or_end()
        elif not (self._stall.passed or self._deadline.passed):
            self._looked_late = False
        return told

    # The record.

    def _begin(self) -> Burst:
        self._step = self._end if self._over() else self._next_connection
        if self._record.was_read:
            return self._record.pause_begins()
        # Only the answer to the start may say that it is over, which is not a verdict.
        return self._read() if self._policy.over(self._record.run) else []

    def _read(self) -> Burst:
        """Read the record; a failed read is ignored as long as contact is not lost."""
        try:
            most = min(READ_LIMIT, self._outage.for_an_attempt)
            told = self._record.read(min(self._deadline.left(most), self._stall.left(most)))
        except (Unavailable, Refused) as error:
            self._retry_after = (error.retry_after if isinstance(error, Unavailable) else None) or 0.0
            self._outage.failed()
            self._check_limits()
            if self._outage.is_too_long:
                what = f"lost contact with run {self._record.run.id}: {error.message}"
                raise LostContact(what, f"continue with: noxcli wait {self._record.run.id}", **error.facts()) from error
            return []
        except (NotFound, Unauthorized) as error:
            if self._record.denies(error):
                raise
            if isinstance(error, NotFound) and self._record.is_new:
                return []
            self._clock.sleep(min(SECOND_LOOK, self._deadline.left()))
            self._check_limits()
            return self._read()
        self._retry_after = 0.0
        self._outage.answered()
        if self._record.moved:
            self._stall.restart()
        return told

    def _wait_for(self, seconds: float, then: Step) -> None:
        self._wait, self._after_wait, self._step = Deadline(self._clock, seconds), then, self._waiting

    def _waiting(self) -> Burst:
        if self._wait.passed:
            self._step = self._after_wait
        else:
            self._clock.sleep(self._at_most(self._wait))
        return []

    # Without a stream.

    def _next_connection(self) -> Burst:
        """Open a stream, or poll until it is time to."""
        if self._over():
            self._step = self._end
        elif self._poll_until is None:
            self._open()
            self._step = self._listen
        else:
            asked_for = min(self._retry_after, LONGEST_DELAY)
            interval = max(self._policy.poll_interval, asked_for)
            self._wait_for(interval if asked_for else self._poll_until.left(interval), self._poll)
        return []

    def _poll(self) -> Burst:
        told = self._read()
        if self._poll_until is not None and self._poll_until.passed:
            self._poll_until, self._just_read = None, True
        self._step = self._next_connection
        return told

    def _poll_for_a_while(self) -> None:
        """Poll, and retry the stream soon at first, then at growing intervals."""
        if self._poll_until is None:
            self._poll_until = Deadline(self._clock, self._stream_again)
            self._stream_again = min(2 * self._stream_again, STREAM_AGAIN_AT_LAST)

    # The open stream.

    @property
    def _opened(self) -> bool:
        """True if the last connection became a stream of events."""
        return self._feed is not None and self._feed.opened

    def _open(self) -> None:
        self._connects = self.connects
        self._before = self.ledger.accepted
        self.ledger.opened(replay=self._replay, ended=self._over())
        cursor, self._replay = None if self._replay else self.ledger.cursor, False
        self._ending = Ending.NONE
        self._quiet.restart()
        self._look.restart(self._look_after)
        self._feed = self._source.open_events(self._record.run.id, cursor)

    def _close(self) -> None:
        if self._feed is not None:
            self._feed.close()

    def _take(self, seconds: float) -> list[Update]:
        """Wait for events, and return the new ones; `_ending` says if the connection has ended."""
        assert self._feed is not None
        self._arrived, self._asked_for = False, 0.0
        try:
            events = self._feed.take(seconds)
        except CursorRefused as refusal:
            self._replay = self._rejected = True
            self._ending, self._reason = Ending.BROKEN, f"the server rejected the position: {refusal.message}"
        except (StreamUnsupported, Unauthorized, NotFound, Refused) as refusal:
            # Whether the key or the run is the problem, the record says more reliably.
            self._poll_for_a_while()
            self._ending, self._reason = Ending.BROKEN, f"no event stream: {refusal.message}"
        except Unavailable as broken:
            self._ending = Ending.CLOSED if isinstance(broken, StreamClosed) else Ending.BROKEN
            self._reason, self._asked_for = broken.message, broken.retry_after or 0.0
            return self._broken_replay()
        else:
            self._arrived = bool(events)
            return self._accept(events) if events else []
        return []

    def _listen(self) -> Burst:
        told = self._take(self._at_most(self._quiet, self._look))
        if self._ending is not Ending.NONE:
            self._hang_up()
        elif self._arrived:
            return told
        elif self._look.passed or self._quiet.passed:
            self._step = self._look_up
        # Silence after events that wait: the replay is over. Without such events, it has not begun.
        silent = self.ledger.held and self._feed is not None and self._feed.silent_for() > LONGEST_WAIT
        return [*told, *self._heard(self.ledger.settle())] if self._quiet.passed or silent else told

    def _look_up(self) -> Burst:
        """Read the record while the stream is open: an event hinted at an end, or none came for a while."""
        assert self._feed is not None
        told = self._read()
        self._step = self._listen
        if self._over():
            self._step = self._drain_or_end()
            return told
        if self._quiet.passed and (silent := self._feed.silent_for()) >= self._policy.idle_timeout:
            self._ending, self._reason = Ending.BROKEN, f"the stream was silent for {show_seconds(silent)}"
            self._hang_up()
            return told
        if not (self._quiet.passed or self._look.passed):
            return told  # an event hinted at an end
        if self._quiet.passed:
            self._quiet.restart()
        if not self._silence_told and self._look_after >= self._first_look:
            self._silence_told = True
            told = [*told, Silent(self._look_after)]
        longest = max(self._policy.poll_interval, LOOK_AT_END) if self._at_an_end else self._longest_look
        self._look_after = min(2 * self._look_after, longest)
        self._look.restart(self._look_after)
        return told

    def _accept(self, events: Sequence[RunEvent]) -> list[Update]:
        """Return the new ones, and note what they say."""
        if any(event.type in OF_A_RUN for event in events):
            self._quiet.restart()
            self._look.restart(self._look_after)
        if any(map(_may_be_the_end, filter(_is_news, events))) and not self._over():
            self._look_after = LOOK_AT_END
            self._look.restart(LOOK_AT_END)
            self._step = self._look_up
        return self._heard(self.ledger.accept(events))

    def _heard(self, told: list[Update]) -> list[Update]:
        fresh = [update for update in told if isinstance(update, RunEvent)]
        counting = [event for event in fresh if event.type in OF_A_RUN]
        # An event without data, or of a kind of the server's own, may also come behind the end.
        self._last = next((event for event in reversed(counting) if isinstance(event.data, dict)), self._last)
        if fresh:
            self._outage.answered()
        moves = [self._is_movement(event) for event in counting]
        if any(moves):
            self._stall.restart()
        if counting and not self._over():
            states = [event for event in counting if event.type == "state"]
            for event in (counting[0], *states[-1:]):
                self._record.hear(event)
        return told

    def _is_movement(self, event: RunEvent) -> bool:
        if event.type != "state":
            return True
        before, self._last_state = self._last_state, event.data
        return bool(event.data != before)

    # A connection has ended.

    def _broken_replay(self) -> list[Update]:
        """Return what waited to be placed, if no other replay can place it."""
        if not self.ledger.seeking:
            return []
        if self._ending is Ending.CLOSED:
            # A replay that closed before the position may have been cut; two of them were not.
            self._replays_closed += 1
            if self._replays_closed > 1 or self.ledger.cursor is None:
                return self._heard(self.ledger.settle())
        self._replay = self.ledger.cursor is not None
        return []

    def _hang_up(self) -> None:
        """Close the connection; before the next one, the record is read."""
        self._close()
        self._look_after = min(self._look_after, self._first_look)
        just_read, self._just_read = self._just_read, False
        self._step = self._reconnect if just_read and not self._opened else self._read_after_break

    def _read_after_break(self) -> Burst:
        told = self._read()
        if self._over():
            self._step = self._end
        elif self._at_an_end and self._look_after < LONGEST_STALE:
            self._wait_for(self._look_after, self._read_after_break)
            self._look_after *= 2
        else:
            self._step = self._reconnect
        return told

    def _reconnect(self) -> Burst:
        """Say why the stream ended, and wait; not long if it had an event, which shows that reconnecting works."""
        came, paused = self.ledger.accepted > self._before, self._record.run.paused
        if came:
            self._backoff.reset()
            self._stream_again, self._polling_told = STREAM_AGAIN_AFTER, False
        elif paused or self._backoff.failures >= BREAKS_BEFORE_POLLING:
            self._poll_for_a_while()
        if self._poll_until is None:
            delay = min(self._asked_for if came else self._backoff.next_delay(self._asked_for), LONGEST_DELAY)
            self._wait_for(delay, self._next_connection)
            # Closed for a pause, or behind an end: nothing broke.
            return [] if self._whole else [self._reconnecting(delay, self._reason)]
        self._step = self._next_connection
        if self._polling_told or paused:
            return []
        self._polling_told = True
        return [self._reconnecting(0.0, f"{self._reason}; polling")]

    def _reconnecting(self, delay: float, reason: str) -> Reconnecting:
        return Reconnecting(max(1, self._backoff.failures), delay, reason, self._opened)

    # The run is over.

    @property
    def _whole(self) -> bool:
        """True if the last event may be the end of all: it announced one, or it is the current pause."""
        paused = self._record.run.paused and self._last is not None and _named_ending(self._last) == PAUSED_STATUS
        return self._at_an_end or paused

    @property
    def _at_an_end(self) -> bool:
        """True if the last event announced an end, which may be another one than the run's."""
        return self._last is not None and self._last.is_terminal

    @property
    def _may_wait(self) -> bool:
        """True while there is time for the rest of the events."""
        return self._rest_waited < LONGEST_REST and not self._deadline.passed

    def _drain_or_end(self) -> Step:
        """Return the step that reads what is still on its way, if the stream is open."""
        hinted = self._last is not None and _may_be_the_end(self._last)
        if self._feed is None or self._ending is not Ending.NONE or not (self._policy.every_event or hinted):
            return self._end
        return self._drain_for(LAST_EVENTS_GRACE if self._policy.every_event else SHORT_GRACE)

    def _drain_for(self, seconds: float) -> Step:
        self._grace = Deadline(self._clock, SHORT_GRACE if self._whole else seconds)
        return self._drain

    def _drain(self) -> Burst:
        """Pass on further events until the stream closes or nothing more arrives."""
        began = self._clock.monotonic()
        told = self._take(min(LONGEST_WAIT, self._grace.left(), self._deadline.left()))
        self._rest_waited += self._clock.monotonic() - began
        if self._arrived:
            self._drain_for(self._grace.seconds or SHORT_GRACE)
        if self._ending is Ending.NONE and (self._grace.passed or not self._may_wait):
            told += self._heard(self.ledger.settle())
            self._ending = Ending.QUIET if self._grace.passed else Ending.BROKEN
        if self._ending is not Ending.NONE:
            self._close()
            self._step = self._end
        return told

    def _end(self) -> Burst:
        """End once the events are whole; if they are the product, fetch the rest as long as attempts yield any."""
        self._step = None
        # Behind the last event of a connection that broke, there may be more.
        if self._whole and (self._ending is not Ending.BROKEN or self._fetches or not self._may_wait):
            return []
        announced = self._record.run.status in ANNOUNCED_ENDINGS and not self._nothing_behind_the_cursor
        if not (self._policy.every_event and self._policy.stream):
            self.ledger.ended_unannounced()
            return []
        # If the end will be announced, a first connection that fell silent does not settle it.
        quiet = self._ending is Ending.QUIET and (self._fetches or not announced)
        closed = self._ending is Ending.CLOSED and self._fetches and not announced
        if quiet or closed or not self._may_wait:
            return self._give_up_on_events()
        if not self._fetches:
            self._backoff = Backoff()
        elif self.ledger.accepted > self._before:
            self._backoff.reset()
        else:
            delay = self._backoff.next_delay()
            # The verdict is known: a limit ends only the search for events, not the command.
            if self._backoff.failures > TRIES_FOR_THE_REST or delay >= self._deadline.left():
                return self._give_up_on_events()
            self._wait_for(delay, self._fetch_rest)
            return [Reconnecting(self._backoff.failures, delay, "the remaining events are missing")]
        self._step = self._fetch_rest
        return []

    def _fetch_rest(self) -> Burst:
        """Read, on a separate connection, the events that were still missing when the record had the verdict."""
        self._fetches += 1
        self._rest_waited += CONNECTION
        self._open()
        self._step = self._drain_for(LAST_EVENTS_GRACE)
        return []

    @property
    def _nothing_behind_the_cursor(self) -> bool:
        """True if the caller resumed from a position, and the server has no event after it: it was the last one."""
        resumed = self._from_outside and not self._rejected  # a rejected position is not the last one, but a lost one
        return resumed and self._ending is Ending.CLOSED and not self.ledger.accepted

    def _give_up_on_events(self) -> Burst:
        """Report a gap, unless the stream may have ended where the events do."""
        told = self._heard(self.ledger.settle())
        self.ledger.ended_unannounced()
        if self._nothing_behind_the_cursor:
            return told
        if self._record.run.status in ANNOUNCED_ENDINGS or self._ending is Ending.BROKEN:
            self.ledger.lost()
            what = f"the run is {self.run.status}, but its event stream never reported that; events may be missing"
            told.append(Gap(what))
        return told


def _may_be_the_end(event: RunEvent) -> bool:
    """True if an event has a status in which nothing more happens; only the record can tell whose it is."""
    said = _named_ending(event)
    return isinstance(said, str) and (said in FINAL_STATUSES or said == PAUSED_STATUS or said.lower() in ENDED_AS)


def _named_ending(event: RunEvent) -> object:
    """Return the run's status in an event if it may be the last one."""
    if not isinstance(event.data, dict):
        return None
    return event.workflow_status or (event.data.get("status") if event.type == "state" else None)


def _is_news(event: RunEvent) -> bool:
    """False for a piece of streamed text, which says nothing about the run: nearly all events are one."""
    return event.type != "content" or type(event.data) is not dict or "workflow_status" in event.data
