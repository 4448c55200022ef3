"""The core: one ordered sequence of updates about a run, across dropped connections, to a verdict from its record.

The event stream is for showing; the record is for judging. Knows no HTTP, no terminal and no real time of its own.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Protocol

from noxcli.errors import CursorRefused, StreamUnsupported, TimedOut, Unavailable
from noxcli.fixed import fixed
from noxcli.models import Finished, Gap, Reconnecting, Run
from noxcli.runs.events import ANNOUNCED_ENDINGS, Burst, Ending, EventReader, EventSource
from noxcli.runs.ledger import Ledger
from noxcli.runs.limits import Limits
from noxcli.runs.record import Record, RecordSource
from noxcli.timing import Backoff, Deadline

__all__ = ["Burst", "Follower", "Policy"]

LONGEST_DELAY = 60.0  # regardless of Retry-After, since the record must still be read
STALE_RECORD_STEPS = (0.2, 0.4, 0.8, 1.6)  # a record may lag the event that announced its end
TRIES_FOR_THE_REST = 3  # consecutive connections without an event
BREAKS_BEFORE_POLLING = 5  # consecutive, without one event between them
# Seconds of polling before noxcli retries the stream, twice as long after each attempt without events.
STREAM_AGAIN_AFTER, STREAM_AGAIN_AT_LAST = 2.0, 60.0


class RunSource(EventSource, RecordSource, Protocol):
    """The part of the API that the follower needs."""


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


class Follower:
    """Follows one run; call `updates()` once."""

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
        self._policy = policy
        self._clock, self._deadline = deadline.clock, deadline
        self._limits = Limits(deadline, stall_timeout=policy.stall_timeout, retry_for=policy.retry_for, stuck=stuck)
        self._record = Record(source, run, self._limits, policy.over, just_started=just_started)
        self._over = self._record.over
        self._backoff = Backoff()
        self._poll_until: Deadline | None = None if policy.stream else Deadline(self._clock, None)
        self._stream_again = STREAM_AGAIN_AFTER
        self._polling_told = False
        self._just_read = False
        self._reader = EventReader(
            source,
            self._record,
            self._limits,
            idle_timeout=policy.idle_timeout,
            every_event=policy.every_event,
            cursor=cursor,
        )

    @property
    def run(self) -> Run:
        """The run as last read, with what events have said since."""
        return self._record.now

    @property
    def confirmed(self) -> bool:
        """True when its status comes from a read of the record."""
        return self._record.confirmed

    @property
    def ledger(self) -> Ledger:
        """The events that were passed on, and what is known about their completeness."""
        return self._reader.ledger

    @property
    def connects(self) -> int:
        """How many connections became a stream of events."""
        return self._reader.connects

    def updates(self) -> Iterator[Burst]:
        """Yield each event once and in order, then exactly one `Finished`.

        Raises TimedOut at a limit; LostContact if nothing answered for `retry_for`; Unauthorized and NotFound if the
        server answers a read of the record so.
        """
        if self._record.was_read:
            yield from self._record.tell_pause()
        while not self._over():
            try:
                yield from self._follow_on()
            except TimedOut:
                yield from self._record.look_once_more()
                if not self._over():
                    self._limits.check(self._record.now)  # a run may also have passed its own limits
        if self._policy.every_event and self._policy.stream:
            yield from self._complete_events()
        elif self._reader.ending is not Ending.ANNOUNCED:
            self.ledger.ended_unannounced()
        yield [Finished(self._record.run)]

    def _follow_on(self) -> Generator[Burst, None, None]:
        """One connection or one poll, a read of the record, and the wait before the next."""
        if self._policy.over(self._record.run):
            yield from self._record.read()  # only the answer to the start says so, which is not a verdict
            if self._over():
                return
        if self._poll_until is not None:
            yield from self._poll(self._poll_until)
            return
        before = self.ledger.accepted
        reason, retry_after = yield from self._stream()
        just_read, self._just_read = self._just_read, False
        if self._over():
            return
        if self._reader.opened or not just_read:
            yield from self._record.read()
        if self._reader.ending is Ending.ANNOUNCED and not self._over():
            yield from self._read_stale_record()
        if not self._over() and reason:
            yield from self._wait_to_reconnect(reason, retry_after, came=self.ledger.accepted > before)

    def _poll(self, until: Deadline) -> Generator[Burst, None, None]:
        """Read the record after the interval, or when it is time to retry the stream."""
        asked_for = min(self._record.retry_after or 0.0, LONGEST_DELAY)
        interval = max(self._policy.poll_interval, asked_for)
        yield from self._pause(interval if asked_for else until.left(interval))
        yield from self._record.read()
        if until.passed:
            self._poll_until, self._just_read = None, True

    def _stream(self) -> Generator[Burst, None, tuple[str, float | None]]:
        """Read one connection; return why it ended, empty at a proper end, and the delay that the server asked for."""
        try:
            yield from self._reader.read()
        except CursorRefused as refusal:
            self._reader.replay = True
            return f"the server rejected the position: {refusal.message}", None
        except StreamUnsupported as refusal:
            # Whether the key or the run is the problem, the record says more reliably.
            self._poll_for_a_while()
            return f"no event stream: {refusal.message}", None
        except Unavailable as broken:
            return broken.message, broken.retry_after
        return "", None

    def _wait_to_reconnect(self, reason: str, retry_after: float | None, *, came: bool) -> Generator[Burst, None, None]:
        """Report why the stream ended, and wait; not long if it had an event, which shows that reconnecting works."""
        if came:
            self._backoff.reset()
            self._stream_again, self._polling_told = STREAM_AGAIN_AFTER, False
        elif self._record.run.paused or self._backoff.failures >= BREAKS_BEFORE_POLLING:
            self._poll_for_a_while()
        if self._poll_until is None:
            delay = min(retry_after or 0.0 if came else self._backoff.next_delay(retry_after), LONGEST_DELAY)
            if not self._reader.whole:  # otherwise the server closed the stream for the pause: nothing broke
                yield [Reconnecting(max(1, self._backoff.failures), delay, reason, self._reader.opened)]
            yield from self._pause(delay)
        elif not (self._polling_told or self._record.run.paused):
            self._polling_told = True
            yield [Reconnecting(max(1, self._backoff.failures), 0.0, f"{reason}; polling", self._reader.opened)]

    def _complete_events(self) -> Generator[Burst, None, None]:
        """Fetch the events that were missing at the verdict, as long as attempts yield any; the rest is a gap."""
        reader, backoff = self._reader, Backoff()
        while reader.may_wait and not reader.done:
            before = self.ledger.accepted
            yield from reader.fetch_rest()
            unannounced = self.run.status not in ANNOUNCED_ENDINGS or reader.nothing_behind_the_cursor
            if reader.done or (reader.ending is Ending.CLOSED and unannounced):
                break
            if self.ledger.accepted > before:
                backoff.reset()
                continue
            delay = backoff.next_delay()
            # The verdict is known: a limit ends only the search for events, not the command.
            if backoff.failures > TRIES_FOR_THE_REST or delay >= self._deadline.left():
                break
            yield [Reconnecting(backoff.failures, delay, "the remaining events are missing")]
            self._clock.sleep(delay)
        if not reader.whole:
            yield from self._give_up_on_events()

    def _give_up_on_events(self) -> Generator[Burst, None, None]:
        """Report a gap, unless the stream may have ended where the events do."""
        reader = self._reader
        yield reader.end_search()
        self.ledger.ended_unannounced()
        if reader.nothing_behind_the_cursor:
            return
        if self.run.status in ANNOUNCED_ENDINGS or reader.ending is Ending.BROKEN:
            self.ledger.lost()
            yield [
                Gap(f"the run is {self.run.status}, but its event stream never reported that; events may be missing")
            ]

    def _read_stale_record(self) -> Generator[Burst, None, None]:
        """Read a record that lags its announced end again, soon at first, then by polling."""
        for step in STALE_RECORD_STEPS:
            yield from self._pause(step)
            yield from self._record.read()
            if self._over():
                return
        self._poll_until = Deadline(self._clock, None)

    def _pause(self, seconds: float) -> Generator[Burst, None, None]:
        yield from self._limits.pause(seconds, self._record.now)

    def _poll_for_a_while(self) -> None:
        """Poll, and retry the stream soon at first, then at growing intervals."""
        if self._poll_until is None:
            self._poll_until = Deadline(self._clock, self._stream_again)
            self._stream_again = min(2 * self._stream_again, STREAM_AGAIN_AT_LAST)
