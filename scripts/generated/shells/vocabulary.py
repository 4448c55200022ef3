"""What can be completed, read from the Typer app: verbs, their options and arguments, and the values of each."""

from dataclasses import dataclass

import typer
from typer.core import TyperGroup, TyperOption

from generated.shells.values import Value, value_of


@dataclass(frozen=True, slots=True)
class Option:
    """An option with all its names; without a value it is a flag."""

    names: tuple[str, ...]
    help: str
    value: Value | None
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument; a repeated one stands for all following words."""

    name: str
    help: str
    value: Value
    repeated: bool
    required: bool


@dataclass(frozen=True, slots=True)
class Verb:
    """A subcommand; the empty name is the program itself."""

    name: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """The whole command line."""

    root: Verb
    verbs: tuple[Verb, ...]

    @property
    def everything(self) -> tuple[Verb, ...]:
        """Return the program itself, and the verbs."""
        return (self.root, *self.verbs)


def read_program(app: typer.Typer) -> Program:
    """Walk the app. Fails on anything that the scripts would silently get wrong."""
    command = typer.main.get_command(app)
    if not isinstance(command, TyperGroup):
        raise TypeError("a program without verbs has nothing to complete")
    context = typer.Context(command, info_name=command.name, **command.context_settings)
    root = _verb("", context)
    verbs = []
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is None:
            raise TypeError(f"{name} is listed, but is not a verb")
        if isinstance(found, TyperGroup):
            raise TypeError(f"{name} has verbs of its own, which the scripts have no place for")
        if not found.hidden:
            verbs.append(_verb(name, typer.Context(found, info_name=name, parent=context, **found.context_settings)))
    return Program(root, tuple(verbs))


def _verb(name: str, context: typer.Context) -> Verb:
    options: list[Option] = []
    arguments: list[Argument] = []
    # Unlike `params`, this includes --help.
    for param in context.command.get_params(context):
        if getattr(param, "hidden", False):
            continue
        help_text = _one_line(getattr(param, "help", None))
        metavar = param.metavar or param.type.name.upper()
        value = value_of(metavar, getattr(param.type, "choices", ()))
        if param.param_type_name == "argument":
            arguments.append(Argument(value.label, help_text, value, param.nargs != 1, param.required))
            continue
        flag = not isinstance(param, TyperOption) or param.is_flag or param.count
        if not flag and param.nargs != 1:
            raise TypeError(f"{name} {param.opts[0]} takes {param.nargs} values, the scripts know of one")
        # Long names first; sorted, because those of --help come from a set.
        names = sorted((*param.opts, *param.secondary_opts), key=lambda name: (not name.startswith("--"), name))
        options.append(Option(tuple(names), help_text, None if flag else value, bool(param.multiple)))
    summary = context.command.short_help or context.command.help
    return Verb(name, _one_line(summary), tuple(options), tuple(arguments))


def _one_line(text: str | None) -> str:
    paragraph = (text or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split()).removesuffix(".")
