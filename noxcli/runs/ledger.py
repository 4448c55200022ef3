"""Each event once and in order, across dropped connections; and what is known about its completeness."""

from array import array
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum

from noxcli.codec import to_json
from noxcli.models import Gap, RunEvent, Update

# What may wait until a replay shows whether it is new.
HELD_EVENTS, HELD_BYTES = 20_000, 16 * 1024 * 1024
RECENT = 10_000  # positions with direct access; older ones need a search
MOST_PLACES = 100  # a replay begins at the start, or near the end
OF_A_RUN = frozenset({"content", "state"})  # the documented types
WORTHLESS = "the server's positions don't tell its events apart; events may be missing or repeated"
UNKNOWN_POSITION = "the server no longer knows the position, and its replay does not contain it"


class Continuity(StrEnum):
    """How complete the events are."""

    PROVEN = "proven"  # a replay or an overlap showed that nothing is missing
    ASSUMED = "assumed"  # the server accepted the cursor without overlap
    BROKEN = "broken"  # the server rejected the cursor, and a full replay lacks it
    NONE = "none"  # no stream was used


class Ledger:
    """Decides which events are new: by position, or by content where an event has none.

    A position (`redisId`) is opaque: compared for equality, never ordered; an empty one is none. If one comes with
    different contents, positions are not used any more.

    A connection that resumes may stand at several places among the events that were shown. Each event leaves the places
    where it comes next, and a known position leaves one. What comes after the end of the last place is new.
    """

    def __init__(self, cursor: str | None = None) -> None:
        """`cursor` is where another reader stopped; what is before it was shown, and is not known here."""
        self.cursor = self.origin = cursor
        self.label = Continuity.NONE
        self.accepted = 0
        self.has_gap = False  # a part may be missing, and was reported
        self._positions = array("q")  # hashes, 0 for none
        self._contents = array("q")
        self._recent: dict[int, int] = {}  # the places of the last positions
        self._cursor_place = -1  # -1: the origin
        self._trusting = True
        self._unknown: str | None = None  # the cursor that the server has refused
        self.opened()

    def refused(self) -> None:
        """The server does not know the cursor: the next connection starts over."""
        self._unknown = self.cursor

    def opened(self, *, ended: bool = False) -> str | None:
        """Begin a connection; return the cursor to send, None to start over. `ended` the run has."""
        self.came = self.fresh = 0  # events on it, and those of them that were new
        self._resuming = len(self._contents) > 0 or self.cursor is not None
        self._refused = self.cursor is not None and self.cursor == self._unknown
        self._waiting: list[RunEvent] = []
        self._waiting_bytes = 0
        # The places where the next event may stand, None if it can only be new.
        self._places: list[int] | None = None
        self._at_end = False  # one of them was the end of what was shown
        self._anywhere = False  # no event has narrowed them down yet
        self._known: set[int] = set()  # the contents that were shown, once they are searched
        self._ended = ended
        # Events before the first one that was shown may come, and wait until that is known.
        self.seeking = False
        if self._resuming and (self.cursor is None or self._refused):
            self._places, self._anywhere = [0], True
            self.seeking = self.origin is not None or (ended and self.cursor is None)
        elif self._resuming:
            self._places = [self._cursor_place + 1]
            self._at_end = self._cursor_place + 1 == len(self._contents)
        return None if self._refused else self.cursor

    def accept(self, events: Sequence[RunEvent]) -> list[Update]:
        """Return the new ones, in order, and a Gap before the first one that may not be the next."""
        if self.label is Continuity.NONE and not self._resuming:
            self.label = Continuity.PROVEN
        updates: list[Update] = []
        for event in events:
            self._accept_one(event, updates)
        return updates

    def settle(self) -> list[Update]:
        """Return what was waiting to be placed, since nothing more will come on this connection."""
        placed = self._at_end or self._anywhere or self._refused  # otherwise they are from before the end
        return self._give_out() if self.seeking and placed and (self._refused or self._waiting) else []

    @property
    def held(self) -> int:
        """How many events wait to be placed."""
        return len(self._waiting) if self.seeking else 0

    def ended_unannounced(self) -> None:
        """The stream is over, but nothing showed that it was read to its end."""
        if self.label is Continuity.PROVEN:
            self.label = Continuity.ASSUMED

    def lost(self) -> None:
        """Events are known to be lost."""
        self.label, self.has_gap = Continuity.BROKEN, True

    def _accept_one(self, event: RunEvent, updates: list[Update]) -> None:
        if not event.redis_id and event.type not in OF_A_RUN:
            # Such as a keep-alive, which no replay repeats; one within a replay is as old as what is around it.
            if self._places is None or self._at_end:
                updates.append(event)
            return
        self.came += 1
        mark = content_mark(event)
        position = (hash(event.redis_id) or 1) if event.redis_id and self._trusting else 0  # 0: it has none
        place = self._place_of(position, event.redis_id) if position else None
        if place is not None and (place < 0 or self._contents[place] == mark):
            self._came_again(place)
            return
        if place is not None:
            position = self._distrust(updates)
        if self._places is None:
            self._pass(event, position, mark, updates)
        else:
            self._find(event, position, mark, updates)

    def _find(self, event: RunEvent, position: int, mark: int, updates: list[Update]) -> None:
        """Place an event that a resumed connection brings, by its content unless it has a known position."""
        places = self._next_places(position, mark)
        if not places and self.seeking and not self._anywhere:
            self._anywhere = True  # what came until here was from before what was shown
            places = self._next_places(position, mark)
        if places:
            self._anywhere = False
            self._places = places if len(places) <= MOST_PLACES else [places[0], *places[1 - MOST_PLACES :]]
            if places[-1] == len(self._contents):
                self._at_end, self._waiting = True, []
                whole = self.came == places[-1]  # a replay from the start
                self.seeking = self.seeking and self._ended and not whole
                if whole:
                    self._overlap()
            elif self._at_end or self.seeking:
                self._wait(event, updates)
        elif self.seeking:
            self._wait(event, updates)
        else:
            self._waiting = [*(self._waiting if self._at_end else []), event]
            updates += self._give_out()

    def _next_places(self, position: int, mark: int) -> list[int]:
        end, begins = len(self._contents), self._places or []
        if self._anywhere:
            self._known = self._known or set(self._contents)
            begins = list(range(end)) if mark in self._known else []
        return [one + 1 for one in begins if one < end and self._fits(one, position, mark)]

    def _fits(self, place: int, position: int, mark: int) -> bool:
        """True if the event at that place has this content, and not another position."""
        return self._contents[place] == mark and not (position and self._positions[place])

    def _begin_news(self, updates: list[Update]) -> None:
        """From here on, everything on this connection is new unless its position is known."""
        self._places = None
        if self._refused:
            self.lost()
            updates.append(Gap(UNKNOWN_POSITION))
        elif self._resuming and self.label is not Continuity.BROKEN:
            self.label = Continuity.ASSUMED
        self._resuming = self._refused = self.seeking = False
        self._waiting = []

    def _wait(self, event: RunEvent, updates: list[Update]) -> None:
        """Keep an event that may be old or new; too many of them are a gap."""
        self._waiting.append(event)
        self._waiting_bytes += len(event.raw) if event.raw is not None else len(to_json(event.data))
        if len(self._waiting) > HELD_EVENTS or self._waiting_bytes > HELD_BYTES:
            updates += self._give_out()

    def _give_out(self) -> list[Update]:
        """Return the waiting events as new ones."""
        updates: list[Update] = []
        waiting = self._waiting
        self._begin_news(updates)
        for one in waiting:
            self._accept_one(one, updates)
        return updates

    def _came_again(self, place: int) -> None:
        """An event that was shown comes again: the connection stands behind it."""
        if self._places is None:
            return
        self._places, self._anywhere, self._waiting = [place + 1], False, []
        self._refused = self.seeking = self._at_end = False
        if place == self._cursor_place:
            self._overlap()

    def _place_of(self, position: int, text: str | None) -> int | None:
        """Return which event that was shown has this position; -1 for the origin."""
        if self._places is not None and len(self._places) == 1:
            (next_one,) = self._places
            if next_one < len(self._positions) and self._positions[next_one] == position:
                return next_one
        place = self._recent.get(position)
        if place is None and text == self.origin:
            return -1
        if place is None and self._places is not None and len(self._positions) > RECENT and not self.seeking:
            with suppress(ValueError):
                return self._positions.index(position)
        return place

    def _distrust(self, updates: list[Update]) -> int:
        """Go by contents from now on, and return the position that no event has."""
        self._trusting = False
        self.cursor, self._cursor_place = None, -1
        self.origin = None
        self._places, self._resuming, self._refused, self.seeking = None, False, False, False
        self.ended_unannounced()
        self.has_gap = True
        updates.append(Gap(WORTHLESS))
        return 0

    def _pass(self, event: RunEvent, position: int, mark: int, updates: list[Update]) -> None:
        """Pass on a new event."""
        place = len(self._contents)
        if position:
            self.cursor, self._cursor_place = event.redis_id, place
            self._recent[position] = place
        self.accepted += 1
        self.fresh += 1
        self._contents.append(mark)
        self._positions.append(position)
        if place >= RECENT and self._recent.get(old := self._positions[place - RECENT]) == place - RECENT:
            del self._recent[old]  # a search finds it
        updates.append(event)

    def _overlap(self) -> None:
        self._resuming = False
        if self.label is Continuity.NONE:
            self.label = Continuity.PROVEN


def content_mark(event: RunEvent) -> int:
    """Return a hash of an event's content, without its position."""
    data = event.data
    try:
        return hash((event.type, tuple(data), tuple(data.values())) if isinstance(data, dict) else (event.type, data))
    except TypeError:
        return hash((event.type, to_json(data)))
