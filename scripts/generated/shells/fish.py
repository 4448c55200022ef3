"""fish: one `complete` call per option, with the condition that names its verb."""

from collections.abc import Iterator

from generated.shells.template import fill
from generated.shells.values import Kind, Value
from generated.shells.vocabulary import Option, Program, Verb

SOURCES = {
    Kind.AT_FILE: "(__noxcli_at_files)",
    Kind.INPUT: "(__noxcli_inputs)",
    Kind.COMMAND: "(__noxcli_inner)",
    Kind.WORKFLOW: "(__noxcli_known workflow)",
    Kind.RUN: "(__noxcli_known run)",
    Kind.PROFILE: "(__noxcli_known profile)",
    Kind.OUTPUT: "(__noxcli_known output)",
    Kind.DIRECTORY: "(__fish_complete_directories)",
}


def render(program: Program) -> str:
    """Return completions/noxcli.fish."""
    return fill("noxcli.fish", valued=_valued(program), completions=_completions(program))


def _valued(program: Program) -> Iterator[str]:
    for verb in program.everything:
        names = [name for option in verb.options if option.value is not None for name in option.names]
        if names:
            yield f"case {' '.join(_quote(f'{verb.name}:{name}') for name in names)}"
            yield "    return 0"


def _completions(program: Program) -> Iterator[str]:
    for verb in program.verbs:
        yield f"complete -c noxcli -n '__noxcli_at 0' -a {_quote(_quote(verb.name))} -d {_quote(verb.help)}"
    yield from _options(program)
    for verb in program.verbs:
        yield from _positionals(verb)


def _options(program: Program) -> Iterator[str]:
    sharing: dict[Option, list[str]] = {}
    for verb in program.everything:
        for option in verb.options:
            sharing.setdefault(option, []).append(verb.name)
    for option, names in sharing.items():
        yield _option(f"__noxcli_in {' '.join(map(_quote, names))}", option)


def _option(condition: str, option: Option) -> str:
    parts = [f"complete -c noxcli -n {_quote(condition)}"]
    for name in option.names:
        flag = "-l" if name.startswith("--") else "-s" if len(name) == 2 else "-o"
        parts.append(f"{flag} {_quote(name.lstrip('-'))}")
    if option.value is not None:
        parts.append("-r -F" if option.value.kind is Kind.FILE else "-x")
        parts += _sources(option.value)
    parts.append(f"-d {_quote(option.help)}")
    return " ".join(parts)


def _positionals(verb: Verb) -> Iterator[str]:
    for number, argument in enumerate(verb.arguments, 1):
        sources = _sources(argument.value)
        if argument.value.kind is Kind.FILE:
            sources.append("-F")
        if sources:
            place = f"__noxcli_at {number}{'+' if argument.repeated else ''} {_quote(verb.name)}"
            yield f"complete -c noxcli -n {_quote(place)} {' '.join(sources)}"


def _sources(value: Value) -> list[str]:
    """Return the -a option, whose words fish expands only on demand."""
    found = [_quote(word) for word in value.words]
    if value.kind in SOURCES:
        found.append(SOURCES[value.kind])
    order = ["-k"] if value.kind is Kind.RUN else []  # the newest first
    return [*order, f"-a {_quote(' '.join(found))}"] if found else []


def _quote(text: str) -> str:
    """Quote the text unless it is clearly a plain word, so that the script stays readable."""
    if text and text.replace("-", "").replace("_", "").isalnum():
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
