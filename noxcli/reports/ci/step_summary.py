"""The summary page of a step, as HTML: in an escaped `<code>`, Markdown, mentions, links and emoji have no effect."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from noxcli.masking import Mask
from noxcli.models import FINAL_STATUSES, KNOWN_STATUSES, word_for
from noxcli.outputs.values import as_text, by_name
from noxcli.render.text import shorten, visible
from noxcli.reports.ci import BatchReport
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.parts import mark_pieces
from noxcli.reports.result import EndedRun
from noxcli.reports.text_diff import fitting
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    from noxcli.reports.row_pair import RowPair

MAX_PAGE = 60_000  # characters: it may become a comment, which GitHub limits to 65,536
EXCERPT, AROUND = (
    2000,
    60,
)  # characters of a text for which there is no room, and around a change in it
MAX_BLOCK = 1000  # characters of an output
CODE_WIDTH = 100
REASON_WIDTH = 2000
UNSAFE = r"[^\w./ -]|-(?=-)"  # in a comment, which nothing may end


class _Room:
    """Blocks of a page, which has room for `most` characters before a last one."""

    def __init__(self, last: str) -> None:
        self.text, self._last = "", last

    def add(self, *blocks: str) -> bool:
        """Add these blocks if all of them fit; return whether they did."""
        text = "".join(f"{block}\n\n" for block in blocks)
        fits = len(self.text) + len(text) + len(self._last) <= MAX_PAGE
        self.text += text if fits else ""
        return fits


def summary_page(ended: Sequence[EndedRun], mask: Mask) -> str:
    """Return the page for these runs, within its size limit: a block that does not fit is omitted."""
    more = "<p>There is more in the log.</p>\n\n"
    page, room = Page(mask), _Room(more)
    fits = [room.add(block) for one in ended for block in _run(page, one)]
    return room.text if all(fits) else room.text + more


def batch_page(ended: BatchReport, mask: Mask) -> str:
    """Return the page of a batch or a comparison: the verdict, what was compared, the counts, and what failed.

    Its first line is a comment, by which a job finds what an earlier one has written. Rows that broke are whole as long
    as there is room.
    """
    code = f"{int(ended.exit_code)}" + (f": {ended.reason}" if ended.reason else "")
    facts = [("Exit code", code), *(ended.facts or [("Rows of", ended.name)])]
    page, room = Page(mask), _Room(f"<p>and {ended.listed:,} more rows</p>\n\n")
    name = shorten(visible(mask(f"noxcli {ended.command} {ended.name}")), CODE_WIDTH)
    room.add(f"<!-- {re.sub(UNSAFE, '', name)} -->")
    room.add(page.tag("h3", f"noxcli {ended.command} {ended.verdict}: {ended.heading}"))
    room.add(_table(page, ((term, _code(page, text, REASON_WIDTH)) for term, text in facts)))
    if not ended.compares:  # whose heading has the counts
        room.add(
            _table(
                page, ((words, f"{count:,}") for count, words in ended.became), ("rows", "number")
            )
        )
    shown = sum(
        room.add(*_broken(page, row)) or room.add(*_broken(page, row, EXCERPT))
        for row in ended.broken
    )
    shown += sum(room.add(page.tag("p", _code(page, line, REASON_WIDTH))) for line in ended.trouble)
    return room.text + (
        f"<p>and {ended.listed - shown:,} more rows</p>\n\n" if shown < ended.listed else ""
    )


def _broken(page: Page, row: "RowPair", most: int = MAX_PAGE) -> Iterator[Html]:
    """Yield a row that broke, with what was before and is now; of texts longer than `most` an excerpt.

    In a paragraph, unlike in a `<pre>`, long lines are not cut off.
    """
    inputs = [" ", _code(page, row.first_input)] if row.first_input else []
    yield page.tag(
        "p",
        page.tag("b", _code(page, row.name)),
        *inputs,
        ": ",
        _code(page, row.what(), REASON_WIDTH),
    )
    for key, pieces in row.differences():
        shown, lengths = fitting(pieces, AROUND, most)
        yield page.tag("p", _code(page, key), lengths and f" ({lengths})")
        for side, omitted in (("BASE", "+"), ("NEW", "-")):
            text = mark_pieces(page, [piece for piece in shown if piece[0] != omitted])
            yield page.tag("p", f"{side} ", page.tag("code", Html(text.replace("\n", "<br>"))))


def _run(page: Page, one: EndedRun) -> Iterator[Html]:
    run, nodes = one.run, one.document["nodes"]
    about = [", run ", _code(page, run["id"]), " ", _status(page, run["status"])] if run else []
    took = f", {show_seconds(run['duration_s'])}" if run and run["duration_s"] is not None else ""
    yield page.tag("h3", f"noxcli: {one.words}")
    yield page.tag(
        "p", _code(page, one.name), *about, f"{took}, exit code {one.document['exit_code']}"
    )
    if one.reason:
        yield page.tag("p", _code(page, one.reason, REASON_WIDTH))
    if run and run["status"] not in FINAL_STATUSES:
        yield page.tag("p", "Continue with ", _code(page, f"noxcli wait {run['id']}"))
    if nodes:
        rows: list[Sequence[Any]] = []
        for node in nodes:
            seconds = None if node["duration_s"] is None else f"{node['duration_s']:.1f}"
            rows.append((_code(page, node["name"]), _status(page, node["status"]), seconds))
        yield _table(page, rows, ("node", "status", "seconds"))
    for key, value in by_name(one.document["output"]).items():
        text = as_text(value)
        more = len(text) > MAX_BLOCK
        begun = page.lines(page.begun(text, MAX_BLOCK))
        yield page.tag("p", _code(page, key))
        block = page.tag("pre", page.tag("code", begun, "…" if more else None))
        yield (
            page.joined([block, "\n", page.tag("p", f"{len(text):,} characters in all")])
            if more
            else block
        )


def _table(page: Page, rows: Iterable[Iterable[Any]], head: Sequence[str] = ()) -> Html:
    lines = [page.tag("tr", *(page.tag("th", cell) for cell in head))] if head else []
    lines += [page.tag("tr", *(page.tag("td", cell) for cell in row)) for row in rows]
    return page.tag("table", Html("".join(f"{line}\n" for line in lines)))


def _status(page: Page, word: str) -> str:
    """Return a status; one of the server's own may be any text."""
    return word_for(word) if word in KNOWN_STATUSES or word == "skipped" else _code(page, word)


def _code(page: Page, text: str, width: int = CODE_WIDTH) -> Html:
    return page.tag("code", Html(escape(shorten(visible(page.mask(text)), width), quote=False)))
