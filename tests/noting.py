"""noxcli, with a note of which place of its code made each line to paste."""

import ast
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import noxcli
from noxcli.errors import CommandLine, Hint

PACKAGE = Path(noxcli.__file__).parent
ROOT = PACKAGE.parent
ERRORS = PACKAGE / "errors.py"  # where lines are copied
# A process of its own, and the variable that names the file of its notes.
PROGRAM = (sys.executable, "-m", "tests.noting")
NOTES = "NOTES_OF_LINES"


class Site(NamedTuple):
    """A place of the code that makes a line to paste."""

    name: str  # its module and function, and the verb
    path: str
    first_line: int
    last_line: int
    source: str


class Made(NamedTuple):
    """A line to paste, and where it was made."""

    site: str
    verb: str
    words: str


@cache
def sites() -> tuple[Site, ...]:
    """All places of the code; the second one in a function with the same verb has a 2."""
    found: list[Site] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path != ERRORS:
            found += _sites_in(path)
    return tuple(found)


def _sites_in(path: Path) -> Iterator[Site]:
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    seen: dict[str, int] = {}
    for function, call in _calls(ast.parse(path.read_text()), module):
        verb = call.args[0]
        shown = ast.unparse(verb).strip("'")
        name = f"{function} {shown}"
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name += f" {seen[name]}"
        last = call.end_lineno or call.lineno
        yield Site(name, str(path), call.lineno, last, ast.unparse(call))


def _calls(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        inside = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inside = f"{function}.{child.name}"
        if isinstance(child, ast.Call) and ast.unparse(child.func) == "CommandLine":
            yield inside, child
        yield from _calls(child, inside)


def texts() -> Iterator[str]:
    """Yield the texts of the code, without those that document it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parts[-2] != "sandbox":
            yield from _texts(ast.parse(path.read_text()))


def _texts(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        yield from _texts(child)


@contextmanager
def noting(note: Callable[[Made], None]) -> Iterator[None]:
    """Pass on each line that is made meanwhile."""
    make = CommandLine.__init__

    def make_and_note(line: CommandLine, verb: str, *words: str, typed: bool = False) -> None:
        make(line, verb, *words, typed=typed)
        frame = sys._getframe(1)
        site = _site_at(frame.f_code.co_filename, frame.f_lineno)
        if site is not None:
            note(Made(site, line.verb, shlex.join(line.words)))

    CommandLine.__init__ = make_and_note  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        CommandLine.__init__ = make  # type: ignore[method-assign]


def _site_at(path: str, number: int) -> str | None:
    for site in sites():
        if site.path == path and site.first_line <= number <= site.last_line:
            return site.name
    return None


def made_at_import() -> Iterator[Made]:
    """Yield the lines of hints that are constants of their module."""
    for site in sites():
        module = site.name.split(" ")[0]
        if (PACKAGE / module.replace(".", "/")).with_suffix(".py") != Path(site.path):
            continue  # a function makes it
        for value in vars(import_module(f"noxcli.{module}")).values():
            parts = value.parts if isinstance(value, Hint) else []
            for part in parts:
                if isinstance(part, CommandLine):
                    yield Made(site.name, part.verb, shlex.join(part.words))


def noted(path: Path) -> tuple[Made, ...]:
    """Return what a process of its own has noted in a file."""
    return tuple(Made(*json.loads(line)) for line in path.read_text().splitlines())


def main() -> None:
    """Run noxcli, and note its lines."""
    from noxcli.__main__ import main as run

    with Path(os.environ[NOTES]).open("a", buffering=1) as file:

        def note(made: Made) -> None:
            print(json.dumps(made), file=file)

        with noting(note):
            run()


if __name__ == "__main__":
    main()
