"""Each event once and in order, across dropped connections; and what is known about its completeness."""

from array import array
from collections.abc import Sequence
from enum import StrEnum

from noxcli.encode import to_json
from noxcli.models import Gap, RunEvent, Update

# What may wait until a replay shows whether it is new.
HELD_EVENTS, HELD_BYTES = 20_000, 16 * 1024 * 1024
RECENT = 10_000  # positions with direct access; older ones need a search
SEARCHES = 50  # on one connection, since each scans everything
MOST_AGAIN = 1_000  # positions that came again on one connection, with their contents
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

    A position (`redisId`) is opaque: compared for equality, never ordered; an empty one is none. If one comes twice on
    a connection with different contents, positions are not used any more.

    A connection that resumes may stand at several places among the events that were shown. Each event leaves the places
    where it comes next, and a known position leaves one. What comes after the end of the last place is new.
    """

    def __init__(self, cursor: str | None = None) -> None:
        """`cursor` is where another reader stopped; what is before it was shown, and is not known here."""
        self.cursor = cursor
        self.label = Continuity.NONE
        self.accepted = 0
        self.has_gap = False  # a part may be missing, and was told to be
        self._origin = cursor
        self._positions = array("q")  # hashes, 0 for none
        self._contents = array("q")
        self._recent: dict[int, int] = {}  # the places of the last positions
        self._cursor_place = -1  # -1: the origin
        self._trusting = True
        self.opened()

    def opened(self, *, replay: bool = False, ended: bool = False) -> None:
        """A connection is opened from the cursor, with `replay` from the start in spite of it; `ended` the run has."""
        self._opened_at = len(self._contents)
        self._searches = SEARCHES
        self._resuming = self._opened_at > 0 or self.cursor is not None
        self._refused = replay and self.cursor is not None
        self._waiting: list[RunEvent] = []
        self._waiting_bytes = 0
        self._again: dict[int, int] = {}
        # The places where the next event may stand, None if it can only be new.
        self._places: list[int] | None = None
        self._at_end = False  # one of them was the end of what was shown
        self._anywhere = False  # no event has narrowed them down yet
        self._known: set[int] = set()  # the contents that were shown, once they are searched
        self._came = 0  # events since then
        self._ended = ended
        # Events before the first one that was shown may come, and wait until that is known.
        self.seeking = False
        if not self._resuming:
            return
        if self.cursor is None or self._refused:
            self._places, self._anywhere = [0], True
            self.seeking = self._origin is not None or (ended and self.cursor is None)
        else:
            self._places = [self._cursor_place + 1]
            self._at_end = self._cursor_place + 1 == self._opened_at

    def accept(self, events: Sequence[RunEvent]) -> list[Update]:
        """Return the new ones, in order, and a Gap before the first one that may not be the next."""
        if self.label is Continuity.NONE and not self._resuming:
            self.label = Continuity.PROVEN
        count = self._add_new(events) if self._places is None and self._trusting else 0
        told: list[Update] = list(events[:count])
        for event in events[count:]:
            self._take(event, told)
        return told

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

    def _add_new(self, events: Sequence[RunEvent]) -> int:
        """Remember events as long as each has a position of its own; return their number: the fast path of `_take`."""
        recent, before = self._recent, len(self._contents)
        place = before
        for event in events:
            position = event.redis_id
            if not position or position == self._origin or (known_as := hash(position) or 1) in recent:
                break
            self._contents.append(content_mark(event))
            self._positions.append(known_as)
            recent[known_as] = place
            place += 1
        for old in range(max(0, before - RECENT), max(0, place - RECENT)):
            self._forget(old)
        if place > before:
            self.cursor, self._cursor_place = events[place - before - 1].redis_id, place - 1
        self.accepted += place - before
        return place - before

    def _take(self, event: RunEvent, told: list[Update]) -> None:
        if not event.redis_id and event.type not in OF_A_RUN:
            # Such as a keep-alive, which no replay repeats; one within a replay is as old as what is around it.
            if self._places is None or self._at_end:
                told.append(event)
            return
        mark = content_mark(event)
        position = (hash(event.redis_id) or 1) if event.redis_id and self._trusting else 0
        place = self._place_of(position, event.redis_id) if position else None
        if place is not None:
            here = self._contents[place] if place >= self._opened_at else self._again.get(position, mark)
            if here == mark:
                self._came_again(place, position, mark)
                return
            self._distrust(told)
        if self._places is None:
            self._pass(event, mark, told)
        else:
            self._find(event, position, mark, told)

    def _find(self, event: RunEvent, position: int, mark: int, told: list[Update]) -> None:
        """Place an event that a resumed connection brings, by its content unless it has a known position."""
        places = self._next_places(position, mark)
        if not places and self.seeking and not self._anywhere:
            self._anywhere = True  # what came until here was from before what was shown
            places = self._next_places(position, mark)
        self._came += 1
        if places:
            self._anywhere = False
            self._places = places if len(places) <= MOST_PLACES else [places[0], *places[1 - MOST_PLACES :]]
            if places[-1] == len(self._contents):
                self._at_end, self._waiting = True, []
                whole = self._came == places[-1]  # a replay from the start
                self.seeking = self.seeking and self._ended and not whole
                if whole:
                    self._overlap()
            elif self._at_end or self.seeking:
                self._wait(event, told)
        elif self.seeking:
            self._wait(event, told)
        else:
            waiting = self._waiting if self._at_end else []
            self._begin_news(told)
            for one in [*waiting, event]:
                self._pass(one, content_mark(one), told)

    def _next_places(self, position: int, mark: int) -> list[int]:
        end, begins = len(self._contents), self._places or []
        if self._anywhere:
            self._known = self._known or set(self._contents)
            begins = list(range(end)) if mark in self._known else []
        return [one + 1 for one in begins if one < end and self._fits(one, position, mark)]

    def _fits(self, place: int, position: int, mark: int) -> bool:
        """True if the event at that place has this content, and not another position."""
        return self._contents[place] == mark and not (position and self._positions[place])

    def _begin_news(self, told: list[Update]) -> None:
        """From here on, everything on this connection is new unless its position is known."""
        self._places = None
        if self._refused:
            self.lost()
            told.append(Gap(UNKNOWN_POSITION))
        elif self._resuming and self.label is not Continuity.BROKEN:
            self.label = Continuity.ASSUMED
        self._resuming = self._refused = self.seeking = False
        self._waiting = []

    def _wait(self, event: RunEvent, told: list[Update]) -> None:
        """Keep an event that may be old or new; too many of them are a gap."""
        self._waiting.append(event)
        self._waiting_bytes += len(event.raw) if event.raw is not None else len(to_json(event.data))
        if len(self._waiting) > HELD_EVENTS or self._waiting_bytes > HELD_BYTES:
            told += self._give_out()

    def _give_out(self) -> list[Update]:
        """Return the waiting events as new ones."""
        told: list[Update] = []
        waiting = self._waiting
        self._begin_news(told)
        for one in waiting:
            self._take(one, told)
        return told

    def _came_again(self, place: int, position: int, mark: int) -> None:
        """An event that was shown comes again: the connection stands behind it."""
        if len(self._again) < MOST_AGAIN:
            self._again[position] = mark
        if place >= 0 and self._contents[place] != mark:
            self.ended_unannounced()  # other content at a known position proves nothing
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
        if place is None and text == self._origin:
            return -1
        if place is None and self._places is not None and len(self._positions) > RECENT and self._searches:
            self._searches -= 1
            try:
                return self._positions.index(position)
            except ValueError:
                return None
        return place

    def _distrust(self, told: list[Update]) -> None:
        """Go by contents from now on."""
        self._trusting = False
        self.cursor, self._cursor_place = None, -1
        self._origin = None
        self._places, self._resuming, self._refused, self.seeking = None, False, False, False
        self.ended_unannounced()
        self.has_gap = True
        told.append(Gap(WORTHLESS))

    def _pass(self, event: RunEvent, mark: int, told: list[Update]) -> None:
        """Pass on a new event."""
        place = len(self._contents)
        position = (hash(event.redis_id) or 1) if event.redis_id and self._trusting else 0
        if position:
            self.cursor, self._cursor_place = event.redis_id, place
            self._recent[position] = place
        self.accepted += 1
        self._contents.append(mark)
        self._positions.append(position)
        if place >= RECENT:
            self._forget(place - RECENT)
        told.append(event)

    def _forget(self, place: int) -> None:
        """Move that position out of the direct index."""
        if self._recent.get(old := self._positions[place]) == place:
            del self._recent[old]

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
