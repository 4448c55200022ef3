"""What GitHub's runner does with a log and with a step's files, by its documented rules.

GitHub docs, actions/reference/workflow-commands; actions/runner, ActionCommand, ActionCommandManager and the file
commands.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt

COMMANDS = {
    *(
        "add-mask",
        "add-matcher",
        "add-path",
        "debug",
        "echo",
        "endgroup",
        "error",
        "group",
        "notice",
    ),
    *("remove-matcher", "save-state", "set-env", "set-output", "warning", "stop-commands"),
}
LINE_ENDS = re.compile("\r\n|\r|\n")


@dataclass(frozen=True)
class Command:
    """A workflow command that took effect."""

    name: str
    data: str
    properties: Mapping[str, str] = field(default_factory=dict)


def commands(log: str) -> list[Command]:
    """Return the commands in a log that the runner obeys, wherever they are from."""
    return list(filter(None, map(_parse, LINE_ENDS.split(log))))


def _parse(line: str) -> Command | None:
    trimmed = line.lstrip()
    head, found, data = trimmed[2:].partition("::") if trimmed.startswith("::") else ("", "", "")
    name, _, properties = head.partition(" ")
    if found and name.lower() in COMMANDS:
        pairs = dict(pair.partition("=")[::2] for pair in properties.strip().split(",") if pair)
        return Command(
            name.lower(), _plain(data), {key: _plain(value) for key, value in pairs.items()}
        )
    _, found, rest = line.partition("##[")
    head, closed, data = rest.partition("]")
    name = head.partition(" ")[0].lower()
    return Command(name, data) if found and closed and name in COMMANDS else None


def _plain(text: str) -> str:
    for character in "\r\n:,":
        text = text.replace(f"%{ord(character):02X}", character)
    return text.replace("%25", "%")


def outputs(path: Path) -> dict[str, str]:
    """Read a file of NAME=VALUE and NAME<<DELIMITER as the runner does."""
    found: dict[str, str] = {}
    lines = iter(path.read_bytes().decode().split("\n"))
    for line in lines:
        if not line:
            continue
        name, heredoc, delimiter = line.partition("<<")
        if "=" in name or not heredoc:
            name, equals, value = line.partition("=")
            assert equals, f"the runner would fail the step for {line!r}"
            found[name] = value
            continue
        value_lines = []
        while (inner := next(lines)) != delimiter:
            value_lines.append(inner)
        found[name] = "\n".join(value_lines)
    return found


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.code: list[str] = []
        self.bare: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs
        self.tags.add(tag)
        self._open.append(tag)
        if tag == "code":
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "code" in self._open:
            self.code[-1] += data
        else:
            self.bare.append(data.strip())

    def handle_comment(self, data: str) -> None:
        """A job finds its page again by a comment, which is the first line and nowhere else."""
        assert self.getpos() == (1, 0), data
        assert data.startswith(" noxcli "), data


def page(markdown: str) -> tuple[set[str], list[str], str]:
    """Return what Markdown makes of a summary page: its tags, the texts in `<code>`, the rest."""
    reader = _Page()
    reader.feed(
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .enable("strikethrough")
        .render(markdown)
    )
    reader.close()
    return reader.tags, reader.code, " ".join(filter(None, reader.bare))
