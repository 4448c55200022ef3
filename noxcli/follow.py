"""The heart: one ordered sequence of updates about a run, over breaking connections, to a verdict from its record.

The event stream is for showing; the record is for judging. Knows no HTTP, no terminal and no real time of its own.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from noxcli.continuity import Ledger
from noxcli.errors import CursorRefused, NotFound, Refused, StreamUnsupported, Unauthorized, Unavailable
from noxcli.limits import Limits
from noxcli.models import Finished, Gap, Reconnecting, Run
from noxcli.reader import ANNOUNCED_ENDINGS, Burst, Ending, EventReader, EventSource
from noxcli.record import Record, RecordSource
from noxcli.timing import Backoff, Clock, Deadline

__all__ = ["Burst", "Follower", "Policy"]

LONGEST_DELAY = 60.0  # whatever Retry-After says: the record still has to be looked at
STALE_RECORD_STEPS = (0.2, 0.4, 0.8, 1.6)  # a record may lag behind the event that announced its end
TRIES_FOR_THE_REST = 3  # in a row without an event
STREAM_AGAIN_AFTER = 60.0  # where polling replaced a stream that broke too often
BREAKS_BEFORE_POLLING = 5  # in a row, without one event between them


class RunSource(EventSource, RecordSource, Protocol):
    """What the follower needs of the API."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How to follow. Seconds throughout."""

    stream: bool = True
    every_event: bool = False  # True: the events are the product, so the rest is fetched after the verdict
    leave_when_paused: bool = True
    poll_interval: float = 2.0
    idle_timeout: float = 30.0
    stall_timeout: float | None = None
    retry_for: float = 300.0  # without any answer, before contact counts as lost

    def over(self, run: Run) -> bool:
        """True where there is nothing to wait for any more."""
        return run.settled or (run.paused and self.leave_when_paused)


class Follower:
    """Follows one run; `updates()` is to be used once."""

    def __init__(
        self,
        source: RunSource,
        run: Run,
        *,
        policy: Policy = Policy(),
        clock: Clock,
        deadline: Deadline,
        cursor: str | None = None,
        just_started: bool = False,
        stuck: Callable[[], str] = str,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._deadline = deadline
        self._limits = Limits(
            clock, deadline, stall_timeout=policy.stall_timeout, retry_for=policy.retry_for, stuck=stuck
        )
        self._record = Record(source, run, self._limits, clock, just_started=just_started)
        self._backoff = Backoff()
        self._poll_until: Deadline | None = None if policy.stream else Deadline(clock, None)
        self._reader = EventReader(
            source,
            self._record,
            self._limits,
            over=self._over,
            idle_timeout=policy.idle_timeout,
            every_event=policy.every_event,
            clock=clock,
            deadline=deadline,
            cursor=cursor,
        )

    @property
    def run(self) -> Run:
        """The run as it was last read."""
        return self._record.run

    @property
    def confirmed(self) -> bool:
        """True when its status comes from a read of the record."""
        return self._record.confirmed

    @property
    def ledger(self) -> Ledger:
        """What was passed on, and what can be said about its completeness."""
        return self._reader.ledger

    @property
    def connects(self) -> int:
        """How many times the event stream was opened."""
        return self._reader.connects

    def updates(self) -> Iterator[Burst]:
        """Yield each event once and in order, then exactly one `Finished`.

        Raises TimedOut at a limit; LostContact when nothing answered for `retry_for`; Unauthorized, NotFound and
        Refused when the server says so about the record.
        """
        yield from self._record.tell_pause()
        while not self._over():
            yield from self._follow_on()
        if self._policy.every_event and self._policy.stream:
            yield from self._complete_events()
        elif self._reader.ending is not Ending.ANNOUNCED:
            self.ledger.ended_unannounced()
        yield [Finished(self.run)]

    def _over(self) -> bool:
        return self._policy.over(self.run)

    def _follow_on(self) -> Generator[Burst, None, None]:
        """One connection or one poll, a read of the record, and the wait before the next."""
        reason, retry_after = "", None
        streams = not self._polling()
        if not streams:
            asked_for = min(self._record.retry_after or 0.0, LONGEST_DELAY)
            yield from self._pause(max(self._policy.poll_interval, asked_for))
        else:
            try:
                yield from self._stream()
            except CursorRefused as refusal:
                reason, self._reader.replay = f"the position was refused: {refusal.message}", True
            except (StreamUnsupported, Unauthorized, NotFound, Refused) as refusal:
                # Whether the key or the run is the trouble, the record says with more authority.
                reason = f"no event stream: {refusal.message}; polling"
                self._poll_for(STREAM_AGAIN_AFTER)
            except Unavailable as broken:
                reason, retry_after = broken.message, broken.retry_after
        if self._over():
            return
        yield from self._record.read()
        if streams and self._reader.ending is Ending.ANNOUNCED and not self._over():
            yield from self._read_stale_record()
        if self._over() or not reason:
            return
        if self._backoff.failures >= BREAKS_BEFORE_POLLING and not self._polling():
            reason = f"{reason}; polling for a while"
            self._poll_for(STREAM_AGAIN_AFTER)
        delay = 0.0 if self._polling() else min(self._backoff.next_delay(retry_after), LONGEST_DELAY)
        yield [Reconnecting(max(1, self._backoff.failures), delay, reason)]
        yield from self._pause(delay)

    def _complete_events(self) -> Generator[Burst, None, None]:
        """Fetch the events that the record has outrun, as long as tries bring any; what stays missing is a gap."""
        reader, backoff = self._reader, Backoff()
        while reader.ending not in {Ending.ANNOUNCED, Ending.QUIET}:
            before = self.ledger.accepted
            yield from reader.fetch_rest()
            if self.ledger.accepted > before:
                backoff.reset()
            unannounced = self.run.status not in ANNOUNCED_ENDINGS or reader.nothing_behind_the_cursor
            if reader.ending in {Ending.ANNOUNCED, Ending.QUIET} or (reader.ending is Ending.CLOSED and unannounced):
                break
            delay = backoff.next_delay()
            # The verdict is known: a limit ends the search for events, and not the command.
            if backoff.failures > TRIES_FOR_THE_REST or delay >= self._deadline.left():
                break
            yield [Reconnecting(backoff.failures, delay, "the rest of the events is missing")]
            self._clock.sleep(delay)
        if reader.ending is Ending.ANNOUNCED:
            return
        yield reader.end_search()
        self.ledger.ended_unannounced()
        if reader.nothing_behind_the_cursor:
            return
        if self.run.status in ANNOUNCED_ENDINGS or reader.ending is Ending.BROKEN:
            self.ledger.lost()
            yield [Gap(f"the run is {self.run.status}, but its stream never said so: events may be missing")]

    def _stream(self) -> Generator[Burst, None, None]:
        """Read one connection; an event in it shows that reconnecting works, an open connection alone does not."""
        before = self.ledger.accepted
        try:
            yield from self._reader.read()
        finally:
            if self.ledger.accepted > before:
                self._backoff.reset()

    def _read_stale_record(self) -> Generator[Burst, None, None]:
        """Read a record that lags behind its announced end again, soon at first, then by polling."""
        for step in STALE_RECORD_STEPS:
            yield from self._pause(step)
            yield from self._record.read()
            if self._over():
                return
        self._poll_for(None)

    def _pause(self, seconds: float) -> Generator[Burst, None, None]:
        yield from self._limits.pause(seconds, self.run)

    def _polling(self) -> bool:
        if self._poll_until is not None and self._policy.stream and self._poll_until.passed:
            self._poll_until = None
            self._backoff.reset()
        return self._poll_until is not None

    def _poll_for(self, seconds: float | None) -> None:
        self._poll_until = Deadline(self._clock, seconds)
