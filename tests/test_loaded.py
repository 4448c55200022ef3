"""No command loads more than before: loading is most of what a small command costs."""

import pytest

from tests import loaded

LIGHT = {"--version", "--help", "run --help", "batch --help", "run alone", "wait --nope", "completion", "schema"}
HEAVY = loaded.WATCHED - {"typer", "platformdirs"}


def commands_of(line: str) -> set[str]:
    return set(line.partition(": ")[2].split(", "))


@pytest.mark.long(8)
def test_each_command_loads_what_is_written_down() -> None:
    now, before = loaded.table().splitlines(), loaded.GOLDEN.read_text().splitlines()
    assert now == before, "if that is meant: python -m tests.loaded"


def test_help_and_mistakes_load_nothing_heavy() -> None:
    lines = loaded.GOLDEN.read_text().splitlines()
    assert {line.partition(":")[0] for line in lines} >= {"noxcli.app", "requests", "typer"}
    assert [line for line in lines if line.partition(":")[0] in HEAVY and commands_of(line) & LIGHT] == []


def test_a_call_loads_neither_what_draws_nor_a_detector_of_charsets_nor_the_sandbox() -> None:
    lines = loaded.GOLDEN.read_text().splitlines()
    unwanted = {"rich", "starlette", "requests_toolbelt", "jmespath", "pydantic", "charset_normalizer.api"}
    assert [line for line in lines if line.partition(":")[0] in unwanted or line.startswith("noxcli.sandbox")] == []


def test_the_version_loads_the_entry_point_and_nothing_else() -> None:
    lines = loaded.GOLDEN.read_text().splitlines()
    assert [line.partition(":")[0] for line in lines if "--version" in commands_of(line)] == ["noxcli"]
