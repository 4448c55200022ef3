"""The parts that pages share: verdict, assertions, values, files, facts and commands."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
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
A_SECOND, A_MINUTE, AN_HOUR = 0.9995, 59.95, 3599.5  # above which a duration has another unit
MARKED = re.compile(r"(\[-.*?-\]|\{\+.*?\+\})", re.DOTALL)  # as `marked` writes them
SIGNS = {"good": "✓", "bad": "✗", "warn": "!"}


def verdict(
    page: Page, tone: str, name: str, words: str | Html, when: Sequence[str], *lines: Html | None
) -> Html:
    """Return the head of a page: the verdict on what is named, in one line with `when`; below it, why."""
    sign = page.tag("span", SIGNS[tone], class_="sign")
    heading = page.tag(
        "h1", sign, " ", page.bdi(name, MAX_NAME), " ", page.tag("span", words, class_="words")
    )
    small = page.tag("p", page.bdi(" · ".join(when), 4 * MAX_NAME), class_="when") if when else None
    return page.tag(
        "header", page.tag("div", heading, small, class_="line"), *lines, class_=f"verdict {tone}"
    )


def tone_of(code: int) -> str:
    """Return the class of the style for an exit code."""
    return "warn" if code in UNDECIDED else "good" if code == ExitCode.OK else "bad"


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
    """Return the style for such buttons, by name the selector of the rows that each of them hides."""
    return "".join(
        f"body:has(#f{name}:checked) .rows>details{others}{{display:none}}"
        for name, others in hidden.items()
    )


def facts(page: Page, terms: Iterable[tuple[str, Any]]) -> Html:
    """Return a list of terms with their values, or with Html."""
    lines: list[Html] = []
    for term, value in terms:
        lines.append(page.tag("dt", page.text(term, MAX_NAME)))
        lines.append(page.tag("dd", value if isinstance(value, Html) else page.bdi(value)))
    return page.tag("dl", *lines, class_="facts")


def commands(page: Page, lines: Sequence[str]) -> Html:
    """Return command lines to copy."""
    return page.tag(
        "ul", *(page.tag("li", page.tag("code", line)) for line in lines), class_="commands"
    )


def assertions(page: Page, checks: Sequence[Mapping[str, Any]], most: int = MAX_TEXT) -> Html:
    """Return what was asserted, the broken ones first; each text has a limited length."""
    lines: list[Html] = []
    for each in sorted(checks, key=lambda each: bool(each.get("holds"))):
        tone, message, diff = (
            "good" if each.get("holds") else "bad",
            each.get("message"),
            each.get("diff"),
        )
        name = page.tag("code", page.text(each.get("name"), most))
        more = page.tag("p", page.bdi(message, most)) if message else None
        block = page.block(diff, most, partial(_marked, page)) if diff else None
        lines.append(
            page.tag("li", page.tag("b", SIGNS[tone]), " ", name, more, block, class_=tone)
        )
    return page.tag("ul", *lines, class_="checks")


def mark_pieces(page: Page, pieces: Iterable[tuple[str, str]]) -> Html:
    """Return a word diff."""
    lines = ((CHANGES.get(sign), page.lines(page.mask.torn(text))) for sign, text in pieces)
    return page.joined(text if name is None else page.tag(name, text) for name, text in lines)


def _marked(page: Page, diff: str) -> Html:
    """Return the text of a word diff with its marks as colors."""
    parts = re.split(MARKED, diff)
    return mark_pieces(
        page,
        ((part[1], part[2:-2]) if re.fullmatch(MARKED, part) else (" ", part) for part in parts),
    )


def values(page: Page, named: Mapping[str, Any], most: int = MAX_TEXT) -> Iterator[Html]:
    """Yield inputs or outputs, with a limited length of each: lines as a list, the rest unfolding, or open."""
    some = list(named.items())[:VALUES_ON_A_PAGE]
    longest = min(most, MAX_PEEK)
    plain = {
        key: page.text(value)
        for key, value in some
        if (
            (len(value) <= longest and "\n" not in value)
            if isinstance(value, str)
            else not isinstance(value, HOLDERS)
        )
    }
    if plain:
        yield facts(page, plain.items())
    remaining = MAX_VALUES
    for key, value in some:
        if key in plain:
            continue
        body, path = page.block(value, min(most, max(1000, remaining))), None
        if isinstance(value, dict) and isinstance(value.get("$file"), str):
            path = value["$file"]
        remaining -= len(body)
        opened = len(body) < MAX_OPEN and path is None
        gist = (
            page.link(path, Path(path).name)
            if path
            else None
            if opened
            else page.peek(value, MAX_PEEK)
        )
        peek, size = (
            page.tag("span", gist, class_="peek"),
            page.tag("span", _size(value), class_="size"),
        )
        summary = page.tag(
            "summary", page.tag("b", page.bdi(key, MAX_NAME)), peek, size, class_="value"
        )
        yield page.tag("details", summary, page.tag("div", body), open=opened)
    if len(named) > VALUES_ON_A_PAGE:
        yield page.dim(f"and {len(named) - VALUES_ON_A_PAGE} more")


def _size(value: Any) -> str | None:
    """Return how large a value is, and whether it is a preview."""
    if isinstance(value, str):
        return amount(len(value), "character")
    preview = ", a preview" if any(remote.is_text for remote in find_remote(value)) else ""
    return amount(len(value), "field" if isinstance(value, dict) else "item") + preview


def files(page: Page, listed: Sequence[Mapping[str, Any]]) -> Iterator[Html]:
    """Yield the written files of a result document, with links, by the place of each in the output."""
    written = [
        (each["pointer"], page.link(each["path"], each["path"]))
        for each in listed
        if each["path"] is not None
    ]
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
        return f"{seconds:.{1 if longest is None else 2}f} s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes}:{rest:02} min"
        if most < AN_HOUR
        else f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"
    )
