"""What Tab offers, from the options that the commands declare: `noxcli/cli/complete.tsv`.

Each line is VERBS, NAMES, VALUES, HELP with a TAB between them. Names are those of an option, or the number of
an argument, with a `*` for it and all that follow; values are fixed words and kinds in <>, none for a flag, and
`<other>` for free text. A verb's own line has no VERBS; the program's options have `-`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperGroup, TyperOption

from noxcli.app import app
from noxcli.cli.verbs import VERBS
from noxcli.commands.help import TOPICS
from noxcli.models import KNOWN_STATUSES, PAUSED_WORD
from noxcli.schemas import schema_names

KINDS = {
    "FILE": "<file>",
    "PATH": "<file>",
    "DIR": "<directory>",
    "DIRECTORY": "<directory>",
    "@FILE": "<@file>",
    "INPUT": "<input>",
    "COMMAND": "<file>",
    "WORKFLOW": "<workflow>",
    "RUN": "<run>",
    "PROFILE": "<profile>",
    "KEY": "<output>",
}
WORDS = {
    "STATUS": sorted({*KNOWN_STATUSES, PAUSED_WORD}),
    "TOPIC": [*VERBS, *TOPICS],
    "SCHEMA": list(schema_names()),
}


def files(_root: Path) -> Iterator[tuple[str, str]]:
    """Yield the table."""
    yield "noxcli/cli/complete.tsv", table(app)


def table(program: typer.Typer) -> str:
    """Walk the app. Raises TypeError for anything that Tab would silently get wrong."""
    command = typer.main.get_command(program)
    if not isinstance(command, TyperGroup):
        raise TypeError("a program without verbs has nothing to complete")
    context = typer.Context(command, info_name=command.name, **command.context_settings)
    lines = [
        f"\t{name}\t\t{_one_line(verb.short_help or verb.help)}"
        for name, verb in _verbs(command, context)
    ]
    sharing: dict[str, list[str]] = {}
    contexts = {
        name: typer.Context(verb, parent=context, info_name=name)
        for name, verb in _verbs(command, context)
    }
    for name, each in {"-": context, **contexts}.items():
        for line in _parameters(name, each):
            sharing.setdefault(line, []).append(name)
    return "".join(
        f"{line}\n"
        for line in [*lines, *(f"{' '.join(names)}\t{line}" for line, names in sharing.items())]
    )


def _verbs(
    command: TyperGroup, context: typer.Context
) -> "Iterator[tuple[str, typer.core.TyperCommand]]":
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if isinstance(found, TyperGroup):
            raise TypeError(f"{name} has verbs of its own, which the table has no place for")
        if isinstance(found, typer.core.TyperCommand) and not found.hidden:
            yield name, found


def _parameters(verb: str, context: typer.Context) -> Iterator[str]:
    """Yield a verb's parameters; unlike `params`, `get_params` includes --help."""
    number = 0
    for param in context.command.get_params(context):
        if getattr(param, "hidden", False):
            continue
        values = values_of(
            param.metavar or param.type.name.upper(), getattr(param.type, "choices", ())
        )
        names = sorted(
            (*param.opts, *param.secondary_opts), key=lambda name: (not name.startswith("--"), name)
        )
        if param.param_type_name == "argument":
            number += 1
            names = [str(number) if param.nargs == 1 else "*"]
        elif not isinstance(param, TyperOption) or param.is_flag or param.count:
            values = []
        elif param.nargs != 1:
            raise TypeError(f"{verb} {names[0]} takes {param.nargs} values; Tab knows of one")
        yield f"{' '.join(names)}\t{' '.join(values)}\t{_one_line(getattr(param, 'help', None))}"


def values_of(metavar: str, choices: "Iterator[str] | tuple[str, ...]" = ()) -> list[str]:
    """Read `DIR`, `[INPUT]...`, `auto|always|never` or `JSON|@FILE|-`: lowercase words stand for themselves."""
    label = re.sub(r"^-- |[\[\]]|\.\.\.|…", "", metavar.strip("[]"))
    alternatives = label.split("|")
    words = (
        [*choices]
        or WORDS.get(label)
        or [*filter(re.compile(r"[a-z][a-z0-9-]*").fullmatch, alternatives)]
    )
    kinds = [KINDS[word] for word in alternatives if word in KINDS][:1]
    return [*words, *kinds] or ["<other>"]


def _one_line(text: str | None) -> str:
    paragraph = (text or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split()).removesuffix(".")
