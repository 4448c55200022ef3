"""A command loads what it needs: loading is most of what a small command costs."""

import pytest

from tests.loaded import WATCHED, loaded_by_command

HEAVY = WATCHED - {"typer", "platformdirs"}
LIGHT = [
    "--version",
    "__complete",
    "--help",
    "run --help",
    "inspect --help",
    "runs --help",
    "batch --help",
    "run alone",
    "wait --nope",
    "completion",
    "schema",
]
UNWANTED = {"rich", "starlette", "requests_toolbelt", "jmespath", "pydantic"}
# The number of noxcli's own modules that a command may load.
MOST = {
    "--version": 1,
    "__complete": 6,
    "--help": 26,
    "run --help": 28,
    "inspect --help": 30,
    "runs --help": 30,
    "wait --nope": 28,
    "run --json": 84,
    "batch": 101,
}


@pytest.mark.long(8)
def test_a_command_loads_what_it_needs() -> None:
    modules = loaded_by_command()
    for light in LIGHT:
        assert modules[light] & HEAVY == set(), light
    for name, each in modules.items():
        assert each & UNWANTED == set(), name
        assert not any(module.startswith("noxcli.sandbox") for module in each), name
    counts = {name: sum(module.startswith("noxcli") for module in modules[name]) for name in MOST}
    assert {name: count for name, count in counts.items() if count > MOST[name]} == {}
