"""A command loads what it needs: loading is most of what a small command costs."""

import subprocess
import sys

import pytest

from tests.loaded import WATCHED, loaded_by_command

HEAVY = WATCHED - {"typer", "platformdirs"}
LIGHT = ["--version", "__complete", "--help", "run --help", "batch --help", "wait --nope", "completion"]
UNWANTED = {"rich", "starlette", "jmespath", "pydantic"}
# The number of noxcli's own modules that a command may load.
MOST = {
    "--version": 1,
    "__complete": 6,
    "--help": 26,
    "run --help": 28,
    "wait --nope": 28,
    "run --json": 84,
    "batch": 110,
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
    assert not any(module.startswith("noxcli.commands.") for module in modules["--help"])


def test_the_help_of_every_verb_loads_little() -> None:
    every = (
        "import sys\nfrom noxcli.app import VERBS, verb_named\nfor verb in VERBS: verb_named(verb)\nprint(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", every], capture_output=True, text=True, check=True).stdout.split()
    own = [name for name in modules if name.startswith("noxcli") and not name.startswith("noxcli.commands.")]
    assert len(own) <= 30, own
    assert HEAVY.isdisjoint(modules)
