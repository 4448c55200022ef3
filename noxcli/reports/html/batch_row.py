"""One row of a batch's page: a line with its first input and output, which unfolds to all that is known of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from noxcli.errors import ExitCode
from noxcli.outputs.values import as_text, by_name
from noxcli.render.text import fair_share
from noxcli.reports.failure_groups import ResultLine, place_of, reason_in, reasons_of
from noxcli.reports.html import parts
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.parts import show_took, tone_of

ROWS_ON_A_PAGE = 10_000  # those that did not pass come first
MAX_ROWS = 4_500_000  # bytes of all rows of a page
MAX_ROW = 40_000  # characters of the texts of one row
FRAME = 300  # bytes of a row that has no room for its texts, but for the beginning of two of them
TEXT_FRAME = 80  # characters of markup around a text
MIN_TEXT = 40  # characters; where there is no room for as much, a row does not unfold to its texts
MAX_ID = 60  # characters
WIDEST_CELL, NARROWEST_CELL = 120, 24  # characters of the first input and output


@dataclass(frozen=True, slots=True)
class RowColumns:
    """What the lines of all rows show: one input, one output, and durations in the unit of the longest one."""

    input: str | None
    output: str | None
    longest: float


def fitting_row(page: Page, columns: RowColumns, row: ResultLine, room: int) -> Html:
    """Return the row in about that many bytes at most; where markup or other alphabets take more, with less text."""
    most = max(0, min(MAX_ROW, room - FRAME))
    made = row_of(page, columns, row, most)
    size = len(made.encode())
    return made if size <= room else row_of(page, columns, row, most * room // size)


def row_of(page: Page, columns: RowColumns, row: ResultLine, most: int) -> Html:
    """Return the row; its texts have `most` characters at most."""
    result, width = row["result"], max(NARROWEST_CELL, min(WIDEST_CELL, most // 8))
    code, took = result["exit_code"], (result["run"] or {}).get("duration_s")
    inputs, outputs = dict(row["input"] or {}), dict(by_name(result["output"]))
    summary = summary_of(
        page,
        page.joined([place_of(row), " ", page.bdi(row["id"] or "", MAX_ID)]),
        [
            cell_of(page, inputs, columns.input, width),
            cell_of(page, outputs, columns.output, width),
        ],
        status_of(code),
        "" if took is None else show_took(took, columns.longest),
        None if code == ExitCode.OK else page.bdi(reasons_of(row)[1], max(width, 2 * MAX_ID)),
    )
    within = fair_share((len(text) + TEXT_FRAME for text in texts_of(row)), most) - TEXT_FRAME
    named = {"Inputs": inputs, "Columns": row["columns"] or {}, "Outputs": outputs}
    body = page.tag("div", *_unfolded(page, row, named, within)) if within >= MIN_TEXT else None
    return page.tag(
        "details", summary, body, id=f"r{place_of(row)}", class_=f"c{code} {tone_of(code)}"
    )


def _unfolded(
    page: Page, row: ResultLine, named: Mapping[str, Mapping[str, Any]], within: int
) -> Iterator[Html]:
    """Yield what a row unfolds to, with a limited number of characters of each text."""
    result = row["result"]
    if checks := result.get("assertions"):
        yield parts.assertions(page, checks, within)
    elif message := reason_in(result):
        yield page.block(message, within)
    for title, values in named.items():
        if values:
            yield page.tag("h3", title)
            yield from parts.values(page, values, within)
    folder = page.link(row["folder"], "files") if "folder" in row else None
    run_id = (result["run"] or {}).get("id") or "unknown"
    yield page.tag("p", "run ", page.bdi(run_id, MAX_ID), folder and " ", folder, class_="dim")


def texts_of(row: ResultLine) -> list[str]:
    """Return the texts of the row, each of which may have to be cut."""
    result = row["result"]
    named = (row["input"] or {}, row["columns"] or {}, by_name(result["output"]))
    texts = [value for values in named for value in values.values()]
    for each in result.get("assertions", ()):
        texts += [
            text for key in ("name", "message", "diff") if (text := each.get(key)) is not None
        ]
    return list(map(as_text, [*texts, reason_in(result)]))


def head_of(page: Page, words: Iterable[str]) -> Html:
    """Return the line above all rows."""
    return page.tag(
        "div", *(page.tag("span", page.bdi(each, MAX_ID)) for each in words), class_="head"
    )


def summary_of(
    page: Page, name: Html, cells: Iterable[Html], status: str, took: str, why: Html | None
) -> Html:
    """Return the line of a row; `why` is below it."""
    last = page.tag("p", why) if why is not None else None
    return page.tag(
        "summary",
        page.tag("b", name),
        *cells,
        page.tag("span", status),
        page.tag("span", took),
        last,
    )


def cell_of(page: Page, values: dict[str, Any], key: str | None, width: int) -> Html:
    """Return the beginning of a value. One that is whole is not repeated below: `values` is without it then."""
    if key not in values:
        return page.tag("bdi")
    text = as_text(values[key])
    if len(text) <= width and "\n" not in text:
        return page.bdi(as_text(values.pop(key)))
    return page.tag("span", page.peek(text, width), page.tag("small", f"{len(text):,} characters"))


def status_of(code: int) -> str:
    """Return the status of a row in as few words as its column needs."""
    return ExitCode(code).words.removeprefix("completed, ")
