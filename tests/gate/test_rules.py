"""What a gate decides, whatever the order in which answers arrive."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxcli.checks.row_class import SideVerdict
from noxcli.gate.rules import (
    BASE,
    NEW,
    SCREEN,
    SIDES,
    SUSPECTS,
    AnswerKey,
    Color,
    GateRules,
    GateVerdict,
    StoredAnswer,
    SuspectState,
    default_max_runs,
    min_max_runs,
)

PASSES, FAILS, NONE = (
    StoredAnswer(SideVerdict.GOOD),
    StoredAnswer(SideVerdict.BAD),
    StoredAnswer(SideVerdict.NONE, runs=2),
)
RUN_FAILED = StoredAnswer(SideVerdict.FAILED)
World = Callable[[AnswerKey], StoredAnswer]


def run(gate: GateRules, world: World) -> tuple[GateVerdict, dict[AnswerKey, StoredAnswer]]:
    """Ask what the gate asks until it has decided."""
    stored: dict[AnswerKey, StoredAnswer] = {}
    while not isinstance(asked := gate.decide(stored), GateVerdict):
        assert asked, "it asks for nothing"
        stored |= {place: world(place) for place in asked}
    return asked, stored


def rounds_of(*each: tuple[int, int]) -> World:
    """Return a world in which so many rows break and are fixed in each round; nothing else differs."""

    def answer(place: AnswerKey) -> StoredAnswer:
        if place.place > len(each):
            return PASSES
        broken, fixed = each[place.place - 1]
        fails = place.row <= broken if place.side == NEW else broken < place.row <= broken + fixed
        return FAILS if fails else PASSES

    return answer


def gate_of(rows: int, **options: bool) -> GateRules:
    return GateRules(range(1, rows + 1), default_max_runs(rows), **options)


@pytest.mark.parametrize(
    ("broken", "fixed", "color", "scored"),
    [
        *((8, 0, Color.RED, False), (7, 0, Color.GRAY, False), (2, 0, Color.GRAY, False)),
        *((5, 3, Color.GREEN, False), (0, 9, Color.GREEN, False)),
        *((9, 0, Color.RED, True), (8, 0, Color.GRAY, True)),  # a score takes a share of the error
    ],
)
def test_first_look(broken: int, fixed: int, color: Color, scored: bool) -> None:
    verdict, _ = run(gate_of(40, scored=scored), rounds_of((broken, fixed)))
    assert (verdict.looks[0].color, verdict.looks[0].broken, verdict.looks[0].fixed) == (
        color,
        broken,
        fixed,
    )


def test_gray_looks_are_repeated_until_one_is_red() -> None:
    verdict, stored = run(gate_of(100), rounds_of((6, 1), (7, 2), (6, 1)))
    assert [(look.broken, look.fixed) for look in verdict.looks] == [(6, 1), (13, 3), (19, 4)]
    assert [look.color for look in verdict.looks] == [Color.GRAY, Color.GRAY, Color.RED]
    assert verdict.is_worse
    assert verdict.rows(SuspectState.VARIES) == [*range(1, 7)]
    assert sum(place.place <= 5 for place in stored) == 600


def test_worse_as_a_whole_asks_no_row_again() -> None:
    verdict, stored = run(gate_of(40), rounds_of((9, 0)))
    assert verdict.is_worse
    assert len(stored) == 80


def test_five_gray_rounds_are_green() -> None:
    verdict, stored = run(gate_of(100), rounds_of((2, 0), (2, 1), (1, 0), (1, 1), (1, 1)))
    assert len(verdict.looks) == 5
    assert verdict.looks[-1].color is Color.GRAY
    assert not verdict.is_red
    assert max(place.place for place in stored if place.place <= 5) == 5


def broken_rows(*rows: int) -> World:
    return lambda place: FAILS if place.side == NEW and place.row in rows else PASSES


ONE_IS_LOST = {AnswerKey(7, NEW, 1): FAILS, AnswerKey(7, NEW, SCREEN[0]): NONE}


@pytest.mark.parametrize(
    ("answer", "state", "runs"),
    [
        pytest.param(
            lambda key: key.side == NEW and FAILS, SuspectState.BROKEN, 24, id="broken each time"
        ),
        pytest.param(
            lambda key: key.side == NEW and RUN_FAILED, SuspectState.BROKEN, 24, id="failed in NEW"
        ),
        pytest.param(
            lambda key: key == (7, NEW, 1) and FAILS,
            SuspectState.VARIES,
            0,
            id="passes when asked again",
        ),
        pytest.param(
            lambda key: key != (7, BASE, 1) and FAILS, SuspectState.VARIES, 16, id="as bad in BASE"
        ),
        pytest.param(ONE_IS_LOST.get, SuspectState.VARIES, 0, id="one is lost"),
    ],
)
def test_one_row_that_seems_broken(
    answer: Callable[[AnswerKey], StoredAnswer | Literal[False] | None],
    state: SuspectState,
    runs: int,
) -> None:
    verdict, stored = run(gate_of(30), lambda key: (key.row == 7 and answer(key)) or PASSES)
    assert verdict.suspects == {7: state}
    assert verdict.is_red == (state is SuspectState.BROKEN)
    assert verdict.looks[0].broken == 1
    assert sum(key.place in SUSPECTS for key in stored) == runs
    assert len(stored) == 60 + len(SCREEN) + runs


@pytest.mark.parametrize(("lead", "state"), [(5, SuspectState.BROKEN), (4, SuspectState.VARIES)])
def test_one_row_needs_a_lead_of_five(lead: int, state: SuspectState) -> None:
    def leads(place: AnswerKey) -> StoredAnswer:
        if place.row != 7 or place == AnswerKey(7, BASE, 1):
            return PASSES
        return PASSES if place.side == BASE and place.place in SUSPECTS[:lead] else FAILS

    verdict, _ = run(gate_of(30), leads)
    assert verdict.suspects == {7: state}


@pytest.mark.parametrize(
    ("later", "state"), [(PASSES, SuspectState.BROKEN), (RUN_FAILED, SuspectState.NO_BASE)]
)
def test_failed_in_base_and_wrong_in_new_is_asked_again(
    later: StoredAnswer, state: SuspectState
) -> None:
    def world(place: AnswerKey) -> StoredAnswer:
        of_base = later if place.place in SUSPECTS else RUN_FAILED
        return PASSES if place.row != 7 else FAILS if place.side == NEW else of_base

    verdict, _ = run(gate_of(30), world)
    assert (verdict.suspects, verdict.is_red) == ({7: state}, state is SuspectState.BROKEN)


def test_failed_on_both_sides_is_no_suspect() -> None:
    verdict, stored = run(gate_of(30), lambda place: RUN_FAILED if place.row == 7 else PASSES)
    assert not verdict.suspects
    assert len(stored) == 60


@pytest.mark.parametrize("side", SIDES)
def test_pairs_that_lack_an_answer_on_a_side_break_nothing(side: int) -> None:
    verdict, _ = run(
        gate_of(40), lambda place: NONE if place.row < 10 and place.side == side else PASSES
    )
    assert (verdict.looks[0].broken, verdict.looks[0].fixed) == (0, 0)


def test_pair_without_an_answer_is_left_out() -> None:
    def world(place: AnswerKey) -> StoredAnswer:
        return NONE if place == AnswerKey(1, BASE, 1) else rounds_of((8, 0))(place)

    verdict, _ = run(gate_of(40), world)
    assert verdict.looks[0].broken == 7
    assert verdict.looks[0].color is Color.GRAY


LETTERS = {"g": PASSES, "b": FAILS, "-": NONE}


@pytest.mark.parametrize(
    ("base", "new", "state"),
    [
        ("g" * 12, "b" * 12, SuspectState.BROKEN),
        ("g" * 12, "b" * 5 + "g" * 7, SuspectState.BROKEN),
        ("g" * 12, "b" * 4 + "g" * 8, SuspectState.VARIES),
        ("-" * 6 + "g" * 6, "b" * 12, SuspectState.BROKEN),
        ("-" * 6 + "g" * 6, "g" * 6 + "b" * 5 + "g", SuspectState.BROKEN),
        ("-" * 6 + "g" * 6, "b" * 6 + "gg" + "bbbb", SuspectState.VARIES),
        ("-" * 8 + "g" * 4, "b" * 12, SuspectState.UNCONFIRMED),
        ("g" * 12, "-" * 12, SuspectState.UNCONFIRMED),
    ],
)
def test_a_suspect_is_judged_by_its_complete_pairs(
    base: str, new: str, state: SuspectState
) -> None:
    def world(key: AnswerKey) -> StoredAnswer:
        if key.row != 7:
            return PASSES
        if key.place in SUSPECTS:
            return LETTERS[(base, new)[key.side][key.place - SUSPECTS[0]]]
        return FAILS if key.side == NEW else PASSES

    verdict, _ = run(gate_of(30), world)
    assert verdict.suspects == {7: state}
    assert verdict.is_red == (state is not SuspectState.VARIES)


@pytest.mark.parametrize("lost", [[SCREEN[0]], [*SCREEN]])
def test_a_screen_without_answers_clears_nothing(lost: Sequence[int]) -> None:
    def world(place: AnswerKey) -> StoredAnswer:
        return NONE if place.place in lost and place.row == 7 else broken_rows(7)(place)

    verdict, _ = run(gate_of(30), world)
    assert verdict.suspects == {7: SuspectState.BROKEN}


@pytest.mark.parametrize(
    ("most", "rows", "screened", "confirmed"),
    [(200 + 28 + 5 * 24, 7, 7, 5), (200 + 24 + 8, 3, 2, 1), (200 + 24, 1, 0, 0)],
    ids=["blocks for five", "screening leaves room for one block", "too small to screen"],
)
def test_budget_leaves_suspects_unconfirmed(
    most: int, rows: int, screened: int, confirmed: int
) -> None:
    verdict, stored = run(GateRules(range(1, 101), most), broken_rows(*range(1, rows + 1)))
    assert verdict.rows(SuspectState.BROKEN) == [*range(1, confirmed + 1)]
    assert verdict.rows(SuspectState.UNCONFIRMED) == [*range(confirmed + 1, rows + 1)]
    assert sum(key.place in SCREEN for key in stored) == screened * len(SCREEN)
    assert len(stored) <= most


def test_runs_beyond_one_an_answer_are_paid_by_the_budget() -> None:
    def world(place: AnswerKey) -> StoredAnswer:
        return StoredAnswer(broken_rows(1)(place).answer, runs=3 if place.row == 2 else 1)

    verdict, _ = run(GateRules(range(1, 31), 60 + 28), broken_rows(1))
    assert verdict.rows(SuspectState.BROKEN) == [1]
    verdict, _ = run(GateRules(range(1, 31), 60 + 28), world)
    assert verdict.rows(SuspectState.UNCONFIRMED) == [1]


def test_no_round_begins_that_the_budget_does_not_pay() -> None:
    verdict, stored = run(GateRules(range(1, 101), 500), rounds_of((2, 0), (2, 1), (1, 0)))
    assert (len(verdict.looks), len(stored)) == (2, 408)


def test_least_and_default_budgets() -> None:
    assert [min_max_runs(rows) for rows in (1, 30, 150, 300)] == [302, 360, 600, 1200]
    assert [default_max_runs(rows) for rows in (1, 100)] == [312, 1500]


def scored(losses: Mapping[int, float], *, rounds: int = 5) -> World:
    """Return a world in which the scores of these rows fall in the first rounds."""

    def answer(place: AnswerKey) -> StoredAnswer:
        has_fallen = place.side == NEW and place.place <= rounds
        return StoredAnswer(SideVerdict.GOOD, 7 + losses.get(place.row, 0) * has_fallen)

    return answer


def test_score_that_falls_is_worse() -> None:
    ones = dict(enumerate([-1, -2, 0, -1, -1, -3, -1, -2, 0, -1], 1))
    verdict, _ = run(gate_of(10, scored=True), scored(ones))
    assert verdict.is_worse
    assert len(verdict.looks) == 1


def test_score_of_one_large_loss_stays_gray() -> None:
    losses = {1: -5, **dict.fromkeys(range(11, 17), -1)}
    verdict, _ = run(gate_of(16, scored=True), scored(losses, rounds=1))
    assert [look.color for look in verdict.looks] == [Color.GRAY] * 5
    means = [look.interval.mean for look in verdict.looks if look.interval]
    assert means == [pytest.approx(-11 / 16 / rounds) for rounds in range(1, 6)], "of all pairs"
    assert not verdict.is_red


@pytest.mark.parametrize("rounds", [1, 5])
def test_few_scores_that_fall_ask_for_another_round(rounds: int) -> None:
    losses = dict.fromkeys(range(1, 7), -5)
    verdict, _ = run(gate_of(30, scored=True), scored(losses, rounds=rounds))
    first = verdict.looks[0]
    assert (first.interval, first.color) == (None, Color.GRAY)
    assert first.words() == "only 6 scores differ, their sum is -30"
    assert verdict.is_worse == (rounds > 1)


def test_few_scores_that_rise_are_green() -> None:
    verdict, _ = run(gate_of(30, scored=True), scored(dict.fromkeys(range(1, 7), 5)))
    assert [look.color for look in verdict.looks] == [Color.GREEN]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[GateRules, World, int]:
    rows = draw(st.integers(1, 24))
    seed, noise = draw(st.integers(0, 1 << 32)), draw(st.sampled_from([0.02, 0.1, 0.3]))
    worse, lost = draw(st.sampled_from([0, 0, 0.2, 0.7])), draw(st.sampled_from([0, 0, 0.05]))
    most = 2 * rows + draw(st.integers(0, 400))
    failing = draw(st.sampled_from([0, 0.05]))

    def answer(place: AnswerKey) -> StoredAnswer:
        chance = random.Random(f"{seed} {place}")
        if chance.random() < lost:
            return NONE
        if chance.random() < failing:
            return RUN_FAILED
        fails = chance.random() < noise + (worse if place.side == NEW and place.row % 3 == 0 else 0)
        return StoredAnswer(
            SideVerdict.BAD if fails else SideVerdict.GOOD, round(chance.gauss(7 - fails, 1), 1)
        )

    return GateRules(range(1, rows + 1), most, scored=draw(st.booleans())), answer, seed


@given(worlds(), st.integers(0, 1 << 32))
@settings(max_examples=150)
def test_order_and_interruptions_change_no_verdict(
    world: tuple[GateRules, World, int], shuffle: int
) -> None:
    gate, answer, _ = world
    whole, stored = run(gate, answer)
    chance, parts = random.Random(shuffle), dict[AnswerKey, StoredAnswer]()
    while not isinstance(asked := gate.decide(parts), GateVerdict):
        assert {*asked} <= {*stored}, "it asks for what an undisturbed gate does not"
        arrived = chance.sample([*asked], chance.randint(0, len(asked)))
        parts |= {place: answer(place) for place in arrived}
        parts = dict(chance.sample([*parts.items()], len(parts)))
    assert asked == whole
    assert {*parts} == {*stored}
    assert len(stored) <= gate.max_runs, "but for second tries"
    assert gate.decide(
        stored
        | {AnswerKey(1, side, 21): FAILS for side in SIDES if AnswerKey(1, side, 21) not in stored}
    )
