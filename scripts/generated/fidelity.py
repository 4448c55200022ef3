"""docs/fidelity.md, the table of facts."""

from collections.abc import Iterator
from pathlib import Path

from generated.cells import code, escaped, table
from noxcli.probe.facts import DOCS_ADDRESS, SDK_RELEASE, TOPICS, ApiFact
from noxcli.probe.interview import QUESTIONS

HEAD = f"""<!-- Written by scripts/regenerate.py; changes are lost. -->

# What noxcli relies on

noxcli was written without calling the service itself. This page lists each fact about the Noxus API that noxcli relies
on, and where it is from:

* **docs**: a page of the [documentation]({DOCS_ADDRESS}) says so. Copies of these pages were read, which end after
  about 2,000 characters: that a page does not mention something shows nothing.
* **SDK**: the source of the official SDK {SDK_RELEASE} says so, in these lines of the package `noxus_sdk`.
* **inferred**: these lines of the SDK show something that suggests it.
* **client**: seen in a public program that calls the API, in a file of that date. Weaker than docs and SDK.
* **assumed**: nothing says so; the reason for the assumption is given.

Where the sources leave something open, noxcli works either way, and a [switch](reference/switches.md) of the sandbox
plays each alternative. The last column says whether [`noxcli probe`](probe.md) finds out what your own server does.
"""


def source_cell(fact: ApiFact) -> str:
    """Return a cell with the source of a fact."""
    source = fact.source
    match source.kind:
        case "docs":
            return f"docs: [{source.place}]({DOCS_ADDRESS}/{source.place})"
        case "client":
            return f"client: {escaped(source.place)}, {source.date}"
        case "assumed":
            return f"assumed: {escaped(source.place)}"
    lines = str(source.first) if source.first == source.last else f"{source.first}-{source.last}"
    place = code(f"{source.place}:{lines}")
    return f"inferred: {escaped(source.inferred)}, {place}" if source.inferred else f"SDK: {place}"


def open_cell(fact: ApiFact) -> str:
    """Return a cell with what is left open, and the switches for it."""
    switches = ", ".join(map(code, fact.switches))
    told = [escaped(fact.left_open), f"({switches})" if switches else ""]
    return " ".join(filter(None, told)) or "-"


def row_of(fact: ApiFact) -> list[str]:
    """Return the table row of a fact."""
    told = f"{code(fact.name)}: {escaped(fact.statement)}"
    asked = {question.name for question in QUESTIONS} & {fact.name, *fact.switches}
    return [told, source_cell(fact), open_cell(fact), "yes" if asked else "-"]


def files(_root: Path) -> Iterator[tuple[str, str]]:
    """Yield the whole page."""
    head = ["fact", "source", "left open", "probe"]
    parts = [f"\n## {topic}\n\n{table(head, map(row_of, facts))}" for topic, facts in TOPICS.items()]
    yield "docs/fidelity.md", "".join([HEAD, *parts])
