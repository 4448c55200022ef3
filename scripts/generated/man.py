"""The manual pages, from the declared options, the exit codes, README, and the tables of settings."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from generated.reference import verbs
from noxcli import __version__
from noxcli.app import app
from noxcli.cli.options import CommonOptions
from noxcli.cli.verbs import VERBS
from noxcli.config.config_files import PROJECT_FILE
from noxcli.errors import ExitCode

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "docs" / "reference" / "settings.md"
COMMON = {"--help", *(f"--{field.name.replace('_', '-')}" for field in fields(CommonOptions))}
FILES = {
    "~/.config/noxcli/config.toml": "Profiles: servers, ways to their keys, aliases, defaults (`NOXCLI_CONFIG`).",
    PROJECT_FILE: "A project's aliases and defaults, from the working directory up to the repository's root.",
    "~/.local/state/noxcli/": "The runs that you started: ids, host, times and positions (`NOXCLI_STATE_DIR`).",
    "~/.cache/noxcli/": "The cache for completion: names and ids (`NOXCLI_CACHE_DIR`).",
}
ESCAPES = {
    "\\": "\\e",
    "-": "\\-",
    "'": "\\(aq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
    '"': "\\(dq",
}


def page_name(verb: str | None) -> str:
    """Return the file name of a verb's page, or of noxcli's own."""
    return f"noxcli-{verb}.1" if verb else "noxcli.1"


def plain(text: str) -> str:
    """Return the text as roff that prints it unchanged, so that it can be copied from the page into a shell."""
    escaped = "".join(
        ESCAPES.get(letter, letter if letter.isascii() else f"\\[u{ord(letter):04X}]")
        for letter in text
    )
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def bold(text: str) -> str:
    """Return the text as bold roff."""
    return f"\\fB{plain(text)}\\fR"


def marked(text: str) -> str:
    """Return the text as roff, with Markdown's `code` in bold."""
    pieces = re.split(r"`([^`]*)`", text)
    return "".join(bold(piece) if place % 2 else plain(piece) for place, piece in enumerate(pieces))


def files(root: Path) -> Iterator[tuple[str, str | None]]:
    """Yield each page, and None for a page of a command that is gone."""
    wanted = pages()
    there = {path.name for path in (root / "man").glob("*.1")}
    for name in sorted(there | wanted.keys()):
        yield f"man/{name}", wanted.get(name)


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    found = {page_name(None): overview()}
    for name, verb, context in verbs():
        found[page_name(name)] = "".join(f"{line}\n" for line in verb_page(name, verb, context))
    return found


def overview() -> str:
    """Return the page of noxcli itself, about what all commands share."""
    lines = [
        *head("noxcli", str(typer.main.get_command(app).help)),
        *(".SH SYNOPSIS", ".B noxcli", plain("COMMAND [OPTIONS] [ARGS]...")),
        *(".SH DESCRIPTION", marked(first_paragraph()), ".SH COMMANDS"),
    ]
    for name, verb, _ in verbs():
        lines += [
            ".TP",
            f".BR {plain(f'noxcli-{name}')} (1)",
            plain(verb.get_short_help_str(limit=200)),
        ]
    lines += [".SH OPTIONS", "The commands that call the server share these."]
    run, context = next((verb, context) for name, verb, context in verbs() if name == "run")
    for _, records in run.sections(context):
        lines += listed(record for record in records if is_common(record))
    lines += [".SH EXIT STATUS"]
    for code in sorted(ExitCode):
        again = "" if code.again == "-" else f"; retry: {code.again}"
        lines += [".TP", f".B {int(code)}", marked(f"{code.meaning}{again}")]
    lines.append(".SH ENVIRONMENT")
    for names, meaning in environment():
        lines += [".TP", marked(names), marked(meaning)]
    lines.append(".SH FILES")
    for path, meaning in FILES.items():
        lines += [".TP", f".I {plain(path)}", marked(meaning)]
    others = [f".BR {plain(f'noxcli-{name}')} (1)," for name in VERBS]
    return "\n".join([*lines, ".SH SEE ALSO", *others, ".BR jq (1)"]) + "\n"


def verb_page(name: str, verb: Any, context: Any) -> Iterator[str]:
    """Yield the lines of a command's page."""
    yield from head(f"noxcli-{name}", verb.get_short_help_str(limit=200))
    yield from (
        ".SH SYNOPSIS",
        f".B noxcli {plain(name)}",
        plain(" ".join(verb.collect_usage_pieces(context))),
    )
    yield from (".SH DESCRIPTION", *plain(verb.help).splitlines())
    common: list[str] = []
    for heading, records in verb.sections(context):
        own = [record for record in records if not is_common(record)]
        common += [names for names, _ in records if (names, _) not in own]
        if own:
            yield f".SH {plain(heading.upper())}"
            yield from listed(own)
    yield from (".SH COMMON OPTIONS", ", ".join(map(bold, common)) + ":", "see", ".BR noxcli (1).")
    yield from (".SH EXAMPLES", ".nf", *map(plain, verb.examples), ".fi")
    yield from (".SH EXIT STATUS", "See", ".BR noxcli (1).", ".SH SEE ALSO", ".BR noxcli (1)")


def head(name: str, does: str) -> Iterator[str]:
    """Yield the first lines of a page."""
    yield '.\\" Written by scripts/regenerate.py; changes are lost.'
    yield f'.TH {plain(name.upper())} 1 "" "noxcli {__version__}" "User Commands"'
    yield from (".SH NAME", f"{plain(name)} \\- {plain(does.rstrip('.'))}")


def listed(records: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of options or arguments with their help."""
    for names, text in records:
        yield from (".TP", bold(names), plain(" ".join(text.split())))


def is_common(record: tuple[str, str]) -> bool:
    """True for an option that all commands share which call the server."""
    return not COMMON.isdisjoint(record[0].replace(",", " ").split())


def first_paragraph() -> str:
    """Return the first paragraph of README, without its links."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", readme.split("\n\n")[1]).replace("\n", " ")


def environment() -> Iterator[tuple[str, str]]:
    """Yield environment variables and their meanings, from the tables of docs/reference/settings.md."""
    for setting, _, variables, *_ in rows_under("| setting | option | variable |"):
        if variables.startswith("`"):
            yield variables, setting
    for _, variable, option, meaning in rows_under("| key | variable | option | meaning |"):
        yield variable, f"the default of {option}: {meaning[0].lower()}{meaning[1:]}"
    for variable, meaning in rows_under("| variable | meaning |"):
        yield variable, meaning


def rows_under(head: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the table in docs/reference/settings.md with this header."""
    table = SETTINGS.read_text(encoding="utf-8").partition(head)[2].partition("\n\n")[0]
    for row in table.splitlines()[2:]:
        if row.startswith("|"):
            yield row.strip("| ").split(" | ")
