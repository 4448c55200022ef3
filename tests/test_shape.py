"""No function is too long to read: this counts what ruff does not count (pyproject.toml has the rest)."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "noxcli"
LONGEST = 60  # lines, including the docstring
MOST_OF_A_VERB = 10  # parameters; a group of options is one
MOST_DECISIONS = 12  # as in ruff, but with `and`, `or`, conditional expressions and what comprehensions decide


@dataclass(frozen=True)
class Shape:
    """The size of one function."""

    lines: int
    decisions: int
    parameters: int
    first: str  # the name of the first parameter


@cache
def functions() -> list[tuple[str, Shape]]:
    """Return each function's file and name, and its shape; methods of two classes may share a name."""
    return [
        (f"{path.relative_to(PACKAGE)}:{node.name}", shape_of(node))
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def shape_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Shape:
    given = node.args
    return Shape(
        lines=(node.end_lineno or 0) - node.lineno + 1,
        decisions=decisions(node),
        parameters=len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs),
        first=given.args[0].arg if given.args else "",
    )


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
    counts = [(name, shape.decisions) for name, shape in functions()]
    assert dict(counts)["__main__.py:main"] > 1
    assert [(name, count) for name, count in counts if count > MOST_DECISIONS] == []


def test_no_function_is_too_long_to_be_read_at_once() -> None:
    lengths = [(name, shape.lines) for name, shape in functions()]
    assert "commands/batch.py:batch" in dict(lengths)
    assert [(name, lines) for name, lines in lengths if lines > LONGEST] == []


def test_no_verb_takes_more_than_ten_parameters_and_no_other_function_of_a_command_more_than_six() -> None:
    counts = []
    for name, shape in functions():
        if name.startswith("commands/"):
            is_verb = shape.first == "ctx" and not name.partition(":")[2].startswith("_")
            counts.append((name, shape.parameters, MOST_OF_A_VERB if is_verb else 6))
    assert [most for name, _, most in counts if name == "commands/run.py:run"] == [MOST_OF_A_VERB]
    assert [(name, count) for name, count, most in counts if count > most] == []
