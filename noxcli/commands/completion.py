"""`noxcli completion`: the script that lets a shell complete noxcli's command lines."""

from enum import StrEnum
from typing import Annotated

import typer

from noxcli.cli.context import Context


class Shell(StrEnum):
    """A shell that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


SCRIPTS = {Shell.BASH: "noxcli.bash", Shell.ZSH: "_noxcli", Shell.FISH: "noxcli.fish", Shell.POWERSHELL: "noxcli.ps1"}


def completion(
    ctx: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="The shell: bash, zsh, fish or powershell.")],
) -> None:
    """Print the completion script of a shell.

    Examples:
        noxcli completion bash > noxcli.bash
        # For good, at the end of ~/.bashrc: . ~/noxcli.bash
        noxcli completion zsh
    """
    from importlib.resources import files

    context: Context = ctx.obj
    context.terminal.write((files("noxcli") / "completions" / SCRIPTS[shell]).read_text(encoding="utf-8"))
