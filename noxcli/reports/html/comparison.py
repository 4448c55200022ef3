"""The page of a comparison: verdict, numbers, and each row that differs, its outputs side by side."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from noxcli.reports.comparison import Change, Pair
from noxcli.reports.html import parts
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.parts import show_took
from noxcli.reports.html.row import LONGEST_ID, WIDEST_CELL, cell_of, head_of, summary_of
from noxcli.reports.words import Piece, excerpt

ROWS_ON_A_PAGE = 10_000
LARGEST_ROWS = 4_500_000  # bytes of all of them
LEAST_TEXT, LARGEST_TEXT = 60, 100_000  # characters of a text in a row
AROUND = 20  # characters around a change in a row's line
TONES = {Change.BROKEN: "bad", Change.FIXED: "good", Change.SAME: "good"}
TERMS = (
    ("Rows", "rows"),
    ("Passed", "passed"),
    ("Pass rate", "pass_rate"),
    ("Median", "median_s"),
    ("95 of 100 within", "p95_s"),
)


def comparison_page(page: Page, totals: Mapping[str, Any], pairs: Iterable[Pair]) -> Iterator[bytes]:
    """Yield the page, of `noxcli.comparison/1` without its rows, and of the pairs that differ."""
    counts = totals["classes"]
    words = ", ".join(f"{counts[change]:,} {change}" for change in Change if counts[change]) or "no rows"
    name = f"{totals['base']['source']} → {totals['new']['source']}"
    rules = parts.rules_of_choice({str(change): f":not(.{change})" for change in Change})
    return page.whole(f"{name} — {words}", _body(page, totals, pairs, f"{name}:", words), rules)


def _body(page: Page, totals: Mapping[str, Any], pairs: Iterable[Pair], name: str, words: str) -> Iterator[Html]:
    counts = totals["classes"]
    shares = parts.shares(page, ((TONES.get(one, "warn"), str(one), counts[one]) for one in Change))
    yield parts.verdict(page, parts.tone_of(totals["exit_code"]), name, words, [], shares)
    yield _numbers(page, totals)
    listed = sum(counts[change] for change in Change if change is not Change.SAME)
    if listed:
        yield from _rows(page, counts, pairs, listed)
    yield page.heading("Details")
    workflows = dict.fromkeys(str(totals[side]["workflow_id"]) for side in ("base", "new"))
    yield parts.facts(
        page,
        [("BASE", totals["base"]["source"]), ("NEW", totals["new"]["source"]), ("Workflow", " → ".join(workflows))],
    )


def _numbers(page: Page, totals: Mapping[str, Any]) -> Html:
    rows = []
    for term, key in TERMS:
        sides = [totals[side][key] for side in ("base", "new")]
        rows.append(
            page.tag("tr", page.tag("th", term), *(page.tag("td", _number(key, side, sides)) for side in sides))
        )
    head = page.tag("tr", *(page.tag("th", words) for words in ("", "BASE", "NEW")))
    return page.tag("table", page.tag("thead", head), page.tag("tbody", *rows), class_="numbers")


def _number(key: str, value: float | None, sides: Sequence[float | None]) -> str:
    if value is None:
        return ""
    if key.endswith("_s"):
        return show_took(value, max(side or 0.0 for side in sides))
    return f"{value:.1%}" if key == "pass_rate" else f"{value:,}"


def _rows(page: Page, counts: Mapping[str, int], pairs: Iterable[Pair], listed: int) -> Iterator[Html]:
    yield page.heading("Rows that differ", f"{listed:,}")
    named = [(str(change), f"{change} {counts[change]:,}") for change in Change if counts[change]]
    yield parts.choice(page, [("all", f"All {listed:,}"), *named[: len(named) - bool(counts[Change.SAME])]], "all")
    most = max(LEAST_TEXT, min(LARGEST_TEXT, LARGEST_ROWS // (8 * min(listed, ROWS_ON_A_PAGE))))
    yield Html(f'<div class="rows pairs">{head_of(page, ("Row", "Input", "Difference", "Change", "Time"))}')
    shown, left = 0, LARGEST_ROWS
    for row in (_pair(page, pair, most) for pair in islice(pairs, ROWS_ON_A_PAGE)):
        left -= len(row.encode())
        if left < 0:
            break
        shown += 1
        yield row
    yield Html("</div>")
    if shown < listed:
        yield page.dim(f"{listed - shown:,} more rows are not on this page; noxcli compare lists them all.")


def _pair(page: Page, pair: Pair, most: int) -> Html:
    inputs, differences = dict(pair.first.get("input") or {}), pair.differences()
    first, (base, new) = next(iter(inputs), None), pair.seconds
    longest, width = max(base or 0.0, new or 0.0), min(most, WIDEST_CELL)
    pieces = differences[0][1] if differences and pair.base and pair.new else []
    summary = summary_of(
        page,
        page.bdi(pair.name, LONGEST_ID),
        [cell_of(page, inputs, first, width), page.tag("bdi", _marked(page, excerpt(pieces, AROUND, width)))],
        str(pair.change),
        " → ".join("" if side is None else show_took(side, longest) for side in (base, new)),
        None if pair.change is Change.CHANGED else page.peek(pair.what(), width),
    )
    sides = [_sides(page, key, excerpt(pieces, most // 4, most)) for key, pieces in differences]
    rest = parts.facts(page, ((key, page.peek(value, most)) for key, value in inputs.items())) if inputs else None
    return page.tag(
        "details", summary, page.tag("div", *sides, rest), class_=f"{pair.change} {TONES.get(pair.change, 'warn')}"
    )


def _sides(page: Page, key: str, pieces: Sequence[Piece]) -> Html:
    """Return an output as it was, with what was removed, and as it is, with what was added."""
    texts = (_marked(page, [piece for piece in pieces if piece[0] != left_out]) for left_out in ("+", "-"))
    return page.joined(
        [
            page.tag("h3", page.bdi(key, LEAST_TEXT)),
            page.tag("div", *(page.tag("pre", page.tag("bdi", text), tabindex=0) for text in texts), class_="sides"),
        ]
    )


def _marked(page: Page, pieces: Iterable[Piece]) -> Html:
    return parts.mark_pieces(page, ((sign, page.mask.torn(text)) for sign, text in pieces))
