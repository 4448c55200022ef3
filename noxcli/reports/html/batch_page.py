"""The page of a batch: outcomes of its rows, reasons of failures, each row, durations, the rest."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from noxcli.errors import ExitCode
from noxcli.outputs.values import by_name
from noxcli.render.text import amount
from noxcli.reports.failure_groups import FailureGroups, ResultLine, headline_of, run_in
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
    unfolds,
)
from noxcli.reports.html.markup import Html, Page, show_moment
from noxcli.reports.html.parts import show_took
from noxcli.timing import parse_time, within

MAX_REASONS = 30
NOT_PASSED = "bad"  # the filter for all rows that did not pass


@dataclass(frozen=True, slots=True)
class BatchAbout:
    """The content of a batch's page around its rows; `facts` are for its details.

    `commands` returns commands for the remaining work; it is called after the rows were read for
    the first time. `verdict` says whether the batch passes, and why; None: if all rows pass.
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
        run = run_in(result)
        self.codes[result["exit_code"]] += 1
        if result["exit_code"] != ExitCode.OK:
            self.reasons.count(row)
        if "repetition" in row:
            self.word = "runs"
        if not self.workflow:
            self.workflow = run.get("workflow_name")
        if not self.input:
            self.input = _first_key(row["input"] or {})
        if not self.output:
            self.output = _first_key(by_name(result["output"]))
        self._time(run)

    def _time(self, run: Mapping[str, Any]) -> None:
        took = run.get("duration_s")
        if took is not None:
            self.took.append(took)
        began = parse_time(run.get("created_at"))
        if began is not None and (self.began is None or began < self.began):
            self.began = began
        ended = parse_time(run.get("finished_at"))
        if ended is not None and (self.ended is None or ended > self.ended):
            self.ended = ended


def _first_key(values: Mapping[str, Any]) -> str | None:
    return next(iter(values), None)


def rows_page(
    page: Page, about: BatchAbout, rows: Callable[[], Iterable[ResultLine]]
) -> Iterator[bytes]:
    """Yield the page; `rows` yields lines of `batch` or `results`, and is called twice.

    A row may have a `folder` with its files, as a path.
    """
    count = _Count()
    for row in rows():
        count.add(row)
    hidden = {str(code): f":not(.c{code})" for code in count.codes}
    hidden[NOT_PASSED] = ".c0"
    if about.verdict is not None:
        passes, words = about.verdict
    else:
        passes = not count.bad
        words = headline_of(count.codes, count.rows, count.word[:-1])
    body = _body(page, about, rows, count, "good" if passes else "bad", words)
    title = f"{count.workflow or about.source} — {words}"
    return page.whole(title, body, parts.rules_of_choice(hidden))


def _body(
    page: Page,
    about: BatchAbout,
    rows: Callable[[], Iterable[ResultLine]],
    count: _Count,
    tone: str,
    verdict: str,
) -> Iterator[Html]:
    when = []
    if count.began is not None:
        when.append(show_moment(count.began))
        if count.ended is not None:  # from the first start to the last end, by the server
            when.append(f"in {show_took((count.ended - count.began).total_seconds())}")
    when.append(Path(about.source).name)
    name = f"{count.workflow or 'Batch'}:"
    notes = [page.tag("p", page.bdi(note), class_="why") for note in about.notes]
    yield parts.verdict(page, tone, name, verdict, when, *notes)
    yield from _reasons(page, count)
    yield from _filter(page, count)
    yield from _listed(page, rows, count)
    commands = about.commands()
    if commands:
        yield page.heading("Retry")
        yield parts.commands(page, commands)
    took = sorted(count.took)
    if took:
        yield page.heading("Durations", amount(len(took), "row"))
        shares = []
        for term, share in (("Median", 0.5), ("95 of 100 within", 0.95), ("Longest", 1.0)):
            shares.append((term, show_took(within(took, share), took[-1])))
        yield parts.facts(page, shares)
    yield page.heading("Details")
    yield parts.facts(page, [("File", about.source), *about.facts])


def _reasons(page: Page, count: _Count) -> Iterator[Html]:
    ranked = count.reasons.ranked()
    if not ranked:
        return
    yield page.heading("Reasons", amount(count.bad, "row"))
    lines = []
    for reason in ranked[:MAX_REASONS]:
        where: list[Any] = ["row" if reason.count == 1 else "rows"]
        for _, row in reason.rows:
            where += [" ", page.tag("a", row, href=f"#r{row}")]
        if reason.count > len(reason.rows):
            where.append(" …")
        rows = page.tag("div", *where, class_="dim")
        shared = page.tag("div", page.bdi(reason.shared, 600), rows)
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
    if len(codes) == 1 or not bad:
        first = "all"
    elif len(bad) > 1:
        first = NOT_PASSED
    else:
        first = f"{bad[0]}"
    yield parts.choice(page, choices, first)


def _listed(page: Page, rows: Callable[[], Iterable[ResultLine]], count: _Count) -> Iterator[Html]:
    """Yield the rows one by one, since they may be many."""
    columns = RowColumns(count.input, count.output, max(count.took, default=0.0))
    heads = ("Row", columns.input or "Input", columns.output or "Output", "Status", "Time")
    yield Html(f'<div class="rows">{head_of(page, heads)}')
    share = _Share(count)
    folded = 0
    for row in rows():
        passed = row["result"]["exit_code"] == ExitCode.OK
        room = share.room(passed=passed)
        if room > 0:
            shown = fitting_row(page, columns, row, room)
            share.take(len(shown.encode()), passed=passed)
            if not unfolds(shown):
                folded += 1
            yield shown
    yield Html("</div>")
    yield page.dim(
        "The search covers what is on this page; of long texts, only their beginnings are."
    )
    if folded:
        yield page.dim(
            f"{amount(folded, 'row')} can't unfold, since the page has no room for their texts; "
            "noxcli results prints them."
        )
    more = count.rows - share.rows
    if more:
        yield page.dim(f"{more:,} more rows are not on this page; noxcli results lists them all.")


class _Share:
    """How many bytes the next row may have, so that all that are listed have their part.

    Rows that did not pass come first: each of the others is sure of its frame only.
    """

    def __init__(self, count: _Count) -> None:
        self.rows = 0  # that were listed
        self._bad = min(count.bad, ROWS_ON_A_PAGE)  # that are still to be listed
        self._good = min(count.rows - count.bad, ROWS_ON_A_PAGE - self._bad)
        self._remaining = MAX_ROWS
        most = min(MAX_ROWS // 2, MAX_ROWS - FRAME * self._good)
        self._of_each_bad = min(MAX_ROW, most // max(1, self._bad))

    def room(self, *, passed: bool) -> int:
        """Return the bytes for a row; 0 or less if it is not listed."""
        if passed:
            kept = self._bad * self._of_each_bad
            waiting = self._good
        else:
            kept = self._good * FRAME
            waiting = self._bad
        if waiting == 0:
            return 0
        return (self._remaining - kept) // waiting

    def take(self, size: int, *, passed: bool) -> None:
        """Note that a row was listed."""
        self.rows += 1
        self._remaining -= size
        if passed:
            self._good -= 1
        else:
            self._bad -= 1
