"""The picture of the packages in docs/architecture.md, from the imports in noxcli/."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "noxcli"
APART = {"__init__", "sandbox"}  # just the version, and what stands beside the client

Arrows = Mapping[str, frozenset[str]]


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of each module that a module imports, including those that it loads by name."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module"), args=[ast.JoinedStr(values=[ast.Constant(value=start), *_])]
            ):
                yield str(start)


@cache
def packages() -> Arrows:
    """Return each package and root module of noxcli/ with those that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        names = [name.split(".") for name in imported(ast.parse(path.read_text(encoding="utf-8")))]
        found.setdefault(room, set()).update(name[1] for name in names if name[0] == "noxcli" and len(name) > 1)
    wanted = found.keys() - APART
    return {room: frozenset(found[room] & wanted - {room}) for room in sorted(wanted)}


def base_of(arrows: Arrows) -> frozenset[str]:
    """Return the base: the root modules that import no package, neither directly nor indirectly."""
    packages = {room for room in arrows if (PACKAGE / room).is_dir()}
    return frozenset(room for room in arrows if not reachable(arrows, {room}) & packages)


def reachable(arrows: Arrows, starts: set[str] | frozenset[str]) -> set[str]:
    """Return these, and all that their arrows lead to."""
    seen, left = set[str](), list(starts)
    while left:
        room = left.pop()
        if room not in seen:
            seen.add(room)
            left += arrows[room]
    return seen


def reduced(arrows: Arrows) -> Arrows:
    """Return the arrows without those that a longer path implies. There must be no cycle."""
    return {
        name: frozenset(seen for seen in all_seen if seen not in reachable(arrows, all_seen - {seen}))
        for name, all_seen in arrows.items()
    }


def picture() -> str:
    """Return the packages as a Mermaid flowchart, from argv at the top to the base modules."""
    everything = packages()
    base = base_of(everything)
    arrows = reduced({name: seen - base for name, seen in everything.items() if name not in base})
    # Mermaid reads a label as Markdown, and would show __main__ as a bold main.
    lines = ["```mermaid", "flowchart TD", '    __main__["#95;#95;main#95;#95;"]']
    for name, seen in arrows.items():
        # An invisible link keeps the base modules at the bottom where no arrow leads to it.
        lines += [f"    {name} --> {target}" for target in sorted(seen)] or [f"    {name} ~~~ base"]
    lines += [f'    base["base modules:<br>{", ".join(sorted(base))}"]', "```"]
    return "\n".join(lines) + "\n"
