"""Each event once and in order, whatever a server repeats, and an honest label for what is missing."""

import tracemalloc
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.models import Gap, RunEvent, Update
from noxcli.runs.event_dedup import Continuity, EventDeduplicator
from tests.faults.fake import piece, pieces


def shown(dedup: EventDeduplicator, connections: Iterable[Sequence[RunEvent]]) -> list[Update]:
    """What comes out over several connections from the cursor."""
    fresh: list[Update] = []
    for connection in connections:
        dedup.opened()
        fresh += dedup.accept(connection)
    return fresh


def only_events(told: Iterable[Update]) -> list[RunEvent]:
    return [update for update in told if isinstance(update, RunEvent)]


def gaps(told: Iterable[Update]) -> int:
    return sum(isinstance(update, Gap) for update in told)


@pytest.mark.parametrize(
    ("connections", "leaps"),
    [
        ([(0, 3)], 0),
        ([(0, 3), (2, 5)], 0),  # after the last position but one
        ([(0, 3), (1, 5)], 0),  # from that position on
        ([(0, 3), (0, 5)], 0),  # from the start
        ([(0, 1), (0, 4)], 0),  # the start of the run is a position, too
        ([(0, 3), (2, 2), (2, 2), (2, 4)], 0),  # connections that bring nothing
        ([(0, 3), (3, 5)], 1),
        ([(0, 1), (1, 4)], 1),
        ([(0, 3), (3, 5), (4, 7)], 1),  # a later overlap makes up for no earlier leap
    ],
)
def test_the_last_event_has_to_come_again(connections: list[tuple[int, int]], leaps: int) -> None:
    dedup, last = EventDeduplicator(from_start=True), connections[-1][1]
    got = shown(dedup, [pieces(stop - start, start) for start, stop in connections])
    assert (only_events(got), gaps(got), dedup.gaps) == (pieces(last), leaps, leaps)
    label = Continuity.BROKEN if leaps else Continuity.PROVEN
    assert (dedup.label, dedup.cursor, dedup.accepted) == (label, f"{last - 1}-0", last)


def test_positions_are_never_ordered() -> None:
    dedup = EventDeduplicator(from_start=True)
    odd = [
        RunEvent("content", {"n": n}, position)
        for n, position in enumerate(["zebra", "9-9", "10-0", "A"])
    ]
    assert shown(dedup, [odd[:3], odd[2:]]) == odd
    assert (dedup.cursor, dedup.label) == ("A", Continuity.PROVEN)


@pytest.mark.parametrize("start", [2, 3])
def test_one_position_from_outside_is_believed(start: int) -> None:
    dedup = EventDeduplicator(["2-0"])
    assert dedup.opened() == "2-0"
    assert dedup.accept(pieces(6 - start, start)) == pieces(3, 3)
    assert (dedup.label, dedup.cursor) == (Continuity.ASSUMED, "5-0")


@pytest.mark.parametrize(("start", "leaps"), [(0, 0), (2, 0), (3, 0), (4, 1)])
def test_of_two_positions_from_outside_one_comes_again(start: int, leaps: int) -> None:
    dedup = EventDeduplicator(["2-0", "3-0"])
    assert dedup.opened() == "2-0"
    got = dedup.accept(pieces(7 - start, start) if start else [*pieces(2, 2), *pieces(3, 4)])
    assert (only_events(got), gaps(got)) == (pieces(3, 4), leaps)
    assert (dedup.label, dedup.accepted) == (Continuity.BROKEN if leaps else Continuity.ASSUMED, 3)


def test_only_what_was_watched_from_the_start_is_proven() -> None:
    dedup = EventDeduplicator()
    assert shown(dedup, [pieces(3), pieces(3, 2)]) == pieces(5)
    assert dedup.label is Continuity.ASSUMED


def test_a_beginning_that_was_dropped_before_leaves_no_trace() -> None:
    dedup = EventDeduplicator(from_start=True)
    assert shown(dedup, [pieces(5, 7), pieces(3, 11)]) == pieces(7, 7)
    assert dedup.label is Continuity.PROVEN


def test_a_state_may_be_written_anew_in_a_replay() -> None:
    def states(progress: int) -> list[RunEvent]:
        return [RunEvent("state", {"progress": max(n, progress)}, f"{n}-0") for n in range(5)]

    dedup = EventDeduplicator(from_start=True)
    assert (
        shown(dedup, [states(0)[:3], states(3)[1:], states(9)])
        == [
            *states(0)[:3],
            *states(3)[2:],  # at the last position, it may be another event
            *states(9)[4:],
        ]
    )
    assert dedup.label is Continuity.PROVEN


def at(*places: str) -> list[RunEvent]:
    """Events in short: `2a` is one at position 2."""
    return [RunEvent("content", {"content": place}, place[:-1]) for place in places]


@pytest.mark.parametrize(
    ("connections", "expected", "label"),
    [
        ([["1a", "1b", "2a", "1c"]], ["1a", "1b", "2a", "1c"], Continuity.PROVEN),
        ([["1a", "1a", "1b", "1b"]], ["1a", "1b"], Continuity.ASSUMED),
        ([["1a", "2a"], ["2a", "2b", "3a"]], ["1a", "2a", "2b", "3a"], Continuity.PROVEN),
        ([["1a", "2a", "2b"], ["2a", "2b", "2c"]], ["1a", "2a", "2b", "2c"], Continuity.PROVEN),
        ([["1a", "2a"], ["2b"]], ["1a", "2a", "2b"], Continuity.PROVEN),
        ([["1a", "2a"], ["1b", "2a", "2b"]], ["1a", "2a", "2b"], Continuity.PROVEN),
        ([["1a", "2a"], ["2a", "2a", "3a"]], ["1a", "2a", "3a"], Continuity.ASSUMED),
        ([["1a", "1b"], ["1a", "1b", "1c"], ["1b", "1d"]], ["1a", "1b", "1c", "1d"], None),
    ],
)
def test_other_data_at_one_position_is_another_event(
    connections: list[list[str]], expected: list[str], label: Continuity | None
) -> None:
    dedup = EventDeduplicator(from_start=True)
    got = shown(dedup, [at(*connection) for connection in connections])
    assert got == at(*expected)
    assert dedup.label is (label or Continuity.PROVEN)


def test_a_resumption_asks_from_the_position_before_the_last() -> None:
    dedup = EventDeduplicator(from_start=True)
    shown(dedup, [at("1a", "2a", "3a", "3b")])
    assert (dedup.opened(), dedup.cursor) == ("2", "3")


def test_of_a_position_from_outside_no_data_is_known() -> None:
    dedup = EventDeduplicator(["1", "2"])
    assert shown(dedup, [at("2a", "2b", "3a")]) == at("3a")
    assert dedup.label is Continuity.ASSUMED


def test_what_was_shown_long_ago_is_known_when_it_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("noxcli.runs.event_dedup.RECENT", 3)
    dedup = EventDeduplicator(from_start=True)
    shown(dedup, [pieces(50)])
    assert shown(dedup, [pieces(55)]) == pieces(5, 50)
    assert shown(dedup, [pieces(20, 20), pieces(60, 7)]) == pieces(12, 55)
    assert (dedup.label, dedup.accepted) == (Continuity.PROVEN, 67)


def test_the_memory_of_an_event_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.runs.event_dedup.RECENT", 100)
    dedup = EventDeduplicator()
    tracemalloc.start()
    try:
        for start in range(0, 10_000, 1000):
            dedup.accept(pieces(1000, start))
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 24 * 10_000


# In short: `1` is an event with a position, `1.` the same without one; what comes out has `!` where a gap was told.
BREAKS = {
    "repeated at once": (["0 0 1 0 1"], "0 1", Continuity.ASSUMED),
    "a replay from the start": (["0 1 2", "0 1 2 3"], "0 1 2 3", Continuity.PROVEN),
    "a new position before a known one": (["0 1 2", "3 1 4"], "0 1 2 ! 3 4", Continuity.BROKEN),
    "on from where the last one went back": (["0 1 2", "0", "2 9"], "0 1 2 9", Continuity.PROVEN),
    "a new position instead of the awaited one": (
        ["0 1 2", "0 3 9"],
        "0 1 2 ! 3 9",
        Continuity.BROKEN,
    ),
    "without a position, instead of the awaited one": (
        ["0 1 2", "1 3."],
        "0 1 2 ! 3.",
        Continuity.BROKEN,
    ),
    "a position before that, and two after it": (
        ["0 1. 2 3", "3 4"],
        "0 1. 2 3 4",
        Continuity.ASSUMED,
    ),
}


def log(text: str) -> list[RunEvent]:
    return [piece(int(one.rstrip(".")), position=not one.endswith(".")) for one in text.split()]


def told(updates: Iterable[Update]) -> str:
    """The same in short again."""
    shorts = []
    for update in updates:
        number = update.data["content"].split()[1] if isinstance(update, RunEvent) else "!"
        shorts.append(
            number if not isinstance(update, RunEvent) or update.redis_id else f"{number}."
        )
    return " ".join(shorts)


@pytest.mark.parametrize(("connections", "expected", "label"), BREAKS.values(), ids=BREAKS)
def test_positions_alone_decide(connections: list[str], expected: str, label: Continuity) -> None:
    dedup = EventDeduplicator(from_start=True)
    assert told(shown(dedup, map(log, connections))) == expected
    assert dedup.label is label


@pytest.mark.parametrize(
    ("came", "resumes"),
    [
        ("", True),
        ("0", True),
        ("0.", False),
        ("0. 1", False),
        ("0. 1 2", True),
        ("0 1 2.", False),
        ("0 1 2. 3", False),
        ("0 1 2. 3 4", True),
    ],
)
def test_what_came_without_a_position_is_not_resumed(came: str, resumes: bool) -> None:
    dedup = EventDeduplicator()
    dedup.accept(log(came))
    assert dedup.can_resume == resumes


def test_events_of_other_kinds_are_passed_on_and_leave_no_mark() -> None:
    dedup, ping = EventDeduplicator(from_start=True), RunEvent("unknown", "ping")
    log = pieces(6)
    assert shown(dedup, [[*log[:3], ping, ping, log[3]]]) == [*log[:3], ping, ping, log[3]]
    assert (dedup.accepted, dedup.label) == (4, Continuity.PROVEN)
    assert shown(dedup, [[log[0], ping, *log[1:], ping]]) == [*log[4:], ping]
    assert (dedup.accepted, dedup.label) == (6, Continuity.PROVEN)


# Any pattern of cuts and replays.


@given(count=st.integers(1, 30), inclusive=st.booleans(), data=st.data())
def test_any_cuts_yield_each_event_once_and_in_order(
    count: int, inclusive: bool, data: st.DataObject
) -> None:
    log, dedup, got = pieces(count), EventDeduplicator(from_start=True), list[Update]()
    lengths = data.draw(st.lists(st.integers(0, count), max_size=12))
    for length in [*lengths, count]:
        asked = dedup.opened()
        at = next((at for at, one in enumerate(log) if one.redis_id == asked), None)
        start = 0 if at is None or data.draw(st.booleans()) else at if inclusive else at + 1
        got += dedup.accept(log[start : start + length] if length < count else log[start:])
    assert (got, dedup.accepted, dedup.label) == (log, count, Continuity.PROVEN)
