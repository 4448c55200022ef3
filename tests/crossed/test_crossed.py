"""All switches crossed: every setting and every verb in random combinations, and every three of the event stream."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal, get_origin, get_type_hints

import pytest

from noxcli.sandbox.switches import Switches
from tests.crossed import oracle, plan
from tests.crossed.cells import CELLS
from tests.crossed.play import OF_THE_STREAM, Failure, all_played, command, cut_down, played

SEED = 20
ROWS = 48  # as many as it takes for every pair
FEW = 2  # cells for each combination


def some(names: Sequence[str], turn: int, count: int) -> list[str]:
    """Return so many of the cells: with each turn the next ones."""
    return [names[number % len(names)] for number in range(turn * count, (turn + 1) * count)]


def checked(rows: Sequence[plan.Combination], names: Sequence[str], count: int) -> None:
    """Play each with some of the cells; what fails, also alone, is shown with the settings that it takes."""
    every = [(row, some(names, turn, count)) for turn, row in enumerate(rows)]
    doubted = [failure for found, _ in all_played(every) for failure in found]
    # A second may be too short for a replay while a busy machine plays seven others.
    failures = [failure for failure in doubted if played(failure.combination, [failure.cell])]
    first = {failure.cell: failure for failure in reversed(failures)}
    assert not failures, "\n".join(str(cut_down(failure)) for failure in list(first.values())[:3])


@pytest.mark.long(20)
@pytest.mark.timeout(300)
def test_every_setting_in_random_combinations() -> None:
    # `python -m tests.crossed --pairs`, a step of .ci/run, plays every pair of settings with all cells.
    rows = list(plan.at_random(ROWS, SEED))
    assert {cell for turn in range(len(rows)) for cell in some(list(CELLS), turn, FEW)} == {*CELLS}
    every = {(name, value) for name, values in plan.settings().items() for value in values}
    assert {setting for row in rows for setting in {**vars_of(), **row}.items()} == every
    checked(rows, list(CELLS), FEW)


@pytest.mark.wide
@pytest.mark.long(20)
@pytest.mark.timeout(300)
def test_every_three_settings_of_the_event_stream() -> None:
    # `--triples` plays each combination with all cells of the stream.
    checked(plan.triples(SEED), OF_THE_STREAM, 1)


@pytest.mark.wide
def test_the_plan_leaves_nothing_out() -> None:
    every = plan.settings()
    numbers = {name for name, hint in get_type_hints(Switches).items() if get_origin(hint) is not Literal}
    assert {name for name in numbers if get_type_hints(Switches)[name] is not bool} - plan.NOT_CROSSED == set(
        plan.NUMBERS
    )
    assert all(values[0] == getattr(Switches(), name) for name, values in plan.NUMBERS.items())
    whole = [[{**vars_of(), **row}[name] for name in every] for row in plan.pairs(SEED)]
    assert not plan.uncovered(whole, list(every.values()), 2)
    stream = plan.stream_switches()
    whole = [[{**vars_of(), **row}[name] for name in stream] for row in plan.triples(SEED)]
    assert not plan.uncovered(whole, [every[name] for name in stream], 3)


def vars_of() -> dict[str, Any]:
    """The defaults by name."""
    return {name: getattr(Switches(), name) for name in plan.settings()}


def test_what_no_row_has_is_found() -> None:
    columns: list[list[Any]] = [[0, 1], ["a", "b"], [True]]
    assert plan.uncovered([[0, "a", True], [1, "b", True]], columns, 2) == [{0: 0, 1: "b"}, {0: 1, 1: "a"}]


def test_random_combinations_follow_from_the_seed_and_have_every_setting() -> None:
    drawn = list(plan.at_random(300, 1))
    assert drawn == list(plan.at_random(300, 1)) != list(plan.at_random(300, 2))
    seen = Counter((name, value) for row in drawn for name, value in row.items())
    assert set(seen) == {pair for row in plan.singles() for pair in row.items()}


def test_a_failure_is_cut_down_to_the_settings_that_it_takes() -> None:
    row = {name: f"{name}!" for name in "abcdefghij"}

    def fails(_cell: str, fewer: plan.Combination) -> list[str]:
        return ["broken"] if {"c", "h"} <= fewer.keys() else []

    least = cut_down(Failure("wait", row, ["broken at first"]), fails)
    assert (least.combination, least.wrong) == ({"c": "c!", "h": "h!"}, ["broken"])
    assert str(least).startswith("python -m tests.crossed --cell wait --switch 'c=c!' --switch 'h=h!'\n")
    assert command("wait", {"null_data": True}) == "python -m tests.crossed --cell wait --switch null_data=true"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("run-json", "output"),
        ("run-ndjson", "events missing"),
        ("run-failed", "reason"),
        ("stream-ended", "exit"),
        ("fetch-files", "output"),
    ],
)
def test_a_wrong_answer_is_noticed(cell: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check gets a truth that differs from the client's result."""
    monkeypatch.setattr(oracle, "output", lambda *_: {"Answer": "another"})
    monkeypatch.setattr(oracle, "reason_is_known", lambda *_, **__: False)
    monkeypatch.setattr("tests.crossed.stage.Seen.truth", property(lambda self: [*self.run.events, *self.run.events]))
    if says == "exit":
        monkeypatch.setattr("tests.crossed.cells.LIMITS", ("--no-such-option",))
    (failure,) = played({}, [cell])
    assert any(says in line for line in failure.wrong), failure.wrong


def test_the_verbs_that_follow_or_judge_a_run_are_all_played() -> None:
    verbs = {name.partition("-")[0] for name in CELLS}
    assert {"run", "stream", "wait", "fetch", "stop", "inspect", "batch"} <= verbs
    assert all(set(pair) <= set(CELLS) for pair in combinations(OF_THE_STREAM, 2))
