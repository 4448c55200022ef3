"""The page of one run or several: verdict, assertions, outputs, waterfall of nodes, files, and then the details."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from noxcli.decode import mapping, number, objects
from noxcli.errors import ExitCode
from noxcli.fixed import fixed
from noxcli.models import FINAL_STATUSES
from noxcli.outputs.values import by_name
from noxcli.render.text import amount
from noxcli.reports.html import parts
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.waterfall import waterfall
from noxcli.reports.reasons import reason_in

CONTINUITY = {
    "proven": "every event received",
    "assumed": "no event known to be missing",
    "broken": "events are missing",
}


@fixed
class ReportedRun:
    """One run for a page: its result document, and its inputs with secrets masked."""

    document: Mapping[str, Any]
    inputs: Mapping[str, Any] | None = None

    @property
    def run(self) -> Mapping[str, Any]:
        return mapping(self.document.get("run"))

    @property
    def code(self) -> int | None:
        """The exit code, None in a document that noxcli did not write."""
        code = number(self.document.get("exit_code"))
        return None if code is None else int(code)

    @property
    def name(self) -> str:
        name = self.run.get("workflow_name")
        return name if isinstance(name, str) and name else "Run"

    @property
    def verdict(self) -> str:
        """The verdict, and how long it took if the run has ended: `completed in 6.0 s, assertion failed`."""
        took, (ended, comma, more) = number(self.run.get("duration_s")), self.words.partition(",")
        if took is None:
            return self.words
        return f"{ended} {'in' if ended == 'completed' else 'after'} {parts.show_took(took)}{comma}{more}"

    @property
    def words(self) -> str:
        """The verdict in a few words."""
        status = self.run.get("status")
        if self.code is None:
            return "no verdict"
        if self.code == ExitCode.OK and status != "completed":
            return "started" if status else "checked, not started"
        return ExitCode.words_of(self.code)


def run_page(page: Page, runs: Sequence[ReportedRun]) -> Iterator[bytes]:
    """Yield the page."""
    first = runs[0]
    named = [str(part) for part in (first.name, first.words, first.run.get("id")) if part]
    title = " — ".join(named) if len(runs) == 1 else f"{len(runs)} runs"
    return page.whole(title, (page.tag("article", *_parts(page, one)) for one in runs))


def _parts(page: Page, one: ReportedRun) -> Iterator[Html]:
    document, run_id = one.document, one.run.get("id")
    lines = _commands(one)
    when = [
        parts.show_time(one.run.get("created_at")),
        f"run {page.mask(run_id)[:8]}" if isinstance(run_id, str) else None,
    ]
    yield parts.verdict(
        page, parts.tone_of(one.code), one.name, one.verdict, list(filter(None, when)), *_why(page, one, lines)
    )
    if checks := objects(document.get("assertions")):
        yield page.heading("Assertions", f"{sum(bool(each.get('holds')) for each in checks)} of {len(checks)} hold")
        yield parts.assertions(page, checks)
    if outputs := by_name(document.get("output")):
        yield page.heading("Outputs", "" if document.get("complete") else "not complete")
        yield from parts.values(page, outputs)
    yield from waterfall(page, document)
    yield from parts.files(page, objects(document.get("files")))
    if one.inputs:
        yield page.heading("Inputs", "as noxcli sent them; secrets are masked")
        yield from parts.values(page, one.inputs)
    if request := mapping(document.get("request")):
        yield page.heading("Request", "not sent: --dry-run")
        yield page.block(request)
    yield page.heading("Details")
    yield parts.facts(page, _facts(page, one))
    if lines:
        yield parts.commands(page, lines)


def _why(page: Page, one: ReportedRun, lines: list[str]) -> Iterator[Html]:
    """Yield the error and its hint; a command that is in the hint leaves `lines`."""
    error = mapping(one.document.get("error"))
    if (message := reason_in(one.document)) and not objects(one.document.get("assertions")):
        yield page.tag("p", page.bdi(message), class_="why")
    if hint := error.get("hint"):
        told = next((line for line in lines if str(hint).endswith(line)), None)
        if told is None:
            yield page.tag("p", page.bdi(hint), class_="hint")
        else:
            lines.remove(told)
            yield page.tag("p", page.bdi(str(hint).removesuffix(told)), page.tag("code", told), class_="hint commands")


def _facts(page: Page, one: ReportedRun) -> Iterator[tuple[str, Any]]:
    run, error = one.run, mapping(one.document.get("error"))
    if one.code is not None:
        meaning = next((f": {code.meaning.replace('`', '')}" for code in ExitCode if code == one.code != 0), "")
        yield "Exit code", f"{one.code}{meaning}"
    if run:
        unconfirmed = "" if run.get("confirmed") else " (not confirmed by the record)"
        yield "Status", f"{run.get('status')}{unconfirmed}"
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


def _stream(one: ReportedRun) -> str | None:
    """Return how much of the event stream arrived; of a run that goes on, nobody knows yet."""
    stream = mapping(one.document.get("stream"))
    label = stream.get("continuity")
    if not isinstance(label, str) or label == "none":
        return None
    ended = str(one.run.get("status")) in FINAL_STATUSES
    words = CONTINUITY.get(label, label) if ended else "the run goes on"
    return f"{amount(int(number(stream.get('connects')) or 0), 'connection')}, {words}"


def _commands(one: ReportedRun) -> list[str]:
    if not isinstance(one.run.get("id"), str):
        return []
    run_id, status = shlex.quote(one.run["id"]), one.run.get("status")
    if status == "completed":
        return [] if one.document.get("complete") else [f"noxcli fetch-output {run_id}"]
    if isinstance(status, str) and status in FINAL_STATUSES:
        return [f"noxcli inspect {run_id}"]
    return [f"noxcli wait {run_id}", f"noxcli inspect {run_id}"]
