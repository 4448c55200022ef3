"""Which row of FILE is which row of the journal: by its id, or by what it asks."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from noxcli.batchdir.append_file import open_batch_file
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.journal_state import FINISHED, NEW, JournalState, Move, line_at
from noxcli.rows.columns import id_of_repetition


@dataclass(slots=True, eq=False, repr=False)
class TableRows:
    """All rows of FILE, by their places from 0: ids, hashes of these, and digests of what they ask.

    0 for none.

    `unconverted` are digests before texts became the declared types, in a call that knew them.
    """

    ids: list[str | None] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    digests: list[int] = field(default_factory=list)
    unconverted: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False, repr=False)
class Matches:
    """The rows of FILE and those of the journal that they are; all by their places, from 1."""

    before: list[int]  # of each row of FILE: its place before, or 0
    gone: list[int] = field(default_factory=list)  # places before, of rows that FILE lacks
    edited: list[int] = field(default_factory=list)  # rows of FILE whose runs had another input


class KnownRows:
    """The rows that the journal knows, by their places before."""

    def __init__(self, journaled: JournalState) -> None:
        assert journaled.header is not None
        self._journaled = journaled
        self.repeat = journaled.header.repeat
        self.places = sorted({self._place(number) for number in journaled.known_rows()})

    def _place(self, number: int) -> int:
        return (number - 1) // self.repeat + 1

    def numbers(self, place: int) -> list[int]:
        """Return the numbers of a row's repetitions that are known."""
        numbers = range((place - 1) * self.repeat + 1, place * self.repeat + 1)
        offsets = self._journaled.offsets
        return [number for number in numbers if number < len(offsets) and offsets[number]]

    def states(self, place: int) -> list[int]:
        """Return the states of a row's repetitions."""
        return [self._journaled.state(number) for number in self.numbers(place)]

    def is_finished(self, place: int) -> bool:
        return FINISHED in self.states(place)

    def id_hash(self, place: int) -> int:
        return self._journaled.ids[self.numbers(place)[0]]

    def digests(self, place: int) -> set[int]:
        """Return the digests of what the row asked last: as it was sent, and unconverted."""
        numbers = self.numbers(place)
        last = numbers[0]
        for number in numbers:
            if self._journaled.state(number) != NEW:
                last = number
        return {self._journaled.digests[last], self._journaled.unconverted[last]}

    def line_offset(self, number: int) -> int:
        """Return where the row's last line in the journal begins."""
        return self._journaled.offsets[number]


class EqualRows:
    """Rows of the journal by what they ask: those that ask the same are taken in their order."""

    def __init__(self, known: KnownRows, places: Iterable[int]) -> None:
        self._places: dict[int, list[int]] = {}  # by digests, the first one last
        self._taken: set[int] = set()
        for place in sorted(places, reverse=True):
            for digest in known.digests(place):
                self._places.setdefault(digest, []).append(place)

    def take(self, *digests: int) -> int:
        """Return the next row with one of these digests, 0 without one."""
        for digest in digests:
            places = self._places.get(digest, [])
            while places and digest:
                place = places.pop()
                if place not in self._taken:
                    self._taken.add(place)
                    return place
        return 0


def match_rows(known: KnownRows, table: TableRows) -> Matches:
    """Match each row of FILE by its id, else the k-th of equal rows by what it asks.

    A row without an id may have had one, and the reverse; but not if another row of FILE has that
    id.
    """
    found = Matches([0] * len(table.digests))
    by_id: dict[int, int] = {}
    unnamed: list[int] = []
    for place in known.places:
        own_id = known.id_hash(place)
        if own_id:
            by_id[own_id] = place
        else:
            unnamed.append(place)
    without_id = EqualRows(known, unnamed)
    for at, digest in enumerate(table.digests):
        asked = {digest, table.unconverted[at]}
        place = by_id.pop(table.hashes[at], 0)
        if place:
            has_run = any(state != NEW for state in known.states(place))
            if has_run and digest and asked.isdisjoint(known.digests(place)):
                found.edited.append(at + 1)
        else:
            place = without_id.take(digest, table.unconverted[at])
        found.before[at] = place
    lost_id = EqualRows(known, by_id.values())
    for at, digest in enumerate(table.digests):
        if not found.before[at] and not table.hashes[at]:
            found.before[at] = lost_id.take(digest, table.unconverted[at])
    still_there = set(found.before)
    found.gone = [place for place in known.places if place not in still_there]
    return found


def moves_of(known: KnownRows, found: Matches, table: TableRows, journal: Journal) -> list[Move]:
    """Return the moves of all rows that have another place or another id.

    Rows that FILE lacks move behind its last one.
    """
    moves: list[Move] = []
    for at, before in enumerate(found.before):
        if not before:
            continue
        if before == at + 1 and table.hashes[at] == known.id_hash(before):
            continue
        for number in known.numbers(before):
            repetition = (number - 1) % known.repeat + 1
            own_id = id_of_repetition(table.ids[at], repetition, known.repeat)
            moves.append(Move(at * known.repeat + repetition, number, own_id))
    if found.gone:
        moves += _moves_behind(known, found, journal)
    return moves


def _moves_behind(known: KnownRows, found: Matches, journal: Journal) -> list[Move]:
    moves: list[Move] = []
    with open_batch_file(journal.path) as file:
        for place, before in enumerate(found.gone, len(found.before)):
            for number in known.numbers(before):
                to = place * known.repeat + (number - 1) % known.repeat + 1
                if to != number:
                    line = line_at(file, known.line_offset(number))
                    moves.append(Move(to, number, line["id"]))
    return moves
