"""The page of a batch: the outcomes of its rows, their durations, the reasons of failures, and each row."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from noxcli.errors import ExitCode
from noxcli.fixed import fixed
from noxcli.masking import Mask
from noxcli.render.text import amount
from noxcli.reports.html.page import Ink, number, page, show_short
from noxcli.reports.html.run import SIGNS, commands_list, tone_of

ROWS_ON_A_PAGE = 10_000  # on a page; rows that did not complete come first
LARGEST_ROWS = 4_400_000  # bytes of all of them
ROW_FRAME = 260  # bytes of a row besides its message
WIDEST_MESSAGE, NARROWEST_MESSAGE = 400, 60  # bytes
LONGEST_FIELD = 60  # bytes of an id
MOST_REASONS, KEPT_REASONS, ROWS_NAMED = 30, 2000, 12
BINS = 32
# Parts of a message that differ from run to run, although the reason is the same.
PARTICULAR = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{12,}\b|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?"
    r"|\b\d+(?:\.\d+)?(?=\s?(?:ms|s|m|h|seconds?|minutes?)\b)",
    re.IGNORECASE,
)


@fixed
class BatchAbout:
    """The content of a batch's page besides its rows. `commands` are commands for the remaining work."""

    source: str
    workflow_id: str | None = None
    commands: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(slots=True)
class _Count:
    """The totals of the rows; four bytes per row."""

    codes: Counter[int] = field(default_factory=Counter)
    took: "array[float]" = field(default_factory=lambda: array("f"))
    took_in_vain: "array[float]" = field(default_factory=lambda: array("f"))  # of rows that did not complete
    reasons: dict[str, list[int]] = field(default_factory=dict)  # the number of rows, and the first of them

    @property
    def rows(self) -> int:
        return self.codes.total()

    @property
    def bad(self) -> int:
        return self.rows - self.codes[ExitCode.OK]

    @property
    def passed(self) -> str:
        """The head line: a row that completed has not passed if an assertion failed."""
        word = "passed" if self.codes[ExitCode.NOT_AS_ASSERTED] else "completed"
        return f"{self.codes[ExitCode.OK]:,} of {self.rows:,} rows {word}"

    def add(self, row: Mapping[str, Any]) -> None:
        code, took = _code(row), number(row.get("duration_s"))
        self.codes[code] += 1
        if took is not None:
            (self.took if code == ExitCode.OK else self.took_in_vain).append(took)
        if code != ExitCode.OK:
            reason = _reason(row)
            known = reason in self.reasons or len(self.reasons) < KEPT_REASONS
            rows = self.reasons.setdefault(reason if known else "other reasons", [0])
            rows[0] += 1
            if len(rows) <= ROWS_NAMED:
                rows.append(int(row["row"]))


def rows_page(
    about: BatchAbout, rows: Callable[[], Iterable[Mapping[str, Any]]], mask: Mask, base: Path
) -> Iterator[bytes]:
    """Yield the page; `rows` yields the lines of results, and is called twice.

    A row may have a `folder` with its files, as a path. Links to files start from the directory `base`.
    """
    ink, count = Ink(mask, base), _Count()
    for row in rows():
        count.add(row)
    rules = "".join(
        f"body:has(#f{code}:checked) .rows tbody tr:not(.c{code}){{display:none}}" for code in sorted(count.codes)
    )
    title = f"{ink.line(about.source, 80)} — {count.passed}"
    return page(title, _body(about, rows, count, ink), rules)


def _body(about: BatchAbout, rows: Callable[[], Iterable[Mapping[str, Any]]], count: _Count, ink: Ink) -> Iterator[str]:
    tone = "good" if not count.bad else "bad"
    yield f'<header class="verdict {tone}">'
    yield f'<p class="chip">{SIGNS[tone]} {count.passed}</p>'
    yield f"<h1><bdi>{ink.line(about.source, 200)}</bdi></h1>"
    if about.workflow_id is not None:
        yield f'<p class="hint">Workflow <bdi>{ink.line(about.workflow_id, 100)}</bdi></p>'
    for note in about.notes:
        yield f'<p class="why"><bdi>{ink.line(note)}</bdi></p>'
    yield f"{_shares(count)}</header>"
    if about.commands:
        yield "<h2>Retry</h2>"
        yield commands_list(about.commands, ink)
    yield from _durations(count)
    yield from _reasons(count, ink)
    yield from _filter(count)
    yield from _table(rows, count, ink)


def _shares(count: _Count) -> str:
    drawn, place = "", 0.0
    for code, rows in sorted(count.codes.items()):
        share = 100 * rows / count.rows
        drawn += (
            f'<rect class="{tone_of(code)}" x="{place:.3f}%" width="{share:.3f}%" height="100%">'
            f"<title>{rows:,} {ExitCode.words_of(code)}</title></rect>"
        )
        place += share
    return f'<div class="share"><svg role="img" aria-label="Share of each status">{drawn}</svg></div>' if drawn else ""


def _durations(count: _Count) -> Iterator[str]:
    took = sorted([*count.took, *count.took_in_vain])
    if not took:
        return
    cap = max(took[min(len(took) - 1, int(len(took) * 0.99))] * 1.05, 0.001)
    good, bad = (_binned(times, cap) for times in (count.took, count.took_in_vain))
    highest = max(map(sum, zip(good, bad, strict=True)))
    yield "<h2>Durations</h2>"
    yield '<svg class="hist" role="img" aria-label="Rows by duration">'
    for place, (fine, failed) in enumerate(zip(good, bad, strict=True)):
        if fine or failed:
            low, high = place * cap / BINS, (place + 1) * cap / BINS
            until = "and more" if place == BINS - 1 else f"to {high:.2f} s"
            at = f'x="{100 * place / BINS + 0.15:.2f}%" width="{100 / BINS - 0.3:.2f}%"'
            top, above = 100 * fine / highest, 100 * failed / highest
            yield (
                f"<g><title>{low:.2f} s {until}: {fine + failed:,} rows, {failed:,} of them in red</title>"
                f'<rect {at} y="{100 - top:.2f}%" height="{top:.2f}%"/>'
                f'<rect class="bad" {at} y="{100 - top - above:.2f}%" height="{above:.2f}%"/></g>'
            )
    last = f"{show_short(cap)}{' and more' if took[-1] > cap else ''}"
    scale = "".join(f"<span>{words}</span>" for words in ("0s", show_short(cap / 2), last))
    yield f'</svg><p class="scale">{scale}</p>'
    yield '<dl class="facts">'
    for term, share in (("Median", 0.5), ("95 of 100 within", 0.95), ("Longest", 1.0)):
        yield f"<div><dt>{term}</dt><dd>{show_short(took[min(len(took) - 1, int(len(took) * share))])}</dd></div>"
    yield "</dl>"


def _binned(times: Iterable[float], cap: float) -> list[int]:
    bins = [0] * BINS
    for seconds in times:
        bins[min(BINS - 1, max(0, int(seconds / cap * BINS)))] += 1
    return bins


def _reasons(count: _Count, ink: Ink) -> Iterator[str]:
    if not count.reasons:
        return
    ranked = sorted(count.reasons.items(), key=lambda item: -item[1][0])
    yield f"<h2>Reasons <small>{amount(count.bad, 'row')}</small></h2>"
    yield '<ul class="reasons">'
    for reason, (rows, *first) in ranked[:MOST_REASONS]:
        links = " ".join(f'<a href="#r{row}">{row}</a>' for row in first)
        more = " …" if rows > len(first) else ""
        yield f"<li><b>{rows:,}</b><div><bdi>{ink.line(reason, 600)}</bdi>"
        yield f'<div class="dim">{"row" if rows == 1 else "rows"} {links}{more}</div></div></li>'
    yield "</ul>"
    if len(ranked) > MOST_REASONS:
        left = sum(rows[0] for _, rows in ranked[MOST_REASONS:])
        yield f'<p class="dim">and {left:,} rows with {len(ranked) - MOST_REASONS:,} other reasons</p>'


def _filter(count: _Count) -> Iterator[str]:
    yield f"<h2>Rows <small>{count.rows:,}</small></h2>"
    yield '<fieldset class="filter" aria-label="Show rows by status">'
    choices = [
        ("all", f"All {count.rows:,}"),
        *((f"{code}", f"{ExitCode.words_of(code)} {rows:,}") for code, rows in sorted(count.codes.items())),
    ]
    for name, words in choices:
        yield (
            f'<input type="radio" name="show" id="f{name}"{" checked" if name == "all" else ""}>'
            f'<label for="f{name}">{words[:1].upper()}{words[1:]}</label>'
        )
    yield "</fieldset>"


def _table(rows: Callable[[], Iterable[Mapping[str, Any]]], count: _Count, ink: Ink) -> Iterator[str]:
    yield '<table class="rows"><thead><tr><th>Row<th>Id<th>Status<th>Time<th>Message<th>Run</tr></thead><tbody>'
    left = {True: min(count.bad, ROWS_ON_A_PAGE), False: max(0, ROWS_ON_A_PAGE - count.bad)}
    shown = min(count.rows, ROWS_ON_A_PAGE)
    width = max(NARROWEST_MESSAGE, min(WIDEST_MESSAGE, LARGEST_ROWS // max(1, shown) - ROW_FRAME))
    for row in rows():
        bad = _code(row) != ExitCode.OK
        if left[bad]:
            left[bad] -= 1
            yield _row(row, width, ink)
    yield "</tbody></table>"
    if shown < count.rows:
        left_out = f"{count.rows - shown:,} more rows are not on this page"
        yield f'<p class="dim">{left_out}; noxcli results lists them all.</p>'


def _row(row: Mapping[str, Any], width: int, ink: Ink) -> str:
    code, took = _code(row), number(row.get("duration_s"))
    run_id = row.get("run_id") or ""
    message = "" if code == ExitCode.OK else _message(row)
    where = row.get("folder")
    files = f"{ink.link(where, 'files')} " if isinstance(where, str) else ""
    run = _fitted(run_id, LONGEST_FIELD, ink)
    return (
        f'<tr id="r{int(row["row"])}" class="c{code} {tone_of(code)}"><td>{int(row["row"])}'
        f"<td><bdi>{_fitted(row.get('id') or '', LONGEST_FIELD, ink)}</bdi><td>{ExitCode.words_of(code)}"
        f"<td>{'' if took is None else show_short(took)}<td><bdi>{_fitted(message, width, ink)}</bdi>"
        f"<td>{files}{run}"
    )


def _fitted(value: Any, size: int, ink: Ink) -> str:
    """Return a line of at most that many bytes, escaped."""
    plain = ink.plain(value, size)
    shown = escape(plain)
    while len(shown.encode()) > size:
        plain = f"{plain[: max(1, len(plain) * size // len(shown.encode()) - 1)].rstrip('…')}…"
        shown = escape(plain)
    return shown


def _code(row: Mapping[str, Any]) -> int:
    code = number(row.get("exit_code"))
    return int(ExitCode.BUG if code is None or not 0 <= code <= 255 else code)


def _message(row: Mapping[str, Any]) -> str:
    """Return a row's message without its run, which has its own column."""
    return str(row.get("message") or "").removeprefix(f"run {row.get('run_id')} ").removeprefix("run ")


def _reason(row: Mapping[str, Any]) -> str:
    return PARTICULAR.sub("…", (_message(row) or ExitCode.words_of(_code(row)))[:2000])
