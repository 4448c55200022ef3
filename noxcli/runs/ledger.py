"""Each event once, in order, across dropped connections; and what is known about its completeness."""

from array import array
from collections.abc import Sequence
from enum import StrEnum

from noxcli.models import RunEvent
from noxcli.runs.marks import Marks, content_mark

# Events that may wait until a replay reaches the cursor, or the events already shown.
HELD_AT_MOST = 20_000
# If the same position comes this often, it is not a repetition: the server gives all events one position.
DOUBLES_AT_MOST = 1_000


class Continuity(StrEnum):
    """How complete the events are."""

    PROVEN = "proven"  # a replay or an overlap showed that nothing is missing
    ASSUMED = "assumed"  # the server accepted the cursor without overlap
    BROKEN = "broken"  # the server rejected the cursor, and a full replay lacks it
    NONE = "none"  # no stream was used


class Ledger:
    """Decides which events are new: by position if positions are usable, otherwise by content and place.

    `redisId` is opaque: compared for equality, never ordered; an empty one is none. If one occurs twice on a connection
    with different contents, positions are useless on this stream.
    """

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor
        self.label = Continuity.NONE
        self.accepted = 0
        self.overflowed = False  # more events had to wait than the buffer holds
        self.searched = 0  # events of a replay that was searched for the cursor
        self._origin = cursor  # the position where another reader stopped: nothing before it is known
        self._marks = Marks()
        self._trusting = True  # positions distinguish events
        self._cursor_place = -1
        self._at: int | None = None  # the remembered event that is expected to repeat next
        self._opened_at = 0
        self._resuming = False
        self._replaying = False
        self.ended = False  # the run has, so that a connection without a cursor can only bring a replay
        self._held: list[RunEvent] = []
        self._pending: list[RunEvent] = []  # events without usable positions, which may be old or new
        self._matched = 0  # the number of repeated events before them, from the start
        self._pending_marks = array("q")
        self._doubles: list[RunEvent] = []  # repetitions of the last event
        self._again: dict[str, int] = {}  # positions that repeated on this connection, and their contents

    def opened(self, *, replay: bool = False, ended: bool = False) -> None:
        """A connection is being opened, from the cursor; with `replay`, from the start in spite of a cursor.

        `ended` says that the run has: what comes is a replay, and may begin before the first event that was shown.
        """
        self._held, self._pending, self._pending_marks, self._doubles = [], [], array("q"), []
        self._again = {}
        self.searched, self.overflowed = 0, False
        self._opened_at = len(self._marks)
        self._marks.search_anew()
        self._resuming = self.cursor is not None or len(self._marks) > 0
        self._replaying = replay and self.cursor is not None
        self.ended = ended
        self._at = None if self._replaying else self._cursor_place + 1

    def wonders_at(self, event: RunEvent) -> bool:
        """True if a connection begins with an event that is news, or is from before what was shown."""
        begins = self._resuming and self.cursor is None and self._at == 0 and not self._pending
        return begins and not self.ended and not event.redis_id and not self._comes_next(content_mark(event))

    def accept(self, events: Sequence[RunEvent]) -> list[RunEvent]:
        """Return the new ones, in order."""
        if self.label is Continuity.NONE and not self._resuming:
            self.label = Continuity.PROVEN
        fresh = self._take_new(events)
        for event in events[len(fresh) :]:
            if self._replaying:
                self._hold(event)
            else:
                self._take(event, fresh)
        if self._pending and not (self._may_meet() or self._may_be_old()):
            self._settle(fresh)
        self.accepted += len(fresh)
        return fresh

    def settle(self) -> list[RunEvent]:
        """Return the new ones of the waiting events, since no more events will arrive.

        If all waiting events may have been shown before, none is new: a later event, or another connection, decides.
        """
        fresh: list[RunEvent] = []
        if not (self._pending and self._may_be_old()):
            self._settle(fresh)
        self.accepted += len(fresh)
        return fresh

    def release(self) -> list[RunEvent]:
        """Give up on finding the cursor in a replay: return the held-back events that were not shown before.

        From then on, the label is `broken`, and the caller must report a gap. If more events arrived than the buffer
        holds, nothing is returned: the next connection must be read from the start, and all unknown events are new.
        """
        if not self._replaying:
            return []
        self.label = Continuity.BROKEN
        self._replaying = self._resuming = False
        held, self._held = self._held, []
        if self.overflowed:
            self.cursor = self._origin = None
            self._cursor_place = -1
            return []
        self._at = self._cursor_place + 1
        fresh: list[RunEvent] = []
        for event in held:
            self._take(event, fresh)
        self._settle(fresh)
        self._at = None
        self.accepted += len(fresh)
        return fresh

    def ended_unannounced(self) -> None:
        """The stream is over, but nothing showed that it was read to its end."""
        if self.label is Continuity.PROVEN:
            self.label = Continuity.ASSUMED

    def lost(self) -> None:
        """Events are known to be lost."""
        self.label = Continuity.BROKEN

    @property
    def held(self) -> int:
        """The number of events that wait for others to show whether they are new."""
        return len(self._held) + len(self._pending)

    @property
    def searching(self) -> bool:
        """True while a replay has not reached the cursor."""
        return self._replaying

    def _take_new(self, events: Sequence[RunEvent]) -> list[RunEvent]:
        """Pass on the first of these events at once, usually all of them: the fast path of `_take`."""
        if self._resuming or self._replaying or self._pending or self._at is not None or not self._trusting:
            return []
        fresh = list(events[: self._marks.add_new(events, self._origin)])
        if fresh:
            self._doubles = []
            self.cursor, self._cursor_place = fresh[-1].redis_id, len(self._marks) - 1
        return fresh

    def _hold(self, event: RunEvent) -> None:
        """Search for the cursor in a replay; events that are not known to be old wait."""
        self.searched += 1
        if event.redis_id and event.redis_id == self.cursor:
            self._replaying = self.overflowed = False
            self._held = []
            self._at = self._cursor_place + 1
            self._overlap()
            return
        place = self._place_of(event.redis_id) if event.redis_id else None
        if place is not None:
            self._at = place + 1
        elif self._at is not None and not event.redis_id:
            self._at += self._comes_next(content_mark(event))  # all events between shown events were shown
        elif len(self._held) < HELD_AT_MOST and not self.overflowed:
            self._at = None
            self._held.append(event)
        else:
            self._held, self.overflowed = [], True

    def _take(self, event: RunEvent, fresh: list[RunEvent]) -> None:
        mark = content_mark(event)
        if self._trusting and event.redis_id:
            place = self._place_of(event.redis_id)
            if place is None:
                self._settle(fresh)
                self._pass(event, mark, fresh)
            elif self._contradicts(event.redis_id, place, mark):
                self._distrust(fresh)
                self._take_by_content(event, mark, fresh)
            else:
                self._came_again(event, place, mark, fresh)
        else:
            self._take_by_content(event, mark, fresh)

    def _place_of(self, position: str) -> int | None:
        """Return which remembered event has this position; -1 for the position where another reader stopped."""
        if self._at is not None and self._marks.stands_at(self._at, position):
            return self._at
        place = self._marks.place_of(position)
        if place is None and position == self._origin:
            return -1
        return self._marks.search(position) if place is None and (self._resuming or self._replaying) else place

    def _contradicts(self, position: str, place: int, mark: int) -> bool:
        """True if this connection had the position before, with other content."""
        if place >= self._opened_at:
            return self._marks.content_at(place) != mark
        return self._again.get(position, mark) != mark

    def _came_again(self, event: RunEvent, place: int, mark: int, fresh: list[RunEvent]) -> None:
        position = event.redis_id or ""
        if place >= self._opened_at:
            if place == len(self._marks) - 1:
                self._doubles.append(event)
            if len(self._doubles) > DOUBLES_AT_MOST:
                self._distrust(fresh)
            return
        if len(self._again) < DOUBLES_AT_MOST:
            self._again[position] = mark
        if place >= 0 and self._marks.content_at(place) != mark:
            self.ended_unannounced()  # other content at a known position proves nothing
        if position == self.cursor:
            self._overlap()
        if self._at is not None:
            self._at = place + 1

    def _distrust(self, fresh: list[RunEvent]) -> None:
        """Go by contents from now on, and restore events that were dropped only because of their positions."""
        self._trusting = False
        self.cursor, self._cursor_place = self._origin, -1
        if self._at is not None and self._at < len(self._marks):
            self.ended_unannounced()
        self._at = None
        doubles, self._doubles = self._doubles, []
        for event in doubles:
            self._pass(event, content_mark(event), fresh)

    def _take_by_content(self, event: RunEvent, mark: int, fresh: list[RunEvent]) -> None:
        if self._pending:
            self._wait(event, mark)
        elif self._at is None or self._at >= len(self._marks):
            self._pass(event, mark, fresh)
        elif self._comes_next(mark):
            self._at += 1
            if self._at == len(self._marks) and self.cursor is None:
                self._overlap()
        elif self._cursor_place < 0:
            self._matched = self._at
            self._wait(event, mark)
        elif self._at > self._cursor_place:
            self._pass(event, mark, fresh)
        # Otherwise the server went back further than requested: everything until the cursor is old.

    def _comes_next(self, mark: int) -> bool:
        return self._at is not None and self._at < len(self._marks) and self._marks.content_at(self._at) == mark

    def _wait(self, event: RunEvent, mark: int) -> None:
        self._pending.append(event)
        self._pending_marks.append(mark)

    def _may_meet(self) -> bool:
        """True if what waits may lead up to what was shown: noxcli does not wait for news of a run that has ended."""
        return self.ended and len(self._pending) <= HELD_AT_MOST

    def _may_be_old(self) -> bool:
        """True if the waiting events may be a part of those shown, and the next event can decide."""
        return len(self._pending) <= HELD_AT_MOST and self._marks.overlap(self._matched, self._pending_marks)[1]

    def _settle(self, fresh: list[RunEvent]) -> None:
        """Split the waiting events into the end of those shown, replayed from a short memory, and new ones."""
        if not self._pending:
            return
        old, _ = self._marks.overlap(self._matched, self._pending_marks)
        pending, self._pending, self._pending_marks = self._pending, [], array("q")
        self._resumed_without_overlap()
        self._at = None
        for event in pending[max(0, old - self._matched) :]:
            self._pass(event, content_mark(event), fresh)

    def _pass(self, event: RunEvent, mark: int, fresh: list[RunEvent]) -> None:
        """Pass on a new event."""
        if self._resuming:
            self._resumed_without_overlap()
        self._at = None
        if self._doubles:
            self._doubles = []
        if event.redis_id and self._trusting:
            self.cursor, self._cursor_place = event.redis_id, len(self._marks)
        self._marks.add(event.redis_id, mark)
        fresh.append(event)

    def _overlap(self) -> None:
        self._resuming = False
        if self.label is Continuity.NONE:
            self.label = Continuity.PROVEN

    def _resumed_without_overlap(self) -> None:
        self._resuming = False
        if self.label is not Continuity.BROKEN:
            self.label = Continuity.ASSUMED
