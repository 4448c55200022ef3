"""zsh: an `_arguments` call per verb."""

import shlex
from collections.abc import Iterator

from generated.shells.template import fill
from generated.shells.values import Kind, Value
from generated.shells.vocabulary import Argument, Option, Program, Verb

ACTIONS = {
    Kind.FILE: "_files",
    Kind.DIRECTORY: "_files -/",
    Kind.AT_FILE: "_noxcli_at_file",
    Kind.INPUT: "_noxcli_input",
    Kind.WORKFLOW: "_noxcli_known workflow",
    Kind.RUN: "_noxcli_known run",
    Kind.PROFILE: "_noxcli_known profile",
    Kind.OUTPUT: "_noxcli_known output",
    Kind.OTHER: " ",  # just the message
}


def render(program: Program) -> str:
    """Return completions/_noxcli."""
    return fill(
        "_noxcli",
        verbs=[_quote(f"{_escape(verb.name, ':')}:{_escape(verb.help)}") for verb in program.verbs],
        root_options=[f"{_quote(spec)} \\" for spec in _options(program.root)],
        arguments=_cases(program),
    )


def _cases(program: Program) -> Iterator[str]:
    for verb in program.verbs:
        specs = [*_options(verb), *_positionals(verb)]
        yield f"{_quote(verb.name)})"
        yield "  _arguments -s -S \\"
        yield from (f"    {_quote(spec)} \\" for spec in specs[:-1])
        yield f"    {_quote(specs[-1])} && ret=0"
        yield "  ;;"


def _options(verb: Verb) -> Iterator[str]:
    for option in verb.options:
        for name in option.names:
            yield _option(option, name)


def _option(option: Option, name: str) -> str:
    # Without the list of its other names, -q would still be offered after --quiet.
    others = "*" if option.repeatable else f"({' '.join(option.names)})" if len(option.names) > 1 else ""
    spec = f"{others}{name}"
    if option.value is None:
        return f"{spec}[{_escape(option.help, '[]')}]"
    joint = "=" if name.startswith("--") else "+"
    message = name.strip("-") if option.value.words else option.value.label
    return f"{spec}{joint}[{_escape(option.help, '[]')}]:{_escape(message, ':')}:{_action(option.value)}"


def _positionals(verb: Verb) -> Iterator[str]:
    for argument in verb.arguments:
        if argument.value.kind is Kind.COMMAND:
            yield "(-):command: _command_names -e"
            yield "*::arguments: _noxcli_inner"
        else:
            yield _positional(argument)


def _positional(argument: Argument) -> str:
    place = "*:" if argument.repeated else ":" if argument.required else "::"
    message = f"{argument.name}: {argument.help}" if argument.help else argument.name
    action = _action(argument.value)
    return f"{place}{_escape(message, ':')}:{'_noxcli_known other' if action == ' ' else action}"


def _action(value: Value) -> str:
    if not value.words:
        return ACTIONS[value.kind]
    words = _escape(" ".join(map(shlex.quote, value.words)), ":")
    return f"({words})" if value.kind is Kind.OTHER else f"{{compadd -- {words}; {ACTIONS[value.kind]}}}"


def _quote(text: str) -> str:
    """Return the text as one word, always quoted."""
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"


def _escape(text: str, special: str = "") -> str:
    for character in f"\\{special}":
        text = text.replace(character, f"\\{character}")
    return text
