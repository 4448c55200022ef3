"""No function is too long to read: this counts what ruff does not count (pyproject.toml has the rest)."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "noxcli"
LONGEST = 60  # lines, including the docstring
MOST_OF_A_VERB = 10  # parameters; a group of options is one
MOST_DECISIONS = 15  # where ruff's 12 leaves out `and`, `or`, conditional expressions and what comprehensions decide


def functions(directory: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield each function with its place."""
    for path in sorted(directory.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(PACKAGE)}:{node.name}", node


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = node.args
    return len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs)


def decisions(function: ast.AST) -> int:
    """Return the complexity of a function as radon counts it, without the functions in it."""
    count = 1
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                continue
            case ast.BoolOp(values=values):
                count += len(values) - 1
            case ast.comprehension(ifs=ifs):
                count += 1 + len(ifs)
            case (
                ast.If() | ast.IfExp() | ast.For() | ast.While() | ast.ExceptHandler() | ast.Assert() | ast.match_case()
            ):
                count += 1
        waiting += ast.iter_child_nodes(node)
    return count


def test_no_function_decides_too_much() -> None:
    counts = {name: decisions(node) for name, node in functions(PACKAGE)}
    assert counts["__main__.py:main"] > 1
    assert {name: count for name, count in counts.items() if count > MOST_DECISIONS} == {}


def test_no_function_is_too_long_to_be_read_at_once() -> None:
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions(PACKAGE)}
    assert "commands/batch.py:batch" in lengths
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_no_verb_takes_more_than_ten_parameters_and_no_other_function_of_a_command_more_than_six() -> None:
    counts = {}
    for name, node in functions(PACKAGE / "commands"):
        first = node.args.args[0].arg if node.args.args else ""
        counts[name] = (parameters(node), MOST_OF_A_VERB if first == "ctx" and node.name[0] != "_" else 6)
    assert counts["commands/run.py:run"][1] == MOST_OF_A_VERB
    assert {name: count for name, (count, most) in counts.items() if count > most} == {}
