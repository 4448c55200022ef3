"""Each event once and in order, across dropped connections; and whether events are missing."""

from array import array
from collections.abc import Sequence
from enum import StrEnum

from noxcli.codec import to_json
from noxcli.models import OF_A_RUN, Gap, RunEvent, Update

RECENT = 10_000  # positions: what comes again on one connection does so soon
LEAP = "the server did not send the last event again; events may be missing before the next one"


class Continuity(StrEnum):
    """How complete the events are."""

    PROVEN = "proven"  # read from the start of a run started here, and each resumption overlapped
    ASSUMED = "assumed"  # no gap is known
    BROKEN = "broken"  # a gap is known
    NONE = "none"  # no stream was used


class EventDeduplicator:
    """Decides which events are new.

    A position (`redisId`) is opaque: compared for equality, never ordered; an empty one is none.
    Several events may have one position. So on one connection, only the same data at the same
    position is a repetition. What an earlier connection has shown is known by its position, but for
    the last one: there, a connection may have ended between two events.

    A resumption asks from the last position but one, so that the last event has to come again: a
    server that has forgotten a position continues with the oldest event that it has, and does not
    say so.
    """

    def __init__(self, positions: Sequence[str] = (), *, from_start: bool = False) -> None:
        """`positions` are the last one or two that another reader has shown, the last one last.

        `from_start` is true if this command has started the run.
        """
        self.from_cursor = bool(positions)  # what is before it is not wanted
        self.gaps = 0
        self.came = 0  # events on this connection
        self.fresh = 0  # those of them that were new
        self.accepted = 0  # new events on all connections
        self.cursor: str | None = None  # the last position
        self._before: str | None = None  # the one before it; None is the start of the run
        if positions:
            self.cursor = positions[-1]
            self._before = positions[0]
        self._shown = array("q", [hash(position) for position in positions])
        self._known: set[int] = set()  # positions that earlier connections have shown
        self._came: set[int] = set()  # events with their positions, on this connection
        self._at_cursor: set[int] = set()  # the events that were shown at the last position
        # The same at the beginning of this connection, and which of them may still come again.
        self._last: str | None = None
        self._at_last: set[int] = set()
        # What has to come again on this connection before anything new.
        self._awaited: str | None = None
        self._to_come = 0.0  # positions, until something can be resumed
        self._is_used = False
        self._is_proven = from_start

    @property
    def label(self) -> Continuity:
        """What is known about the completeness of the events."""
        if self.gaps:
            return Continuity.BROKEN
        if not self._is_used:
            return Continuity.NONE
        if self._is_proven:
            return Continuity.PROVEN
        return Continuity.ASSUMED

    @property
    def can_resume(self) -> bool:
        """False if the server rejected the position to ask from, or an event without one came."""
        return self._to_come <= 0

    def rejected(self) -> None:
        """The server does not know the position."""
        self._to_come = float("inf")

    def opened(self) -> str | None:
        """Begin a connection; return the position to send, None for the start of the run."""
        self.came = 0
        self.fresh = 0
        self._known = set(self._shown)
        self._came.clear()
        self._at_last = set(self._at_cursor)
        # It is not known which events were shown at a position from outside.
        self._last = self.cursor if self._at_cursor else None
        self._awaited = self.cursor
        if self.cursor == self._before:
            self._awaited = None  # nothing was shown since the position that is sent
        return self._before

    def accept(self, events: Sequence[RunEvent]) -> list[Update]:
        """Return the new ones, in order, with a Gap before the first that may not be the next."""
        self._is_used = True
        updates: list[Update] = []
        for event in events:
            if not event.redis_id and event.type not in OF_A_RUN:
                # Such as a keep-alive, which no replay repeats. Within a replay, one is as old as
                # what is around it.
                if self._awaited is None:
                    updates.append(event)
                continue
            self.came += 1
            mark = _mark(event)
            is_shown = self._is_shown(event, mark)
            if event.redis_id and event.redis_id == self._awaited:
                self._awaited = None
            if is_shown:
                continue
            if self._awaited is not None:
                updates.append(self.gap(LEAP))
                self._awaited = None
            self._note(event, mark)
            updates.append(event)
        return updates

    def _is_shown(self, event: RunEvent, mark: int) -> bool:
        """True if the event was shown before."""
        if not event.redis_id:
            return False
        if event.redis_id == self._last and mark in self._at_last:
            self._at_last.remove(mark)  # once: if it comes again, it may be another event
            self._came.add(mark)
            return True
        if mark in self._came:
            self._is_proven = False  # it may be another event
            return True
        if event.redis_id == self._last or hash(event.redis_id) not in self._known:
            return False
        if self._awaited is None:
            self._is_proven = False  # as above: no replay goes on
        return True

    def _note(self, event: RunEvent, mark: int) -> None:
        """Note the position of a new event."""
        self.fresh += 1
        self.accepted += 1
        position = event.redis_id
        if position:
            if len(self._came) >= RECENT:
                self._came.clear()
                self._known.clear()
            self._came.add(mark)
            if position != self.cursor:
                self._shown.append(hash(position))
                self._before = self.cursor
                self.cursor = position
                self._at_cursor.clear()
                self._to_come -= 1
            self._at_cursor.add(mark)
        else:
            self._to_come = max(self._to_come, 2)
            self._is_proven = False

    def ended_unannounced(self) -> None:
        """The stream is over, but nothing showed that it was read to its end."""
        self._is_proven = False

    def gap(self, reason: str) -> Gap:
        """Return a gap: from now on, events are known to be missing."""
        self.gaps += 1
        return Gap(reason)


def _mark(event: RunEvent) -> int:
    """Return what tells the event from others, at its position and elsewhere."""
    return hash((event.redis_id, event.type, event.raw or to_json(event.data)))
