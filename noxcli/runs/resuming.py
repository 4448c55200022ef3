"""Where a connection that resumes stands among the events that were shown."""

from array import array
from typing import NamedTuple

from noxcli.codec import to_json
from noxcli.models import RunEvent

# What may wait until a replay shows whether it is new.
HELD_EVENTS, HELD_BYTES = 20_000, 16 * 1024 * 1024
MOST_PLACES = 100  # a replay begins at the start, or near the end
UNREAD = 0  # the content of an event that another reader has shown
LEAP = "the server did not send the last event again; events may be missing before the next one"


class Position(NamedTuple):
    """A place among the events that were shown, and its `redisId`; the start of the run is -1, None."""

    place: int
    id: str | None


class Resuming:
    """A connection that resumes: where its next event may stand among those that were shown.

    Each event leaves the places where it fits, and a known position leaves one. One that fits nowhere is new, if the
    connection may have come to the end of what was shown.
    """

    def __init__(
        self, contents: "array[int]", positions: "array[int]", older: Position, newer: Position, *, seeking: bool
    ) -> None:
        """`seeking`: events before the first one that was shown may come, and wait until that is known."""
        self.places: list[int] = []
        self.seeking = seeking
        self.waiting: list[RunEvent] = []  # which may be old or new
        self.reason = LEAP
        self.at_end = older == newer and newer.id is not None  # nothing has to come again
        self._end = len(contents)
        self._contents, self._positions = contents, positions
        self._awaited = newer.place
        self._may_differ = newer.place - older.place - 1  # events without a position, before the one that must come
        self._anywhere = True  # no event has narrowed the places down yet
        self._known: set[int] = set()  # the contents that were shown, once they are searched
        self._bytes = 0

    def next_has(self, position: int) -> bool:
        """True if the event at the only place has this position."""
        return len(self.places) == 1 and self.places[0] < self._end and self._positions[self.places[0]] == position

    def meets(self, place: int) -> None:
        """An event that was shown comes again: the connection stands behind it."""
        self.places, self.waiting = [place + 1], []
        self._anywhere = self.seeking = False
        self.at_end = place >= self._awaited

    def keeps(self, event: RunEvent, position: int, mark: int) -> bool:
        """Return whether an event without a known position may be old; such a one waits if it may be new as well."""
        places = self._next_places(position, mark)
        if not places and self.seeking and not self._anywhere:
            self._anywhere = True  # what came until here was from before what was shown
            places = self._next_places(position, mark)
        if places:
            was_at_end = self.at_end
            self._anywhere = False
            self.places = places if len(places) <= MOST_PLACES else [places[0], *places[1 - MOST_PLACES :]]
            if places[-1] == self._end:
                self.at_end, self.seeking, self.waiting = True, False, []
                return True
            return not was_at_end or self._waits(event)
        if self.at_end:
            return False
        self._may_differ -= not position
        return (self.seeking or (not position and self._anywhere and self._may_differ >= 0)) and self._waits(event)

    def _next_places(self, position: int, mark: int) -> list[int]:
        begins = self.places
        if self._anywhere:
            self._known = self._known or set(self._contents)
            begins = list(range(self._end)) if mark in self._known else []
        return [one + 1 for one in begins if one < self._end and self._fits(one, position, mark)]

    def _fits(self, place: int, position: int, mark: int) -> bool:
        """True if the event at that place has this content, and not another position."""
        return self._contents[place] == mark and not (position and self._positions[place])

    def _waits(self, event: RunEvent) -> bool:
        """Keep an event until it is known whether it is new; return False once too many wait."""
        self._bytes += len(event.raw) if event.raw is not None else len(to_json(event.data))
        if len(self.waiting) >= HELD_EVENTS or self._bytes > HELD_BYTES:
            return False
        self.waiting.append(event)
        return True
