"""The page of one run or several: verdict, waterfall of nodes, errors, inputs, outputs, files and stream."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from noxcli.errors import ExitCode
from noxcli.fixed import fixed
from noxcli.masking import Mask
from noxcli.models import FINAL_STATUSES
from noxcli.render.text import amount
from noxcli.reports.html import parts
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.parts import mapping, number, objects
from noxcli.reports.html.waterfall import waterfall
from noxcli.timing import parse_time


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
        named = (self.run.get(key) for key in ("workflow_name", "workflow_id"))
        return next((name for name in named if isinstance(name, str)), "noxcli")

    @property
    def words(self) -> str:
        """The verdict in a few words."""
        status = self.run.get("status")
        if self.code is None:
            return "no verdict"
        if self.code == ExitCode.OK and status != "completed":
            return "started" if status else "checked, not started"
        return ExitCode.words_of(self.code)


def run_page(runs: Sequence[ReportedRun], mask: Mask, base: Path) -> Iterator[bytes]:
    """Yield the page; links to files start from the directory `base`."""
    page, first = Page(mask, base), runs[0]
    named = [str(part) for part in (first.name, first.words, first.run.get("id")) if part]
    title = " — ".join(named) if len(runs) == 1 else f"{len(runs)} runs"
    return page.whole(title, (page.tag("article", *_parts(page, one)) for one in runs))


def _parts(page: Page, one: ReportedRun) -> Iterator[Html]:
    document, output, error = one.document, one.document.get("output"), mapping(one.document.get("error"))
    told = [(error.get("message"), "why"), (error.get("hint"), "hint")]
    lines = [page.tag("p", page.bdi(line), class_=kind) for line, kind in told if line]
    yield parts.verdict(page, parts.tone_of(one.code), one.words, one.name, *lines)
    yield parts.facts(page, _facts(one, error))
    if commands := _commands(one):
        yield parts.commands(page, commands)
    yield from waterfall(page, document)
    yield from parts.assertions(page, objects(document.get("assertions")))
    yield from parts.values(page, "Inputs", one.inputs, "as noxcli sent them; secrets are masked")
    outputs = output if output is None or isinstance(output, dict) else {"output": output}
    yield from parts.values(page, "Outputs", outputs, "" if document.get("complete") else "not complete")
    yield from parts.files(page, objects(document.get("files")))
    if request := mapping(document.get("request")):
        yield from parts.values(page, "Request", {"not sent: --dry-run": request})


def _facts(one: ReportedRun, error: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    run, stream = one.run, mapping(one.document.get("stream"))
    took, continuity = number(run.get("duration_s")), stream.get("continuity")
    if one.code is not None:
        meaning = next((f": {code.meaning.replace('`', '')}" for code in ExitCode if code == one.code != 0), "")
        yield "Exit code", f"{one.code}{meaning}"
    if run:
        yield "Run", run.get("id")
        yield "Status", f"{run.get('status')}{'' if run.get('confirmed') else ' (not confirmed by the record)'}"
    if took is not None:
        yield "Duration", parts.show_short(took)
    for term, value in (
        ("Created", _moment(run.get("created_at"))),
        ("Finished", _moment(run.get("finished_at"))),
        ("Workflow", run.get("workflow_id")),
        ("HTTP status", error.get("http_status")),
        ("Request id", error.get("request_id")),
    ):
        if value is not None:
            yield term, value
    if continuity not in (None, "none"):
        yield "Event stream", f"{amount(int(number(stream.get('connects')) or 0), 'connection')}, {continuity} complete"


def _moment(text: Any) -> Any:
    moment = parse_time(text)
    return text if moment is None else f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def _commands(one: ReportedRun) -> list[str]:
    if not isinstance(one.run.get("id"), str):
        return []
    run_id, status = shlex.quote(one.run["id"]), one.run.get("status")
    if status == "completed":
        return [] if one.document.get("complete") else [f"noxcli fetch-output {run_id}"]
    if isinstance(status, str) and status in FINAL_STATUSES:
        return [f"noxcli inspect {run_id}"]
    return [f"noxcli wait {run_id}", f"noxcli inspect {run_id}"]
