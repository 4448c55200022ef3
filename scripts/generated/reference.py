"""docs/reference/ and the generated parts of other pages, from the app, the exit codes and the sandbox."""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from generated.cells import code, escaped, table
from generated.performance import FIGURES, goals_table, plot
from generated.schema_fields import documents_page
from noxcli.app import app
from noxcli.cli.verbs import VERBS
from noxcli.config.config_files import DEFAULTS
from noxcli.config.settings import LIMITS
from noxcli.errors import ENGINES_FAIL, ENGINES_RETRY, ExitCode
from noxcli.sandbox import faults, switches
from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.scenario_file import FAULTS

REFERENCE = "docs/reference"
GENERATED = "<!-- Written by scripts/regenerate.py; changes are lost. -->\n\n"


FIRST_CODES = {"0", "1", "2", "7", "75", "124"}  # that a script meets first
LIMITS_MEAN = {
    "idle_timeout": "Poll a run's status after this long without events.",
    "connect_timeout": "Limit each connection attempt to this long.",
    "answer_timeout": "Wait this long for the answer to a start, then exit with 7.",
}


def verbs() -> Iterator[tuple[str, Any, typer.Context]]:
    """Yield each verb by name, with the context for its help."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="noxcli", **group.context_settings)
    for name in VERBS:
        verb = group.get_command(context, name)
        yield (
            name,
            verb,
            typer.Context(verb, info_name=name, parent=context, **verb.context_settings),
        )


def verbs_table() -> str:
    """Return the verbs and what each does."""
    rows = []
    for name, verb, context in verbs():
        words = [piece for piece in verb.collect_usage_pieces(context) if piece != "[OPTIONS]"]
        rows.append([code(" ".join(["noxcli", name, *words])), escaped(VERBS[name][1])])
    return table(["command", "what it does"], rows)


def commands_page() -> str:
    """Return the page of all commands and options."""
    parts = [
        "# Commands\n\nEvery command, with every option. `noxcli COMMAND --help` prints the same.\n\n",
        verbs_table(),
    ]
    for name, verb, context in verbs():
        usage = " ".join(["noxcli", name, *verb.collect_usage_pieces(context)])
        parts.append(f"\n## noxcli {name}\n\n```console\n{usage}\n```\n\n")
        parts += [f"{escaped(paragraph)}\n\n" for paragraph in verb.help.split("\n\n")]
        rows = [
            [code(names), escaped(text)]
            for _, records in verb.sections(context)
            for names, text in records
        ]
        parts.append(table(["option", "meaning"], rows))
        if verb.examples:
            parts.append("\nExamples:\n\n```console\n" + "\n".join(verb.examples) + "\n```\n")
    return "".join(parts)


def first_codes_table() -> str:
    """Return the exit codes that a script meets first, for README."""
    return table(
        ["code", "meaning", "retry?"], [row for row in code_rows() if row[0] in FIRST_CODES]
    )


def code_rows() -> list[list[str]]:
    """Return each exit code with its meaning and what to do."""
    return [[str(int(each)), each.meaning, each.again] for each in sorted(ExitCode)]


def engines_table() -> str:
    """Return the codes, grouped by how an engine should treat them."""
    rest = [
        code
        for code in sorted(map(int, ExitCode))
        if code not in (0, *ENGINES_RETRY, *ENGINES_FAIL)
    ]
    rows = [
        ("0", "done"),
        (
            numbers(ENGINES_RETRY),
            "retry the same line, with `--resume`: it continues, and starts nothing twice",
        ),
        (
            numbers(ENGINES_FAIL),
            "fail immediately: a retry fails again until the key, the input or the name is fixed",
        ),
        (
            numbers(rest),
            "stop and report; `--again failed` and `--again stopped` start rows again; after 7, look first, then use "
            "`--again doubtful`",
        ),
    ]
    return table(["code of `noxcli batch`", "what an engine should do"], rows)


def numbers(codes: Iterable[int]) -> str:
    """Return numbers as a list for readers."""
    return ", ".join(map(str, codes))


def codes_page() -> str:
    """Return the page of exit codes."""
    return f"""# Exit codes

`noxcli help exit-codes` prints this table.

{table(["code", "meaning", "retry?"], code_rows())}
## For an engine

An engine, such as Slurm or Airflow, that repeats a batch after a failure should follow this table:

{engines_table()}
137 is not a code of noxcli: it means that something killed it (`kill -9`), for example because memory ran out.

[Split a batch over machines](../engines.md) shows how to configure each engine.

## Several runs

When a command waits for several runs or rows, the first of these codes that occurred is the one it exits with:
{numbers(tuple(ExitCode))}.
"""


def settings_table() -> str:
    """Return the options that can have a default, each with its variable and its key."""
    helps: dict[str, str] = {}
    for _, verb, context in verbs():
        for _, records in verb.sections(context):
            helps = {
                re.split(r"[ ,]", names)[0]: text for names, text in records
            } | helps  # as `run` says it
    rows = []
    for key in DEFAULTS:
        flag = f"--{key.replace('_', '-')}"
        if key in LIMITS:
            option, meaning = "-", f"{LIMITS_MEAN[key]} [default: {LIMITS[key]:g}s]"
        else:
            option, meaning = code(flag), re.sub(r"\s*\[default: [^]]*\]", "", helps[flag])
        rows.append([code(key), code(f"NOXCLI_{key.upper()}"), option, escaped(meaning)])
    return table(["key", "variable", "option", "meaning"], rows)


def workflows_page() -> str:
    """Return the page of the workflows that every sandbox has."""
    rows = ([code(each.name), escaped(each.description)] for each in BUILT_IN)
    return (
        "# Workflows of the sandbox\n\n"
        "The [sandbox](../rehearsing.md) has a workflow for each situation that a pipeline must survive.\n\n"
        f"{table(['workflow', 'what it does'], rows)}"
    )


def figures_page() -> str:
    """Return the page of measured figures."""
    return (
        "# Measured figures\n\n"
        "[Performance](../performance.md) says how they are measured. A figure without a unit is a ratio.\n\n"
        f"{goals_table(json.loads(FIGURES.read_text(encoding='utf-8')))}\n"
        "![Each ratio, as long as it is to its goal](figures.svg)\n"
    )


def values_of(hint: Any) -> str:
    """Return a cell with the values that a type allows."""
    if get_origin(hint) is Literal:
        return ", ".join(code(str(choice)) for choice in get_args(hint))
    names = {bool: "`true`, `false`", int: "integer", float: "number", str: "text"}
    return names.get(hint, "table" if get_origin(hint) is Mapping else "any JSON")


def written(default: Any) -> str:
    """Return a cell with a default as a user would type it."""
    if default is MISSING:
        return "required"
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return code(text) if default not in (None, "", {}) else "-"


def default_of(each: Field[Any]) -> Any:
    """Return a field's default, including one that is created for each object."""
    return each.default if each.default_factory is MISSING else each.default_factory()


def faults_tables() -> str:
    """Return what each fault does, and its keys."""
    parts = []
    for name, kind in FAULTS.items():
        parts.append(f"### {name}\n\n{inspect.getdoc(kind)}\n\n")
        hints = get_type_hints(kind)
        rows = [
            [code(each.name), values_of(hints[each.name]), written(default_of(each))]
            for each in sorted(fields(kind), key=lambda each: each.kw_only is True)
        ]
        parts.append(table(["key", "values", "default"], rows) + "\n")
    return "".join(parts).rstrip("\n") + "\n"


def kinds_table() -> str:
    """Return the kinds of requests that faults can hit."""
    return table(
        ["request", "meaning"], ([code(name), escaped(text)] for name, text in faults.KINDS.items())
    )


def switch_groups() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the headings of the switches with names and meanings: a comment after a blank line is a heading."""
    source, meant = inspect.getsource(switches.Switches), switches.meanings()
    for part in re.split(r"\n\n {4}# ", source)[1:]:
        heading, _, rest = part.partition("\n")
        names = re.findall(r"^ {4}(\w+): ", rest, re.MULTILINE)
        yield heading, [(name, meant[name]) for name in names]


def switches_page() -> str:
    """Return the page of switches."""
    hints, defaults = get_type_hints(switches.Switches), switches.Switches()
    parts = [
        "# Switches\n\n",
        "A switch chooses a behavior of the [sandbox](../rehearsing.md) that the API's documentation leaves open.\n",
        "Set it with `noxcli sandbox --switch NAME=VALUE`, or under `[scenario.switches]` for one workflow.\n\n",
        "`noxcli sandbox --switches FILE` sets those of a file, and `--switch` is stronger. The file is TOML:\n\n",
        f'```toml\nformat = "{switches.SWITCHES_FORMAT}"\n\n',
        '[switches]\ncursor_inclusive = true\nkeepalive = "comment"\nkeepalive_seconds = 5.0\n```\n\n',
        "[What noxcli relies on](../fidelity.md) says for each switch what the API's sources say there.\n",
    ]
    for heading, group in switch_groups():
        rows = [
            [code(name), escaped(text), values_of(hints[name]), written(getattr(defaults, name))]
            for name, text in group
        ]
        parts.append(f"\n## {heading}\n\n{table(['switch', 'meaning', 'values', 'default'], rows)}")
    return "".join(parts)


PAGES = {
    "commands.md": commands_page,
    "documents.md": documents_page,
    "exit-codes.md": codes_page,
    "figures.md": figures_page,
    "switches.md": switches_page,
    "workflows.md": workflows_page,
}
# Generated parts of handwritten pages: the page, and the content between the two lines that name it.
PARTS = {
    "exit codes": ("README.md", first_codes_table),
    "defaults": (f"{REFERENCE}/settings.md", settings_table),
    "requests": (f"{REFERENCE}/scenarios.md", kinds_table),
    "faults": (f"{REFERENCE}/scenarios.md", faults_tables),
}


def files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each page that has a generated part."""
    made = {f"{REFERENCE}/{name}": GENERATED + page() for name, page in PAGES.items()}
    for name, (path, part) in PARTS.items():
        now = made.get(path) or (root / path).read_text(encoding="utf-8")
        begin, end = (
            f"<!-- Written by scripts/regenerate.py: {name}. -->\n",
            f"<!-- End of {name}. -->\n",
        )
        before, _, rest = now.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"{path} has lost the lines around its {name}"
        made[path] = f"{before}{begin}\n{part()}\n{end}{after}"
    yield from made.items()
    yield f"{REFERENCE}/figures.svg", plot()
