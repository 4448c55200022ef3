"""All switches crossed: every pair of settings, every setting with every verb, and every three of the event stream."""

from collections import Counter
from functools import cache
from itertools import combinations
from typing import Any, Literal, get_origin, get_type_hints

import pytest

from noxcli.sandbox.switches import Switches
from tests.crossed import oracle, plan
from tests.crossed.cells import CELLS
from tests.crossed.play import OF_THE_STREAM, Failure, all_played, command, cut_down, played

SEED = 20
SHARES = 4
HALVES = [list(CELLS)[0::2], list(CELLS)[1::2]]
pairs, triples = cache(lambda: plan.pairs(SEED)), cache(lambda: plan.triples(SEED))


def checked(rows: list[plan.Combination], cells: Any) -> None:
    """Play them; failures are shown with the settings that cause them."""
    failures = [failure for _, found, _ in all_played(rows, cells) for failure in found]
    first = {failure.cell: failure for failure in reversed(failures)}
    assert not failures, "\n".join(str(cut_down(failure)) for failure in list(first.values())[:3])


@pytest.mark.long(10)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", range(SHARES))
def test_every_pair_of_settings(share: int) -> None:
    # Each combination with half of the cells, in turn; .ci/run plays each with all, by `--pairs`.
    checked(pairs()[share::SHARES], HALVES[share % 2])


@pytest.mark.long(10)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", range(SHARES))
def test_every_three_settings_of_the_event_stream(share: int) -> None:
    # Each combination with some of the cells, so that together they have all; `--triples` plays each with all.
    for number, row in enumerate(triples()[share::SHARES]):
        checked([row], [OF_THE_STREAM[number % len(OF_THE_STREAM)]])


def test_the_plan_leaves_nothing_out() -> None:
    every = plan.settings()
    numbers = {name for name, hint in get_type_hints(Switches).items() if get_origin(hint) is not Literal}
    assert {name for name in numbers if get_type_hints(Switches)[name] is not bool} == set(plan.NUMBERS)
    assert all(values[0] == getattr(Switches(), name) for name, values in plan.NUMBERS.items())
    whole = [[{**vars_of(), **row}[name] for name in every] for row in pairs()]
    assert not plan.uncovered(whole, list(every.values()), 2)
    stream = plan.stream_switches()
    whole = [[{**vars_of(), **row}[name] for name in stream] for row in triples()]
    assert not plan.uncovered(whole, [every[name] for name in stream], 3)


def vars_of() -> dict[str, Any]:
    """The defaults by name."""
    return {name: getattr(Switches(), name) for name in plan.settings()}


def test_every_setting_meets_every_verb() -> None:
    met = {
        (cell, name, value)
        for number, row in enumerate(pairs())
        for name, value in {**vars_of(), **row}.items()
        for cell in HALVES[number % 2]
    }
    every = [(name, value) for name, values in plan.settings().items() for value in values]
    assert met == {(cell, name, value) for cell in CELLS for name, value in every}


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
        monkeypatch.setattr("tests.crossed.cells.LIMITS", ())
        monkeypatch.setattr("tests.crossed.cells.FOLLOWING", ("--no-such-option",))
    (failure,) = played({}, [cell])
    assert any(says in line for line in failure.wrong), failure.wrong


def test_the_verbs_that_follow_or_judge_a_run_are_all_played() -> None:
    verbs = {name.partition("-")[0] for name in CELLS}
    assert {"run", "stream", "wait", "fetch", "stop", "inspect", "batch"} <= verbs
    assert all(set(pair) <= set(CELLS) for pair in combinations(OF_THE_STREAM, 2))
