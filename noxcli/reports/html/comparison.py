"""The page of a comparison: verdict, numbers, and each row that differs, with a column for each side."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from noxcli.masking import Mask
from noxcli.reports.comparison import Change, Pair
from noxcli.reports.html import parts
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.words import Piece, excerpt

ROWS_ON_A_PAGE = 10_000
LARGEST_ROWS = 4_000_000  # characters of all of them
LEAST_TEXT, LARGEST_TEXT = 60, 100_000  # characters of a text in a row
OPEN_ROWS = 10  # the first ones
TONES = {Change.BROKEN: "bad", Change.FIXED: "good", Change.SAME: "good"}
TERMS = (
    ("Rows", "rows"),
    ("Passed", "passed"),
    ("Pass rate", "pass_rate"),
    ("Median", "median_s"),
    ("95% within", "p95_s"),
)


def comparison_page(totals: Mapping[str, Any], pairs: Iterable[Pair], mask: Mask, base: Path) -> Iterator[bytes]:
    """Yield the page, of `noxcli.comparison/1` without its rows, and of the pairs that differ."""
    page = Page(mask, base)
    classes = [change for change in Change if totals["classes"][change]]
    rules = "".join(f"body:has(#f{each}:checked) .pairs>details:not(.{each}){{display:none}}" for each in classes)
    return page.whole(f"{_name(totals)} — {_words(totals)}", _body(page, totals, pairs, classes), rules)


def _name(totals: Mapping[str, Any]) -> str:
    return f"{totals['base']['source']} → {totals['new']['source']}"


def _words(totals: Mapping[str, Any]) -> str:
    counts = totals["classes"]
    return ", ".join(f"{counts[change]:,} {change}" for change in Change if counts[change]) or "no rows"


def _body(page: Page, totals: Mapping[str, Any], pairs: Iterable[Pair], classes: Sequence[Change]) -> Iterator[Html]:
    tone = parts.tone_of(totals["exit_code"])
    yield parts.verdict(page, tone, _name(totals), _words(totals), [])
    yield _numbers(page, totals)
    listed = sum(totals["classes"][change] for change in classes if change is not Change.SAME)
    yield page.heading("Rows that differ", f"{listed:,}")
    yield _filter(page, totals, [change for change in classes if change is not Change.SAME], listed)
    shown = min(listed, ROWS_ON_A_PAGE)
    most = max(LEAST_TEXT, min(LARGEST_TEXT, LARGEST_ROWS // max(1, 8 * shown)))
    yield Html('<div class="pairs">')
    for place, pair in enumerate(pairs):
        if place < shown:
            yield _pair(page, pair, most, unfolded=place < OPEN_ROWS)
    yield Html("</div>")
    if shown < listed:
        yield page.dim(f"{listed - shown:,} more rows are not on this page; noxcli compare lists them all.")


def _numbers(page: Page, totals: Mapping[str, Any]) -> Html:
    head = page.tag("tr", page.tag("th"), *(page.tag("th", words) for words in ("BASE", "NEW")))
    rows = []
    for term, key in TERMS:
        cells = (page.tag("td", _number(key, totals[side][key])) for side in ("base", "new"))
        rows.append(page.tag("tr", page.tag("th", term), *cells))
    return page.tag("table", page.tag("thead", head), page.tag("tbody", *rows), class_="numbers")


def _number(key: str, value: float | None) -> str:
    if value is None:
        return ""
    return parts.show_took(value) if key.endswith("_s") else f"{value:.1%}" if key == "pass_rate" else f"{value:,}"


def _filter(page: Page, totals: Mapping[str, Any], classes: Sequence[Change], listed: int) -> Html:
    choices = [("all", f"All {listed:,}"), *((str(each), f"{each} {totals['classes'][each]:,}") for each in classes)]
    buttons = (
        page.joined(
            [
                page.tag("input", type="radio", name="show", id=f"f{name}", checked=name == "all"),
                page.tag("label", f"{words[:1].upper()}{words[1:]}", for_=f"f{name}"),
            ]
        )
        for name, words in choices
    )
    return page.tag("fieldset", *buttons, class_="filter", aria_label="Show rows by what became of them")


def _pair(page: Page, pair: Pair, most: int, *, unfolded: bool) -> Html:
    change = pair.change
    summary = page.tag(
        "summary",
        page.tag("b", str(change), class_=TONES.get(change, "warn")),
        " ",
        page.bdi(pair.name, LEAST_TEXT),
        " ",
        page.tag("span", page.peek(pair.what(), most), class_="peek"),
    )
    given = (pair.first.get("input") or {}) if most > LEAST_TEXT else {}
    inputs = [
        page.tag("p", page.tag("b", page.bdi(key, LEAST_TEXT)), " ", page.peek(given[key], most)) for key in given
    ]
    differences = (_difference(page, key, pieces, most) for key, pieces in pair.differences())
    why = None if change is Change.CHANGED else page.tag("p", page.peek(pair.what(), most), class_="why")
    return page.tag("details", summary, page.tag("div", why, *inputs, *differences), class_=str(change), open=unfolded)


def _difference(page: Page, key: str, pieces: Sequence[Piece], most: int) -> Html:
    """Return an output in two columns: what it was, with what was removed, and what it is, with what was added."""
    shown = excerpt(pieces, most // 4, most)
    cells = []
    for sign, name in (("-", "del"), ("+", "ins")):
        kept = ((mark, text) for mark, text in shown if mark in {" ", sign})
        text = page.joined(
            _lines(page, text) if mark == " " else page.tag(name, _lines(page, text)) for mark, text in kept
        )
        cells.append(page.tag("td", page.tag("pre", page.tag("bdi", text))))
    return page.tag("table", page.tag("caption", page.bdi(key, LEAST_TEXT)), page.tag("tr", *cells), class_="sides")


def _lines(page: Page, text: str) -> Html:
    return Html("\n".join(page.text(line) for line in text.split("\n")))
