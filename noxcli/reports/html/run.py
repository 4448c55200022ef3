"""The page of one run or several: verdict, assertions, outputs, waterfall of nodes, files, and then the details."""

from collections.abc import Iterator, Sequence
from typing import Any

from noxcli.models import FINAL_STATUSES
from noxcli.outputs.values import by_name
from noxcli.render.text import amount
from noxcli.reports.html import parts
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.waterfall import waterfall
from noxcli.reports.reasons import reason_in
from noxcli.reports.result import Ended

CONTINUITY = {
    "proven": "every event received",
    "assumed": "no event known to be missing",
    "broken": "events may be missing",
}


def run_page(page: Page, runs: Sequence[Ended]) -> Iterator[bytes]:
    """Yield the page."""
    first = runs[0]
    named = [str(part) for part in (_name(first), first.words, first.run.get("id")) if part]
    title = " — ".join(named) if len(runs) == 1 else f"{len(runs)} runs"
    return page.whole(title, (page.tag("article", *_parts(page, one)) for one in runs))


def _parts(page: Page, one: Ended) -> Iterator[Html]:
    document, run_id = one.document, one.run.get("id")
    when = [parts.show_time(one.run.get("created_at")), f"run {page.mask(run_id)[:8]}" if run_id else None]
    tone = parts.tone_of(one.code)
    yield parts.verdict(page, tone, _name(one), _verdict(one), list(filter(None, when)), *_why(page, one))
    if checks := document.get("assertions"):
        yield page.heading("Assertions", f"{sum(bool(each.get('holds')) for each in checks)} of {len(checks)} hold")
        yield parts.assertions(page, checks)
    if outputs := by_name(document["output"]):
        yield page.heading("Outputs", "" if document["complete"] else "not complete")
        yield from parts.values(page, outputs)
    yield from waterfall(page, document)
    yield from parts.files(page, document["files"])
    if one.inputs:
        yield page.heading("Inputs", "as noxcli sent them; secrets are masked")
        yield from parts.values(page, one.inputs)
    yield page.heading("Details")
    yield parts.facts(page, _facts(page, one))


def _name(one: Ended) -> str:
    return one.run.get("workflow_name") or ("Run" if one.run else one.name)


def _verdict(one: Ended) -> str:
    """Return the verdict, and how long it took if the run has ended: `completed in 6.0 s, assertion failed`."""
    took, (ended, comma, more) = one.run.get("duration_s"), one.words.partition(",")
    if took is None:
        return one.words
    return f"{ended} {'in' if ended == 'completed' else 'after'} {parts.show_took(took)}{comma}{more}"


def _why(page: Page, one: Ended) -> Iterator[Html]:
    """Yield the error and its hint, in which a command at the end can be copied."""
    if (message := reason_in(one.document)) and not one.document.get("assertions"):
        yield page.tag("p", page.bdi(message), class_="why")
    if hint := (one.document["error"] or {}).get("hint"):
        words, colon, command = hint.partition(": noxcli ")
        code = page.tag("code", f"noxcli {command}") if colon else None
        yield page.tag("p", page.bdi(f"{words}{colon[:2]}"), code, class_="hint commands")


def _facts(page: Page, one: Ended) -> Iterator[tuple[str, Any]]:
    run, error = one.run, one.document["error"] or {}
    meaning = f": {one.code.meaning.replace('`', '')}" if one.code else ""
    yield "Exit code", f"{int(one.code)}{meaning}"
    if run:
        unconfirmed = "" if run["confirmed"] else " (not confirmed by the record)"
        yield "Status", f"{run['status']}{unconfirmed}"
    for term, value in (
        ("Run", run.get("id")),
        ("Workflow", run.get("workflow_id")),
        ("Server", page.server or None),
        ("Created", run.get("created_at")),
        ("Finished", run.get("finished_at")),
        ("Event stream", _stream(one)),
        ("HTTP status", error.get("http_status")),
        ("Request id", error.get("request_id")),
    ):
        if value is not None:
            yield term, value


def _stream(one: Ended) -> str | None:
    """Return how much of the event stream arrived; of a run that goes on, it is not known yet."""
    stream = one.document["stream"]
    label = stream["continuity"]
    if label == "none":
        return None
    words = CONTINUITY[label] if one.run.get("status") in FINAL_STATUSES else "the run goes on"
    return f"{amount(stream['connects'], 'connection')}, {words}"
