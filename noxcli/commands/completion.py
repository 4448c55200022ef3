"""`noxcli completion`: the script with which a shell completes command lines, and where that shell looks for it."""

import shlex
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import declared
from noxcli.errors import Undelivered
from noxcli.files import reason_of
from noxcli.fixed import fixed
from noxcli.place import Place, read_named

SCRIPTS = {"bash": "noxcli.bash", "zsh": "_noxcli", "fish": "noxcli.fish"}
LARGEST_SHIPPED = 1024 * 1024  # bytes
SYSTEM_DATA = "/usr/local/share:/usr/share"  # XDG Base Directory Specification: XDG_DATA_DIRS if it is not set
LARGEST_RC_FILE = 1024 * 1024  # bytes


class Shell(StrEnum):
    """A shell that has a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@fixed
class Target:
    """A file for a user: below `base`, which may lead through the user's own links, no link is followed."""

    base: Path
    steps: tuple[str, ...]
    name: str

    @property
    def directory(self) -> Path:
        return self.base.joinpath(*self.steps)

    @property
    def path(self) -> Path:
        return self.directory / self.name

    def put(self, content: bytes) -> bool:
        """Write the file; False means that it already had this content.

        Raises Undelivered with the reason, also for a link or anything else but a regular file.
        """
        try:
            with ExitStack() as opened:
                place = opened.enter_context(Place.named(self.base, make=True))
                for step in self.steps:
                    place = opened.enter_context(place.below(step, make=True))
                with suppress(FileNotFoundError):
                    if place.read(self.name, LARGEST_SHIPPED) == content:
                        return False
                with place.replacing(self.name, 0o644, durable=False) as file:
                    file.write(content)
        except OSError as error:
            raise Undelivered(f"can't write {self.path}: {reason_of(error)}", "run it without --install") from None
        return True


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


def _mentions(path: Path, text: str) -> bool:
    with suppress(OSError):
        return text.encode() in read_named(path, LARGEST_RC_FILE)
    return False


def script(shell: Shell) -> bytes:
    """Return the completion script of a shell: inside an installed package, or next to it in a checkout."""
    package = files("noxcli")
    inside = package / "completions" / SCRIPTS[shell]
    return (inside if inside.is_file() else Path(str(package)).parent / "completions" / SCRIPTS[shell]).read_bytes()


def script_target(shell: Shell, environ: Mapping[str, str]) -> Target:
    """Return where the shell looks for a user's own completions."""
    match shell:
        case Shell.BASH:  # bash-completion's README: the directory in its variable, or else this one
            own = environ.get("BASH_COMPLETION_USER_DIR")
            base = Path(own) if own else _data(environ)
            return Target(base, ("completions",) if own else ("bash-completion", "completions"), "noxcli")
        case Shell.ZSH:  # zsh has no such directory; the line for .zshrc adds one
            return Target(_data(environ), ("zsh", "site-functions"), SCRIPTS[shell])
        case Shell.FISH:  # fish's documentation, "Where to put completions"
            return Target(_directory(environ, "XDG_CONFIG_HOME", ".config"), ("fish", "completions"), SCRIPTS[shell])


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
    places = [script_target(shell, environ).path, *(Path(directory, for_all[shell]) for directory in system)]
    return any(_is_there(place) for place in places)


def _data(environ: Mapping[str, str]) -> Path:
    return _directory(environ, "XDG_DATA_HOME", ".local/share")


def _directory(environ: Mapping[str, str], variable: str, at_home: str) -> Path:
    named = environ.get(variable, "")
    return Path(named) if Path(named).is_absolute() else _home(environ) / at_home


def _home(environ: Mapping[str, str]) -> Path:
    try:
        return Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:
        raise Undelivered("there is no home directory", "set HOME") from None


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
