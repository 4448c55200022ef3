"""The event stream of one run: its connections in turn, and what remains after the verdict."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from noxcli.errors import (
    CursorRefused,
    NotFound,
    NoxError,
    RequestRejected,
    StreamClosed,
    StreamUnsupported,
    Unauthorized,
    Unavailable,
)
from noxcli.models import Gap, Reconnecting, Update
from noxcli.retry import FailureTracker, requested_pause
from noxcli.runs.event_dedup import EventDeduplicator
from noxcli.runs.record import Record, events_of_a_run
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi
    from noxcli.api.event_stream import EventFeed

MAX_WAIT = 1.0  # so that the display is updated every second
# How long to wait for events in transit when the record already has the end.
LAST_EVENTS_GRACE = 2.0  # if they are the product
SHORT_GRACE = 0.25  # if they are not
MAX_REST = 60.0  # spent waiting for the rest: a stream that never ends must not delay the verdict
TRIES_FOR_THE_REST = 3  # consecutive connections without an event
# The docs say only that these two are announced; a stop or a pause may not be.
ANNOUNCED_ENDINGS = frozenset({"completed", "failed"})
# Whether the key or the run is the problem, the record says more reliably.
NO_STREAM = (StreamUnsupported, Unauthorized, NotFound, RequestRejected)


class RunStream:
    """One connection at a time. Seconds throughout."""

    def __init__(self, source: "NoxusApi", run_id: str, dedup: EventDeduplicator) -> None:
        self.dedup = dedup
        self.ended: NoxError | None = None  # why the server's side of the last connection has ended
        self.was_open = False  # the last connection that was closed was a stream of events
        self.is_abandoned = False  # no other connection is to be opened
        self._source = source
        self._run_id = run_id
        self._feed: EventFeed | None = None  # also None once it was closed
        self._earlier = 0  # connections that became a stream of events

    @property
    def is_open(self) -> bool:
        """True if more events may come on the connection."""
        return self._feed is not None and self.ended is None

    @property
    def connects(self) -> int:
        """How many connections became a stream of events."""
        if self._feed is not None and self._feed.opened:
            return self._earlier + 1
        return self._earlier

    @property
    def is_broken(self) -> bool:
        """True if the last connection ended in a way that events may have been lost."""
        return self.ended is not None and not isinstance(self.ended, StreamClosed)

    @property
    def is_refused(self) -> bool:
        """True if the server gave no stream."""
        return isinstance(self.ended, NO_STREAM)

    @property
    def requested_delay(self) -> float:
        """How long the server asks to wait until the next connection."""
        return requested_pause(self.ended)

    def why(self) -> str:
        """Return why the last connection ended."""
        assert self.ended is not None
        if isinstance(self.ended, CursorRefused):
            return f"the server rejected the position: {self.ended.message}"
        if self.is_refused:
            return f"no event stream: {self.ended.message}"
        return self.ended.message

    def open(self) -> None:
        """Begin a new connection, which resumes what was shown."""
        self.close()
        self.ended = None
        self._feed = self._source.open_events(self._run_id, self.dedup.opened())

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._feed is not None:
            self.was_open = self._feed.opened
            self._earlier = self.connects
            self._feed.close()
            self._feed = None

    def give_up(self, why: str) -> None:
        """Treat the connection as broken."""
        if self.ended is None:
            self.ended = Unavailable(why)

    def abandon(self) -> Gap:
        """Resume nothing more, since there is no position for that; return the gap it leaves."""
        self.is_abandoned = True
        what = f"{self.why()}; without a position to resume from, events may be missing"
        return self.dedup.gap(what)

    def silent_for(self) -> float:
        """Return the seconds since the last byte, including keep-alives."""
        return 0.0 if self._feed is None else self._feed.silent_for()

    def receive(self, seconds: float) -> list[Update]:
        """Wait for events, and return the new ones; `ended` says if the connection has ended."""
        assert self._feed is not None
        try:
            events = self._feed.next_events(seconds)
        except (*NO_STREAM, Unavailable) as ended:
            self.ended = ended
            if isinstance(ended, CursorRefused):
                self.dedup.rejected()
            return []
        if not events:
            return []
        return self.dedup.accept(events)


class TrailingEvents:
    """The events that may come after the verdict: in transit, or missed between connections."""

    def __init__(
        self, stream: RunStream, record: Record, deadline: Deadline, *, every_event: bool
    ) -> None:
        """With `every_event`, the events are the product."""
        self._stream = stream
        self._record = record
        self._deadline = deadline
        self._every_event = every_event
        self._dedup = stream.dedup
        self._clock = deadline.clock
        self._waited = 0.0

    def read(self) -> Iterator[Sequence[Update]]:
        """Yield what is in transit; if the events are the product, also what was missed.

        What stays missing is a gap. A limit ends only the search for events, not the command, whose
        verdict is known.
        """
        yield from self._drain()
        may_miss = self._stream.is_broken or not self._record.is_announced
        if self._every_event and may_miss and not self._stream.is_abandoned:
            yield from self._fetch()
        if not self._record.is_announced:
            self._dedup.ended_unannounced()

    def _drain(self) -> Iterator[Sequence[Update]]:
        """Pass on what the open connection brings until it ends, or falls silent."""
        silence = Deadline(self._clock, self._grace)
        while self._stream.is_open:
            came = self._dedup.came
            began = self._clock.monotonic()
            within = min(silence.remaining(MAX_WAIT), self._deadline.remaining())
            updates = self._stream.receive(within)
            self._waited += self._clock.monotonic() - began
            if self._dedup.came > came:
                silence.restart(self._grace)
            if not self._may_wait:
                self._stream.give_up("there was no time for the remaining events")
            elif silence.passed and self._stream.is_open:
                self._stream.close()
            self._record.apply_events(events_of_a_run(updates))
            yield updates

    def _fetch(self) -> Iterator[Sequence[Update]]:
        """Read what was missed, on connections of their own."""
        failures = FailureTracker(self._clock)
        while self._may_wait and self._dedup.can_resume:
            self._stream.open()
            yield from self._drain()
            if self._has_all:
                return
            if self._dedup.fresh:
                failures.answered()
                continue
            failures.failed()
            if self._stream.ended is None:
                break  # the connection is quiet, and so would be the next
            delay = failures.delay()
            if failures.in_a_row > TRIES_FOR_THE_REST or delay >= self._deadline.remaining():
                break
            yield [Reconnecting(failures.in_a_row, delay, "the remaining events are missing")]
            self._clock.sleep(delay)
        if not self._record.is_announced:
            what = f"the run is {self._record.now.word}, but its event stream never reported that"
            if self._stream.is_refused:
                what = self._stream.why()
            yield [self._dedup.gap(f"{what}; events may be missing")]

    @property
    def _grace(self) -> float:
        """How long to wait for the next event."""
        if self._every_event and not self._record.is_announced:
            return LAST_EVENTS_GRACE
        return SHORT_GRACE

    @property
    def _may_wait(self) -> bool:
        return self._waited < MAX_REST and not self._deadline.passed

    @property
    def _has_all(self) -> bool:
        """True if nothing shows that events are missing, after a connection for them."""
        if self._record.is_announced:
            return True
        if self._stream.is_broken or self._dedup.fresh:
            return False
        if self._record.run.status not in ANNOUNCED_ENDINGS:
            return True
        # A stream that closes may have no event after a position from outside: it was the last one.
        # Silence tells nothing.
        was_closed = self._stream.ended is not None
        is_from_outside = self._dedup.cursor is not None and not self._dedup.accepted
        return was_closed and is_from_outside
