"""The summary page of a step, as HTML: in an escaped `<code>`, Markdown, mentions, links and emoji have no effect."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from noxcli.masking import Mask
from noxcli.models import FINAL_STATUSES, KNOWN_STATUSES, word_for
from noxcli.outputs.values import as_text, by_name
from noxcli.render.text import shorten, visible
from noxcli.reports.ci import BatchEnded
from noxcli.reports.result import Ended
from noxcli.timing import show_seconds

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
    """Return the page of a batch, which is short."""
    cells = [(escape(words, quote=False), f"{count:,}") for count, words in ended.became]
    rows = "".join(f"<tr><td>{words}</td><td>{count}</td></tr>" for words, count in cells)
    blocks = [
        f"<h3>noxcli: {ended.completed:,} of {ended.rows:,} rows {ended.passed}</h3>",
        f"<p>{_code(ended.name, mask)}, exit code {int(ended.exit_code)}</p>",
        *([f"<p>{_code(ended.reason, mask, REASON_WIDTH)}</p>"] if ended.reason else []),
        f"<table><tr><th>rows</th><th>number</th></tr>{rows}</table>",
        *(f"<p>{_code(line, mask, REASON_WIDTH)}</p>" for line in ended.trouble),
    ]
    return "".join(f"{block}\n\n" for block in blocks)


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
    begun = mask.torn(text[: MASKED * LONGEST_BLOCK])[:LONGEST_BLOCK]
    shown = escape("\n".join(map(visible, begun.splitlines())), quote=False)
    if len(text) <= LONGEST_BLOCK:
        return f"<pre><code>{shown}</code></pre>"
    return f"<pre><code>{shown}…</code></pre>\n<p>{len(text):,} characters in all</p>"
