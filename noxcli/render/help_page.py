"""A page of help on a terminal: headings and names in color, the text unchanged."""

import re

from noxcli.render.line import Look
from noxcli.render.terminal import Terminal
from noxcli.render.text import visible

HEADING = re.compile(r"(Usage:|[A-Z][A-Za-z ]*:$)(.*)")
NAME = re.compile(r"(  (?:-|\[?[A-Z]{2}).*?)((?:  .*)?)$")


def in_color(terminal: Terminal, page: str) -> str:
    """Return the page for `Terminal.show`."""
    look = Look.of(terminal, on_stdout=True)
    return "".join(f"{_line(look, line)}\n" for line in page.splitlines())


def _line(look: Look, text: str) -> str:
    line = look.line(2 * len(visible(text, None)))
    if found := HEADING.match(text):
        return str(line.add(found[1], "bold green").add(found[2]))
    if found := NAME.match(text):
        return str(line.add(found[1], "cyan").add(found[2]))
    return str(line.add(text))
