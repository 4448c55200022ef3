"""The random world: its planted defects still fit noxcli."""

import tomllib

import pytest

from tests.forks import ROOT

DEFECTS = tomllib.loads((ROOT / "tests/research/world_defects.toml").read_text())


@pytest.fixture(scope="module")
def sources() -> str:
    return "\0".join(path.read_text() for path in (ROOT / "noxcli").rglob("*.py"))


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_still_fits(name: str, sources: str) -> None:
    """After a change, plant what breaks the same promise in the place of the old text."""
    assert sources.count(DEFECTS[name]["old"]) == 1, DEFECTS[name]["breaks"]
