"""The corpus, and what fuzzing has found, through every target again."""

from pathlib import Path

import pytest

from tests.research.fuzz.__main__ import CORPUS
from tests.research.fuzz.targets import TARGETS

SEEDS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_takes_its_seeds(name: str) -> None:
    seeds = [path for path in SEEDS if path.parent.name == name]
    assert seeds
    for path in seeds:
        TARGETS[name](path.read_bytes())


def test_seeds_belong_to_a_target() -> None:
    assert {path.parent.name for path in SEEDS} == {*TARGETS, "answer"}


@pytest.mark.parametrize("path", [path for path in SEEDS if path.parent.name == "answer"], ids=lambda path: path.name)
def test_the_client_takes_every_answer(path: Path) -> None:
    from tests.research.fuzz.network import answer

    answer(path.read_bytes())
