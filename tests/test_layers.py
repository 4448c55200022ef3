"""Imports point one way; tests/test_loaded.py checks what is loaded when."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "noxcli"

# A room may import those above it in this list, but none on its own line.
ORDER = [
    {"fixed"},
    {"errors", "facts", "models", "encode", "nearest", "schemas", "spelling"},
    {"query", "redaction", "timing", "place", "urls"},
    {"files", "formats", "threads"},
    {"config"},
    {"retry", "signals"},
    {"inputs"},
    {"runs"},
    {"outputs"},
    {"api"},
    {"probe", "state"},
    {"render"},
    {"reports"},
    {"batch"},
    {"cli"},
    {"commands"},
    {"app"},
    {"main"},
    {"__main__"},
]
RANKS = {room: rank for rank, line in enumerate(ORDER) for room in line}
FOREIGN = {
    "requests": {"api"},
    "urllib3": {"api"},
    "requests_toolbelt": {"api"},
    "sseclient": {"api"},
    "rich": {"render"},
    "jmespath": {"query"},
    "typer": {"app", "cli", "commands", "main"},
    "click": set(),
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
}
CROSSING = {
    "engines",
    "crossed",
    "completions",
    "faults",
    "fuzz",
    "hostile",
    "release",
    "sdk",
}  # test folders that are not about one room


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
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
        if top == "noxcli" and rest and rest != "__version__":
            check_own(part, rest.partition(".")[0])
        elif top in FOREIGN:
            assert part in FOREIGN[top], f"{part} must not import {name}"


def check_own(part: str, seen: str) -> None:
    if part == "sandbox" or (seen == "sandbox" and part != "commands"):
        assert part == seen == "sandbox", "the sandbox shares no code with the client"
    elif seen not in {part, "sandbox"}:
        assert RANKS[seen] < RANKS[part], f"{part} must not import {seen}"


def test_every_room_has_its_place() -> None:
    assert {part_of(path) for path in MODULES} == {*RANKS, "sandbox", "__init__"}


def test_tests_mirror_the_rooms() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    folders = {path.parent.name for path in Path(__file__).parent.glob("*/test_*.py")}
    assert folders - CROSSING <= rooms


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in MODULES}
    names |= {name.removesuffix(".__init__"): path for name, path in names.items()}
    left = {name: imports_of(path) & names.keys() - {name} for name, path in names.items()}
    while free := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert not left, f"a circle: {sorted(left)}"
