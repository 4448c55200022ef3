"""docs/fidelity.md: each assumption has a source and a consequence, each switch a row."""

import re
from dataclasses import fields
from pathlib import Path

from noxcli.sandbox.switches import Switches

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [
    line.strip("| ").split(" | ")
    for line in TEXT.splitlines()
    if re.match(r"\| (?!assumption \|)", line)
]
KINDS = {"docs", "SDK", "inferred", "client", "seen", "assumed"}


def test_each_assumption_has_a_source_and_a_consequence() -> None:
    assert len(ROWS) > 60
    assert {len(cells) for cells in ROWS} == {3}
    assert all(source.partition(":")[0] in KINDS for _, source, _ in ROWS)
    assert set(re.findall(r"^\* \*\*(\w+)\*\*: ", TEXT, re.MULTILINE)) == KINDS
    assert len({statement for statement, _, _ in ROWS}) == len(ROWS)


def test_each_switch_is_in_one_row() -> None:
    ends = [re.search(r" \((`\w+`(?:, `\w+`)*)\)$", wrong) for _, _, wrong in ROWS]
    named = [name for end in ends if end for name in re.findall(r"\w+", end[1])]
    assert sorted(named) == sorted(each.name for each in fields(Switches))


def test_each_link_to_the_docs_shows_its_page() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    docs = {link for link in links if link.startswith("https://docs.noxus.ai")}
    pages = re.findall(r"docs: \[([^]]+)\]\(https://docs\.noxus\.ai/([^)]+)\)", TEXT)
    assert docs == {
        "https://docs.noxus.ai",
        *(f"https://docs.noxus.ai/{page}" for _, page in pages),
    }
    assert all(shown == page for shown, page in pages)
