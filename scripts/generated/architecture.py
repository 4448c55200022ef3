"""The picture of the rooms in docs/architecture.md, from the imports in noxcli/."""

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
def rooms() -> Arrows:
    """Return each room with the rooms that it imports: the packages and root modules of noxcli/."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        names = [name.split(".") for name in imported(ast.parse(path.read_text(encoding="utf-8")))]
        found.setdefault(room, set()).update(name[1] for name in names if name[0] == "noxcli" and len(name) > 1)
    wanted = found.keys() - APART
    return {room: frozenset(found[room] & wanted - {room}) for room in sorted(wanted)}


def ground_of(arrows: Arrows) -> frozenset[str]:
    """Return the ground floor: the root modules that import no package, neither directly nor indirectly."""
    packages = {room for room in arrows if (PACKAGE / room).is_dir()}
    return frozenset(room for room in arrows if not reachable(arrows, {room}) & packages)


def reachable(arrows: Arrows, starts: set[str] | frozenset[str]) -> set[str]:
    """Return these rooms, and all that their arrows lead to."""
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
        room: frozenset(seen for seen in all_seen if seen not in reachable(arrows, all_seen - {seen}))
        for room, all_seen in arrows.items()
    }


def picture() -> str:
    """Return the rooms as a Mermaid flowchart, from argv at the top to the ground floor."""
    everything = rooms()
    ground = ground_of(everything)
    arrows = reduced({room: seen - ground for room, seen in everything.items() if room not in ground})
    # Mermaid reads a label as Markdown, and would show __main__ as a bold main.
    lines = ["```mermaid", "flowchart TD", '    __main__["#95;#95;main#95;#95;"]']
    for room, seen in arrows.items():
        # An invisible link keeps the ground floor at the bottom where no arrow leads to it.
        lines += [f"    {room} --> {target}" for target in sorted(seen)] or [f"    {room} ~~~ ground"]
    lines += [f'    ground["ground floor:<br>{", ".join(sorted(ground))}"]', "```"]
    return "\n".join(lines) + "\n"
