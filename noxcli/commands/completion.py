"""`noxcli completion`: the script with which a shell completes noxcli's command lines."""

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from noxcli.cli.context import Context
from noxcli.cli.shipped import Shell, Target, script, script_target
from noxcli.place import read_named

LARGEST_RC_FILE = 1024 * 1024  # bytes
ShellArgument = Annotated[Shell, typer.Argument(metavar="SHELL", help="The shell: bash, zsh, fish or powershell.")]
InstallScript = Annotated[
    bool,
    typer.Option("--install", help="Install the script in your own directory for the shell instead of printing it."),
]


def completion(ctx: typer.Context, shell: ShellArgument, install: InstallScript = False) -> None:
    """Print the completion script of a shell, or install it.

    Examples:
        noxcli completion fish --install
        noxcli completion bash > noxcli.bash
        # To load it in every shell, at the end of ~/.bashrc: . ~/noxcli.bash
    """
    context: Context = ctx.obj
    content = script(shell)
    if not install:
        context.terminal.write(content.decode())
        return
    target = script_target(shell, context.terminal.environ)
    context.terminal.write(f"{'wrote' if target.put(content) else 'up to date:'} {target.path}\n")
    context.terminal.write(f"{_next_step(shell, target, context.terminal.environ.get('ZDOTDIR'))}\n")


def _next_step(shell: Shell, target: Target, zdotdir: str | None) -> str:
    """Return what the user must do so that the shell reads the script, if anything."""
    match shell:
        case Shell.BASH:
            line = f". {shlex.quote(str(target.path))}"
            return f"new shells load it with the bash-completion package; without that, add to ~/.bashrc: {line}"
        case Shell.ZSH:
            directory = shlex.quote(str(target.directory))
            if _mentions(Path(zdotdir or Path.home()) / ".zshrc", directory):
                return "new shells load it"
            return f"add to ~/.zshrc: fpath=({directory} $fpath); autoload -Uz compinit; compinit"
        case Shell.FISH:
            return "new shells load it"
        case Shell.POWERSHELL:
            quoted = str(target.path).replace("'", "''")
            return f"add to the file that $PROFILE names: . '{quoted}'"


def _mentions(path: Path, text: str) -> bool:
    with suppress(OSError):
        return text.encode() in read_named(path, LARGEST_RC_FILE)
    return False
