"""A run's events over consecutive connections: new ones are passed on, and the end of each connection is known."""

from collections.abc import Generator, Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import Protocol

from noxcli.errors import (
    CursorRefused,
    NotFound,
    NoxError,
    Refused,
    StreamClosed,
    StreamUnsupported,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from noxcli.models import FINAL_STATUSES, PAUSED_STATUS, Gap, RunEvent, Silent, Update
from noxcli.runs.ledger import Ledger
from noxcli.runs.limits import LONGEST_WAIT, Limits
from noxcli.runs.record import Record
from noxcli.timing import Deadline, show_seconds

# A burst is what arrived together; an empty one means that time has passed.
Burst = Sequence[Update]

# Seconds to wait for events in transit when the record already has the end: if they are the product, or not.
LAST_EVENTS_GRACE, SHORT_GRACE = 2.0, 0.25
# The docs say only that these two are announced; a stop or a pause may not be.
ANNOUNCED_ENDINGS = frozenset({"completed", "failed"})
FIRST_LOOK = 3.0  # seconds without an event until noxcli reads the record; twice as long each time
LONGEST_REST = 60.0  # total seconds to wait for the rest: a stream that never ends must not delay the verdict
CONNECTION = 0.05  # seconds that each connection for the rest counts as: a stream may restart forever
UNCONFIRMED_HINT = 1.0  # seconds until noxcli reads a record again that lacks an end which an event announced


class Feed(Protocol):
    """One connection to the event stream; `opened` once the server has accepted it."""

    opened: bool

    def take(self, seconds: float) -> Sequence[RunEvent]: ...
    def silent_for(self) -> float: ...
    def close(self) -> None: ...


class EventSource(Protocol):
    """The part of the API that reading needs."""

    def open_events(self, run_id: str, cursor: str | None = None) -> Feed: ...


class Ending(Enum):
    """How the last connection ended."""

    NONE = auto()  # no connection was made
    ANNOUNCED = auto()  # with the event that ends the run
    QUIET = auto()  # it stayed open but silent
    CLOSED = auto()  # cleanly closed by the server
    BROKEN = auto()


class EventReader:
    """Reads one run's events until its record leaves nothing to wait for."""

    def __init__(
        self,
        source: EventSource,
        record: Record,
        limits: Limits,
        *,
        idle_timeout: float,
        every_event: bool,
        cursor: str | None,
    ) -> None:
        self.ledger = Ledger(cursor)
        self.ending = Ending.NONE
        self.replay = False  # the next connection starts over, since the server rejected the position
        self._source = source
        self._record = record
        self._limits = limits
        self._over = record.over
        self._idle_timeout = idle_timeout
        self._every_event = every_event
        self._clock, self._deadline = limits.clock, limits.deadline
        self._resumes = cursor is not None
        self._replayed: int | None = None  # the number of events of the last replay that closed before the cursor
        self._last_state: object = None
        self._feed: Feed | None = None
        self._last: RunEvent | None = None
        self._connects = 0
        self._look_after = min(FIRST_LOOK, idle_timeout)
        self._silence_told = False
        self._waited = 0.0  # seconds, for the rest

    @property
    def opened(self) -> bool:
        """True if the last connection became a stream of events."""
        return self._feed is not None and self._feed.opened

    @property
    def whole(self) -> bool:
        """True if the events were read to their end: one announced it, or the last one is the current pause."""
        paused = self._record.run.paused and self._last is not None and _named_ending(self._last) == PAUSED_STATUS
        return self.ending is Ending.ANNOUNCED or paused

    @property
    def done(self) -> bool:
        """True if nothing more is expected: the events are whole, or the last connection stayed open but silent."""
        return self.whole or self.ending is Ending.QUIET

    @property
    def connects(self) -> int:
        """How many connections became a stream of events."""
        return self._connects + int(self.opened)

    def read(self) -> Generator[Burst, None, None]:
        """Read one connection until the end is announced or the record has the verdict; raises if it breaks."""
        feed = self._open(replay=self.replay)
        quiet, look = Deadline(self._clock, self._idle_timeout), Deadline(self._clock, self._look_after)
        try:
            while True:
                events = _taken(feed, self._limits.wait_at_most(quiet, look))
                if not events:
                    self._limits.check(self._record.now)
                    yield from self._sit_out(feed, quiet, look)
                else:
                    quiet.restart()
                    look.restart(self._look_after)
                    yield from self._pass_on(events)
                    if self._may_have_ended(events):
                        yield from self._record.read()
                        quiet.restart(UNCONFIRMED_HINT)
                    if self.ending is not Ending.ANNOUNCED and self._over():
                        yield from self._read_to_the_end(feed)
                if self.ending is Ending.ANNOUNCED or self._over():
                    return
                self._limits.check(self._record.now)
        except Unavailable as broken:
            yield self._broke_off(broken)
            raise
        except TimedOut:
            # Reading the record may have taken until the limit: show the events that arrived in the meantime.
            with suppress(NoxError):
                if events := feed.take(0):
                    yield from self._pass_on(events)
            raise
        finally:
            feed.close()

    def _may_have_ended(self, events: Sequence[RunEvent]) -> bool:
        """True if only the record can tell whether the run has ended, as an event hints."""
        known = self.ending is Ending.ANNOUNCED or self._over()
        return not known and any(map(_hints_at_an_end, filter(_is_news, events)))

    def fetch_rest(self) -> Generator[Burst, None, None]:
        """Read, on a separate connection, the events that were still missing when the record had the verdict."""
        feed = self._open(replay=self.replay)
        self._waited += CONNECTION
        try:
            yield from self._drain(feed, LAST_EVENTS_GRACE)
        except CursorRefused:
            self.replay = True
        except (Unavailable, StreamUnsupported):
            # The caller decides what that means; but a rejected position is not requested again.
            self.replay = self.ledger.searching
        finally:
            feed.close()

    @property
    def nothing_behind_the_cursor(self) -> bool:
        """True if the caller resumed from a position, and the server has no event after it: it was the last one."""
        known = self._replayed is None  # a rejected position is not the last one, but a lost one
        return self._resumes and known and self.ending is Ending.CLOSED and not self.ledger.accepted

    def _open(self, *, replay: bool) -> Feed:
        self._connects = self.connects
        self.replay = False
        self.ending = Ending.BROKEN  # until more is known
        self.ledger.opened(replay=replay, ended=self._over())
        self._feed = self._source.open_events(self._record.run.id, None if replay else self.ledger.cursor)
        return self._feed

    def _sit_out(self, feed: Feed, quiet: Deadline, look: Deadline) -> Generator[Burst, None, None]:
        """Read the record after some silence, soon at first, so that a silent stream hides nothing."""
        # Silence after held-back events: the replay is over. Without such events, it has not begun.
        waits = self.ledger.searched + self.ledger.held > 0 and feed.silent_for() > LONGEST_WAIT
        yield self.end_search() if waits or quiet.passed else []
        self._require_whole()
        if not (quiet.passed or look.passed):
            return
        yield from self._record.read()
        if self._over():
            if self._every_event:  # the last ones may have arrived while the record was read
                yield from self._read_to_the_end(feed)
            return
        if quiet.passed and feed.silent_for() >= self._idle_timeout:
            raise Unavailable(f"the stream was silent for {show_seconds(feed.silent_for())}")
        if not self._silence_told:
            self._silence_told = True
            yield [Silent(self._look_after)]
        if quiet.passed:
            quiet.restart()
        self._look_after = min(2 * self._look_after, self._idle_timeout)
        look.restart(self._look_after)

    def _read_to_the_end(self, feed: Feed) -> Generator[Burst, None, None]:
        """Read the events in transit when the record has the verdict."""
        yield from self._drain(feed, LAST_EVENTS_GRACE if self._every_event else SHORT_GRACE)
        # If the end will be announced, a connection that fell silent does not settle it.
        if self.ending is Ending.QUIET and self._record.run.status in ANNOUNCED_ENDINGS:
            self.ending = Ending.BROKEN

    def _broke_off(self, broken: Unavailable) -> list[Update]:
        if isinstance(broken, StreamClosed):
            return self._replay_closed()
        self.replay = self.ledger.searching
        # The rest of an ended run's events is read again from the start, where it meets the events that were shown.
        return [] if self.ledger.ended else list(self.ledger.settle())

    def _pass_on(self, events: Sequence[RunEvent]) -> Generator[Burst, None, None]:
        ends = place_of_end(events)
        if self.ledger.wonders_at(events[0]):
            yield from self._record.read()
            self.ledger.ended = self._over()
        fresh: list[RunEvent] = self.ledger.accept(events if ends is None else events[: ends + 1])
        burst: list[Update] = list(fresh)
        if ends is not None:
            burst += self.end_search()
            if not self.ledger.overflowed:
                self.ending = Ending.ANNOUNCED
        self._last = fresh[-1] if fresh else self._last
        if any(map(self._is_movement, fresh)):
            self._limits.moved()
        if fresh:
            self._limits.heard()
        if fresh and not self._over():
            self._hear(fresh)
        yield burst
        self._require_whole()

    def _hear(self, fresh: Sequence[RunEvent]) -> None:
        states = [event for event in fresh if event.type == "state"]
        for event in (fresh[0], *states[-1:]):
            self._record.hear(event)

    def _require_whole(self) -> None:
        """Raise Unavailable if a replay had more events than may wait: it must be read again."""
        if self.ledger.overflowed and not self.ledger.searching:
            raise Unavailable("the server no longer knows the position; reading its replay from the start")

    def _replay_closed(self) -> list[Update]:
        """A replay that closed before the cursor may be truncated; two that close at one place are complete."""
        if not self.ledger.searching:
            return list(self.ledger.settle())
        ended_here_before, self._replayed = self.ledger.searched == self._replayed, self.ledger.searched
        if ended_here_before:
            return self.end_search()
        self.replay = True
        return []

    def end_search(self) -> list[Update]:
        """Stop waiting for what would distinguish old events from new ones; empty if no event is waiting."""
        if not self.ledger.searching:
            return list(self.ledger.settle())
        return [
            Gap("the server no longer knows the position, and its replay does not contain it"),
            *self.ledger.release(),
        ]

    def _drain(self, feed: Feed, seconds: float) -> Generator[Burst, None, None]:
        """Pass on further events until the end is announced, the stream closes or nothing more arrives."""
        grace = Deadline(self._clock, seconds)
        try:
            while self.ending is not Ending.ANNOUNCED and not grace.passed and self.may_wait:
                before = self._clock.monotonic()
                events = _taken(feed, min(LONGEST_WAIT, grace.left(), self._deadline.left()))
                self._waited += self._clock.monotonic() - before
                if events:
                    grace.restart()
                    yield from self._pass_on(events)
        except StreamClosed:
            self.ending = Ending.CLOSED
            yield self._replay_closed()
            if self.ledger.overflowed:
                self.ending = Ending.BROKEN
        else:
            if self.ending is not Ending.ANNOUNCED and grace.passed:
                self.ending = Ending.QUIET
            yield self.end_search()
            self._require_whole()

    @property
    def may_wait(self) -> bool:
        """True while there is time for the rest of the events."""
        return self._waited < LONGEST_REST and not self._deadline.passed

    def _is_movement(self, event: RunEvent) -> bool:
        if event.type != "state":
            return True
        before, self._last_state = self._last_state, event.data
        return bool(event.data != before)


def _taken(feed: Feed, seconds: float) -> Sequence[RunEvent]:
    """Return what the feed yields; a rejected stream counts as missing, since only a rejected record is final."""
    try:
        return feed.take(seconds)
    except (Unauthorized, NotFound, Refused) as refusal:
        raise StreamUnsupported(refusal.message, **refusal.facts()) from refusal


def place_of_end(events: Sequence[RunEvent]) -> int | None:
    """Return the index of the event that announces the end, None if there is none."""
    return next((place for place, event in enumerate(events) if _is_news(event) and event.is_terminal), None)


def _hints_at_an_end(event: RunEvent) -> bool:
    """True if an event has a status in which nothing more happens, without announcing the end."""
    said = _named_ending(event)
    return isinstance(said, str) and (said in FINAL_STATUSES or said == PAUSED_STATUS)


def _named_ending(event: RunEvent) -> object:
    """Return the run's status in an event if it may be the last one."""
    if not isinstance(event.data, dict):
        return None
    return event.workflow_status or (event.data.get("status") if event.type == "state" else None)


def _is_news(event: RunEvent) -> bool:
    """False for a piece of streamed text, which says nothing about the run: nearly all events are one."""
    return event.type != "content" or type(event.data) is not dict or "workflow_status" in event.data
