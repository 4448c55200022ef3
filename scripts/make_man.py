"""Write man/noxcli.1 from what the commands declare, the exit codes, README, and the tables of settings."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from noxcli import __version__
from noxcli.app import app
from noxcli.errors import ExitCode

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "man" / "noxcli.1"
SETTINGS = ROOT / "docs" / "reference" / "settings.md"
ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}


def plain(text: str) -> str:
    """Return the text as roff that prints it as it is: copied from the page, it can be pasted into a shell."""
    escaped = "".join(ESCAPES.get(letter, letter if letter.isascii() else f"\\[u{ord(letter):04X}]") for letter in text)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def marked(text: str) -> str:
    """Return Markdown's `code` as bold, and the rest plain."""
    pieces = re.split(r"`([^`]*)`", text)
    return "".join(f"\\fB{plain(piece)}\\fR" if place % 2 else plain(piece) for place, piece in enumerate(pieces))


def page() -> str:
    """Return the manual page."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="noxcli", **group.context_settings)
    lines = [
        '.\\" Written by scripts/make_man.py; changes are lost.',
        f'.TH NOXCLI 1 "" "noxcli {__version__}" "User Commands"',
        *(".SH NAME", f"noxcli \\- {plain(group.help.rstrip('.'))}"),
        *(".SH SYNOPSIS", ".B noxcli", plain("COMMAND [OPTIONS] [ARGS]...")),
        *(".SH DESCRIPTION", marked(first_paragraph()), ".SH COMMANDS"),
    ]
    for name in group.list_commands(context):
        verb = group.get_command(context, name)
        lines += section(name, verb, typer.Context(verb, info_name=name, parent=context, **verb.context_settings))
    lines.append(".SH EXIT STATUS")
    for code in map(ExitCode.of, ExitCode):
        again = "" if code.again == "-" else f"; retry: {code.again}"
        lines += [".TP", f".B {int(code)}", marked(f"{code.meaning}{again}")]
    lines.append(".SH ENVIRONMENT")
    for names, meaning in environment():
        lines += [".TP", marked(names), marked(meaning)]
    return "\n".join(lines) + "\n"


def section(name: str, verb: Any, context: typer.Context) -> Iterator[str]:
    """Yield a verb's part of the page."""
    yield f".SS {plain(' '.join([f'noxcli {name}', *verb.collect_usage_pieces(context)]))}"
    yield plain(verb.help)
    for heading, records in verb.sections(context):
        yield from (".PP", f".I {plain(heading)}")
        for names, text in records:
            yield from (".TP", f"\\fB{plain(names)}\\fR", plain(" ".join(text.split())))
    yield from (".PP", ".I Examples", ".PP", ".nf", ".RS 4")
    yield from map(plain, verb.examples)
    yield from (".RE", ".fi")


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def first_paragraph() -> str:
    """Return what README says first, without its links."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", readme().split("\n\n")[1]).replace("\n", " ")


def environment() -> Iterator[tuple[str, str]]:
    """Yield variables and their meaning, from the tables of docs/reference/settings.md."""
    for setting, _, variables, *_ in rows_under("| setting | option | variable |"):
        if variables.startswith("`"):
            yield variables, setting
    for _, variable, option, meaning in rows_under("| key | variable | option | meaning |"):
        yield variable, f"the default of {option}: {meaning[0].lower()}{meaning[1:]}"
    for variable, meaning in rows_under("| variable | meaning |"):
        yield variable, meaning


def rows_under(head: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the table in docs/reference/settings.md that begins so."""
    table = SETTINGS.read_text(encoding="utf-8").partition(head)[2].partition("\n\n")[0]
    for row in table.splitlines()[2:]:
        if row.startswith("|"):
            yield row.strip("| ").split(" | ")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or with --check only say whether it is stale; 1 says that it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is stale")
    arguments = parser.parse_args(argv)
    wanted = page().encode()
    if PAGE.is_file() and PAGE.read_bytes() == wanted:
        return 0
    if arguments.check:
        print(f"{PAGE.name} is stale: run python scripts/make_man.py", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_bytes(wanted)
    print(f"wrote {PAGE.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
