"""Each fact that names lines of the official SDK is really there."""

from pathlib import Path

import pytest

from noxcli.probe.facts import FACTS, SDK_RELEASE, ApiFact
from tests.research.sdk.conftest import SDK

FROM_THE_SDK = {name: fact for name, fact in FACTS.items() if fact.source.kind == "sdk"}


def test_the_facts_are_about_the_sdk_that_judges() -> None:
    assert SDK.endswith(f"=={SDK_RELEASE}")
    assert len(FROM_THE_SDK) > 15


@pytest.mark.wide
@pytest.mark.timeout(600)  # the first time, the SDK must be installed
@pytest.mark.parametrize("fact", FROM_THE_SDK.values(), ids=FROM_THE_SDK)
def test_the_lines_say_so(fact: ApiFact, sdk_python: Path) -> None:
    (package,) = sdk_python.parents[1].glob("lib/python*/site-packages/noxus_sdk")
    source = fact.source
    lines = (package / source.place).read_text(encoding="utf-8").splitlines()[source.first - 1 : source.last]
    assert source.quote
    assert source.quote in " ".join(line.strip() for line in lines), lines
