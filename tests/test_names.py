"""One name means one thing: a search for a name finds its definition, and nothing else."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
# The sandbox is a separate program.
MODULES = [path for path in sorted((ROOT / "noxcli").rglob("*.py")) if "sandbox" not in path.parts]
EXEMPT = {"T"}  # a type variable: it means nothing outside of its module


def defined_in(module: ast.Module) -> Iterator[str]:
    """Yield what a module itself defines: classes, functions, constants, aliases."""
    for node in module.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def test_no_name_is_defined_twice() -> None:
    places = defaultdict(list)
    for path in MODULES:
        for name in defined_in(ast.parse(path.read_text())):
            places[name].append(str(path.relative_to(ROOT)))
    public = {name: found for name, found in places.items() if not name.startswith("_") and name not in EXEMPT}
    assert {"BatchApi", "run", "EXPLAIN_WITHIN"} <= public.keys()
    assert {name: found for name, found in public.items() if len(found) > 1} == {}
