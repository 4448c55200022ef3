"""HTML reports in a real browser: nothing is requested, no remote text is executed, and a keyboard reaches all."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noxcli.masking import Mask
from noxcli.reports.html.batch_page import BatchAbout, rows_page
from noxcli.reports.html.markup import Page
from noxcli.reports.html.run_page import run_page
from noxcli.reports.result import EndedRun
from noxcli.sandbox.faults import Cut
from noxcli.sandbox.scenario import Node, input_node
from noxcli.sandbox.steps import Sleep, node_fails, node_runs
from tests.conftest import Noxcli
from tests.engines.farm import ENGINES
from tests.rawserver import answer, raw_server
from tests.reports.chromium import Chromium, Tab, chromium
from tests.reports.test_html import many
from tests.sides import stored

pytestmark = pytest.mark.engine("chromium")
AXE = ENGINES / "npm/node_modules/axe-core/axe.min.js"
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}
GROUND = "getComputedStyle(document.body).backgroundColor"
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
TIMES = {
    "Plan": {"started_s": 0.1, "duration_s": 0.15},
    "Write": {"started_s": 0.25, "duration_s": 0.01},
}
# All elements that can have the focus; of several radio buttons, Tab reaches the chosen one.
REACHABLE = "summary, a[href], button, input:not([type=radio]), input:checked, [tabindex='0']"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as process:
        yield process


def looks_well(browser: Chromium, path: Path) -> Tab:
    """Open a page as its readers do, hold it to what goes for every page, and return it as it was opened."""
    for scheme, ground in GROUNDS.items():
        tab = browser.open(path, prefers_color_scheme=scheme)
        assert tab.requests() == [path.as_uri()]
        assert sorted(walked(tab)) == tab.evaluate(
            "all.map((one, n) => one.checkVisibility() ? n : -1).filter((n) => n >= 0)"
        )
        tab.press("Tab")
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert tab.evaluate(GROUND) == ground
        tab.evaluate(UNFOLD)
        if AXE.exists():  # it measures contrast, too
            tab.evaluate(AXE.read_text())
            found = tab.evaluate(
                "axe.run().then((all) => all.violations.map((one) => [one.id, one.nodes[0].html]))"
            )
            assert found == [], scheme
        else:
            assert os.environ.get("CI") != "true", "axe-core is not installed; .ci/engines does it"
        assert tab.complaints() == []
    phone = browser.open(path, width=360, height=700)
    phone.evaluate(UNFOLD)
    assert phone.evaluate("document.scrollingElement.scrollWidth") <= 360, (
        "it scrolls in one direction alone"
    )
    return browser.open(path)


def walked(tab: Tab) -> list[int]:
    """Return which of the reachable elements got the focus by Tab, by number."""
    tab.evaluate(f"window.all = [...document.querySelectorAll({json.dumps(REACHABLE)})]")
    places: list[int] = []
    while len(places) < 500:
        tab.press("Tab")
        place = tab.evaluate("all.indexOf(document.activeElement)")
        if place in places or place < 0:
            break
        places.append(place)
    return places


def test_the_page_of_a_run(browser: Chromium, noxcli: Noxcli, plays: Any) -> None:
    """One with everything that a run's page can have."""
    script = [*node_runs("Plan", seconds=150), *node_fails("Write", "too long"), Sleep(300)]
    nodes = [input_node("Q"), Node("Plan"), Node("Write"), Node("Never")]
    workflow = plays(
        nodes=nodes, script=script, status="failed", faults={"events": [Cut(3, "abort")]}
    )
    told = noxcli("run", workflow, "Q=a\nb", "--format", "ndjson").lines
    told[-1]["data"] |= {
        "output": {"Answer": "x" * 3000, "Data": {"a": [1, 2]}, "File": {"$file": "out/f.txt"}},
        "files": [
            {
                "pointer": "/File",
                "file_id": None,
                "path": "out/f.txt",
                "bytes": 1,
                "sha256": "0" * 64,
            }
        ],
        "assertions": [
            {"name": "--assert ok", "holds": False, "message": "x" * 300, "diff": "A: [-a-]{+b+}"}
        ],
    }
    # On a busy machine the stream is open again too late to measure them.
    for node in told[-1]["data"]["nodes"]:
        node |= TIMES.get(node["name"], {})
    path = Path("run.html").absolute()
    runs = [EndedRun("", told[-1]["data"], told[0]["data"]["inputs"])]
    path.write_bytes(b"".join(run_page(Page(Mask(), path.parent), runs)))
    tab = looks_well(browser, path)
    tab.evaluate("document.querySelector('.fall summary').focus()")
    assert tab.evaluate("document.activeElement.parentElement.open") is False
    tab.press("Enter")
    assert tab.evaluate("document.activeElement.parentElement.open") is True
    assert tab.evaluate("document.querySelector('.node.bad').open"), (
        "the node that failed is unfolded from the start"
    )
    folded = "document.querySelectorAll('details:not([open])').length"
    assert tab.evaluate(folded) > 0
    tab.media("print", prefers_color_scheme="dark")
    assert tab.evaluate(GROUND) == GROUNDS["light"], "paper is white, and has all that is folded"
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate(folded) == 0
    assert tab.evaluate("document.querySelector('.copy').checkVisibility()") is False
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate(folded) > 0
    assert_intruders_ask_for_nothing(tab)


def assert_intruders_ask_for_nothing(tab: Tab) -> None:
    """What got into a page could still neither send a request nor run a script."""
    with raw_server(answer(200)) as server:
        address = f"{server.url}/"
        tab.evaluate(
            f"""document.body.insertAdjacentHTML("beforeend", `<img src="{address}" onerror="window.ran = 1">
            <iframe src="{address}"></iframe><style>@import "{address}"; body {{background: url({address})}}</style>
            <form action="{address}"></form><p onclick="window.ran = 1">x</p>`);
            document.body.append(Object.assign(document.createElement("script"), {{textContent: "window.ran = 1"}}));
            document.body.lastChild.previousElementSibling.click(); document.forms[0].submit();
            fetch("{address}").catch(() => 0)"""
        )
        assert tab.requests()[0] == tab.url
        assert tab.evaluate("typeof window.ran") == "undefined"
        assert server.requests == [], "Chromium may connect early, but sends nothing"


def test_the_page_of_a_batch(browser: Chromium) -> None:
    path = Path("batch.html").absolute()
    retry = ["noxcli batch w rows.jsonl --again failed"]
    about = BatchAbout("rows.jsonl", lambda: retry, ["no journal is here of 2/3"])
    rows = [{**row, "folder": "out/x"} for row in many(100, "run failed at 'W': too long")]
    path.write_bytes(b"".join(rows_page(Page(Mask(), path.parent), about, lambda: rows)))
    tab = looks_well(browser, path)
    shown = "[...document.querySelectorAll('.rows > details')].filter((row) => row.getClientRects().length).length"
    assert tab.evaluate(shown) == 100 // 7, "those that did not pass, at first"
    tab.evaluate("document.querySelector('.filter input:checked').focus()")
    tab.press("ArrowRight")
    assert tab.evaluate(shown) == 100
    tab.press("ArrowLeft")
    assert tab.evaluate(shown) == 100 // 7
    tab.press("/")
    tab.write("id 9")
    tab.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert tab.evaluate(shown) == 2, "of the rows 9 and 90 to 99, 91 and 98 failed"
    assert tab.evaluate("document.querySelector('output').textContent") == "11 match"
    tab.evaluate("location.hash = '#r7'")
    tab.evaluate("new Promise((done) => setTimeout(done, 100))")
    assert tab.evaluate(shown) == 100, "a link to a hidden row shows all of them again"
    assert tab.evaluate("document.querySelector('#r7').open"), "and unfolds it"


def test_the_page_of_a_comparison(browser: Chromium, noxcli: Noxcli) -> None:
    """With a row of each class."""

    def line(row: int, answer: str, code: int = 0, seconds: float = 1.0) -> dict[str, Any]:
        run = {
            "id": f"{answer}{row}",
            "workflow_id": "w",
            "status": "completed",
            "duration_s": seconds,
        }
        result = {"exit_code": code, "run": run, "output": {"A": answer}, "error": None}
        return {
            "row": row,
            "id": f"i{row}",
            "input": {"Q": f"q{row}"},
            "columns": {"note": "n"},
            "result": result,
        }

    sides = {
        "base": [
            line(1, "a"),
            line(2, "a"),
            line(3, "bad"),
            line(4, "a"),
            line(5, "a"),
            line(6, "a"),
        ],
        "new": [
            line(1, "bad"),
            line(2, "b"),
            line(3, "b"),
            line(4, "a", seconds=9.0),
            line(5, "a", 6),
            line(6, "a"),
            line(7, "b"),
        ],
    }
    ask = ("--assert", "output.A != 'bad'")
    for name, lines in sides.items():
        stored(name, lines)
    assert noxcli("compare", "base", "new", *ask, "--report", "comparison.html").code == 11
    tab = looks_well(browser, Path("comparison.html").absolute())
    color = "getComputedStyle(document.querySelector('.pairs>.{}>summary>:nth-child({})')).color"
    seen = {
        name: tab.evaluate(color.format(name, 4))
        for name in ("broken", "changed", "slower", "fixed")
    }
    assert tab.evaluate(color.format("broken", 1)) not in seen.values(), (
        "the color of all other text"
    )
    assert seen["changed"] == seen["slower"]
    assert len(set(seen.values())) == 3
    times = "[...document.querySelectorAll('.pairs>.{}>summary>:nth-child(5)')].map((one) => one.innerText)"
    assert [tab.evaluate(times.format(name)) for name in ("missing", "new")] == [
        ["1.00 s → -"],
        ["- → 1.00 s"],
    ]
