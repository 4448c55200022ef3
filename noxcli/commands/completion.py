"""`noxcli completion`: the script with which a shell completes command lines."""

from importlib.resources import files
from pathlib import Path
from typing import Literal

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import argument, declared
from noxcli.cli.verbs import Codes, VerbFacts

SCRIPTS = {"bash": "noxcli.bash", "zsh": "_noxcli", "fish": "noxcli.fish"}


@declared
class Options(VerbFacts):
    """Print the completion script of a shell.

    The page Tab completion of the documentation says where each shell looks for it.

    Examples:
        noxcli completion fish
        noxcli completion bash > noxcli.bash
        # To load it in every shell, at the end of ~/.bashrc: . ~/noxcli.bash
    """

    codes = Codes.PRINTED_ONLY

    shell: Literal["bash", "zsh", "fish"] = argument("SHELL", "The shell: bash, zsh or fish.")


def execute(ctx: typer.Context, options: Options) -> None:
    """Print the script: inside an installed package, or next to it in a checkout."""
    context: Context = ctx.obj
    package = files("noxcli")
    name = SCRIPTS[options.shell]
    inside = package / "completions" / name
    script = inside if inside.is_file() else Path(str(package)).parent / "completions" / name
    context.terminal.write(script.read_bytes())
