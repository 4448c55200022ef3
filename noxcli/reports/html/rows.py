"""The page of a batch: the outcomes of its rows, their durations, the reasons of failures, and each row."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from noxcli.errors import ExitCode
from noxcli.fixed import fixed
from noxcli.render.text import amount
from noxcli.reports.html import parts
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.parts import mapping, number, show_took, tone_of

ROWS_ON_A_PAGE = 10_000  # rows that did not complete come first
LARGEST_ROWS = 4_400_000  # characters of all of them
ROW_FRAME = 330  # characters of a row besides its message
WIDEST_MESSAGE, NARROWEST_MESSAGE = 400, 60
LONGEST_FIELD = 60  # characters of an id
MOST_REASONS, KEPT_REASONS, ROWS_NAMED = 30, 2000, 12
# Parts of a message that differ from run to run, although the reason is the same.
PARTICULAR = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{12,}\b|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?"
    r"|\b\d+(?:\.\d+)?(?=\s?(?:ms|s|m|h|seconds?|minutes?)\b)",
    re.IGNORECASE,
)
Row = Mapping[str, Any]


@fixed
class BatchAbout:
    """The content of a batch's page besides its rows.

    `commands` returns commands for the remaining work; it is called after the rows were read for the first time.
    """

    source: str
    workflow_id: str | None = None
    commands: Callable[[], Sequence[str]] = tuple
    notes: Sequence[str] = ()


@dataclass(slots=True)
class _Count:
    """The totals of the rows; four bytes per row."""

    codes: Counter[int] = field(default_factory=Counter)
    took: "array[float]" = field(default_factory=lambda: array("f"))
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

    def add(self, row: Row) -> None:
        code, took = _code(row), number(_run(row).get("duration_s"))
        self.codes[code] += 1
        if took is not None:
            self.took.append(took)
        if code != ExitCode.OK:
            reason = _reason(row)
            known = reason in self.reasons or len(self.reasons) < KEPT_REASONS
            rows = self.reasons.setdefault(reason if known else "other reasons", [0])
            rows[0] += 1
            if len(rows) <= ROWS_NAMED:
                rows.append(int(row["row"]))


def rows_page(page: Page, about: BatchAbout, rows: Callable[[], Iterable[Row]]) -> Iterator[bytes]:
    """Yield the page; `rows` yields lines of `batch` or `results`, and is called twice.

    A row may have a `folder` with its files, as a path.
    """
    count = _Count()
    for row in rows():
        count.add(row)
    rules = "".join(
        f"body:has(#f{code}:checked) .rows tbody tr:not(.c{code}){{display:none}}" for code in sorted(count.codes)
    )
    return page.whole(f"{about.source} — {count.passed}", _body(page, about, rows, count), rules)


def _body(page: Page, about: BatchAbout, rows: Callable[[], Iterable[Row]], count: _Count) -> Iterator[Html]:
    workflow = [f"workflow {about.workflow_id}"] if about.workflow_id is not None else []
    yield parts.verdict(
        page,
        "bad" if count.bad else "good",
        about.source,
        count.passed,
        workflow,
        *(page.tag("p", page.bdi(note), class_="why") for note in about.notes),
        _shares(page, count),
    )
    if commands := about.commands():
        yield page.heading("Retry")
        yield parts.commands(page, commands)
    if took := sorted(count.took):
        yield page.heading("Durations")
        terms = (("Median", 0.5), ("95 of 100 within", 0.95), ("Longest", 1.0))
        at = ((term, took[min(len(took) - 1, int(len(took) * share))]) for term, share in terms)
        yield parts.facts(page, ((term, show_took(seconds)) for term, seconds in at))
    yield from _reasons(page, count)
    yield from _filter(page, count)
    yield from _table(page, rows, count)


def _shares(page: Page, count: _Count) -> Html:
    drawn, place = [], 0.0
    for code, rows in sorted(count.codes.items()):
        share = 100 * rows / count.rows
        words = page.tag("title", f"{rows:,} {ExitCode.words_of(code)}")
        size = {"x": f"{place:.3f}%", "width": f"{share:.3f}%", "height": "100%"}
        drawn.append(page.tag("rect", words, class_=tone_of(code), **size))
        place += share
    picture = page.tag("svg", *drawn, role="img", aria_label="Share of each status")
    return page.tag("div", picture, class_="share")


def _reasons(page: Page, count: _Count) -> Iterator[Html]:
    if not count.reasons:
        return
    ranked = sorted(count.reasons.items(), key=lambda item: -item[1][0])
    yield page.heading("Reasons", amount(count.bad, "row"))
    yield page.tag(
        "ul", *(_reason_line(page, reason, *rows) for reason, rows in ranked[:MOST_REASONS]), class_="reasons"
    )
    if len(ranked) > MOST_REASONS:
        left = sum(rows[0] for _, rows in ranked[MOST_REASONS:])
        yield page.dim(f"and {left:,} rows with {len(ranked) - MOST_REASONS:,} other reasons")


def _reason_line(page: Page, reason: str, rows: int, *first: int) -> Html:
    links = page.joined(page.joined([" ", page.tag("a", row, href=f"#r{row}")]) for row in first)
    where = page.tag("div", "row" if rows == 1 else "rows", links, " …" if rows > len(first) else None, class_="dim")
    return page.tag("li", page.tag("b", f"{rows:,}"), page.tag("div", page.bdi(reason, 600), where))


def _filter(page: Page, count: _Count) -> Iterator[Html]:
    yield page.heading("Rows", f"{count.rows:,}")
    choices = [("all", f"All {count.rows:,}")]
    choices += [(f"{code}", f"{ExitCode.words_of(code)} {rows:,}") for code, rows in sorted(count.codes.items())]
    buttons = (
        page.joined(
            [
                page.tag("input", type="radio", name="show", id=f"f{name}", checked=name == "all"),
                page.tag("label", f"{words[:1].upper()}{words[1:]}", for_=f"f{name}"),
            ]
        )
        for name, words in choices
    )
    yield page.tag("fieldset", *buttons, class_="filter", aria_label="Show rows by status")


def _table(page: Page, rows: Callable[[], Iterable[Row]], count: _Count) -> Iterator[Html]:
    """Yield the table row by row, since it may be large."""
    head = page.tag("tr", *(page.tag("th", words) for words in ("Row", "Id", "Status", "Time", "Message", "Run")))
    yield Html(f'<table class="rows"><thead>{head}</thead><tbody>')
    left = {True: min(count.bad, ROWS_ON_A_PAGE), False: max(0, ROWS_ON_A_PAGE - count.bad)}
    shown = min(count.rows, ROWS_ON_A_PAGE)
    width = max(NARROWEST_MESSAGE, min(WIDEST_MESSAGE, LARGEST_ROWS // max(1, shown) - ROW_FRAME))
    for row in rows():
        bad = _code(row) != ExitCode.OK
        if left[bad]:
            left[bad] -= 1
            yield _row(page, row, width)
    yield Html("</tbody></table>")
    if shown < count.rows:
        yield page.dim(f"{count.rows - shown:,} more rows are not on this page; noxcli results lists them all.")


def _row(page: Page, row: Row, width: int) -> Html:
    code, took, where = _code(row), number(_run(row).get("duration_s")), row.get("folder")
    message = None if code == ExitCode.OK else page.bdi(_message(row), width)
    files = page.joined([page.link(where, "files"), " "]) if isinstance(where, str) else None
    cells = (
        int(row["row"]),
        page.bdi(row.get("id") or "", LONGEST_FIELD),
        ExitCode.words_of(code),
        None if took is None else show_took(took),
        message,
        page.joined([files, page.text(_run(row).get("id") or "", LONGEST_FIELD)]),
    )
    columns = (page.tag("td", cell) for cell in cells)
    return page.tag("tr", *columns, id=f"r{int(row['row'])}", class_=f"c{code} {tone_of(code)}")


def _run(row: Row) -> Row:
    return mapping(mapping(row.get("result")).get("run"))


def _code(row: Row) -> int:
    code = number(mapping(row.get("result")).get("exit_code"))
    return int(ExitCode.BUG if code is None or not 0 <= code <= 255 else code)


def _message(row: Row) -> str:
    return parts.message_of(mapping(row.get("result")))


def _reason(row: Row) -> str:
    return PARTICULAR.sub("…", (_message(row) or ExitCode.words_of(_code(row)))[:2000])
