"""The random world: plans that have found something, and defects that it has to see."""

import json

import pytest

from tests.research.world.many import found_by
from tests.research.world.plan import KEPT
from tests.research.world.plant import DEFECTS, sources


@pytest.fixture(scope="module")
def texts() -> str:
    return "\0".join(path.read_text() for path in sources())


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_still_fits(name: str, texts: str) -> None:
    """After a change, plant what breaks the same promise in the place of the old text."""
    assert texts.count(DEFECTS[name]["old"]) == 1, DEFECTS[name]["breaks"]


@pytest.mark.parametrize("name", sorted(path.name for path in KEPT.glob("*.json")))
def test_a_kept_plan_breaks_nothing(name: str) -> None:
    assert found_by(json.loads((KEPT / name).read_text())) == []
