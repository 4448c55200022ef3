"""The page of a batch: the outcomes of its rows, the reasons of failures, each row, their durations, and the rest."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from noxcli.errors import ExitCode
from noxcli.outputs.values import by_name
from noxcli.render.text import amount
from noxcli.reports.failure_groups import FailureGroups, ResultLine, headline_of
from noxcli.reports.html import parts
from noxcli.reports.html.batch_row import (
    FRAME,
    MAX_ROW,
    MAX_ROWS,
    ROWS_ON_A_PAGE,
    RowColumns,
    fitting_row,
    head_of,
    status_of,
)
from noxcli.reports.html.markup import Html, Page, show_moment
from noxcli.reports.html.parts import show_took
from noxcli.timing import parse_time, within

MAX_REASONS = 30
NOT_PASSED = "bad"  # the filter for all rows that did not pass


@dataclass(frozen=True, slots=True)
class BatchAbout:
    """The content of a batch's page around its rows; `facts` are for its details.

    `commands` returns commands for the remaining work; it is called after the rows were read for the first time.
    `verdict` says whether the batch passes, and why; None: if all rows pass.
    """

    source: str
    commands: Callable[[], Sequence[str]] = tuple
    notes: Sequence[str] = ()
    facts: Sequence[tuple[str, Any]] = ()
    verdict: tuple[bool, str] | None = None


@dataclass(slots=True)
class _Count:
    """What the rows have in common, and their totals; four bytes per row."""

    codes: Counter[int] = field(default_factory=Counter)
    took: "array[float]" = field(default_factory=lambda: array("f"))
    reasons: FailureGroups = field(default_factory=FailureGroups)
    workflow: Any = None  # its name
    word: str = "rows"  # for what the lines are about; repetitions are runs
    input: str | None = None  # the first one that a row has
    output: str | None = None
    began: datetime | None = None
    ended: datetime | None = None

    @property
    def rows(self) -> int:
        return self.codes.total()

    @property
    def bad(self) -> int:
        return self.rows - self.codes[ExitCode.OK]

    def add(self, row: ResultLine) -> None:
        result = row["result"]
        code, run = result["exit_code"], result["run"] or {}
        self.codes[code] += 1
        self.word = "runs" if "repetition" in row else self.word
        self.workflow = self.workflow or run.get("workflow_name")
        self.input = self.input or next(iter(row["input"] or ()), None)
        self.output = self.output or next(iter(by_name(result["output"])), None)
        if (took := run.get("duration_s")) is not None:
            self.took.append(took)
        began, ended = parse_time(run.get("created_at")), parse_time(run.get("finished_at"))
        self.began = min(filter(None, (self.began, began)), default=None)
        self.ended = max(filter(None, (self.ended, ended)), default=None)
        if code != ExitCode.OK:
            self.reasons.count(row)


def rows_page(
    page: Page, about: BatchAbout, rows: Callable[[], Iterable[ResultLine]]
) -> Iterator[bytes]:
    """Yield the page; `rows` yields lines of `batch` or `results`, and is called twice.

    A row may have a `folder` with its files, as a path.
    """
    count = _Count()
    for row in rows():
        count.add(row)
    rules = parts.rules_of_choice(
        {**{f"{code}": f":not(.c{code})" for code in count.codes}, NOT_PASSED: ".c0"}
    )
    passes, words = about.verdict or (
        not count.bad,
        headline_of(count.codes, count.rows, count.word[:-1]),
    )
    body = _body(page, about, rows, count, "good" if passes else "bad", words)
    return page.whole(f"{count.workflow or about.source} — {words}", body, rules)


def _body(
    page: Page,
    about: BatchAbout,
    rows: Callable[[], Iterable[ResultLine]],
    count: _Count,
    tone: str,
    verdict: str,
) -> Iterator[Html]:
    when = [show_moment(count.began)] if count.began is not None else []
    if (
        count.began is not None and count.ended is not None
    ):  # from the first start to the last end, by the server
        when.append(f"in {show_took((count.ended - count.began).total_seconds())}")
    yield parts.verdict(
        page,
        tone,
        f"{count.workflow or 'Batch'}:",
        verdict,
        [*when, Path(about.source).name],
        *(page.tag("p", page.bdi(note), class_="why") for note in about.notes),
    )
    yield from _reasons(page, count)
    yield from _filter(page, count)
    yield from _listed(page, rows, count)
    if commands := about.commands():
        yield page.heading("Retry")
        yield parts.commands(page, commands)
    if took := sorted(count.took):
        yield page.heading("Durations", amount(len(took), "row"))
        at = (("Median", 0.5), ("95 of 100 within", 0.95), ("Longest", 1.0))
        yield parts.facts(
            page, ((term, show_took(within(took, share), took[-1])) for term, share in at)
        )
    yield page.heading("Details")
    yield parts.facts(page, [("File", about.source), *about.facts])


def _reasons(page: Page, count: _Count) -> Iterator[Html]:
    ranked = count.reasons.ranked()
    if not ranked:
        return
    yield page.heading("Reasons", amount(count.bad, "row"))
    lines = []
    for reason in ranked[:MAX_REASONS]:
        links = page.joined(
            page.joined([" ", page.tag("a", row, href=f"#r{row}")]) for _, row in reason.rows
        )
        more = " …" if reason.count > len(reason.rows) else None
        where = page.tag("div", "row" if reason.count == 1 else "rows", links, more, class_="dim")
        shared = page.tag("div", page.bdi(reason.shared, 600), where)
        lines.append(page.tag("li", page.tag("b", f"{reason.count:,}"), shared))
    yield page.tag("ul", *lines, class_="reasons")
    if len(ranked) > MAX_REASONS:
        remaining = sum(reason.count for reason in ranked[MAX_REASONS:])
        yield page.dim(f"and {remaining:,} rows with {len(ranked) - MAX_REASONS:,} other reasons")


def _filter(page: Page, count: _Count) -> Iterator[Html]:
    """Yield the choice of rows to show; at first, it shows those that did not pass."""
    yield page.heading(count.word.capitalize(), f"{count.rows:,}")
    codes = sorted(count.codes)
    bad = [code for code in codes if code != ExitCode.OK]
    choices = [("all", f"All {count.rows:,}")]
    if len(bad) > 1:
        word = "passed" if ExitCode.NOT_AS_ASSERTED in bad else "completed"
        choices.append((NOT_PASSED, f"Not {word} {count.bad:,}"))
    choices += [(f"{code}", f"{status_of(code)} {count.codes[code]:,}") for code in codes]
    first = "all" if len(codes) == 1 or not bad else NOT_PASSED if len(bad) > 1 else f"{bad[0]}"
    yield parts.choice(page, choices, first)


def _listed(page: Page, rows: Callable[[], Iterable[ResultLine]], count: _Count) -> Iterator[Html]:
    """Yield the rows one by one, since they may be many."""
    columns = RowColumns(count.input, count.output, max(count.took, default=0.0))
    heads = ("Row", columns.input or "Input", columns.output or "Output", "Status", "Time")
    yield Html(f'<div class="rows">{head_of(page, heads)}')
    # By whether they did not pass: the rows to list, and the bytes that each of them is sure to have.
    waiting = {True: min(count.bad, ROWS_ON_A_PAGE)}
    waiting[False] = min(count.rows - count.bad, ROWS_ON_A_PAGE - waiting[True])
    remaining, shown = MAX_ROWS, 0
    most = min(MAX_ROWS // 2, MAX_ROWS - FRAME * waiting[False])
    kept = {True: min(MAX_ROW, most // max(1, waiting[True])), False: FRAME}
    for row in rows():
        bad = row["result"]["exit_code"] != ExitCode.OK
        room = (remaining - waiting[not bad] * kept[not bad]) // max(1, waiting[bad])
        if waiting[bad] and room > 0:
            yield (made := fitting_row(page, columns, row, room))
            remaining -= len(made.encode())
            waiting[bad] -= 1
            shown += 1
    yield Html("</div>")
    if more := count.rows - shown:
        yield page.dim(f"{more:,} more rows are not on this page; noxcli results lists them all.")
