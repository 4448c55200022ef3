"""PowerShell: a table of hashtables, and one native completer that reads it."""

from collections.abc import Iterable, Iterator

from generated.shells.template import fill, server_names
from generated.shells.values import Value
from generated.shells.vocabulary import Option, Program


def render(program: Program) -> str:
    """Return completions/noxcli.ps1."""
    server = [f"{name}," for name in server_names("$Given['{}']", "$env:{}")]
    return fill("noxcli.ps1", server=server, verbs=_verbs(program))


def _verbs(program: Program) -> Iterator[str]:
    for verb in program.everything:
        yield f"{_quote(verb.name)} = @{{"
        yield f"    Help = {_quote(verb.help)}"
        yield "    Arguments = @("
        for argument in verb.arguments:
            yield f"        @{{ {_value(argument.value)}; Repeated = {_truth(argument.repeated)} }}"
        yield "    )"
        yield "    Options = @("
        yield from (f"        {_option(option)}" for option in verb.options)
        yield "    )"
        yield "}"


def _option(option: Option) -> str:
    parts = [f"Names = {_list(option.names)}", f"Help = {_quote(option.help)}"]
    if option.value is not None:
        parts.append(_value(option.value))
    return f"@{{ {'; '.join(parts)} }}"


def _value(value: Value) -> str:
    return f"Kind = {_quote(value.kind)}; Words = {_list(value.words)}"


def _list(words: Iterable[str]) -> str:
    return f"@({', '.join(map(_quote, words))})"


def _truth(claim: bool) -> str:
    return "$true" if claim else "$false"


def _quote(text: str) -> str:
    # PowerShell also accepts typographic quotes as quotes.
    for mark in "'\u2018\u2019\u201a\u201b":
        text = text.replace(mark, mark * 2)
    return f"'{text}'"
