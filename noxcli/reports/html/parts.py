"""The parts that pages share: verdict, assertions, values, files, facts and commands."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from noxcli.errors import UNDECIDED, ExitCode
from noxcli.outputs.values import HOLDERS, find_remote
from noxcli.render.text import amount
from noxcli.reports.html.markup import MAX_TEXT, Html, Page
from noxcli.reports.text_diff import CHANGES

VALUES_ON_A_PAGE = 200  # outputs or inputs of a run
MAX_VALUES = 2_000_000  # characters of all of them
MAX_PEEK = 120  # characters of a folded value, and of one that is a line
MAX_OPEN = 2000  # characters of a value that is not folded
MAX_NAME = 200
# Above these, a duration has another unit: rounded, it would be one.
A_SECOND = 0.9995
A_MINUTE = 59.95
AN_HOUR = 3599.5
MARKED = re.compile(r"(\[-.*?-\]|\{\+.*?\+\})", re.DOTALL)  # as `marked` writes them
SIGNS = {"good": "✓", "bad": "✗", "warn": "!"}


def verdict(
    page: Page, tone: str, name: str, words: str | Html, when: Sequence[str], *lines: Html | None
) -> Html:
    """Return the head of a page: the verdict on what is named, with `when`; below it, why."""
    sign = page.tag("span", SIGNS[tone], class_="sign")
    shown = page.tag("span", words, class_="words")
    heading = page.tag("h1", sign, " ", page.bdi(name, MAX_NAME), " ", shown)
    small = None
    if when:
        small = page.tag("p", page.bdi(" · ".join(when), 4 * MAX_NAME), class_="when")
    line = page.tag("div", heading, small, class_="line")
    return page.tag("header", line, *lines, class_=f"verdict {tone}")


def tone_of(code: int) -> str:
    """Return the class of the style for an exit code."""
    if code in UNDECIDED:
        return "warn"
    return "good" if code == ExitCode.OK else "bad"


def choice(page: Page, choices: Iterable[tuple[str, str]], first: str) -> Html:
    """Return buttons that choose which rows are shown, by name and words, without a script."""
    buttons: list[Html] = []
    for name, words in choices:
        buttons.append(
            page.tag("input", type="radio", name="show", id=f"f{name}", checked=name == first)
        )
        buttons.append(page.tag("label", f"{words[:1].upper()}{words[1:]}", for_=f"f{name}"))
    return page.tag("fieldset", *buttons, class_="filter", aria_label="Show rows by status")


def rules_of_choice(hidden: Mapping[str, str]) -> str:
    """Return the style for such buttons; `hidden` has the selector of the rows that each hides."""
    rules = ""
    for name, others in hidden.items():
        rules += f"body:has(#f{name}:checked) .rows>details{others}{{display:none}}"
    return rules


def facts(page: Page, terms: Iterable[tuple[str, Any]]) -> Html:
    """Return a list of terms with their values, or with Html."""
    lines: list[Html] = []
    for term, value in terms:
        lines.append(page.tag("dt", page.text(term, MAX_NAME)))
        lines.append(page.tag("dd", value if isinstance(value, Html) else page.bdi(value)))
    return page.tag("dl", *lines, class_="facts")


def commands(page: Page, lines: Sequence[str]) -> Html:
    """Return command lines to copy."""
    items = [page.tag("li", page.tag("code", line)) for line in lines]
    return page.tag("ul", *items, class_="commands")


def assertions(page: Page, checks: Sequence[Mapping[str, Any]], most: int = MAX_TEXT) -> Html:
    """Return what was asserted, the broken ones first; each text has a limited length."""
    broken: list[Html] = []
    good: list[Html] = []
    for each in checks:
        if each.get("holds"):
            good.append(_assertion(page, each, "good", most))
        else:
            broken.append(_assertion(page, each, "bad", most))
    return page.tag("ul", *broken, *good, class_="checks")


def _assertion(page: Page, each: Mapping[str, Any], tone: str, most: int) -> Html:
    line: list[Any] = [page.tag("b", SIGNS[tone]), " "]
    line.append(page.tag("code", page.text(each.get("name"), most)))
    if each.get("message"):
        line.append(page.tag("p", page.bdi(each["message"], most)))
    if each.get("diff"):
        line.append(page.block(each["diff"], most, partial(_marked, page)))
    return page.tag("li", *line, class_=tone)


def mark_pieces(page: Page, pieces: Iterable[tuple[str, str]]) -> Html:
    """Return a word diff."""
    marked = []
    for sign, text in pieces:
        shown = page.lines(page.mask.torn(text))
        if sign in CHANGES:
            shown = page.tag(CHANGES[sign], shown)
        marked.append(shown)
    return page.joined(marked)


def _marked(page: Page, diff: str) -> Html:
    """Return the text of a word diff with its marks as colors."""
    pieces = []
    for part in re.split(MARKED, diff):
        if re.fullmatch(MARKED, part):
            pieces.append((part[1], part[2:-2]))
        else:
            pieces.append((" ", part))
    return mark_pieces(page, pieces)


def values(page: Page, named: Mapping[str, Any], most: int = MAX_TEXT) -> Iterator[Html]:
    """Yield inputs or outputs, with a limited length of each.

    Lines come as a list, the rest unfolding, or open.
    """
    lines: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, value in islice(named.items(), VALUES_ON_A_PAGE):
        if _is_line(value, min(most, MAX_PEEK)):
            lines[key] = page.text(value)
        else:
            others[key] = value
    if lines:
        yield facts(page, lines.items())
    remaining = MAX_VALUES
    for key, value in others.items():
        body = page.block(value, min(most, max(1000, remaining)))
        remaining -= len(body)
        yield _unfolding(page, key, value, body)
    if len(named) > VALUES_ON_A_PAGE:
        yield page.dim(f"and {len(named) - VALUES_ON_A_PAGE} more")


def _is_line(value: Any, longest: int) -> bool:
    """Return whether a value is shown in one line."""
    if isinstance(value, str):
        return len(value) <= longest and "\n" not in value
    return not isinstance(value, HOLDERS)


def _unfolding(page: Page, key: str, value: Any, body: Html) -> Html:
    """Return a value that unfolds to its body; a short body is open."""
    path = None
    if isinstance(value, dict) and isinstance(value.get("$file"), str):
        path = value["$file"]
    opened = len(body) < MAX_OPEN and path is None
    gist = None
    if path:
        gist = page.link(path, Path(path).name)
    elif not opened:
        gist = page.peek(value, MAX_PEEK)
    name = page.tag("b", page.bdi(key, MAX_NAME))
    peek = page.tag("span", gist, class_="peek")
    size = page.tag("span", _size(value), class_="size")
    summary = page.tag("summary", name, peek, size, class_="value")
    return page.tag("details", summary, page.tag("div", body), open=opened)


def _size(value: Any) -> str | None:
    """Return how large a value is, and whether it is a preview."""
    if isinstance(value, str):
        return amount(len(value), "character")
    size = amount(len(value), "field" if isinstance(value, dict) else "item")
    if any(remote.is_text for remote in find_remote(value)):
        return f"{size}, a preview"
    return size


def files(page: Page, listed: Sequence[Mapping[str, Any]]) -> Iterator[Html]:
    """Yield the written files of a result document, with links, by their places in the output."""
    written = []
    for each in listed:
        if each["path"] is not None:
            written.append((each["pointer"], page.link(each["path"], each["path"])))
    if written:
        yield page.heading("Files", len(written))
        yield facts(page, written[:VALUES_ON_A_PAGE])
    if len(written) > VALUES_ON_A_PAGE:
        yield page.dim(f"and {len(written) - VALUES_ON_A_PAGE} more")


def show_took(seconds: float, longest: float | None = None) -> str:
    """Return a duration, in the unit of the `longest` one of its column."""
    most = seconds if longest is None else longest
    if most < A_SECOND:
        return f"{seconds * 1000:.0f} ms"
    if most < A_MINUTE:
        digits = 1 if longest is None else 2
        return f"{seconds:.{digits}f} s"
    minutes, rest = divmod(round(seconds), 60)
    if most < AN_HOUR:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"
