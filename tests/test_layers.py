"""Imports point one way, and nothing heavy is loaded before a command needs it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "noxcli"

# A module may import those of lower layers, and of its own.
LAYERS = [
    {"errors", "models", "encode", "spelling"},
    {
        *("timing", "config", "continuity", "marks", "values", "names", "place", "files", "part", "folder", "manifest"),
        *("journal", "secrets", "keys", "configfile", "preferences", "profiles", "projectfile", "configured"),
        *("within", "graph", "junit", "dotenv", "logbook", "urls", "faults", "pieces"),
    },
    {
        *("patience", "progress", "uploads", "inputs", "definition", "schema", "preflight", "chosen", "signals"),
        *("state", "recent", "limits", "record", "reader", "fetch", "transfers", "known", "reasons", "likeness"),
        *("doubt",),
    },
    {"api", "output", "follow", "start", "stop", "resolve", "deliver", "ended"},
    {"result", "filing", "checkup", "testcase"},
    {"batch"},
    {"commands"},
    {"cli"},
    {"ending"},
    {"__main__"},
]
# On the same layer, only these see each other: none of them does I/O that the other would have to know.
SEALED = {"api", "output", "follow", "start", "stop", "resolve", "deliver", "ended"}
FOREIGN = {
    "requests": {"api"},
    "urllib3": {"api"},
    "requests_toolbelt": {"api"},
    "sseclient": {"api"},
    "rich": {"output"},
    "typer": {"cli", "commands", "ending"},
    "click": set(),
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        assert not imports_of(path)
        return
    for name in imports_of(path):
        top, _, rest = name.partition(".")
        if top == "noxcli" and rest:
            check_own(part, rest.partition(".")[0])
        elif top in FOREIGN:
            assert part in FOREIGN[top], f"{part} must not import {name}"


def check_own(part: str, seen: str) -> None:
    if part == "sandbox" or (seen == "sandbox" and part != "commands"):
        assert part == seen == "sandbox", "the sandbox shares no code with the client"
    elif seen not in {part, "sandbox"}:
        ranks = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
        assert ranks[seen] <= ranks[part], f"{part} must not import {seen}"
        assert not (part in SEALED and seen in SEALED), f"{part} must not import {seen}"


HEAVY = (
    "requests",
    "urllib3",
    "rich",
    "pydantic",
    "sseclient",
    "starlette",
    "uvicorn",
    "ssl",
    "hashlib",
    "pathvalidate",
)


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["run", "--help"], ["run"], ["wait", "--nope"]])
def test_nothing_heavy_is_loaded_for_help_and_mistakes(argv: list[str]) -> None:
    code = (
        "import sys, json, runpy\n"
        f"sys.argv = ['noxcli', *{argv!r}]\n"
        "try: runpy.run_module('noxcli', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "sys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(json.loads(done.stderr.splitlines()[-1]))
    assert "noxcli" in modules
    assert modules.isdisjoint(HEAVY), sorted(modules & set(HEAVY))


def test_a_call_loads_neither_the_live_display_nor_the_sandbox(tmp_path: Path) -> None:
    code = (
        "import sys, json, runpy\n"
        "sys.argv = ['noxcli', 'wait', 'x', '--base-url', 'http://127.0.0.1:9', '--retry-for', '0']\n"
        "try: runpy.run_module('noxcli', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "sys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"NOXUS_API_KEY": "k", "HOME": str(tmp_path)},
    )
    modules = set(json.loads(done.stderr.splitlines()[-1]))
    assert "requests" in modules
    assert modules.isdisjoint({"rich", "pydantic", "starlette", "requests_toolbelt", "noxcli.sandbox"})
