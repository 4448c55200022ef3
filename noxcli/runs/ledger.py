"""Each event once and in order, across dropped connections; and what is known about its completeness."""

from array import array
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum

from noxcli.codec import to_json
from noxcli.models import OF_A_RUN, Gap, RunEvent, Update
from noxcli.runs.resuming import UNREAD, Position, Resuming

RECENT = 10_000  # positions with direct access; older ones need a search
WORTHLESS = "the server's positions don't tell its events apart; events may be missing or repeated"
UNKNOWN_POSITION = "the server no longer knows the position, and its replay does not contain it"

START = Position(-1, None)


class Continuity(StrEnum):
    """How complete the events are."""

    PROVEN = "proven"  # read from the start of a run that was started here, and each resumption overlapped
    ASSUMED = "assumed"  # no gap is known
    BROKEN = "broken"  # a gap is known
    NONE = "none"  # no stream was used


class Ledger:
    """Decides which events are new: by position, or by content where an event has none.

    A position (`redisId`) is opaque: compared for equality, never ordered; an empty one is none. If one comes with
    different contents, positions are not used any more.

    A resumption asks from the last position but one, so that the last event has to come again: a server that has
    forgotten a position goes on with the oldest event that it has, and says nothing.
    """

    def __init__(self, positions: Sequence[str] = (), *, from_start: bool = False) -> None:
        """`positions` are the last one or two that another reader has shown; what is before them is not known here.

        `from_start` is true if this command has started the run.
        """
        self.gaps = 0
        self.came = self.fresh = 0  # events on this connection, and those of them that were new
        self._contents = array("q")
        self._positions = array("q")  # hashes, 0 for none
        self._recent: dict[int, int] = {}  # the places of the last positions
        self._older = self._newer = START
        self._known_before = len(positions)
        for position in positions:
            self._add(UNREAD, _hash(position), position)
        if len(positions) == 1:
            self._older = self._newer
        self._trusting, self._relied = True, False  # on positions; and something was decided by one
        self._refused: str | None = None  # the position that the server does not know
        self._resuming: Resuming | None = None  # None: everything is new
        self._from_start, self._was_used = from_start, False
        self._is_whole = self._all_placed = True  # the stream was read to its end; each event had a position

    @property
    def cursor(self) -> str | None:
        """The last position."""
        return self._newer.id

    @property
    def accepted(self) -> int:
        """How many events were new."""
        return len(self._contents) - self._known_before

    @property
    def label(self) -> Continuity:
        """What is known about the completeness of the events."""
        if self.gaps:
            return Continuity.BROKEN
        if not self._was_used:
            return Continuity.NONE
        proven = self._from_start and self._is_whole and self._all_placed
        return Continuity.PROVEN if proven else Continuity.ASSUMED

    def refused(self) -> None:
        """The server does not know the position: the next connection starts over."""
        self._refused = self._older.id

    def opened(self) -> str | None:
        """Begin a connection; return the position to send, None to start over."""
        self.came = self.fresh = 0
        self._resuming = None
        sent = self._older.id
        starts_over = sent is None or sent == self._refused
        if self._contents:
            # What another reader has shown comes before what is known here.
            seeking = starts_over and self._known_before > 0 and self._trusting
            self._resuming = Resuming(self._contents, self._positions, self._older, self._newer, seeking=seeking)
            if starts_over and sent is not None:
                self._resuming.reason, self._resuming.at_end = UNKNOWN_POSITION, False
        return None if starts_over else sent

    def accept(self, events: Sequence[RunEvent]) -> list[Update]:
        """Return the new ones, in order, and a Gap before the first one that may not be the next."""
        self._was_used = True
        updates: list[Update] = []
        for event in events:
            self._accept_one(event, updates)
        return updates

    def place_waiting(self) -> list[Update]:
        """Return what was waiting to be placed, since nothing more will come on this connection."""
        updates: list[Update] = []
        if self.held:
            self._begin_news([], updates)
        return updates

    @property
    def held(self) -> int:
        """How many events wait until the position from outside is found."""
        return len(self._resuming.waiting) if self._resuming is not None and self._resuming.seeking else 0

    def ended_unannounced(self) -> None:
        """The stream is over, but nothing showed that it was read to its end."""
        self._is_whole = False

    def gap(self, reason: str) -> Gap:
        """Return a gap: from now on, events are known to be missing."""
        self.gaps += 1
        return Gap(reason)

    def _accept_one(self, event: RunEvent, updates: list[Update]) -> None:
        resuming = self._resuming
        if not event.redis_id and event.type not in OF_A_RUN:
            # Such as a keep-alive, which no replay repeats; one within a replay is as old as what is around it.
            if resuming is None or resuming.at_end:
                updates.append(event)
            return
        self.came += 1
        mark = content_mark(event)
        position = _hash(event.redis_id) if event.redis_id and self._trusting else 0
        place = self._place_of(position) if position else None
        if place is not None and self._is_at(place, event, mark):
            self._relied = True
            if resuming is not None:
                resuming.meets(place)
            return
        if place is not None:
            self._distrust(updates)
            resuming, position = self._resuming, 0
        if resuming is None:
            self.fresh += 1
            self._all_placed = self._all_placed and position != 0
            self._add(mark, position, event.redis_id)
            updates.append(event)
        elif not resuming.keeps(event, position, mark):
            self._begin_news([event], updates)

    def _is_at(self, place: int, event: RunEvent, mark: int) -> bool:
        """True if an event with the position of that place is the one that was shown there."""
        if self._contents[place] in {mark, UNREAD}:
            return True
        # A replay may have the state at the time of sending.
        return self._resuming is not None and event.type == "state"

    def _begin_news(self, events: Sequence[RunEvent], updates: list[Update]) -> None:
        """Pass on what waits, and these: from here on, everything on this connection is new or has a known position."""
        resuming, self._resuming = self._resuming, None
        assert resuming is not None
        if not resuming.at_end:
            updates.append(self.gap(resuming.reason))
        for event in (*resuming.waiting, *events):
            self.came -= 1  # it was counted when it came
            self._accept_one(event, updates)

    def _place_of(self, position: int) -> int | None:
        """Return which event that was shown has this position."""
        resuming = self._resuming
        if resuming is not None and resuming.next_has(position):
            return resuming.places[0]
        place = self._recent.get(position)
        if place is None and resuming is not None and len(self._positions) > RECENT and not resuming.seeking:
            with suppress(ValueError):
                return self._positions.index(position)
        return place

    def _distrust(self, updates: list[Update]) -> None:
        """Go by contents from now on; a gap if anything was decided by a position before."""
        self._trusting = False
        self._recent.clear()
        self._older, self._newer, self._resuming = START, START, None
        if self._relied:
            updates.append(self.gap(WORTHLESS))

    def _add(self, mark: int, position: int, text: str | None) -> None:
        """Note an event as the last one that was shown."""
        place = len(self._contents)
        self._contents.append(mark)
        self._positions.append(position)
        if position:
            self._older, self._newer = self._newer, Position(place, text)
            self._recent[position] = place
        old = place - RECENT
        if old >= self._known_before and self._recent.get(self._positions[old]) == old:
            del self._recent[self._positions[old]]  # a search finds it


def _hash(position: str) -> int:
    return hash(position) or 1


def content_mark(event: RunEvent) -> int:
    """Return a hash of an event's content, without its position."""
    data = event.data
    try:
        return hash((event.type, tuple(data), tuple(data.values())) if isinstance(data, dict) else (event.type, data))
    except TypeError:
        return hash((event.type, to_json(data)))
