"""The official SDK's whole use of the API, under settings that a real server could have."""

from pathlib import Path

import pytest

from tests.sdk.judged import golden, judged, name_of, sample, settings, uses

SETTINGS, SEED = 6, 4


@pytest.mark.wide
@pytest.mark.long(40)
@pytest.mark.timeout(600)  # the first time, the SDK must be installed
def test_what_breaks_the_sdk_is_what_is_written_down(sdk_python: Path) -> None:
    before = golden()["broken"]
    for setting, breaks in judged(sdk_python, sample(SETTINGS, SEED)).items():
        assert breaks == before.get(setting, {}), setting


@pytest.mark.wide
@pytest.mark.timeout(600)
def test_every_setting_and_every_use_is_written_down(sdk_python: Path) -> None:
    told = golden()
    assert told["settings"] == len(settings()), "run python -m tests.sdk.judged"
    assert told["broken"].keys() < set(map(name_of, settings()))
    assert told["uses"] == uses(sdk_python)
    assert all(breaks.keys() <= told["uses"].keys() for breaks in told["broken"].values())


def test_nothing_breaks_the_sdk_by_default() -> None:
    assert "the defaults" not in golden()["broken"]
