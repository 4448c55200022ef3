"""The ledger: each event once and in order, whatever a server repeats, and an honest label for what is missing."""

import time
import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.models import Gap, RunEvent, Update
from noxcli.runs import ledger as module
from noxcli.runs.ledger import Continuity, Ledger


def event(number: int, *, position: bool = True, text: str | None = None) -> RunEvent:
    """One piece of content; without its own text, it differs from every other piece."""
    return RunEvent("content", {"content": text or f"piece {number}"}, f"{number}-0" if position else None)


def events(count: int, start: int = 0) -> list[RunEvent]:
    return [event(number) for number in range(start, start + count)]


def shown(ledger: Ledger, connections: Iterable[Sequence[RunEvent]]) -> list[Update]:
    """What comes out over several connections from the cursor."""
    fresh: list[Update] = []
    for connection in connections:
        ledger.opened()
        fresh += ledger.accept(connection)
    return fresh


def only_events(told: Iterable[Update]) -> list[RunEvent]:
    return [update for update in told if isinstance(update, RunEvent)]


def gaps(told: Iterable[Update]) -> int:
    return sum(isinstance(update, Gap) for update in told)


@pytest.mark.parametrize(
    ("connections", "label"),
    [
        ([(0, 3)], Continuity.PROVEN),
        ([(0, 3), (2, 5)], Continuity.PROVEN),  # the cursor is inclusive: an overlap
        ([(0, 3), (3, 5)], Continuity.ASSUMED),  # it is exclusive, and believed
        ([(0, 3), (3, 5), (4, 7)], Continuity.ASSUMED),  # a later overlap proves no earlier leap
        ([(0, 3), (0, 0), (0, 0), (2, 4)], Continuity.PROVEN),  # connections that bring nothing
    ],
)
def test_only_overlaps_prove_continuity(connections: list[tuple[int, int]], label: Continuity) -> None:
    ledger, last = Ledger(), connections[-1][1]
    assert shown(ledger, [events(stop - start, start) for start, stop in connections]) == events(last)
    assert (ledger.label, ledger.cursor, ledger.accepted) == (label, f"{last - 1}-0", last)


def test_positions_are_never_ordered() -> None:
    ledger = Ledger()
    odd = [RunEvent("content", {"n": n}, position) for n, position in enumerate(["zebra", "9-9", "10-0", "", "A"])]
    assert shown(ledger, [odd[:3], odd[3:]]) == odd
    assert ledger.cursor == "A"


@pytest.mark.parametrize(("start", "label"), [(2, Continuity.PROVEN), (3, Continuity.ASSUMED)])
def test_a_cursor_from_outside_is_not_shown_again(start: int, label: Continuity) -> None:
    ledger = Ledger("2-0")
    assert shown(ledger, [events(6 - start, start)]) == events(3, 3)
    assert (ledger.label, ledger.cursor) == (label, "5-0")


def test_what_was_shown_long_ago_is_known_when_it_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT", 3)
    ledger = Ledger()
    shown(ledger, [events(50)])
    assert shown(ledger, [events(55)]) == events(5, 50)
    assert shown(ledger, [events(20, 20), events(60, 7)]) == events(12, 55)
    assert (ledger.label, ledger.accepted) == (Continuity.PROVEN, 67)


def test_the_memory_of_an_event_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT", 100)
    ledger = Ledger()
    tracemalloc.start()
    try:
        for start in range(0, 20_000, 1000):
            ledger.accept(events(1000, start))
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 24 * 20_000


# Events without a position.


# Connections in short: `1` is an event with a position, `1.` the same without one.
WITHOUT_POSITIONS = {
    "repeated at once": (["0 0 1 0 1"], "0 1", Continuity.PROVEN),
    "going on": (["0. 1.", "2. 3. 4."], "0. 1. 2. 3. 4.", Continuity.ASSUMED),
    "a replay that goes another way": (["0. 1. 2.", "0. 4. 1."], "0. 1. 2. 4. 1.", Continuity.ASSUMED),
    "a tail from an inclusive cursor": (["0 1 2. 3.", "1 2. 3. 4"], "0 1 2. 3. 4", Continuity.PROVEN),
    "a tail from an exclusive cursor": (["0 1 2. 3.", "2. 3. 4"], "0 1 2. 3. 4", Continuity.ASSUMED),
    "a tail that goes another way": (["0 1. 2.", "0 3. 1."], "0 1. 2. 3. 1.", Continuity.PROVEN),
    "a replay from the start": (["0 1. 2 3. 4 5.", "0 1. 2 3. 4 5. 6 7."], "0 1. 2 3. 4 5. 6 7.", Continuity.PROVEN),
    "a known position past the cursor": (["0 1 2", "3 1 4."], "0 1 2 3 4.", Continuity.ASSUMED),
    "on from where the last one went back": (["0 1 2", "0", "9."], "0 1 2 9.", Continuity.ASSUMED),
    "after a new position": (["0 1 2", "0 3 9."], "0 1 2 3 9.", Continuity.ASSUMED),
    "old content after a new position": (["0 9.", "1 9."], "0 9. 1 9.", Continuity.ASSUMED),
}


def log(text: str) -> list[RunEvent]:
    return [event(int(one.rstrip(".")), position=not one.endswith(".")) for one in text.split()]


@pytest.mark.parametrize(("connections", "expected", "label"), WITHOUT_POSITIONS.values(), ids=WITHOUT_POSITIONS)
def test_where_positions_are_missing_contents_decide(connections: list[str], expected: str, label: Continuity) -> None:
    ledger = Ledger()
    assert shown(ledger, map(log, connections)) == log(expected)
    assert ledger.label is label


@pytest.mark.parametrize("seen", [range(2, 5), range(3, 8), range(2, 9)])
@pytest.mark.parametrize("pieces", [1, 4, 9])
def test_a_replay_may_begin_before_the_first_shown_event(seen: range, pieces: int) -> None:
    """If streams start with the next event, a run's beginning was missed, and arrives too late to be in order."""
    ledger = Ledger()
    bare = [event(number, position=False) for number in range(9)]
    assert shown(ledger, [[bare[number] for number in seen]]) == bare[seen.start : seen.stop]
    ledger.opened(ended=True)
    fresh = [each for at in range(0, 9, pieces) for each in ledger.accept(bare[at : at + pieces])]
    assert [*fresh, *ledger.settle()] == bare[seen.stop :]


def test_a_replay_that_begins_like_the_last_event_is_read_whole() -> None:
    ledger, state = Ledger(), RunEvent("state", None)
    bare = [state, state, *(event(number, position=False) for number in range(4)), state]
    assert shown(ledger, [bare[1:]]) == bare[1:]
    ledger.opened(ended=True)
    assert [*ledger.accept(bare), *ledger.settle()] == []


def test_a_replay_begins_like_what_was_shown_first() -> None:
    ledger = Ledger()
    assert shown(ledger, [bare("cde")]) == bare("cde")
    ledger.opened(ended=True)
    assert [*ledger.accept(bare("cxcdef")), *ledger.settle()] == bare("f")


def test_kind_and_data_tell_events_without_positions_apart() -> None:
    ledger = Ledger()
    told = [RunEvent("state", {"n": 1}), RunEvent("content", {"n": 1}), RunEvent("state", {"n": 2})]
    assert shown(ledger, [told, told]) == told
    other = [RunEvent("state", {"n": 1}), RunEvent("state", {"n": 1})]
    assert shown(ledger, [other]) == other[1:]


# Useless positions.


def test_a_server_that_numbers_anew_is_told_and_loses_nothing() -> None:
    ledger = Ledger()
    again = [event(number, text=f"later {number}") for number in range(3)]
    got = shown(ledger, [events(3), again])
    assert (only_events(got), gaps(got)) == ([*events(3), *again], 1)
    assert (ledger.label, ledger.has_gap, ledger.cursor) == (Continuity.ASSUMED, True, None)


# A short memory and no positions.


def bare(text: str) -> list[RunEvent]:
    return [RunEvent("content", {"content": letter}) for letter in text]


def came(ledger: Ledger, *connections: str) -> str:
    got = ""
    for connection in connections:
        ledger.opened()
        for piece in bare(connection):
            got += "".join(one.data["content"] for one in only_events(ledger.accept([piece])))
        got += "".join(one.data["content"] for one in only_events(ledger.settle()))
    return got


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        (["abcdefgh", "defgh", "defgh"], "abcdefgh"),
        (["abcdefgh", "defghij", "ghijk"], "abcdefghijk"),
        (["ababab", "abab", "babc"], "abababc"),
        (["aaaaaa", "aaaa"], "aaaaaa"),
        (["abcabd", "abd", "bde"], "abcabde"),
        (["abcd", "efg"], "abcdefg"),
        (["abcd", "bxy"], "abcdxy"),
        (["abc", "ab", "abcd"], "abcd"),
    ],
)
def test_the_last_events_again_are_known_by_where_they_fit(connections: list[str], expected: str) -> None:
    ledger = Ledger()
    assert came(ledger, *connections) == expected
    assert ledger.label in {Continuity.ASSUMED, Continuity.PROVEN}
    assert ledger.accepted == len(expected)


@given(text=st.text("ab", min_size=1, max_size=30), data=st.data())
def test_any_short_memory_never_shows_its_events_again(text: str, data: st.DataObject) -> None:
    """What remains of a replay is the end of what was shown: it is labeled so, and nothing else is claimed."""
    ledger = Ledger()
    came(ledger, text)
    kept = data.draw(st.integers(1, len(text)))
    assert came(ledger, text[-kept:]) == ""


def test_a_long_replay_from_before_what_was_shown_costs_little() -> None:
    ledger, shown_before = Ledger(), [event(number, position=False) for number in range(30_000)]
    shown(ledger, [shown_before])
    ledger.opened(ended=True)
    began = time.process_time()
    assert ledger.accept([event(number, position=False) for number in range(50_000, 60_000)]) == []
    assert time.process_time() - began < 5


@pytest.mark.parametrize("position", [True, False])
def test_events_of_other_kinds_are_passed_on_and_leave_no_mark(position: bool) -> None:
    ledger, ping = Ledger(), RunEvent("unknown", "ping")
    log = [event(number, position=position) for number in range(6)]
    assert shown(ledger, [[*log[:3], ping, ping, log[3]]]) == [*log[:3], ping, ping, log[3]]
    assert (ledger.accepted, ledger.label) == (4, Continuity.PROVEN)
    assert shown(ledger, [[log[0], ping, *log[1:], ping]]) == [*log[4:], ping]
    assert (ledger.accepted, ledger.label) == (6, Continuity.PROVEN)


# A rejected cursor and its full replay.


def replayed(ledger: Ledger, events: Sequence[RunEvent]) -> list[Update]:
    ledger.refused()
    ledger.opened()
    return ledger.accept(events)


@pytest.mark.parametrize("limit", ["HELD_EVENTS", "HELD_BYTES"])
def test_what_waits_is_bounded_and_its_overflow_is_a_gap(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, limit, 100)
    ledger = Ledger("50000-0")
    ledger.refused()
    ledger.opened()
    told = [update for n in range(0, 300, 10) for update in ledger.accept(events(10, n))]
    assert gaps(told) == 1
    assert only_events(told) == events(300)
    assert (ledger.held, ledger.label) == (0, Continuity.BROKEN)


def test_what_was_shown_before_is_not_shown_again_after_a_gap() -> None:
    ledger = Ledger()
    shown(ledger, [events(5)])
    told = replayed(ledger, [*events(3, 5), event(4)])
    assert (gaps(told[:1]), told[1:]) == (1, events(3, 5))
    assert ledger.cursor == "7-0"
    assert shown(ledger, [events(3, 7)]) == events(2, 8)
    assert ledger.label is Continuity.BROKEN


def test_an_earlier_replay_is_not_shown_with_a_later_one() -> None:
    ledger = Ledger("nowhere")
    bare = [event(number, position=False) for number in range(2)]
    assert replayed(ledger, bare) == []
    assert replayed(ledger, bare) == []
    assert only_events(ledger.settle()) == bare


def test_without_a_cursor_a_replay_is_the_plain_start() -> None:
    ledger = Ledger()
    assert replayed(ledger, events(3)) == events(3)
    assert not ledger.seeking
    bare = [event(number, position=False) for number in range(3)]
    ledger = Ledger()
    shown(ledger, [bare])
    assert replayed(ledger, bare) == []
    assert ledger.settle() == []


def test_a_replay_meets_a_tail_without_positions() -> None:
    ledger = Ledger()
    log = [event(0), event(1), event(2, position=False), event(3, position=False), event(4)]
    shown(ledger, [log[:3]])
    assert replayed(ledger, log) == log[3:]
    assert ledger.label is Continuity.PROVEN


def test_once_broken_is_broken_for_good() -> None:
    ledger = Ledger()
    shown(ledger, [events(3)])
    ledger.lost()
    assert ledger.label is Continuity.BROKEN
    shown(ledger, [events(3, 2), events(3, 5)])
    ledger.ended_unannounced()
    assert ledger.label is Continuity.BROKEN


# Any pattern of cuts and replays.


@st.composite
def logs(draw: st.DrawFn) -> list[RunEvent]:
    """A run's events; texts repeat often, positions never."""
    texts = draw(st.lists(st.sampled_from(["a", "b", "a b"]), min_size=1, max_size=30))
    positions = draw(st.sampled_from(["all", "none", "any"]))
    have = [positions == "all" or (positions == "any" and draw(st.booleans())) for _ in texts]
    return [event(number, position=have[number], text=text) for number, text in enumerate(texts)]


def place(log: Sequence[RunEvent], cursor: str | None) -> int | None:
    return next((at for at, one in enumerate(log) if cursor is not None and one.redis_id == cursor), None)


@given(log=logs(), inclusive=st.booleans(), data=st.data())
def test_any_cuts_yield_each_event_once_and_in_order(log: list[RunEvent], inclusive: bool, data: st.DataObject) -> None:
    ledger, got = Ledger(), list[Update]()
    lengths = data.draw(st.lists(st.integers(0, len(log)), max_size=12))
    for length in [*lengths, len(log) + 1]:
        # The last connection, and one without anything to resume from, get everything.
        if data.draw(st.booleans()):
            ledger.refused()
        at = place(log, ledger.opened())
        start = 0 if at is None else at if inclusive else at + 1
        stop = start + length if length <= len(log) else len(log)
        cuts = sorted({*data.draw(st.lists(st.integers(start, max(start, stop)), max_size=3)), start, stop})
        for here, there in pairwise(cuts):
            got += ledger.accept(log[here:there])
    assert got == log
    assert ledger.accepted == len(log)
    assert ledger.label in {Continuity.PROVEN, Continuity.ASSUMED}


@given(count=st.integers(1, 40), data=st.data())
def test_any_rewinds_yield_each_event_once_and_in_order(count: int, data: st.DataObject) -> None:
    """A server that goes back as far as it likes, and sends some of it twice."""
    log, ledger, got, reached = events(count), Ledger(), list[Update](), 0
    while reached < count:
        start, stop = data.draw(st.integers(0, reached)), data.draw(st.integers(reached, count))
        again = data.draw(st.lists(st.sampled_from(log[:reached]), max_size=3)) if reached else []
        ledger.opened()
        got += ledger.accept([*again, *log[start:stop]])
        reached = stop if data.draw(st.booleans()) else max(stop, min(count, reached + 1))
        if reached > stop:
            got += ledger.accept(log[stop:reached])
    assert got == log
    assert len({one.redis_id for one in only_events(got)}) == count


def test_a_connection_cut_within_what_was_shown_brings_nothing() -> None:
    ledger = Ledger()
    assert shown(ledger, [bare("abkl")]) == bare("abkl")
    for again in ("k", "bk", "a"):
        assert shown(ledger, [bare(again)]) == []
        assert ledger.settle() == []
    assert shown(ledger, [bare("klm")]) == bare("m")
    assert ledger.label is Continuity.ASSUMED
