"""bash: three tables in `case` statements, since the bash of macOS has no associative arrays."""

from collections.abc import Iterable, Iterator
from shlex import quote

from generated.shells.template import fill
from generated.shells.values import Value
from generated.shells.vocabulary import Program


def render(program: Program) -> str:
    """Return completions/noxcli.bash."""
    return fill(
        "noxcli.bash",
        verbs=[f"offered=({_words(verb.name for verb in program.verbs)})"],
        options=_options(program),
        values=_values(program),
        arguments=_arguments(program),
    )


def _options(program: Program) -> Iterator[str]:
    for verb in program.everything:
        names = (name for option in verb.options for name in option.names)
        yield f"{quote(verb.name)}) offered=({_words(names)}) ;;"


def _values(program: Program) -> Iterator[str]:
    places: dict[str, list[str]] = {}
    for verb in program.everything:
        for option in verb.options:
            if option.value is not None:
                places.setdefault(_sets(option.value), []).extend(f"{verb.name}:{name}" for name in option.names)
    for sets, patterns in places.items():
        yield f"{' | '.join(map(quote, patterns))})"
        yield f"    {sets} ;;"


def _arguments(program: Program) -> Iterator[str]:
    for verb in program.verbs:
        for number, argument in enumerate(verb.arguments, 1):
            place = "*" if argument.repeated else number
            yield f"{quote(verb.name)}:{place}) {_sets(argument.value)} ;;"


def _sets(value: Value) -> str:
    return f"kind={value.kind} offered=({_words(value.words)})"


def _words(words: Iterable[str]) -> str:
    return " ".join(map(quote, words))
