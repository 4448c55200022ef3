"""The heart: one ordered sequence of updates about a run, over breaking connections, to a verdict from its record.

The event stream is for showing; the record is for judging. Knows no HTTP, no terminal and no real time of its own.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from noxcli.continuity import HELD_AT_MOST, Ledger
from noxcli.errors import (
    CursorRefused,
    LostContact,
    NotFound,
    Refused,
    StreamClosed,
    StreamUnsupported,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from noxcli.models import (
    FINAL_STATUSES,
    PAUSED_STATUS,
    Finished,
    Gap,
    Paused,
    Polled,
    Reconnecting,
    Run,
    RunEvent,
    Update,
)
from noxcli.timing import Backoff, Clock, Deadline, show_seconds

# A burst is what arrived together; an empty one says that time has passed.
Burst = Sequence[Update]

LONGEST_WAIT = 1.0  # so that whoever shows the updates gets a turn every second
READ_LIMIT = 30.0  # for one read of the record
LONGEST_DELAY = 60.0  # whatever Retry-After says: the record still has to be looked at
LAST_EVENTS_GRACE = 2.0  # for events still on their way when the record already says the end
STALE_RECORD_STEPS = (0.2, 0.4, 0.8, 1.6)  # a record may lag behind the event that announced its end
TRIES_FOR_THE_REST = 3  # in a row without an event
UNCONFIRMED_HINT = 1.0  # an event named an end that the record does not have yet
JUST_STARTED = 10.0  # a new run may not be readable at once
STREAM_AGAIN_AFTER = 60.0  # where polling replaced a stream that broke too often
BREAKS_BEFORE_POLLING = 5  # in a row, without one event between them


# Only these two are documented to be announced; a stop or a pause may well go without a word.
ANNOUNCED_ENDINGS = frozenset({"completed", "failed"})


class Feed(Protocol):
    """One connection to the event stream."""

    def take(self, seconds: float) -> Sequence[RunEvent]: ...
    def silent_for(self) -> float: ...
    def close(self) -> None: ...


class RunSource(Protocol):
    """What the follower needs of the API."""

    def open_events(self, run_id: str, cursor: str | None = None) -> Feed: ...
    def get_run(self, workflow_id: str, run_id: str, *, within: float | None = None) -> Run: ...


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


class Ending(Enum):
    """How the last connection was left."""

    NONE = auto()  # no connection was made
    ANNOUNCED = auto()  # with the event that ends the run
    QUIET = auto()  # it stayed open and said nothing more
    CLOSED = auto()  # closed by the server without a fault
    BROKEN = auto()


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
        self.run = run
        self.ledger = Ledger(cursor)
        self._resumes = cursor is not None
        self.connects = 0
        self.confirmed = not just_started  # the status comes from a read of the record
        self._source = source
        self._policy = policy
        self._clock = clock
        self._deadline = deadline
        self._backoff = Backoff()
        self._stall = Deadline(clock, policy.stall_timeout)
        self._patience = Deadline(clock, policy.retry_for)
        self._young = Deadline(clock, JUST_STARTED if just_started else 0.0)
        self._poll_until: Deadline | None = None if policy.stream else Deadline(clock, None)
        self._stuck = stuck
        self._ending = Ending.NONE
        self._replay = False
        self._pause_told = False
        self._last_state: object = None

    def updates(self) -> Iterator[Burst]:
        """Yield each event once and in order, then exactly one `Finished`.

        Raises TimedOut at a limit; LostContact when nothing answered for `retry_for`; Unauthorized, NotFound and
        Refused when the server says so about the record.
        """
        if self.run.paused:
            self._pause_told = True
            yield [Paused(self.run)]
        while not self._over():
            yield from self._follow_on()
        if self._policy.every_event and self._policy.stream:
            yield from self._complete_events()
        elif self._ending is not Ending.ANNOUNCED:
            self.ledger.ended_unannounced()
        yield [Finished(self.run)]

    def _over(self) -> bool:
        return self.run.settled or (self.run.paused and self._policy.leave_when_paused)

    # -- until the record has the verdict ------------------------------------------------------------------------

    def _follow_on(self) -> Generator[Burst, None, None]:
        """One connection or one poll, a read of the record, and the wait before the next."""
        reason, retry_after = "", None
        if self._polling():
            yield from self._pause_for(self._policy.poll_interval)
        else:
            try:
                yield from self._stream_once()
            except CursorRefused as refusal:
                reason, self._replay = f"the position was refused: {refusal.message}", True
            except (StreamUnsupported, Unauthorized, Refused) as refusal:
                # Whether the key or the run is the trouble, the record says with more authority.
                reason = f"no event stream: {refusal.message}; polling"
                self._poll_for(STREAM_AGAIN_AFTER)
            except Unavailable as broken:
                reason, retry_after = broken.message, broken.retry_after
        if self._over():
            return
        yield from self._read_record()
        if self._ending is Ending.ANNOUNCED and not self._over():
            yield from self._read_stale_record()
        if self._over() or not reason:
            return
        if self._backoff.failures >= BREAKS_BEFORE_POLLING and not self._polling():
            reason = f"{reason}; polling for a while"
            self._poll_for(STREAM_AGAIN_AFTER)
        delay = 0.0 if self._polling() else min(self._backoff.next_delay(retry_after), LONGEST_DELAY)
        yield [Reconnecting(max(1, self._backoff.failures), delay, reason)]
        yield from self._pause_for(delay)

    def _stream_once(self) -> Generator[Burst, None, None]:
        """Read one connection until the end is announced or the record has the verdict; raises when it breaks."""
        feed = self._open(replay=self._replay)
        quiet = Deadline(self._clock, self._policy.idle_timeout)
        try:
            while True:
                events = feed.take(self._wait_at_most(quiet))
                self._check_limits()
                if events:
                    quiet.restart()
                    yield from self._pass_on(events)
                    if self._ending is Ending.ANNOUNCED:
                        return
                    if any(map(_hints_at_an_end, events)):
                        yield from self._read_record()
                        if self._over():
                            yield from self._drain(feed)
                            return
                        quiet.restart(UNCONFIRMED_HINT)
                    continue
                yield self._end_search() if feed.silent_for() > LONGEST_WAIT else []
                if quiet.passed:
                    yield from self._read_record()
                    if self._over():
                        self._ending = Ending.BROKEN  # as far as anybody can tell
                        return
                    if feed.silent_for() >= self._policy.idle_timeout:
                        raise Unavailable(f"the stream was silent for {show_seconds(feed.silent_for())}")
                    quiet.restart()
        except StreamClosed:
            yield self._end_search()
            raise
        finally:
            feed.close()

    def _open(self, *, replay: bool) -> Feed:
        self.connects += 1
        self._replay = False
        self._ending = Ending.BROKEN
        self.ledger.opened(replay=replay)
        return self._source.open_events(self.run.id, None if replay else self.ledger.cursor)

    def _pass_on(self, events: Sequence[RunEvent]) -> Generator[Burst, None, None]:
        ends = next((place for place, event in enumerate(events) if event.is_terminal), None)
        fresh = self.ledger.accept(events if ends is None else events[: ends + 1])
        burst: list[Update] = list(fresh)
        if ends is not None:
            self._ending = Ending.ANNOUNCED
            burst += self._end_search()
        if self.ledger.held > HELD_AT_MOST:
            burst += self._end_search()
        if fresh:
            self._backoff.reset()
            if any(map(self._is_movement, fresh)):
                self._stall.restart()
        self._patience.restart()
        yield burst

    def _end_search(self) -> list[Update]:
        """Stop waiting for a replay to reach the cursor; empty where none was being waited for."""
        if not self.ledger.searching:
            return []
        return [
            Gap("the server no longer knows the position, and its replay lacks it"),
            *self.ledger.release(),
        ]

    # -- after the verdict ---------------------------------------------------------------------------------------

    def _complete_events(self) -> Generator[Burst, None, None]:
        """Fetch the events that the record has outrun, as long as tries bring any; what stays missing is a gap."""
        backoff = Backoff()
        while self._ending not in {Ending.ANNOUNCED, Ending.QUIET}:
            before = self.ledger.accepted
            yield from self._fetch_rest()
            if self.ledger.accepted > before:
                backoff.reset()
            unannounced = self.run.status not in ANNOUNCED_ENDINGS or self._nothing_behind_the_cursor()
            settled = (self._ending is Ending.CLOSED and unannounced) or self._ending in {
                Ending.ANNOUNCED,
                Ending.QUIET,
            }
            if settled or backoff.failures >= TRIES_FOR_THE_REST:
                break
            delay = backoff.next_delay()
            yield [Reconnecting(backoff.failures, delay, "the rest of the events is missing")]
            yield from self._pause_for(delay)
        if self._ending is Ending.ANNOUNCED:
            return
        self.ledger.ended_unannounced()
        if self._nothing_behind_the_cursor():
            return
        if self.run.status in ANNOUNCED_ENDINGS or self._ending is Ending.BROKEN:
            self.ledger.lost()
            yield [Gap(f"the run is {self.run.status}, but its stream never said so: events may be missing")]

    def _nothing_behind_the_cursor(self) -> bool:
        """True where the caller resumed from a position, and the server has no event after it: it was the last."""
        return self._resumes and self._ending is Ending.CLOSED and not self.ledger.accepted

    def _fetch_rest(self) -> Generator[Burst, None, None]:
        feed = self._open(replay=self._replay)
        try:
            yield from self._drain(feed)
        except CursorRefused:
            self._replay = True
        except (Unavailable, StreamUnsupported, Unauthorized, Refused):
            pass  # the caller says what that means
        finally:
            feed.close()

    def _drain(self, feed: Feed) -> Generator[Burst, None, None]:
        """Pass on what still comes until the end is announced, the stream closes or nothing more arrives."""
        grace = Deadline(self._clock, LAST_EVENTS_GRACE)
        try:
            while self._ending is not Ending.ANNOUNCED and not grace.passed:
                events = feed.take(min(LONGEST_WAIT, grace.left(), self._deadline.left()))
                if events:
                    grace.restart()
                    yield from self._pass_on(events)
        except StreamClosed:
            self._ending = Ending.CLOSED
        else:
            if self._ending is not Ending.ANNOUNCED:
                self._ending = Ending.QUIET
        yield self._end_search()

    # -- the record ----------------------------------------------------------------------------------------------

    def _read_record(self) -> Generator[Burst, None, None]:
        """Read the run; one read that fails is forgiven, as long as contact is not lost altogether."""
        self._check_limits()
        try:
            within = min(self._deadline.left(READ_LIMIT), self._stall.left(READ_LIMIT))
            latest = self._source.get_run(self.run.workflow_id, self.run.id, within=within)
        except Unavailable as error:
            self._check_limits()
            if self._patience.passed:
                raise LostContact(f"lost contact with run {self.run.id}: {error.message}", self._come_back()) from error
            return
        except NotFound:
            if self._young.passed:
                raise
            return
        self._patience.restart()
        self.confirmed = True
        moved = (latest.status, latest.progress, latest.progress_details) != (
            self.run.status,
            self.run.progress,
            self.run.progress_details,
        )
        self.run = latest
        if moved:
            self._stall.restart()
            yield [Polled(latest)]
        if latest.paused and not self._pause_told:
            yield [Paused(latest)]
        self._pause_told = latest.paused

    def _read_stale_record(self) -> Generator[Burst, None, None]:
        """Read a record that lags behind its announced end again, soon at first, then by polling."""
        for step in STALE_RECORD_STEPS:
            yield from self._pause_for(step)
            yield from self._read_record()
            if self._over():
                return
        self._poll_for(None)

    # -- time ----------------------------------------------------------------------------------------------------

    def _wait_at_most(self, *limits: Deadline) -> float:
        return min(LONGEST_WAIT, self._deadline.left(), self._stall.left(), *(limit.left() for limit in limits))

    def _pause_for(self, seconds: float) -> Generator[Burst, None, None]:
        end = Deadline(self._clock, seconds)
        while not end.passed:
            self._check_limits()
            yield []
            self._clock.sleep(self._wait_at_most(end))
        self._check_limits()

    def _check_limits(self) -> None:
        if self._deadline.passed:
            raise TimedOut(
                f"run {self.run.id} was still {self.run.status} after {show_seconds(self._deadline.seconds or 0)}",
                self._come_back(),
            )
        if self._stall.passed:
            still = f"run {self.run.id} has not moved for {show_seconds(self._stall.seconds or 0)}"
            where = self._stuck()
            raise TimedOut(f"{still}: {where}" if where else still, self._come_back())

    def _polling(self) -> bool:
        if self._poll_until is not None and self._policy.stream and self._poll_until.passed:
            self._poll_until = None
            self._backoff.reset()
        return self._poll_until is not None

    def _poll_for(self, seconds: float | None) -> None:
        self._poll_until = Deadline(self._clock, seconds)

    def _come_back(self) -> str:
        return f"come back with: noxcli wait {self.run.id}"

    def _is_movement(self, event: RunEvent) -> bool:
        if event.type != "state":
            return True
        before, self._last_state = self._last_state, event.data
        return bool(event.data != before)


def _hints_at_an_end(event: RunEvent) -> bool:
    """True where an event names a status in which nothing more goes on, without announcing the end."""
    if not isinstance(event.data, dict):
        return False
    said = event.workflow_status or (event.data.get("status") if event.type == "state" else None)
    return isinstance(said, str) and (said in FINAL_STATUSES or said == PAUSED_STATUS)
