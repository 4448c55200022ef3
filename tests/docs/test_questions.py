"""What users ask (tests/data/questions.tsv): the site's own search finds the page, and the page has the answer."""

import csv
import json
import re
import subprocess
from pathlib import Path

import make_site
import pytest

from tests.process import HUNG, needs

ROOT = make_site.ROOT
QUESTIONS = ROOT / "tests" / "data" / "questions.tsv"
TOP = 3  # how many results a reader looks at


def questions() -> list[dict[str, str]]:
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def found(site: Path, words: list[str]) -> list[list[str]]:
    """Return the pages of the results for each text typed into the search of a site, best first."""
    (worker,) = (site / "assets" / "javascripts" / "workers").glob("search.*.js")
    script = Path(__file__).with_name("search.js")
    done = subprocess.run(
        ["node", script, worker, site / "search.json"],
        input=json.dumps(words), capture_output=True, text=True, timeout=HUNG, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [[location.partition("#")[0].rstrip("/") for location in answer] for answer in answers]


def lacking(page: str, texts: str) -> list[str]:
    """Return the texts that a page does not have, or its name if it does not exist."""
    path = ROOT / "docs" / f"{page}.md"
    if not path.is_file():
        return [f"{page}.md"]
    text = " ".join(path.read_text(encoding="utf-8").split())
    return [each for each in texts.split(";") if each not in text]


@pytest.mark.long(8)
def test_the_site_answers_what_users_ask(tmp_path: Path) -> None:
    """Its search leaves out pages about the project, and no cell shows the backslash of its source."""
    needs("node")
    site, asked = tmp_path / "site", questions()
    assert make_site.build(site) == 0
    assert len(asked) == 70
    ranks = found(site, [each["words typed"] for each in asked])
    misses = []
    for each, pages in zip(asked, ranks, strict=True):
        rank = pages.index(each["page"]) + 1 if each["page"] in pages else None
        lacks = lacking(each["page"], each["texts there"])
        if rank is None or rank > TOP or lacks:
            misses.append(
                f"{each['words typed']!r}: {each['page']} is result {rank} after {pages[:TOP]}; lacks {lacks}"
            )
    assert misses == []
    for page in (ROOT / "docs").rglob("*.md"):
        path = page.relative_to(ROOT / "docs").with_suffix("")
        built = site / (path.parent if path.name == "index" else path) / "index.html"
        assert "<h1" in built.read_text(encoding="utf-8"), page
    assert not any("fonts.g" in page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    items = json.loads((site / "search.json").read_text(encoding="utf-8"))["items"]
    assert any("--max-parallel" in item["text"] for item in items)
    searched = {item["location"].partition("/")[0] for item in items}
    assert searched >= {"install", "reference", "rehearsing", "SECURITY"}
    assert searched.isdisjoint({"decisions", "architecture", "CHANGELOG", "CONTRIBUTING"})
    texts = {
        str(path.relative_to(site)): path.read_text(encoding="utf-8")
        for path in site.rglob("index.html")
    }
    shown = {
        name: re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL) for name, text in texts.items()
    }
    assert "JSON|@FILE|-" in shown["reference/commands/index.html"]
    assert [
        name for name, text in shown.items() if re.search(r"\\(\||&[lg]t;|<(?!/code>))", text)
    ] == []
