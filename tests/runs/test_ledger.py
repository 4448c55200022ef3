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
from noxcli.runs import resuming
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
    ledger, last = Ledger(from_start=True), connections[-1][1]
    got = shown(ledger, [events(stop - start, start) for start, stop in connections])
    assert (only_events(got), gaps(got), ledger.gaps) == (events(last), leaps, leaps)
    label = Continuity.BROKEN if leaps else Continuity.PROVEN
    assert (ledger.label, ledger.cursor, ledger.accepted) == (label, f"{last - 1}-0", last)


def test_a_connection_asks_from_the_last_position_but_one() -> None:
    ledger = Ledger()
    asked = [ledger.opened()]
    for number in range(3):
        ledger.accept(events(number + 1))
        asked.append(ledger.opened())
    assert asked == [None, None, "0-0", "1-0"]


def test_a_gap_comes_before_the_event_that_shows_it() -> None:
    ledger = Ledger()
    got = shown(ledger, [events(3), events(2, 7)])
    assert [type(one) for one in got] == [*[RunEvent] * 3, Gap, *[RunEvent] * 2]
    assert (ledger.came, ledger.fresh) == (2, 2)


def test_positions_are_never_ordered() -> None:
    ledger = Ledger(from_start=True)
    odd = [RunEvent("content", {"n": n}, position) for n, position in enumerate(["zebra", "9-9", "10-0", "A"])]
    assert shown(ledger, [odd[:3], odd[2:]]) == odd
    assert (ledger.cursor, ledger.label) == ("A", Continuity.PROVEN)


@pytest.mark.parametrize("start", [2, 3])
def test_one_position_from_outside_is_believed(start: int) -> None:
    ledger = Ledger(["2-0"])
    assert ledger.opened() == "2-0"
    assert ledger.accept(events(6 - start, start)) == events(3, 3)
    assert (ledger.label, ledger.cursor) == (Continuity.ASSUMED, "5-0")


@pytest.mark.parametrize(("start", "leaps"), [(0, 0), (2, 0), (3, 0), (4, 1)])
def test_of_two_positions_from_outside_one_comes_again(start: int, leaps: int) -> None:
    ledger = Ledger(["2-0", "3-0"])
    assert ledger.opened() == "2-0"
    got = ledger.accept(events(7 - start, start) if start else [*events(2, 2), *events(3, 4)])
    assert (only_events(got), gaps(got)) == (events(3, 4), leaps)
    assert (ledger.label, ledger.accepted) == (Continuity.BROKEN if leaps else Continuity.ASSUMED, 3)


def test_only_what_was_watched_from_the_start_is_proven() -> None:
    ledger = Ledger()
    assert shown(ledger, [events(3), events(3, 2)]) == events(5)
    assert ledger.label is Continuity.ASSUMED


def test_a_beginning_that_was_dropped_before_leaves_no_trace() -> None:
    ledger = Ledger(from_start=True)
    assert shown(ledger, [events(5, 7), events(3, 11)]) == events(7, 7)
    assert ledger.label is Continuity.PROVEN


def test_a_state_may_be_written_anew_in_a_replay() -> None:
    def states(progress: int) -> list[RunEvent]:
        return [RunEvent("state", {"progress": max(n, progress)}, f"{n}-0") for n in range(5)]

    ledger = Ledger(from_start=True)
    assert shown(ledger, [states(0)[:3], states(3)[1:], states(9)]) == [*states(0)[:3], *states(3)[3:]]
    assert ledger.label is Continuity.PROVEN


def test_what_was_shown_long_ago_is_known_when_it_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT", 3)
    ledger = Ledger(from_start=True)
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
# What comes out has `!` where a gap was told.
WITHOUT_POSITIONS = {
    "repeated at once": (["0 0 1 0 1"], "0 1"),
    "going on": (["0. 1.", "2. 3. 4."], "0. 1. ! 2. 3. 4."),
    "a replay that goes another way": (["0. 1. 2.", "0. 4. 1."], "0. 1. 2. ! 4. 1."),
    "after an inclusive cursor": (["0 1 2. 3 4. 5.", "1 2. 3 4. 5. 6"], "0 1 2. 3 4. 5. 6"),
    "after an exclusive cursor": (["0 1 2. 3 4. 5.", "2. 3 4. 5. 6"], "0 1 2. 3 4. 5. 6"),
    "a state between two positions, sent anew": (["0 1 2. 3", "7. 3 4"], "0 1 2. 3 4"),
    "more than there were between them": (["0 1 2. 3", "7. 8. 3 4"], "0 1 2. 3 ! 7. 8. 4"),
    "what was between them, and no overlap": (["0 1 2. 3", "7. 5 6"], "0 1 2. 3 ! 7. 5 6"),
    "what has no position is not replayed": (["0 1 2. 3.", "1 4 5."], "0 1 2. 3. 4 5."),
    "a tail that goes another way": (["0 1. 2.", "0 3. 1."], "0 1. 2. 3. 1."),
    "a replay from the start": (["0 1. 2 3. 4 5.", "0 1. 2 3. 4 5. 6 7."], "0 1. 2 3. 4 5. 6 7."),
    "a new position before a known one": (["0 1 2", "3 1 4."], "0 1 2 ! 3 4."),
    "on from where the last one went back": (["0 1 2", "0", "9."], "0 1 2 ! 9."),
    "after a new position": (["0 1 2", "2 3 9."], "0 1 2 3 9."),
    "a new position instead of the awaited one": (["0 1 2", "0 3 9."], "0 1 2 ! 3 9."),
    "old content after a new position": (["0 9.", "0 1 9."], "0 9. 1 9."),
}


def log(text: str) -> list[RunEvent]:
    return [event(int(one.rstrip(".")), position=not one.endswith(".")) for one in text.split()]


def told(updates: Iterable[Update]) -> str:
    """The same in short again."""
    shorts = []
    for update in updates:
        number = update.data["content"].split()[1] if isinstance(update, RunEvent) else "!"
        shorts.append(number if not isinstance(update, RunEvent) or update.redis_id else f"{number}.")
    return " ".join(shorts)


@pytest.mark.parametrize(("connections", "expected"), WITHOUT_POSITIONS.values(), ids=WITHOUT_POSITIONS)
def test_where_positions_are_missing_contents_decide(connections: list[str], expected: str) -> None:
    ledger = Ledger(from_start=True)
    assert told(shown(ledger, map(log, connections))) == expected
    placed = Continuity.ASSUMED if "." in expected else Continuity.PROVEN
    assert ledger.label is (Continuity.BROKEN if "!" in expected else placed)


def test_a_beginning_that_was_missed_is_a_gap() -> None:
    ledger, log = Ledger(), [event(number, position=False) for number in range(9)]
    got = shown(ledger, [log[3:6], log])
    assert (only_events(got), gaps(got)) == ([*log[3:6], *log], 1)


def test_kind_and_data_tell_events_without_positions_apart() -> None:
    ledger = Ledger()
    told = [RunEvent("state", {"n": 1}), RunEvent("content", {"n": 1}), RunEvent("state", {"n": 2})]
    assert shown(ledger, [told, told]) == told
    other = [RunEvent("state", {"n": 1}), RunEvent("state", {"n": 1})]
    got = shown(ledger, [other])
    assert (only_events(got), gaps(got)) == (other[1:], 1)


# Useless positions.


def test_a_server_that_numbers_anew_is_told_and_loses_nothing() -> None:
    ledger = Ledger(from_start=True)
    again = [event(number, text=f"later {number}") for number in range(3)]
    got = shown(ledger, [events(3), events(3), again])
    assert (only_events(got), gaps(got)) == ([*events(3), *again], 1)
    assert (ledger.label, ledger.cursor) == (Continuity.BROKEN, None)


def test_useless_positions_that_decided_nothing_are_no_gap() -> None:
    ledger = Ledger(from_start=True)
    same = [RunEvent("content", {"content": text}, "0-0") for text in "abcab"]
    assert shown(ledger, [same[:4], same]) == same
    assert (ledger.label, ledger.cursor, ledger.opened()) == (Continuity.ASSUMED, None, None)


def test_different_states_at_one_position_are_all_shown() -> None:
    states = [RunEvent("state", {"progress": progress}, "0-0") for progress in range(3)]
    assert shown(Ledger(), [states]) == states


# A short memory and no positions.


def bare(text: str) -> list[RunEvent]:
    return [RunEvent("content", {"content": letter}) for letter in text]


def came(ledger: Ledger, *connections: str) -> str:
    got = ""
    for connection in connections:
        ledger.opened()
        for piece in bare(connection):
            got += "".join(one.data["content"] for one in only_events(ledger.accept([piece])))
        got += "".join(one.data["content"] for one in only_events(ledger.place_waiting()))
    return got


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        (["abcdefgh", "defgh", "defgh"], "abcdefgh"),
        (["abcdefgh", "defghij", "ghijk"], "abcdefghijk"),
        (["ababab", "abab", "babc"], "abababc"),
        (["aaaaaa", "aaaa"], "aaaaaa"),
        (["abcabd", "abd", "bde"], "abcabde"),
        (["abc", "ab", "abcd"], "abcd"),
        (["aba", "abx"], "ababx"),
        (["a" * 300, "aaaaab"], "a" * 300 + "b"),
        (["abcd", "efg"], "abcd!efg"),
        (["abcd", "bxy"], "abcd!xy"),
    ],
)
def test_the_last_events_again_are_known_by_where_they_fit(connections: list[str], expected: str) -> None:
    ledger = Ledger()
    assert came(ledger, *connections) == expected.replace("!", "")
    assert ledger.label is (Continuity.BROKEN if "!" in expected else Continuity.ASSUMED)
    assert ledger.accepted == len(expected.replace("!", ""))


@given(text=st.text("ab", min_size=1, max_size=30), data=st.data())
def test_any_short_memory_never_shows_its_events_again(text: str, data: st.DataObject) -> None:
    """What remains of a replay is the end of what was shown: it is labeled so, and nothing else is claimed."""
    ledger = Ledger()
    came(ledger, text)
    kept = data.draw(st.integers(1, len(text)))
    assert came(ledger, text[-kept:]) == ""


def test_a_long_replay_from_before_what_was_shown_costs_little() -> None:
    ledger = Ledger(["before"])
    shown(ledger, [[event(number, position=False) for number in range(30_000)]])
    ledger.refused()
    ledger.opened()
    began = time.process_time()
    assert ledger.accept([event(number, position=False) for number in range(50_000, 60_000)]) == []
    assert time.process_time() - began < 5


def test_a_search_goes_on_after_a_false_trail() -> None:
    ledger = Ledger(["before"])
    shown(ledger, [bare("cde")])
    ledger.refused()
    ledger.opened()
    assert [*ledger.accept(bare("cxcdef")), *ledger.place_waiting()] == bare("f")


@pytest.mark.parametrize("position", [True, False])
def test_events_of_other_kinds_are_passed_on_and_leave_no_mark(position: bool) -> None:
    ledger, ping = Ledger(from_start=True), RunEvent("unknown", "ping")
    label = Continuity.PROVEN if position else Continuity.ASSUMED
    log = [event(number, position=position) for number in range(6)]
    assert shown(ledger, [[*log[:3], ping, ping, log[3]]]) == [*log[:3], ping, ping, log[3]]
    assert (ledger.accepted, ledger.label) == (4, label)
    assert shown(ledger, [[log[0], ping, *log[1:], ping]]) == [*log[4:], ping]
    assert (ledger.accepted, ledger.label) == (6, label)


# A rejected cursor and its full replay.


def replayed(ledger: Ledger, events: Sequence[RunEvent]) -> list[Update]:
    ledger.refused()
    ledger.opened()
    return ledger.accept(events)


@pytest.mark.parametrize("limit", ["HELD_EVENTS", "HELD_BYTES"])
def test_what_waits_is_bounded_and_its_overflow_is_a_gap(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, limit, 100)
    ledger = Ledger(["50000-0"])
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
    ledger = Ledger(["nowhere"])
    bare = [event(number, position=False) for number in range(2)]
    assert replayed(ledger, bare) == []
    assert replayed(ledger, bare) == []
    assert only_events(ledger.place_waiting()) == bare


def test_without_a_cursor_a_replay_is_the_plain_start() -> None:
    ledger = Ledger()
    assert replayed(ledger, events(3)) == events(3)
    bare = [event(number, position=False) for number in range(3)]
    ledger = Ledger()
    shown(ledger, [bare])
    assert replayed(ledger, bare) == []
    assert ledger.place_waiting() == []


def test_a_replay_meets_a_tail_without_positions() -> None:
    ledger = Ledger()
    log = [event(0), event(1), event(2, position=False), event(3, position=False), event(4)]
    shown(ledger, [log[:3]])
    assert replayed(ledger, log) == log[3:]
    assert ledger.label is Continuity.ASSUMED


def test_once_broken_is_broken_for_good() -> None:
    ledger = Ledger(from_start=True)
    shown(ledger, [events(3)])
    ledger.gap("why")
    assert ledger.label is Continuity.BROKEN
    shown(ledger, [events(3, 2), events(3, 4)])
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
        start, stop = data.draw(st.integers(0, max(0, reached - 1))), data.draw(st.integers(reached, count))
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
        assert ledger.place_waiting() == []
    assert shown(ledger, [bare("klm")]) == bare("m")
    assert ledger.label is Continuity.ASSUMED
