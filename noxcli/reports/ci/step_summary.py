"""The summary page of a step, as HTML.

In an escaped `<code>`, Markdown, mentions, links and emoji have no effect.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from noxcli.errors import CommandLine
from noxcli.masking import Mask
from noxcli.models import FINAL_STATUSES, KNOWN_STATUSES, word_for
from noxcli.outputs.values import as_text, by_name
from noxcli.render.text import shorten, visible
from noxcli.reports.ci import BatchReport
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.parts import mark_pieces
from noxcli.reports.result import EndedRun
from noxcli.reports.text_diff import excerpt, fitting
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    from noxcli.reports.row_pair import RowPair

MAX_PAGE = 60_000  # characters: it may become a comment, which GitHub limits to 65,536
EXCERPT = 2000  # characters of a text for which there is no room
AROUND = 60  # characters around a change in it
# Before the details of a comparison: rows, groups, and characters of a text.
BRIEF_ROWS = 5
BRIEF_OTHERS = 3
BRIEF_GROUPS = 3
BRIEF_WIDTH = 300
MAX_BLOCK = 1000  # characters of an output
CODE_WIDTH = 100
REASON_WIDTH = 2000
UNSAFE = r"[^\w./ -]|-(?=-)"  # in a comment, which nothing may end


class _Room:
    """Blocks of a page, which has room for `most` characters before a last one."""

    def __init__(self, last: str) -> None:
        self.text = ""
        self._last = last

    def add(self, *blocks: str) -> bool:
        """Add these blocks if all of them fit; return whether they did."""
        text = "".join(f"{block}\n\n" for block in blocks)
        if len(self.text) + len(text) + len(self._last) > MAX_PAGE:
            return False
        self.text += text
        return True


def summary_page(ended: Sequence[EndedRun], mask: Mask) -> str:
    """Return the page for these runs, within its limit: a block that does not fit is omitted."""
    more = "<p>There is more in the log.</p>\n\n"
    page = Page(mask)
    room = _Room(more)
    has_all = True
    for one in ended:
        for block in _run(page, one):
            if not room.add(block):
                has_all = False
    if has_all:
        return room.text
    return room.text + more


def batch_page(ended: BatchReport, mask: Mask) -> str:
    """Return the page of a batch or a comparison: verdict, what was compared, counts, what failed.

    Its first line is a comment, by which noxcli knows a file that it wrote. Rows that broke are
    whole as long as there is room.
    """
    page = Page(mask)
    folds = "</details>\n\n" if ended.compares else ""
    room = _Room(_more_rows(ended.listed) + folds)
    name = shorten(visible(mask(f"noxcli {ended.command} {ended.name}")), CODE_WIDTH)
    room.add(f"<!-- {re.sub(UNSAFE, '', name)} -->")
    room.add(page.tag("h3", f"noxcli {ended.command} {ended.verdict}: {ended.heading}"))
    if ended.compares:
        for block in _in_brief(page, ended):
            room.add(block)
    room.add(_facts(page, ended))
    if not ended.compares:  # whose heading has the counts
        counts = [(words, f"{count:,}") for count, words in ended.became]
        room.add(_table(page, counts, ("rows", "number")))
    shown = 0
    for row in ended.broken:
        if room.add(*_broken(page, row)) or room.add(*_broken(page, row, EXCERPT)):
            shown += 1
    for line in ended.trouble:
        if room.add(page.tag("p", _code(page, line, REASON_WIDTH))):
            shown += 1
    if shown < ended.listed:
        return room.text + _more_rows(ended.listed - shown) + folds
    return room.text + folds


def _in_brief(page: Page, ended: BatchReport) -> Iterator[str]:
    """Yield what a reviewer reads before the details, which fold: up to 25 lines."""
    yield page.tag("p", ended.first_step)
    if ended.links:
        words: list[Any] = []
        for word, address in ended.links:
            words += [" · " if words else None, page.tag("a", word, href=address)]
        yield page.tag("p", *words)
    reason = ended.reason_for_reviewers
    if reason:
        yield page.tag("p", _code(page, reason, BRIEF_WIDTH))
    most = BRIEF_ROWS if ended.broken else BRIEF_OTHERS
    for row in ended.telling[:most]:
        yield from _row_in_brief(page, row)
    for group, change in ended.fell[:BRIEF_GROUPS]:
        yield page.tag("p", page.tag("b", _code(page, group)), " fell: ", _code(page, change))
    details = "What was compared, and the rows that differ or fail" if ended.rows else "Details"
    yield f"<details><summary>{details}</summary>"


def _row_in_brief(page: Page, row: "RowPair") -> Iterator[str]:
    """Yield up to four lines: a row with its input, and what it answered before and now."""
    head: list[Any] = [page.tag("b", _code(page, row.name))]
    if row.first_input:
        head += [" ", _code(page, row.first_input)]
    if row.change != "changed":  # what changed follows
        head += [" ", _code(page, row.what(), BRIEF_WIDTH)]
    if row.scores is not None and row.change != "fails":  # both sides are one answer
        base, new = row.scores
        head.append(f" score {base:.3g}, now {new:.3g}")
    yield page.tag("p", *head)
    if row.change == "fails":
        for key, text in row.answer()[:1]:
            of_output = _code(page, text, BRIEF_WIDTH)
            yield page.tag("p", "BASE ", _code(page, key), " ", of_output)
    for key, pieces in row.differences()[:1]:
        shown = excerpt(pieces, AROUND, BRIEF_WIDTH)
        for side, omitted in (("BASE", "+"), ("NEW", "-")):
            text = mark_pieces(page, [piece for piece in shown if piece[0] != omitted])
            of_output = page.tag("code", Html(text.replace("\n", " ")))
            yield page.tag("p", f"{side} ", _code(page, key), " ", of_output)


def _more_rows(count: int) -> str:
    return f"<p>and {count:,} more rows</p>\n\n"


def _facts(page: Page, ended: BatchReport) -> Html:
    code = f"{int(ended.exit_code)}"
    reason = ended.reason_for_reviewers
    if reason:
        code += f": {reason}"
    facts = [("Exit code", code), *(ended.facts or [("Rows of", ended.name)])]
    return _table(page, [(term, _code(page, text, REASON_WIDTH)) for term, text in facts])


def _broken(page: Page, row: "RowPair", most: int = MAX_PAGE) -> Iterator[Html]:
    """Yield a row that broke, with what was before and is now; of longer texts an excerpt.

    In a paragraph, unlike in a `<pre>`, long lines are not cut off.
    """
    head: list[Any] = [page.tag("b", _code(page, row.name))]
    if row.first_input:
        head += [" ", _code(page, row.first_input)]
    head += [": ", _code(page, row.what(), REASON_WIDTH)]
    yield page.tag("p", *head)
    for key, pieces in row.differences():
        shown, lengths = fitting(pieces, AROUND, most)
        yield page.tag("p", _code(page, key), f" ({lengths})" if lengths else None)
        for side, omitted in (("BASE", "+"), ("NEW", "-")):
            text = mark_pieces(page, [piece for piece in shown if piece[0] != omitted])
            yield page.tag("p", f"{side} ", page.tag("code", Html(text.replace("\n", "<br>"))))


def _run(page: Page, one: EndedRun) -> Iterator[Html]:
    run = one.run
    nodes = one.document["nodes"]
    yield page.tag("h3", f"noxcli: {one.words}")
    about: list[Any] = [_code(page, one.name)]
    if run:
        about += [", run ", _code(page, run["id"]), " ", _status(page, run["status"])]
        if run["duration_s"] is not None:
            about.append(f", {show_seconds(run['duration_s'])}")
    yield page.tag("p", *about, f", exit code {one.document['exit_code']}")
    if one.reason:
        yield page.tag("p", _code(page, one.reason, REASON_WIDTH))
    if run and run["status"] not in FINAL_STATUSES:
        line = CommandLine("wait", run["id"]).shown()
        yield page.tag("p", "Continue with ", _code(page, line))
    if nodes:
        rows: list[Sequence[Any]] = []
        for node in nodes:
            seconds = None
            if node["duration_s"] is not None:
                seconds = f"{node['duration_s']:.1f}"
            rows.append((_code(page, node["name"]), _status(page, node["status"]), seconds))
        yield _table(page, rows, ("node", "status", "seconds"))
    for key, value in by_name(one.document["output"]).items():
        text = as_text(value)
        begun = page.lines(page.begun(text, MAX_BLOCK))
        yield page.tag("p", _code(page, key))
        if len(text) <= MAX_BLOCK:
            yield page.tag("pre", page.tag("code", begun))
            continue
        block = page.tag("pre", page.tag("code", begun, "…"))
        yield page.joined([block, "\n", page.tag("p", f"{len(text):,} characters in all")])


def _table(page: Page, rows: Iterable[Iterable[Any]], head: Sequence[str] = ()) -> Html:
    lines = []
    if head:
        lines.append(_table_row(page, "th", head))
    for row in rows:
        lines.append(_table_row(page, "td", row))
    return page.tag("table", Html("".join(lines)))


def _table_row(page: Page, element: str, cells: Iterable[Any]) -> str:
    row = page.tag("tr", page.joined([page.tag(element, cell) for cell in cells]))
    return f"{row}\n"


def _status(page: Page, word: str) -> str:
    """Return a status; one of the server's own may be any text."""
    if word in KNOWN_STATUSES or word == "skipped":
        return word_for(word)
    return _code(page, word)


def _code(page: Page, text: str, width: int = CODE_WIDTH) -> Html:
    return page.tag("code", Html(escape(shorten(visible(page.mask(text)), width), quote=False)))
