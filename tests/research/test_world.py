"""The random world: plans that have found something, many more each night, and defects that it has to see."""

import json
import tomllib

import pytest

from tests.forks import ROOT
from tests.research.world import KEPT, found_by, invent

DEFECTS = tomllib.loads((KEPT / "defects.toml").read_text())


@pytest.fixture(scope="module")
def sources() -> str:
    return "\0".join(path.read_text() for path in (ROOT / "noxcli").rglob("*.py"))


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_still_fits(name: str, sources: str) -> None:
    """After a change, plant what breaks the same promise in the place of the old text."""
    assert sources.count(DEFECTS[name]["old"]) == 1, DEFECTS[name]["breaks"]


@pytest.mark.parametrize("name", sorted(path.name for path in KEPT.glob("*.json")))
def test_a_kept_plan_breaks_nothing(name: str) -> None:
    assert found_by(json.loads((KEPT / name).read_text())) == []


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_a_random_plan_breaks_nothing(seed: int) -> None:
    assert found_by(invent(seed)) == []
