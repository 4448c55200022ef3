"""The summary page of a step, as HTML: in an escaped `<code>`, Markdown, mentions, links and emoji have no effect."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from noxcli.masking import Mask
from noxcli.models import FINAL_STATUSES, KNOWN_STATUSES, word_for
from noxcli.outputs.values import as_text, by_name
from noxcli.render.text import shorten, visible
from noxcli.reports.ci import BatchEnded, Broken
from noxcli.reports.result import Ended
from noxcli.reports.words import CHANGES, excerpt
from noxcli.timing import show_seconds

LARGEST_BATCH = 60_000  # characters of the page of a batch: it may become a comment, which GitHub limits to 65,536
EXCERPT, AROUND = 2000, 60  # characters of a text for which there is no room, and around a change in it
LARGEST_SUMMARY = 64 * 1024  # bytes of a page, which leaves room for others in the same step
LONGEST_BLOCK = 1000  # characters of an output
MASKED = 4  # times the shown length is searched for secrets, since their replacements are shorter
MOST_NODES = 100
MOST_OUTPUTS = 8
CODE_WIDTH = 100
REASON_WIDTH = 2000


def summary_page(ended: Sequence[Ended], mask: Mask) -> str:
    """Return the page for these runs, within its size limit: a block that does not fit is omitted."""
    page, room, whole = "", LARGEST_SUMMARY, True
    for block in (block for one in ended for block in _run(one, mask)):
        size = len(block.encode("utf-8", "replace")) + 2
        if size <= room:
            page, room = f"{page}{block}\n\n", room - size
        else:
            whole = False
    return page if whole else f"{page}<p>There is more in the log.</p>\n\n"


def batch_page(ended: BatchEnded, mask: Mask) -> str:
    """Return the page of a batch or a comparison: the verdict, what was compared, the counts, and what failed.

    Its first line is a comment, by which a job finds what an earlier one has written. Rows that broke are whole as long
    as there is room.
    """
    cells = [(escape(words, quote=False), f"{count:,}") for count, words in ended.became]
    rows = "".join(f"<tr><td>{words}</td><td>{count}</td></tr>" for words, count in cells)
    code = f"{int(ended.exit_code)}" + (f": {ended.reason}" if ended.reason else "")
    facts = [*(ended.facts or [("Rows of", ended.name)]), ("Exit code", code)]
    terms = "".join(f"<tr><td>{term}</td><td>{_code(text, mask, REASON_WIDTH)}</td></tr>" for term, text in facts)
    more = "<p>and {:,} more rows</p>\n\n"
    page = _Room(LARGEST_BATCH - len(more) - len(f"{ended.listed:,}"))
    page.add(f"<!-- {_comment(f'noxcli {ended.command} {ended.name}', mask)} -->")
    page.add(f"<h3>noxcli {ended.command}: {ended.heading}</h3>")
    page.add(f"<table>{terms}</table>")
    if ended.command != "compare":  # whose heading has the counts
        page.add(f"<table><tr><th>rows</th><th>number</th></tr>{rows}</table>")
    shown = sum(page.add(*_broken(row, mask)) or page.add(*_broken(row, mask, EXCERPT)) for row in ended.broken)
    shown += sum(page.add(f"<p>{_code(line, mask, REASON_WIDTH)}</p>") for line in (*ended.trouble, *ended.others))
    return page.text + (more.format(ended.listed - shown) if shown < ended.listed else "")


class _Room:
    """Blocks of a page that has room for so many characters."""

    def __init__(self, most: int) -> None:
        self.text, self._most = "", most

    def add(self, *blocks: str) -> bool:
        """Add these blocks if all of them fit; return whether they did."""
        text = "".join(f"{block}\n\n" for block in blocks)
        fits = len(self.text) + len(text) <= self._most
        self.text += text if fits else ""
        return fits


def _broken(row: Broken, mask: Mask, most: int | None = None) -> Iterator[str]:
    """Yield a row that broke, with what was removed and added; of longer texts than `most` an excerpt."""
    yield f"<p><b>{_code(row.name, mask)}</b> {_code(row.what, mask, REASON_WIDTH)}</p>"
    for key, pieces in row.differences:
        shown = pieces if most is None else excerpt(pieces, AROUND, most)
        sizes = [sum(len(text) for sign, text in pieces if sign != left_out) for left_out in ("+", "-")]
        lengths = f" (parts of {sizes[0]:,} characters before, and {sizes[1]:,} now)" if shown is not pieces else ""
        yield f"<p>{_code(key, mask)}{lengths}</p>"
        marked = "".join(_tagged(CHANGES.get(sign), _lines(mask.torn(text))) for sign, text in shown)
        yield f"<pre><code>{marked}</code></pre>"


def _tagged(name: str | None, text: str) -> str:
    return text if name is None else f"<{name}>{text}</{name}>"


def _comment(text: str, mask: Mask) -> str:
    """Return a text in which nothing ends the comment."""
    return re.sub(r"[^\w./ -]|-(?=-)", "", shorten(visible(mask(text)), CODE_WIDTH))


def _run(one: Ended, mask: Mask) -> Iterator[str]:
    run, nodes, output = one.run, one.document["nodes"], one.document["output"]
    took = f", {show_seconds(run['duration_s'])}" if run and run["duration_s"] is not None else ""
    known_as = f", run {_code(run['id'], mask)} {_status(run['status'], mask)}" if run else ""
    yield f"<h3>noxcli: {one.words}</h3>"
    yield f"<p>{_code(one.name, mask)}{known_as}{took}, exit code {one.document['exit_code']}</p>"
    if one.reason:
        yield f"<p>{_code(one.reason, mask, REASON_WIDTH)}</p>"
    if back := _way_back(run):
        yield f"<p>Continue with {_code(back, mask)}</p>"
    if nodes:
        yield _table(nodes, mask)
    values = by_name(output)
    for key, value in list(values.items())[:MOST_OUTPUTS]:
        yield f"<p>{_code(key, mask)}</p>"
        yield _block(value, mask)
    if len(values) > MOST_OUTPUTS:
        yield f"<p>and {len(values) - MOST_OUTPUTS} more outputs</p>"


def _table(nodes: Sequence[Mapping[str, Any]], mask: Mask) -> str:
    rows = ["<table><tr><th>node</th><th>status</th><th>seconds</th></tr>"]
    for node in nodes[:MOST_NODES]:
        took = "" if node["duration_s"] is None else f"{node['duration_s']:.1f}"
        cells = [_code(node["name"], mask), _status(node["status"], mask), took]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    if len(nodes) > MOST_NODES:
        rows.append(f"<tr><td>and {len(nodes) - MOST_NODES} more</td><td></td><td></td></tr>")
    return "\n".join([*rows, "</table>"])


def _way_back(run: Mapping[str, Any]) -> str:
    if not run or run["status"] in FINAL_STATUSES:
        return ""
    return f"noxcli wait {run['id']}"


def _status(word: str, mask: Mask) -> str:
    """Return a status; one of the server's own may be any text."""
    return word_for(word) if word in KNOWN_STATUSES or word == "skipped" else _code(word, mask)


def _code(text: str, mask: Mask, width: int = CODE_WIDTH) -> str:
    return f"<code>{escape(shorten(visible(mask(text)), width), quote=False)}</code>"


def _block(value: Any, mask: Mask) -> str:
    """Return the beginning of a value as text, with its line breaks, and its full length."""
    text = as_text(value)
    shown = _lines(mask.torn(text[: MASKED * LONGEST_BLOCK])[:LONGEST_BLOCK])
    if len(text) <= LONGEST_BLOCK:
        return f"<pre><code>{shown}</code></pre>"
    return f"<pre><code>{shown}…</code></pre>\n<p>{len(text):,} characters in all</p>"


def _lines(text: str) -> str:
    """Return a text, which the mask has seen, with its line breaks."""
    return "\n".join(escape(visible(line, None), quote=False) for line in text.split("\n"))
