"""`noxcli completion`: the script with which a shell completes command lines, and where that shell looks for it."""

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import declared
from noxcli.errors import Undelivered
from noxcli.files import save
from noxcli.place import read_named

SCRIPTS = {"bash": "noxcli.bash", "zsh": "_noxcli", "fish": "noxcli.fish"}
SYSTEM_DATA = "/usr/local/share:/usr/share"  # XDG Base Directory Specification: XDG_DATA_DIRS if it is not set
LARGEST_READ = 1024 * 1024  # bytes of a script or an rc file


class Shell(StrEnum):
    """A shell that has a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@declared
class Options:
    """Print the completion script of a shell, or install it.

    Examples:
        noxcli completion fish --install
        noxcli completion bash > noxcli.bash
        # To load it in every shell, at the end of ~/.bashrc: . ~/noxcli.bash
    """

    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="The shell: bash, zsh or fish.")]
    install: Annotated[
        bool,
        typer.Option(
            "--install", help="Install the script in your own directory for the shell instead of printing it."
        ),
    ] = False


def execute(ctx: typer.Context, options: Options) -> None:
    """Print the script or write it. Raises Undelivered if it can't be written."""
    context: Context = ctx.obj
    shell = options.shell
    content = script(shell)
    if not options.install:
        context.terminal.write(content.decode())
        return
    target = script_target(shell, context.terminal.environ)
    current = _content(target) == content
    if not current:
        save(target, [content])
    context.terminal.write(f"{'up to date:' if current else 'wrote'} {target}\n")
    context.terminal.write(f"{_next_step(shell, target, context.terminal.environ.get('ZDOTDIR'))}\n")


def _next_step(shell: Shell, target: Path, zdotdir: str | None) -> str:
    """Return what the user must do so that the shell reads the script, if anything."""
    match shell:
        case Shell.BASH:
            line = f". {shlex.quote(str(target))}"
            return f"new shells load it with the bash-completion package; without that, add to ~/.bashrc: {line}"
        case Shell.ZSH:
            directory = shlex.quote(str(target.parent))
            if directory.encode() in _content(Path(zdotdir or Path.home()) / ".zshrc"):
                return "new shells load it"
            return f"add to ~/.zshrc: fpath=({directory} $fpath); autoload -Uz compinit; compinit"
        case Shell.FISH:
            return "new shells load it"


def _content(path: Path) -> bytes:
    with suppress(OSError):
        return read_named(path, LARGEST_READ)
    return b""


def script(shell: Shell) -> bytes:
    """Return the completion script of a shell: inside an installed package, or next to it in a checkout."""
    package = files("noxcli")
    inside = package / "completions" / SCRIPTS[shell]
    return (inside if inside.is_file() else Path(str(package)).parent / "completions" / SCRIPTS[shell]).read_bytes()


def script_target(shell: Shell, environ: Mapping[str, str]) -> Path:
    """Return where the shell looks for a user's own completions."""
    data = _directory(environ, "XDG_DATA_HOME", ".local/share")
    match shell:
        case Shell.BASH:  # bash-completion's README: the directory in its variable, or else this one
            own = environ.get("BASH_COMPLETION_USER_DIR")
            return (Path(own) if own else data / "bash-completion") / "completions" / "noxcli"
        case Shell.ZSH:  # zsh has no such directory; the line for .zshrc adds one
            return data / "zsh" / "site-functions" / SCRIPTS[shell]
        case Shell.FISH:  # fish's documentation, "Where to put completions"
            return _directory(environ, "XDG_CONFIG_HOME", ".config") / "fish" / "completions" / SCRIPTS[shell]


def user_shell(environ: Mapping[str, str]) -> Shell | None:
    """Return the user's login shell if there is a script for it."""
    with suppress(ValueError):
        return Shell(Path(environ.get("SHELL", "")).name)
    return None


def finds_script(shell: Shell, environ: Mapping[str, str]) -> bool:
    """True if a script is in one of the shell's usual directories."""
    for_all = {
        Shell.BASH: "bash-completion/completions/noxcli",
        Shell.ZSH: "zsh/site-functions/_noxcli",
        Shell.FISH: "fish/vendor_completions.d/noxcli.fish",
    }
    system = filter(None, (environ.get("XDG_DATA_DIRS") or SYSTEM_DATA).split(":"))
    places = [script_target(shell, environ), *(Path(directory, for_all[shell]) for directory in system)]
    return any(map(os.path.isfile, places))


def _directory(environ: Mapping[str, str], variable: str, at_home: str) -> Path:
    """Return the directory in a variable of the XDG Base Directory Specification, or else the one below the home."""
    named = environ.get(variable, "")
    try:
        return Path(named) if Path(named).is_absolute() else Path(environ.get("HOME") or Path.home(), at_home)
    except RuntimeError:
        raise Undelivered("there is no home directory", "set HOME") from None
