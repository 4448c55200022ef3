"""Write docs/fidelity.md, the table of facts; with --check, only report whether it is stale."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cells import code, escaped, table

from noxcli.facts.fact import DOCS_ADDRESS, SDK_RELEASE, ApiFact
from noxcli.facts.table import TOPICS
from noxcli.probe.interview import QUESTIONS

ROOT = Path(__file__).parents[1]
PAGE, JUDGED = Path("docs/fidelity.md"), Path("tests/golden/sdk.json")
MOST_SHOWN = 9  # broken uses for one setting
HEAD = f"""<!-- Written by scripts/make_fidelity.py; changes are lost. -->

# What noxcli relies on

noxcli was written from the [documentation]({DOCS_ADDRESS}) of the Noxus API and from the source of the official SDK
{SDK_RELEASE}, without calling the service itself. This page lists each fact about the API that noxcli relies on, and
says where it is from:

* **docs**: a page of the documentation says so.
* **SDK**: the SDK's source does so, in these lines of the package `noxus_sdk`.
* **assumed**: nothing says so; the reason for the assumption is given.

Where the sources leave something open, noxcli works either way. A [switch](reference/switches.md) of the sandbox plays
each alternative. The tests show that noxcli copes, and `tests/crossed` plays every pair of switches against every verb.

The last column says whether [`noxcli probe`](probe.md) finds it out about your own server.
"""


def source_cell(fact: ApiFact) -> str:
    """Return a cell with the source of a fact."""
    source = fact.source
    if source.kind == "docs":
        return f"docs: [{source.place}]({DOCS_ADDRESS}/{source.place})"
    if source.kind == "assumed":
        return f"assumed: {escaped(source.place)}"
    lines = str(source.first) if source.first == source.last else f"{source.first}-{source.last}"
    return f"SDK: {code(f'{source.place}:{lines}')}"


def open_cell(fact: ApiFact) -> str:
    """Return a cell with what is left open, and the switches for it."""
    switches = ", ".join(map(code, fact.switches))
    told = [escaped(fact.left_open), f"({switches})" if switches else ""]
    return " ".join(filter(None, told)) or "-"


def ways_to_check(fact: ApiFact) -> str:
    """Return a cell with the ways to check a fact."""
    asked = {question.name for question in QUESTIONS}
    return "probe" if asked & {fact.name, *fact.switches} else "-"


def row_of(fact: ApiFact) -> list[str]:
    """Return the table row of a fact."""
    tests = "<br>".join(code(f"tests/{test}") for test in fact.tests)
    told = f"{code(fact.name)}: {escaped(fact.statement)}"
    told += "" if fact.used else " (not used)"
    return [told, source_cell(fact), open_cell(fact), tests, ways_to_check(fact)]


def breaks_cell(breaks: Mapping[str, str], uses: Mapping[str, str]) -> str:
    """Return a cell with what breaks under one setting; only a number if nearly everything does."""
    if len(breaks) > MOST_SHOWN:
        return f"{len(breaks)} of {len(uses)} uses: {', '.join(map(told, sorted(set(breaks.values()))))}"
    return "<br>".join(f"{escaped(uses[name])}: {told(what)}" for name, what in breaks.items())


def told(what: str) -> str:
    """Return what went wrong in one use: our own sentence, or the name of an exception."""
    return f"raises {code(what)}" if what.isidentifier() else escaped(what)


def sdk_section() -> str:
    """Return the section about what breaks the official SDK, as recorded by `tests.sdk.judged`."""
    judged = json.loads((ROOT / JUDGED).read_text(encoding="utf-8"))
    broken, uses = judged["broken"], judged["uses"]
    rows = [[code(setting), breaks_cell(breaks, uses)] for setting, breaks in broken.items()]
    return f"""
## What breaks the official SDK

SDK {SDK_RELEASE} was played against each setting of each switch alone, and a few together: {judged["settings"]}
settings, each with {len(uses)} uses of runs, workflows, versions and files. Nothing breaks under the defaults.
{len(broken)} settings break something that a program with the SDK relies on: below is each use in the words of its
documentation, and what happens instead. The sandbox does not serve what noxcli does not use: saving workflows and
versions, export and import, logs of a workflow, and bulk deletion of runs.

{table(["setting", "what breaks"], rows)}"""


def fidelity_page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for topic, facts in TOPICS.items():
        head = ["fact", "source", "left open", "tests", "find out"]
        parts.append(f"\n## {topic}\n\n{table(head, map(row_of, facts))}")
    return "".join([*parts, sdk_section()])


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page if it is stale, or with --check only report it; return 1 if it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is stale")
    check, text, path = parser.parse_args(argv).check, fidelity_page(), ROOT / PAGE
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    if check:
        print(f"{PAGE} is stale: run python scripts/make_fidelity.py", file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
