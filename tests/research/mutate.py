"""Change the engine in small ways, one at a time, and print each change that its fast tests do not notice.

`python -m tests.research.mutate [--limit N] [--seconds S] [--only MODULE ...]` works in copies of the project. A person
judges whether a survivor changes anything that a test could or should check.
"""

import argparse
import ast
import copy
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENGINE = ["tests/runs/test_follow.py", "tests/runs/test_verdict.py"]
# The fast tests for each module.
TESTS = {
    "runs.follow": ENGINE,
    "runs.record": ENGINE,
    "runs.ledger": ["tests/runs/test_ledger.py", "tests/runs/test_every_event.py", "tests/runs/test_follow.py"],
    "runs.start": ["tests/faults/test_start.py", "tests/faults/test_sent_once.py"],
    "runs.candidates": ["tests/faults/test_start.py", "tests/faults/test_gateway.py"],
    "outputs.expand": [
        f"tests/outputs/test_{name}.py" for name in ("expand", "await_output", "downloads", "exact_bytes")
    ],
    "retry": ["tests/test_timing.py", "tests/faults/test_patience.py"],
}
JOBS = 2
SLOWEST = 60  # seconds for one mutant; one that takes longer hangs, and counts as noticed
PAIRS = ((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn))
FLIPS: dict[type[ast.AST], Any] = {before: after for pair in PAIRS for before, after in (pair, pair[::-1])}
SWAPS: dict[type[ast.AST], Any] = {ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add}


@dataclass(frozen=True)
class Mutant:
    """One change; `source` is the whole changed module."""

    module: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"noxcli/{self.module.replace('.', '/')}.py:{self.line}: {self.before}  ->  {self.after}"


def path_of(root: Path, module: str) -> Path:
    """Return a module's path."""
    return root / "noxcli" / Path(*module.split(".")).with_suffix(".py")


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    text = path_of(ROOT, module).read_text()
    tree = ast.parse(text)
    # A node is found again in a copy of the tree by its place in the walk.
    for place, node in enumerate(ast.walk(tree)):
        for number, _ in enumerate(changes(node)):
            changed = copy.deepcopy(tree)
            target = next(one for at, one in enumerate(ast.walk(changed)) if at == place)
            replacement = list(changes(target))[number]
            replace(changed, target, replacement)
            line = getattr(node, "lineno", 0)
            source = ast.unparse(ast.fix_missing_locations(changed))
            yield Mutant(module, line, told(node), told(replacement), source)


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the possible replacements of a node."""
    match node:
        case ast.Compare(left, [op], rest) if type(op) in FLIPS:
            yield ast.Compare(left, [FLIPS[type(op)]()], rest)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(SWAPS[type(op)](), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, op, right) if type(op) in SWAPS:
            yield ast.BinOp(left, SWAPS[type(op)](), right)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.If(ast.Name() | ast.Attribute() | ast.Call() as test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Return(value) if value is not None and not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(ast.Constant()):
            return  # a docstring, or the body of a protocol's method
        case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
            yield ast.Pass()


def replace(tree: ast.AST, target: ast.AST, replacement: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, replacement)
                return
            if isinstance(value, list):
                for place, item in enumerate(value):
                    if item is target:
                        value[place] = replacement
                        return


def told(node: ast.AST) -> str:
    """Return one line of code."""
    return ast.unparse(node).splitlines()[0][:90]


def survives(mutant: Mutant, copies: list[Path]) -> bool:
    """Run the tests against the mutant."""
    directory = copies.pop()
    target = path_of(directory, mutant.module)
    original = target.read_text()
    target.write_text(mutant.source)
    try:
        return passes(mutant.module, directory)
    finally:
        target.write_text(original)
        copies.append(directory)


def passes(module: str, directory: Path) -> bool:
    """Run the tests of a module there."""
    options = ["-x", "-q", "-n0", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-W", "ignore", *TESTS[module]]
    command = [sys.executable, "-B", "-m", "pytest", *options]
    try:
        return not subprocess.run(command, cwd=directory, capture_output=True, timeout=SLOWEST, check=False).returncode
    except subprocess.TimeoutExpired:
        return False


def copied(parent: Path, number: int) -> Path:
    """Copy what the tests need."""
    directory = parent / str(number)
    for name in ("noxcli", "tests"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, directory / name)
    return directory


def main() -> int:
    """Print each survivor, and the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--limit", type=int, help="try this many mutants, chosen at random")
    parser.add_argument("--seconds", type=float, default=900, help="start none after this long")
    parser.add_argument("--only", nargs="+", choices=TESTS, default=list(TESTS), help="modules")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    mutants = [mutant for module in options.only for mutant in mutants_of(module)]
    random.Random(options.seed).shuffle(mutants)
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as parent, ThreadPoolExecutor(JOBS) as pool:
        copies = [copied(Path(parent), number) for number in range(JOBS)]
        for module in options.only:
            if not passes(module, copies[0]):
                print(f"the tests of {module} fail, or take more than {SLOWEST} s, without any change")
                return 2

        def tried(mutant: Mutant) -> bool | None:
            if time.monotonic() > end:
                return None
            lives = survives(mutant, copies)
            if lives:
                print(f"SURVIVED: {mutant}", flush=True)
            return lives

        results = list(pool.map(tried, mutants[: options.limit]))
    done, left = len(results) - results.count(None), results.count(True)
    print(f"{len(mutants)} mutants, {done} tried, {done - left} killed, {left} survived")
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
