"""The page of a comparison: verdict, what was compared, each row that differs, side by side."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from noxcli.outputs.values import by_name
from noxcli.render.text import amount
from noxcli.reports.comparison_facts import compared_facts, worse_headline
from noxcli.reports.failure_groups import ResultLine, reason_in, run_in
from noxcli.reports.html import parts
from noxcli.reports.html.batch_row import (
    MAX_ID,
    MAX_ROWS,
    ROWS_ON_A_PAGE,
    WIDEST_CELL,
    cell_of,
    head_of,
    status_of,
    summary_of,
)
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.parts import show_took
from noxcli.reports.row_pair import SIDES, RowPair, counted
from noxcli.reports.text_diff import Piece, excerpt, fitting

MIN_TEXT = 60  # characters of a text in a row
MAX_TEXT = 100_000
MOST_OF_FURTHER = 2000  # characters of a text in a further answer to a row
AROUND = 20  # characters around a change in a row's line
TONES = {  # of each class
    "broken": "bad",
    "unclear": "warn",
    "changed": "warn",
    "slower": "warn",
    "fixed": "good",
    "same": "good",
    "new": "run",
    "removed": "run",
    "missing": "idle",
    "fails": "warn",
    "varies": "idle",
}


def comparison_page(
    page: Page, totals: Mapping[str, Any], pairs: Iterable[RowPair]
) -> Iterator[bytes]:
    """Yield the page, of `noxcli.comparison/1` without its rows, and of the pairs that differ."""
    headline = worse_headline(totals)
    counts = []
    if headline:
        counts.append((headline, "bad"))
    for change, count in totals["classes"].items():
        if count:
            counts.append((counted(change, count), TONES[change]))
    base = totals["base"]["source"]
    new = totals["new"]["source"]
    name = base if base == new else f"{base} → {new}"
    workflow = totals["new"]["workflow_name"]
    if workflow:
        name = f"{workflow}: {name}"
    rules = parts.rules_of_choice({change: f":not(.{change})" for change in totals["classes"]})
    title = f"{name} — {', '.join(words for words, _ in counts) or 'no rows'}"
    return page.whole(title, _body(page, totals, pairs, name, counts), rules)


def _body(
    page: Page,
    totals: Mapping[str, Any],
    pairs: Iterable[RowPair],
    name: str,
    counts: Sequence[tuple[str, str]],
) -> Iterator[Html]:
    words: list[Any] = []
    for each, tone in counts:
        words += [page.tag("span", each, class_=tone), " "]
    heading = page.joined(words or ["no rows"])
    yield parts.verdict(page, parts.tone_of(totals["exit_code"]), f"{name}:", heading, [])
    yield page.heading("What was compared")
    ending = f"{totals['exit_code']}: {totals['reason'] or 'no row broke'}"
    yield parts.facts(page, [("Exit code", ending), *compared_facts(totals)])
    yield from _rows(page, totals, pairs)


def _rows(page: Page, totals: Mapping[str, Any], pairs: Iterable[RowPair]) -> Iterator[Html]:
    counts = {change: count for change, count in totals["classes"].items() if count}
    counts.pop("same", None)
    listed = sum(counts.values())
    if not listed:
        return
    yield page.heading("Rows that differ", f"{listed:,}")
    named = [(change, f"{change} {count:,}") for change, count in counts.items()]
    yield parts.choice(page, [("all", f"All {listed:,}"), *named], "all")
    most = _text_of_each(MAX_ROWS, min(listed, ROWS_ON_A_PAGE))
    whole = max(most, _text_of_each(MAX_ROWS // 2, totals["classes"]["broken"]))
    yield page.dim(
        "The search covers what is on this page: rows that differ, and of texts with more than "
        f"{most:,} characters their beginnings."
    )
    head = head_of(page, ("Row", "Input", "Difference", "Change", "Time"))
    yield Html(f'<div class="rows pairs">{head}')
    shown = 0
    remaining = MAX_ROWS
    for pair in islice(pairs, ROWS_ON_A_PAGE):
        row = _pair(page, pair, whole if pair.change == "broken" else most)
        remaining -= len(row.encode())
        if remaining < 0:
            break
        shown += 1
        yield row
    yield Html("</div>")
    if shown < listed:
        verb = "compare" if totals["gate"] is None else "gate"
        yield page.dim(
            f"{listed - shown:,} more rows are not on this page; noxcli {verb} lists them all."
        )


def _text_of_each(room: int, rows: int) -> int:
    """Return how many characters of a text there is room for in each row.

    A row shows a text up to eight times.
    """
    return max(MIN_TEXT, min(MAX_TEXT, room // (8 * max(1, rows))))


def _pair(page: Page, pair: RowPair, most: int) -> Html:
    inputs = dict(pair.first.get("input") or {})
    first_input = next(iter(inputs), None)
    differences = pair.differences()
    pieces = differences[0][1] if differences else []
    width = min(most, WIDEST_CELL)
    cells = [
        cell_of(page, inputs, first_input, width),
        page.tag("bdi", parts.mark_pieces(page, excerpt(pieces, AROUND, width))),
    ]
    why = None
    if pair.change != "changed":
        why = page.peek(pair.what(), width)
    name = page.bdi(pair.name, MAX_ID)
    summary = summary_of(page, name, cells, pair.change, _times(pair), why)
    body = page.tag("div", *_unfolded(page, pair, inputs, differences, most))
    side = "r" if pair.base else "n"  # both sides may have a row of this number
    tone = f"{pair.change} {TONES[pair.change]}"
    return page.tag("details", summary, body, id=f"{side}{pair.row}", class_=tone)


def _times(pair: RowPair) -> str:
    """Return how long the row took on each side."""
    measured = [seconds for seconds in pair.seconds if seconds is not None]
    times = []
    for seconds in pair.seconds:
        if seconds is None:
            times.append("-")
        else:
            times.append(show_took(seconds, max(measured)))
    return " → ".join(times)


def _unfolded(
    page: Page,
    pair: RowPair,
    inputs: Mapping[str, Any],
    differences: Sequence[tuple[str, list[Piece]]],
    most: int,
) -> Iterator[Html]:
    """Yield what a row unfolds to: what differs, inputs, kept columns, repetitions, runs."""
    for key, pieces in differences:
        yield _sides(page, key, pieces, most)
    columns: Mapping[str, Any] = {}
    for line in [*pair.new, *pair.base]:
        if line.get("columns"):
            columns = line["columns"]
            break
    for title, values in (("Inputs", inputs), ("Columns", columns)):
        if values:
            yield page.tag("h3", title)
            yield from parts.values(page, values, most)
    for name, lines in (("BASE", pair.base), ("NEW", pair.new)):
        if pair.repeat > 1 or not differences:
            for number, line in enumerate(lines, 1):
                which = f"{name} {number} of {len(lines)}" if len(lines) > 1 else name
                yield from _repetition(page, which, line, most)
        for line in lines:
            if "judge" in line:
                yield from _judgement(page, name, line, most)
        if lines:
            yield _run_ids(page, name, lines)
    yield from _all_further(page, pair, min(most, MOST_OF_FURTHER))


def _all_further(page: Page, pair: RowPair, most: int) -> Iterator[Html]:
    """Yield the answers of a gate that do not class the row, of later rounds and of re-runs."""
    for name, of_rounds, further in zip(SIDES, pair.lines, pair.further, strict=True):
        more = [*of_rounds[pair.repeat :], *further]
        if more:
            yield page.tag("h3", f"{name}: {amount(len(more), 'further answer')}")
        for line in more:
            yield from _further(page, line, most)


def _further(page: Page, line: ResultLine, most: int) -> Iterator[Html]:
    """Yield an answer to a row that was re-run: place, status, score, run, and texts."""
    result = line["result"]
    run = run_in(result)
    words = [f"place {line['place']}", status_of(result["exit_code"])]
    if line.get("score") is not None:
        words.append(f"score {line['score']:.3g}")
    words.append(f"run {run.get('id') or 'unknown'}")
    yield page.tag("p", page.bdi(", ".join(words), MAX_TEXT), class_="dim")
    yield from parts.values(page, by_name(result["output"]), most)
    if "judge" in line:
        yield from parts.values(page, line["judge"], most)


def _repetition(page: Page, which: str, line: ResultLine, most: int) -> Iterator[Html]:
    result = line["result"]
    yield page.tag("h3", f"{which}: {status_of(result['exit_code'])}")
    message = reason_in(result)
    if message:
        yield page.tag("p", page.bdi(message, most))
    yield from parts.values(page, by_name(result["output"]), most)


def _judgement(page: Page, name: str, line: ResultLine, most: int) -> Iterator[Html]:
    """Yield what the judge says of an answer, its score, and the judge's run."""
    yield page.tag("h3", f"{name}: judged")
    yield from parts.values(page, line["judge"], most)
    if line.get("score") is not None:
        yield page.tag("p", f"score {line['score']:.3g}")
    yield page.tag("p", "judge's run ", page.bdi(str(line["judge_run"]), most), class_="dim")


def _run_ids(page: Page, side: str, lines: Sequence[ResultLine]) -> Html:
    ids = []
    for line in lines:
        run = run_in(line["result"])
        ids.append(str(run.get("id") or "unknown"))
    noun = "run" if len(ids) == 1 else "runs"
    return page.tag("p", f"{side} {noun} ", page.bdi(", ".join(ids)), class_="dim")


def _sides(page: Page, key: str, pieces: Sequence[Piece], most: int) -> Html:
    """Return an output as it was, with what was removed, and as it is, with what was added.

    Both are whole if they fit.
    """
    shown, lengths = fitting(pieces, most // 4, most)
    sides = []
    for name, omitted in zip(SIDES, ("+", "-"), strict=True):
        text = parts.mark_pieces(page, [piece for piece in shown if piece[0] != omitted])
        answer = page.tag("pre", page.tag("bdi", text), tabindex=0)
        sides.append(page.tag("div", page.dim(name), answer))
    head = page.tag("h3", page.bdi(key, MIN_TEXT))
    body = page.tag("div", *sides, class_="sides")
    if not lengths:
        return page.joined([head, body])
    return page.joined([head, body, page.dim(f"{lengths.capitalize()}.")])
