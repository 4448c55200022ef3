"""One row of a batch's page: a line with its first input and output, which unfolds to the rest."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from noxcli.errors import ExitCode
from noxcli.outputs.values import as_text, by_name
from noxcli.render.text import fair_share
from noxcli.reports.failure_groups import ResultLine, place_of, reason_in, reasons_of, run_in
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
WIDEST_CELL = 120  # characters of the first input and output
NARROWEST_CELL = 24


@dataclass(frozen=True, slots=True)
class RowColumns:
    """What the lines of all rows show: an input, an output, times in the unit of the longest."""

    input: str | None
    output: str | None
    longest: float


def fitting_row(page: Page, columns: RowColumns, row: ResultLine, room: int) -> Html:
    """Return the row in about that many bytes at most.

    Where markup or other alphabets take more, it has less text.
    """
    most = max(0, min(MAX_ROW, room - FRAME))
    made = row_of(page, columns, row, most)
    size = len(made.encode())
    if size <= room:
        return made
    return row_of(page, columns, row, most * room // size)


def unfolds(row: Html) -> bool:
    """True if a row that was made has more than its line."""
    return not row.endswith("</summary></details>")


def row_of(page: Page, columns: RowColumns, row: ResultLine, most: int) -> Html:
    """Return the row; its texts have `most` characters at most."""
    result = row["result"]
    code = result["exit_code"]
    place = place_of(row)
    inputs = dict(row["input"] or {})
    outputs = dict(by_name(result["output"]))
    width = max(NARROWEST_CELL, min(WIDEST_CELL, most // 8))
    cells = [
        cell_of(page, inputs, columns.input, width),
        cell_of(page, outputs, columns.output, width),
    ]
    took = ""
    run = run_in(result)
    if run.get("duration_s") is not None:
        took = show_took(run["duration_s"], columns.longest)
    why = None
    if code != ExitCode.OK:
        _, reason = reasons_of(row)
        why = page.bdi(reason, max(width, 2 * MAX_ID))
    name = page.joined([place, " ", page.bdi(row["id"] or "", MAX_ID)])
    summary = summary_of(page, name, cells, status_of(code), took, why)
    body = None
    within = fair_share([len(text) + TEXT_FRAME for text in texts_of(row)], most) - TEXT_FRAME
    if within >= MIN_TEXT:
        named = {"Inputs": inputs, "Columns": row["columns"] or {}, "Outputs": outputs}
        body = page.tag("div", *_unfolded(page, row, named, within))
    return page.tag("details", summary, body, id=f"r{place}", class_=f"c{code} {tone_of(code)}")


def _unfolded(
    page: Page, row: ResultLine, named: Mapping[str, Mapping[str, Any]], within: int
) -> Iterator[Html]:
    """Yield what a row unfolds to, with a limited number of characters of each text."""
    result = row["result"]
    checks = result.get("assertions")
    message = reason_in(result)
    if checks:
        yield parts.assertions(page, checks, within)
    elif message:
        yield page.block(message, within)
    for title, values in named.items():
        if values:
            yield page.tag("h3", title)
            yield from parts.values(page, values, within)
    run = run_in(result)
    last = ["run ", page.bdi(run.get("id") or "unknown", MAX_ID)]
    if "folder" in row:
        last += [" ", page.link(row["folder"], "files")]
    yield page.tag("p", *last, class_="dim")


def texts_of(row: ResultLine) -> list[str]:
    """Return the texts of the row, each of which may have to be cut."""
    result = row["result"]
    values: list[Any] = []
    values += (row["input"] or {}).values()
    values += (row["columns"] or {}).values()
    values += by_name(result["output"]).values()
    for each in result.get("assertions", ()):
        for key in ("name", "message", "diff"):
            if each.get(key) is not None:
                values.append(each[key])
    values.append(reason_in(result))
    return [as_text(value) for value in values]


def head_of(page: Page, words: Iterable[str]) -> Html:
    """Return the line above all rows."""
    cells = [page.tag("span", page.bdi(word, MAX_ID)) for word in words]
    return page.tag("div", *cells, class_="head")


def summary_of(
    page: Page, name: Html, cells: Iterable[Html], status: str, took: str, why: Html | None
) -> Html:
    """Return the line of a row; `why` is below it."""
    head = [page.tag("b", name), *cells, page.tag("span", status), page.tag("span", took)]
    if why is not None:
        head.append(page.tag("p", why))
    return page.tag("summary", *head)


def cell_of(page: Page, values: dict[str, Any], key: str | None, width: int) -> Html:
    """Return the beginning of a value.

    One that is whole is not repeated below: `values` is without it then.
    """
    if key not in values:
        return page.tag("bdi")
    text = as_text(values[key])
    if len(text) <= width and "\n" not in text:
        return page.bdi(as_text(values.pop(key)))
    return page.tag("span", page.peek(text, width), page.tag("small", f"{len(text):,} characters"))


def status_of(code: int) -> str:
    """Return the status of a row in as few words as its column needs."""
    return ExitCode(code).words.removeprefix("completed, ")
