"""Imports point one way; tests/test_loaded.py checks what is loaded when."""

import ast
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "noxcli"

# A package may import those above it in this list, but none on its own line.
ORDER = [
    {"signals", "value_class"},
    {"errors"},
    {"models", "codec", "schemas"},
    {"waiting"},
    {"expressions", "masking", "timing", "safe_dir", "urls"},
    {"files"},
    {"config"},
    {"retry"},
    {"api"},
    {"inputs"},
    {"runs"},
    {"outputs"},
    {"state"},
    {"render"},
    {"reports"},
    {"rows"},
    {"batchdir"},
    {"checks"},
    {"batch", "compare"},
    {"gate"},
    {"cli"},
    {"commands"},
    {"app"},
    {"__main__"},
]
RANKS = {name: rank for rank, line in enumerate(ORDER) for name in line}
FOREIGN = {
    "requests": {"api"},
    "urllib3": {"api"},
    "sseclient": {"api"},
    "rich": {"render"},
    "jmespath": {"expressions"},
    "typer": {"app", "cli", "commands"},
    "click": set(),
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
    "yaml": set(),
    "ruamel": {"sandbox"},
    "pathvalidate": {"outputs"},
    "platformdirs": {"files"},
}
CROSSING = {
    "engines",
    "completions",
    "docs",
    "faults",
    "release",
    "research",
}  # test folders that are not about one package


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports_of(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


MODULES = sorted(PACKAGE.rglob("*.py"))


def test_imports_point_one_way() -> None:
    wrong = {
        str(path.relative_to(PACKAGE)): forbidden(part_of(path), imports_of(path))
        for path in MODULES
    }
    assert {path: names for path, names in wrong.items() if names} == {}


def forbidden(part: str, names: Iterable[str]) -> list[str]:
    """Return what a module of this package imports and must not."""
    return sorted(name for name in names if not may_import(part, name))


def may_import(part: str, name: str) -> bool:
    top, _, rest = name.partition(".")
    if part == "__init__":
        return False
    if top in FOREIGN:
        return part in FOREIGN[top]
    return top != "noxcli" or rest in {"", "__version__"} or may_see(part, rest.partition(".")[0])


def may_see(part: str, seen: str) -> bool:
    if part == "sandbox" or (seen == "sandbox" and part != "commands"):
        return part == seen == "sandbox"  # the sandbox shares no code with the client
    return seen in {part, "sandbox"} or RANKS[seen] < RANKS[part]


def test_an_import_that_points_up_or_aside_is_found() -> None:
    assert (
        forbidden("runs", ["noxcli.errors", "noxcli.runs.start", "noxcli.__version__", "json"])
        == []
    )
    assert forbidden("runs", ["noxcli.cli.context"]) == ["noxcli.cli.context"]
    assert forbidden("runs", ["noxcli.sandbox.run", "requests"]) == [
        "noxcli.sandbox.run",
        "requests",
    ]
    assert forbidden("sandbox", ["noxcli.errors"]) == ["noxcli.errors"]
    assert forbidden("__init__", ["json"]) == ["json"]


def verb_of(module: str) -> str:
    """Return the verb of a module in `commands`: the steps of one may be in another module than its options."""
    name = module.rpartition(".")[2]
    for suffix in ("_call", "_runs", "_rows", "_summary"):
        name = name.removesuffix(suffix)
    return name


def test_no_verb_imports_another_verb() -> None:
    found = []
    for path in (PACKAGE / "commands").glob("*.py"):
        for name in imports_of(path):
            module = ".".join(name.split(".")[:3])
            if module.startswith("noxcli.commands.") and verb_of(module) != verb_of(path.stem):
                found.append(f"{path.name} imports {name}")
    assert found == []


def test_every_library_has_its_packages() -> None:
    tops = {name.partition(".")[0] for path in MODULES for name in imports_of(path)}
    # Only type checkers know the last one.
    assert tops - {"noxcli", *sys.stdlib_module_names, "_typeshed"} <= FOREIGN.keys()


def test_every_package_has_its_layer() -> None:
    assert sum(map(len, ORDER)) == len(RANKS), "each is on one line"
    assert {part_of(path) for path in MODULES} == {*RANKS, "sandbox", "__init__"}


def test_the_table_of_packages_has_all_of_them_from_the_top() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    named = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {*named} == packages - {"sandbox"} | {"app"}
    assert named == sorted(named, key=RANKS.__getitem__, reverse=True)


def test_tests_mirror_the_packages() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    folders = {path.parent.name for path in Path(__file__).parent.glob("*/test_*.py")}
    assert folders - CROSSING <= packages


def test_there_is_no_import_cycle() -> None:
    names = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in MODULES
    }
    names |= {name.removesuffix(".__init__"): path for name, path in names.items()}
    left = {name: imports_of(path) & names.keys() - {name} for name, path in names.items()}
    while free := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert not left, f"an import cycle: {sorted(left)}"


@pytest.mark.parametrize("page", ["SECURITY.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_pages_about_the_code_name_what_there_is(page: str) -> None:
    root = PACKAGE.parent
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)", (root / page).read_text()))
    assert {
        path for path in named if not ((root / path).exists() or (PACKAGE / path).exists())
    } == set()


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_pages_about_the_code_name_functions_there_are(page: str) -> None:
    lacking = []
    named = re.findall(
        r"`([a-z_]+(?:/[a-z_]+)*\.py):(\w+)(?:\.(\w+))?`", (PACKAGE.parent / page).read_text()
    )
    assert named
    for path, name, method in named:
        text = (PACKAGE / path).read_text()
        known = re.search(rf"^(?:class |def )?{name}\b", text, re.MULTILINE)
        if known is None or (
            method and re.search(rf"^    def {method}\(", text, re.MULTILINE) is None
        ):
            lacking.append(f"{path}:{name}.{method}")
    assert lacking == []
