"""A command loads what it needs: loading is most of what a small command costs."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from tests.process import NOXCLI, environment

QUICK = Scenario("quick", nodes=[input_node("Q")], output={"A": "x"})
# Each runs next to a file with one row of inputs.
COMMANDS = {
    "--version": ["--version"],
    "__complete": ["__complete", "run", "wait", ""],
    "--help": ["--help"],
    "run --help": ["run", "--help"],
    "wait --nope": ["wait", "--nope"],
    "completion": ["completion", "bash"],
    "doctor": ["doctor"],
    "run --json": ["run", "quick", "Q=hi", "--json"],
    "batch": ["batch", "quick", "rows.jsonl", "--quiet"],
}
# For other packages and slow parts of Python itself, the name is enough.
WATCHED = frozenset(
    (
        *(
            "certifi",
            "charset_normalizer.api",
            "click",
            "idna",
            "jmespath",
            "pathvalidate",
            "platformdirs",
            "pydantic",
        ),
        *("requests", "rich", "sseclient", "starlette", "typer", "urllib3", "uvicorn"),
        *(
            "asyncio",
            "email",
            "hashlib",
            "http",
            "importlib.metadata",
            "logging",
            "multiprocessing",
            "ssl",
            "xml",
        ),
    )
)
# The loading of a module, as reported by -X importtime.
LINE = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)
HEAVY = WATCHED - {"typer", "platformdirs"}
LIGHT = ["--version", "__complete", "--help", "run --help", "wait --nope", "completion"]
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
# Runs a command line, and says on stderr how many methods its dataclasses compile, and which modules it loads.
COUNTING = """
import dataclasses, os, sys
compiled, leave = [], os._exit
def end(code):
    print(sum(compiled), *sys.modules, file=sys.stderr, flush=True)
    leave(code)
def compile_method(text, module, found):
    compiled.append((text.count("def ") - 1) * module["__name__"].startswith("noxcli"))  # a class at once, since 3.13
    exec(text, module, found)
dataclasses.exec, os._exit = compile_method, end
from noxcli.__main__ import main
main()
"""
LIBRARIES = "import sys, dataclasses, typer, requests, sseclient; print(*sys.modules)"


def loaded(argv: list[str], env: Mapping[str, str], directory: Path) -> set[str]:
    """Return the modules that a command line loads: noxcli's, and the watched ones."""
    command = [NOXCLI[0], "-X", "importtime", *NOXCLI[1:], *argv]
    done = subprocess.run(
        command, env=dict(env), cwd=directory, capture_output=True, text=True, check=False
    )
    names = set(LINE.findall(done.stderr))
    return {name for name in names if name in WATCHED or name.partition(".")[0] == "noxcli"}


def loaded_by_command() -> dict[str, set[str]]:
    """Return the modules that each of COMMANDS loads."""
    with Sandbox([QUICK]) as sandbox, tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        (directory / "rows.jsonl").write_text('{"Q": "hi"}\n')
        env = {
            **environment(sandbox.url, sandbox.key),
            "HOME": place,
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        return {name: loaded(argv, env, directory) for name, argv in COMMANDS.items()}


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
        "import sys\nfrom noxcli.app import verb_named\nfrom noxcli.cli.verbs import VERBS\n"
        "for verb in VERBS: verb_named(verb)\nprint(*sys.modules)"
    )
    modules = subprocess.run(
        [sys.executable, "-c", every], capture_output=True, text=True, check=True
    ).stdout.split()
    own = [
        name
        for name in modules
        if name.startswith("noxcli") and not name.startswith("noxcli.commands.")
    ]
    assert len(own) <= 30, own
    assert HEAVY.isdisjoint(modules)


def test_a_small_run_compiles_and_loads_little(tmp_path: Path) -> None:
    run = [sys.executable, "-c", COUNTING, "run", "quick", "Q=hi"]
    with Sandbox([QUICK]) as sandbox:
        env = {**environment(sandbox.url, sandbox.key), "HOME": str(tmp_path)}
        done = subprocess.run(run, env=env, capture_output=True, text=True, check=True)
    compiled, *modules = done.stderr.splitlines()[-1].split()
    assert int(compiled) <= 45, (
        "each method that a dataclass has costs start-up time (noxcli/value_class.py)"
    )
    libraries = subprocess.run(
        [sys.executable, "-c", LIBRARIES], capture_output=True, text=True, check=True
    )
    assert len({*modules} - {*libraries.stdout.split()}) <= 90
