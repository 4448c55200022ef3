"""All switches crossed: every setting and every verb in random combinations."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_origin, get_type_hints

import pytest

from noxcli.sandbox.switches import Switches
from tests.research.crossed import oracle, plan
from tests.research.crossed.cells import CELLS
from tests.research.crossed.play import all_played, cut_down, played

SEED = 20
ROWS = 48  # as many as it takes for every setting
DEFAULTS = {name: getattr(Switches(), name) for name in plan.settings()}


@pytest.mark.long(20)
@pytest.mark.timeout(300)
def test_every_setting_in_random_combinations() -> None:
    # `python -m tests.research.crossed`, a step of .ci/run, plays every pair of settings with all cells.
    rows, cells = list(plan.at_random(ROWS, SEED)), list(CELLS)
    played_with = [[cells[turn % len(cells)]] for turn in range(ROWS)]
    assert len(cells) <= ROWS
    every = {(name, value) for name, values in plan.settings().items() for value in values}
    assert {setting for row in rows for setting in {**DEFAULTS, **row}.items()} == every
    found = all_played(zip(rows, played_with, strict=True), ThreadPoolExecutor(8))
    failures = [failure for some in found for failure in some]
    first = {failure.cell: failure for failure in reversed(failures)}
    assert not failures, "\n".join(str(cut_down(failure)) for failure in list(first.values())[:3])


def test_numbers_have_settings_and_begin_with_the_default() -> None:
    hints = get_type_hints(Switches)
    numbers = {name for name, hint in hints.items() if get_origin(hint) is not Literal and hint is not bool}
    assert numbers - plan.NOT_CROSSED == set(plan.NUMBERS)
    assert all(values[0] == getattr(Switches(), name) for name, values in plan.NUMBERS.items())


@pytest.mark.parametrize(
    ("cell", "says"),
    [("run-json", "output"), ("run-ndjson", "events missing"), ("run-failed", "reason"), ("fetch-files", "output")],
)
def test_a_wrong_answer_is_noticed(cell: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check gets a truth that differs from the client's result."""

    def doubled(self: Any) -> list[Any]:
        return [*self.run.events, *self.run.events]

    monkeypatch.setattr(oracle, "output", lambda *_: {"Answer": "another"})
    monkeypatch.setattr(oracle, "reason_is_known", lambda *_, **__: False)
    monkeypatch.setattr("tests.research.crossed.stage.Seen.truth", property(doubled))
    (failure,) = played({}, [cell])
    assert any(says in line for line in failure.wrong), failure.wrong
