"""Each event once, in order, over connections that break; and what can be said about its completeness."""

from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from noxcli.models import RunEvent

# Positions remembered to recognise a replay; the cursor itself is always known.
REMEMBERED = 100_000
# Events that a follower should let wait for a replay to come to the cursor.
HELD_AT_MOST = 20_000


class Continuity(StrEnum):
    """What a reader may believe about the events they got."""

    PROVEN = "proven"  # a replay or an overlap showed that nothing is missing
    ASSUMED = "assumed"  # the server took the cursor without overlap
    BROKEN = "broken"  # the cursor was refused and a full replay lacks it
    NONE = "none"  # no stream was used


class Ledger:
    """Decides what is new. `redisId` is opaque: compared for equality, never ordered."""

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor
        self.label = Continuity.NONE
        self.accepted = 0
        self._seen: set[str] = set()
        self._order: deque[str] = deque()
        self._tail: list[int] = []  # events after the cursor that carry no position of their own
        self._expected: deque[int] = deque()
        self._resuming = False
        self._rewinding = False  # the server went back further than was asked: all is old until the cursor
        self._replaying = False
        self._held: list[RunEvent] = []
        if cursor is not None:
            self._remember(cursor)

    def opened(self, *, replay: bool = False) -> None:
        """A connection is being opened, from the cursor; with `replay`, from the start although there is one."""
        self._held = []
        self._expected = deque(self._tail)
        self._resuming = self.cursor is not None or bool(self._tail)
        self._rewinding = False
        self._replaying = replay and self.cursor is not None

    def accept(self, events: Iterable[RunEvent]) -> list[RunEvent]:
        """Return those that are new, in order."""
        if self.label is Continuity.NONE and not self._resuming:
            self.label = Continuity.PROVEN
        fresh: list[RunEvent] = []
        for event in events:
            if self._replaying:
                self._hold(event)
            elif self._is_new(event):
                fresh.append(event)
        self.accepted += len(fresh)
        return fresh

    def release(self) -> list[RunEvent]:
        """Give up on finding the cursor in a replay: return what was held back and not shown before.

        The label is `broken` from then on, and the caller owes its reader a gap.
        """
        if not self._replaying:
            return []
        self._replaying = False
        self._expected.clear()
        self.label = Continuity.BROKEN
        held, self._held = self._held, []
        fresh = [event for event in held if self._is_new(event)]
        # Only now: until here, a rewind among what was held had to be recognised as one.
        self._resuming = self._rewinding = False
        self.accepted += len(fresh)
        return fresh

    def ended_unannounced(self) -> None:
        """The stream is over and nothing showed that it was read to its end."""
        if self.label is Continuity.PROVEN:
            self.label = Continuity.ASSUMED

    def lost(self) -> None:
        """Events are known to be out of reach."""
        self.label = Continuity.BROKEN

    @property
    def held(self) -> int:
        """How many events wait for the replay to come to the cursor."""
        return len(self._held)

    @property
    def searching(self) -> bool:
        """True while a replay has not come to the cursor."""
        return self._replaying

    def _hold(self, event: RunEvent) -> None:
        if event.redis_id is not None and event.redis_id == self.cursor:
            self._replaying = False
            self._held = []
            self._overlap()
        else:
            self._held.append(event)

    def _is_new(self, event: RunEvent) -> bool:
        if event.redis_id is None:
            return self._is_new_without_position(event)
        if event.redis_id in self._seen:
            self._rewinding = self._resuming and event.redis_id != self.cursor
            if event.redis_id == self.cursor:
                self._overlap()
            return False
        self._rewinding = False
        if self._resuming:
            self._resumed_without_overlap()
        self.cursor = event.redis_id
        self._remember(event.redis_id)
        self._tail.clear()
        return True

    def _is_new_without_position(self, event: RunEvent) -> bool:
        if self._rewinding:
            return False
        mark = _mark(event.type, event.data)
        if self._expected:
            if self._expected[0] == mark:
                self._expected.popleft()
                if not self._expected and self.cursor is None:
                    self._overlap()
                return False
            self._expected.clear()
        if self._resuming:
            self._resumed_without_overlap()
        self._tail.append(mark)
        return True

    def _overlap(self) -> None:
        self._resuming = False
        if self.label is Continuity.NONE:
            self.label = Continuity.PROVEN

    def _resumed_without_overlap(self) -> None:
        self._resuming = False
        self._expected.clear()
        if self.label is not Continuity.BROKEN:
            self.label = Continuity.ASSUMED

    def _remember(self, position: str) -> None:
        self._seen.add(position)
        self._order.append(position)
        if len(self._order) > REMEMBERED:
            self._seen.discard(self._order.popleft())


def _mark(kind: str, data: Any) -> int:
    return hash((kind, repr(data)))
