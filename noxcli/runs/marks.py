"""A memory of events in sixteen bytes each: enough to recognize them when they repeat."""

from array import array
from collections.abc import Sequence

from noxcli.encode import to_json
from noxcli.models import RunEvent

RECENT = 10_000  # positions with direct access; older ones need a search
SEARCHES = 50  # on one connection, since each scans everything
NO_POSITION = 0
# This many consecutive events that match the last ones are not a coincidence; noxcli compares as many.
SHORTEST_RUN, LONGEST_RUN = 3, 64
WIDTH = 8  # bytes of one mark


class Marks:
    """Positions and contents of the events that were passed on, as hashes, in order."""

    def __init__(self) -> None:
        self._contents = array("q")
        self._positions = array("q")
        self._recent: dict[int, int] = {}
        self._searches = SEARCHES

    def __len__(self) -> int:
        return len(self._contents)

    def add_new(self, events: Sequence[RunEvent], known: str | None) -> int:
        """Remember events as long as each position is neither recent nor `known`; return their number."""
        recent, place = self._recent, (before := len(self._contents))
        for event in events:
            position = event.redis_id
            if not position or position == known or (known_as := hash(position) or 1) in recent:
                break
            self._contents.append(content_mark(event))
            self._positions.append(known_as)
            recent[known_as] = place
            place += 1
        for old in range(max(0, before - RECENT), max(0, place - RECENT)):
            self._forget(old)
        return place - before

    def add(self, position: str | None, content: int) -> None:
        """Remember one more event."""
        place = len(self._contents)
        known_as = _hash(position)
        self._contents.append(content)
        self._positions.append(known_as)
        if known_as:
            self._recent[known_as] = place
        if place >= RECENT:
            self._forget(place - RECENT)

    def _forget(self, place: int) -> None:
        """Move that position out of the direct index."""
        if self._recent.get(old := self._positions[place]) == place:
            del self._recent[old]

    def content_at(self, place: int) -> int:
        return self._contents[place]

    def place_of(self, position: str) -> int | None:
        """Return the index of the event with that position if it is one of the recent ones."""
        return self._recent.get(_hash(position))

    def search(self, position: str) -> int | None:
        """Return the index of the event with that position among all of them, within a limited number of searches."""
        if len(self) <= RECENT or not self._searches:
            return None
        self._searches -= 1
        try:
            return self._positions.index(_hash(position))
        except ValueError:
            return None

    def stands_at(self, place: int, position: str) -> bool:
        """True if the event at that index has that position."""
        return place < len(self) and self._positions[place] == _hash(position)

    def search_anew(self) -> None:
        """Allow searches again, for another connection."""
        self._searches = SEARCHES

    def overlap(self, start: int, more: "array[int]") -> tuple[int, bool]:
        """Compare the repeated events, the first `start` contents and `more`, with the end of all contents.

        Returns how many of them are the end of the remembered events, and whether all of them also occur earlier, so
        that the next ones may change the result.
        """
        again = self._contents[:start] + more
        whole, part = self._contents.tobytes(), again.tobytes()
        for length in range(min(len(self), len(again)), 0, -1):
            fits = self._contents[-length] == again[0] and self._contents[-1] == again[length - 1]
            if fits and whole.endswith(part[: length * WIDTH]):
                break
        else:
            length = 0
        run, known = self._known_up_to(again)
        return known if run > length else length, _stands_in(whole[:-WIDTH], part)

    def _known_up_to(self, again: "array[int]") -> tuple[int, int]:
        """Return the longest run of these that is the end of what is remembered, and how many are up to there."""
        best = known = 0
        for place in range(len(again)):
            run = 0
            while run <= min(place, len(self) - 1, LONGEST_RUN) and self._contents[-1 - run] == again[place - run]:
                run += 1
            if run >= max(best, SHORTEST_RUN):
                best, known = run, place + 1
        return best, known


def content_mark(event: RunEvent) -> int:
    """Return a hash of an event's content, without its position."""
    data = event.data
    try:
        return hash((event.type, tuple(data), tuple(data.values())) if isinstance(data, dict) else (event.type, data))
    except TypeError:
        return hash((event.type, to_json(data)))


def _hash(position: str | None) -> int:
    return hash(position) or 1 if position else NO_POSITION


def _stands_in(whole: bytes, part: bytes) -> bool:
    at = whole.find(part)
    while at >= 0 and at % WIDTH:
        at = whole.find(part, at + 1)
    return at >= 0
