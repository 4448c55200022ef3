"""The parts that pages share: verdict, facts, commands, assertions, values and files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from noxcli.errors import ExitCode
from noxcli.outputs.values import find_remote
from noxcli.reports.html.markup import LARGEST_TEXT, Html, Page
from noxcli.timing import show_seconds

VALUES_ON_A_PAGE = 200  # outputs or inputs of a run
LARGEST_VALUES = 2_000_000  # characters of all of them
LONGEST_PEEK = 120  # characters of a folded value
UNDECIDED = {3, 8, 10, 12, 124, 129, 130, 141, 143}  # exit codes that are neither good nor bad
SIGNS = {"good": "✓", "bad": "✗", "warn": "!"}


def verdict(page: Page, tone: str, words: str, name: str, *lines: Html | None) -> Html:
    """Return the head of a page: what became of what, and what is to be said about it."""
    chip = page.tag("p", f"{SIGNS[tone]} {words}", class_="chip")
    return page.tag("header", chip, page.tag("h1", page.bdi(name, 200)), *lines, class_=f"verdict {tone}")


def tone_of(code: int | None) -> str:
    """Return the class of the style for an exit code."""
    return "warn" if code is None or code in UNDECIDED else "good" if code == ExitCode.OK else "bad"


def facts(page: Page, terms: Iterable[tuple[str, Any]]) -> Html:
    """Return a list of terms with their values."""
    return page.tag(
        "dl",
        *(page.tag("div", page.tag("dt", term), page.tag("dd", page.bdi(value, 200))) for term, value in terms),
        class_="facts",
    )


def commands(page: Page, lines: Sequence[str]) -> Html:
    """Return command lines to copy."""
    return page.tag("ul", *(page.tag("li", page.tag("code", line)) for line in lines), class_="commands")


def assertions(page: Page, checks: Sequence[Mapping[str, Any]]) -> Iterator[Html]:
    """Yield what was asserted, each with its outcome."""
    if not checks:
        return
    broken = sum(not each.get("holds") for each in checks)
    yield page.heading("Assertions", f"{len(checks) - broken} of {len(checks)} hold")
    yield page.tag("ul", *(_assertion(page, each) for each in checks), class_="checks")


def _assertion(page: Page, each: Mapping[str, Any]) -> Html:
    tone, sign = ("good", "✓ holds") if each.get("holds") else ("bad", "✗ broken")
    message, diff = each.get("message"), each.get("diff")
    return page.tag(
        "li",
        page.tag("b", sign),
        " ",
        page.tag("code", each.get("name")),
        page.tag("p", page.bdi(message)) if message else None,
        page.block(diff) if diff else None,
        class_=tone,
    )


def values(page: Page, title: str, named: Mapping[str, Any] | None, note: str = "") -> Iterator[Html]:
    """Yield inputs or outputs, folded."""
    if not named:
        return
    yield page.heading(title, note)
    left = LARGEST_VALUES
    for key, value in list(named.items())[:VALUES_ON_A_PAGE]:
        body = page.block(value, max(1000, min(left, LARGEST_TEXT)))
        left -= len(body)
        summary = page.tag("summary", page.tag("b", page.bdi(key, 200)), *_gist(page, value), class_="value")
        yield page.tag("details", summary, page.tag("div", body))
    if len(named) > VALUES_ON_A_PAGE:
        yield page.dim(f"and {len(named) - VALUES_ON_A_PAGE} more")


def _gist(page: Page, value: Any) -> Iterator[Html]:
    """Yield the summary of a folded value: its beginning or its file, and its size."""
    if isinstance(value, dict) and isinstance(value.get("$file"), str):
        yield page.tag("span", page.link(value["$file"], Path(value["$file"]).name), class_="peek")
        return
    sizes = []
    if isinstance(value, str) and len(value) > LONGEST_PEEK:
        sizes.append(f"{len(value):,} characters")
    elif isinstance(value, dict | list):
        sizes.append(f"{len(value):,} {'fields' if isinstance(value, dict) else 'items'}")
    if any(remote.is_text for remote in find_remote(value)):
        sizes.append("a preview")
    yield page.tag("span", page.peek(value, LONGEST_PEEK), class_="peek")
    if sizes:
        yield page.tag("span", ", ".join(sizes), class_="size")


def files(page: Page, listed: Sequence[Mapping[str, Any]]) -> Iterator[Html]:
    """Yield the written files of a result document, with links."""
    written = [each for each in listed if isinstance(each.get("path"), str)]
    if not written:
        return
    yield page.heading("Files", len(written))
    head = page.tag("tr", *(page.tag("th", words) for words in ("File", "Output", "Bytes", "SHA-256")))
    rows = [_file(page, each) for each in written[:VALUES_ON_A_PAGE]]
    yield page.tag(
        "div", page.tag("table", page.tag("thead", head), page.tag("tbody", *rows), class_="files"), class_="wide"
    )
    if len(written) > VALUES_ON_A_PAGE:
        yield page.dim(f"and {len(written) - VALUES_ON_A_PAGE} more")


def _file(page: Page, each: Mapping[str, Any]) -> Html:
    size = number(each.get("bytes"))
    return page.tag(
        "tr",
        page.tag("td", page.link(each["path"], each["path"])),
        page.tag("td", page.bdi(each.get("pointer"), 100)),
        page.tag("td", None if size is None else f"{size:,.0f}"),
        page.tag("td", page.text(each.get("sha256"), 64), class_="mono dim"),
    )


def show_short(seconds: float) -> str:
    """Return a duration, below one second in milliseconds."""
    return f"{seconds * 1000:.0f}ms" if seconds < 0.9995 else show_seconds(seconds)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object of an untrusted document, empty if it is anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects in a list of such a document."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """Return a number of such a document."""
    right = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12 and isfinite(value)
    return float(value) if right else None
