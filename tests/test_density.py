"""How plain the code is: what is packed into one statement, counted, with what was reached as most."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import noxcli

SOURCES = sorted(Path(noxcli.__file__).parent.rglob("*.py"))
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
BRANCHES = (
    ast.If | ast.For | ast.While | ast.IfExp | ast.comprehension | ast.match_case | ast.With
) | ast.ExceptHandler
# Of 1,000 statements.
MOST_OFTEN = {
    "a if b else c": 16.5,
    "comprehension": 25.6,
    "and, or as a value": 19.2,
    "a, b = c, d": 1.1,
    ":=": 1,
    "*starred": 9.7,
    "lambda, map, filter": 6.5,
}
# In all.
MOST = {
    "a if b else c in another": 0,
    "comprehension in another": 5,
    "counted with a boolean": 0,
}
COMPLEX = 10
MOST_COMPLEX = 37.1  # of 1,000 functions


def found_in(source: str) -> Iterator[str]:
    """Yield a word for each statement, function and packed expression."""
    tree = ast.parse(source)
    conditions = conditions_in(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            yield "statement"
            yield from found_in_statement(node)
        elif isinstance(node, ast.BoolOp) and node not in conditions:
            yield "and, or as a value"
        elif isinstance(node, ast.expr | ast.comprehension):
            yield from found_in_value(node)


def found_in_statement(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield "function"
            if complexity(node) > COMPLEX:
                yield "complex function"
        case ast.Assign(targets=[ast.Tuple(), *_], value=ast.Tuple()):
            yield "a, b = c, d"
        case ast.AugAssign(value=ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not())):
            yield "counted with a boolean"
        case ast.AugAssign(value=ast.Call(func=ast.Name("bool" | "any" | "all" | "isinstance"))):
            yield "counted with a boolean"


def found_in_value(node: ast.expr | ast.comprehension) -> Iterator[str]:
    match node:
        case ast.IfExp():
            yield "a if b else c"
            if holds_another(node, ast.IfExp):
                yield "a if b else c in another"
        case ast.comprehension():
            yield "comprehension"
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            if len(node.generators) > 1 or holds_another(node, COMPREHENSIONS):
                yield "comprehension in another"
        case ast.NamedExpr():
            yield ":="
        case ast.Starred():
            yield "*starred"
        case ast.Lambda() | ast.Call(func=ast.Name("map" | "filter")):
            yield "lambda, map, filter"


def conditions_in(tree: ast.AST) -> set[ast.AST]:
    """Return all nodes of conditions, in which `and` and `or` are at home."""
    conditions: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            conditions.append(node.test)
        elif isinstance(node, ast.comprehension):
            conditions += node.ifs
    found: set[ast.AST] = set()
    for condition in conditions:
        found.update(ast.walk(condition))
    return found


def holds_another(node: ast.AST, kind: object) -> bool:
    return any(isinstance(each, kind) for each in ast.walk(node) if each is not node)  # type: ignore[arg-type]


def complexity(function: ast.AST) -> int:
    number = 1
    for node in ast.walk(function):
        if isinstance(node, BRANCHES):
            number += 1
        elif isinstance(node, ast.BoolOp):
            number += len(node.values) - 1
    return number


@pytest.fixture(scope="module")
def found() -> Counter[str]:
    counter: Counter[str] = Counter()
    for path in SOURCES:
        counter.update(found_in(path.read_text("utf-8")))
    return counter


@pytest.mark.parametrize("what", MOST_OFTEN)
def test_statements_are_not_packed_more_than_before(found: Counter[str], what: str) -> None:
    assert found["statement"] > 1000
    assert 1000 * found[what] / found["statement"] <= MOST_OFTEN[what]


@pytest.mark.parametrize("what", MOST)
def test_no_more_is_packed_into_what_is_packed(found: Counter[str], what: str) -> None:
    assert found[what] <= MOST[what]


def test_lines_fit_into_100_columns() -> None:
    too_long = []
    for path in SOURCES:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if len(line) > 100:
                too_long.append(f"{path.name}:{number}")
    assert too_long == []


def test_few_functions_have_many_branches(found: Counter[str]) -> None:
    assert 1000 * found["complex function"] / found["function"] <= MOST_COMPLEX


PACKED = """
x = (a if b else c) if d else [e for f in g for e in f if h and i]
x, y = a and b, lambda: (z := 1)
x += a == b
x |= any(c)
if a and b:
    print(*map(c, d))
"""


def test_each_packed_form_is_seen() -> None:
    assert Counter(found_in(PACKED)) == {
        "statement": 6,
        "a if b else c": 2,
        "a if b else c in another": 1,
        "comprehension": 2,
        "comprehension in another": 1,
        "and, or as a value": 1,
        "a, b = c, d": 1,
        "counted with a boolean": 2,
        ":=": 1,
        "*starred": 1,
        "lambda, map, filter": 2,
    }
