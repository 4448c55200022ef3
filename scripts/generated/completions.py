"""The completion scripts, from the options that the commands declare."""

from collections.abc import Iterator
from pathlib import Path

from generated.shells import bash, fish, zsh
from generated.shells.vocabulary import Program, read_program
from noxcli.app import app

RENDERERS = {
    "noxcli.bash": bash.render,
    "_noxcli": zsh.render,
    "noxcli.fish": fish.render,
}


def files(_root: Path) -> Iterator[tuple[str, str]]:
    """Yield each script."""
    for name, text in scripts(read_program(app)).items():
        yield f"completions/{name}", text


def scripts(program: Program) -> dict[str, str]:
    """Return the scripts for a program, by the name of their file."""
    return {name: render(program) for name, render in RENDERERS.items()}
