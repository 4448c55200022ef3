"""The content of noxcli's own files for a page: result documents, events, and rows of a batch."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

from noxcli.errors import ExitCode, LostContact, Phase, UsageProblem
from noxcli.masking import Mask
from noxcli.models import Gap, Paused, Reconnecting, Run, RunEvent, Update
from noxcli.reports.html.page import mapping, number, objects
from noxcli.reports.html.run import Told
from noxcli.reports.result import RESULT_SCHEMA, RESULTS_SCHEMA, Outcome
from noxcli.runs.progress import Progress
from noxcli.timing import Clock, parse_time

LARGEST_DOCUMENT = 1 << 28  # bytes of a line, or of a document over several lines
WHAT_FITS = "give a run, a file of --format ndjson or --json, or the directory of a batch"


@dataclass(slots=True)
class SavedStory:
    """The content of a file: runs, or else rows of a batch in the form of results."""

    runs: list[Told] = field(default_factory=list)
    rows: list[Mapping[str, Any]] = field(default_factory=list)


def read_saved(file: IO[bytes], name: str, mask: Mask) -> SavedStory:
    """Return the file's content.

    Raises UsageProblem for a file that noxcli did not write.
    """
    saved, story = SavedStory(), _Story()
    for document in _documents(file, name):
        if isinstance(document.get("type"), str) and "redis_id" in document:
            story.take(document)
        elif runs := _runs(document, None):
            saved.runs += runs
        elif isinstance(document.get("row"), int):
            saved.rows.append(_row(document))
        else:
            raise UsageProblem(f"{name} contains no result, events or rows of noxcli", WHAT_FITS)
    saved.runs += story.told(mask)
    if not saved.runs and not saved.rows:
        raise UsageProblem(f"{name} contains no run", WHAT_FITS)
    return saved


def _documents(file: IO[bytes], name: str) -> Iterator[Mapping[str, Any]]:
    """Yield each line's object; a file that is one object over several lines is one."""
    first = True
    while line := file.readline(LARGEST_DOCUMENT):
        found = _parsed(line)
        if found is None and first:
            found = _parsed(line + file.read(LARGEST_DOCUMENT))
        if found is None and line.endswith(b"\n") and line.strip():
            raise UsageProblem(f"{name} is not JSON lines", WHAT_FITS)
        if found is not None:  # otherwise it is the incomplete last line of a killed writer
            yield found
        first = first and not line.strip()


def _parsed(text: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _runs(document: Mapping[str, Any], inputs: Mapping[str, Any] | None) -> list[Told]:
    if document.get("schema") == RESULTS_SCHEMA:
        return [Told(each) for each in objects(document.get("results"))]
    return [Told(document, inputs)] if document.get("schema") == RESULT_SCHEMA else []


def _row(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a line of batch, or of results, as one of results."""
    if "result" not in line:
        return line
    result = mapping(line["result"])
    run, error = mapping(result.get("run")), mapping(result.get("error"))
    return {
        "row": line["row"],
        "id": line.get("id"),
        "run_id": run.get("id"),
        "workflow_id": run.get("workflow_id"),
        "exit_code": result.get("exit_code"),
        "duration_s": run.get("duration_s"),
        "message": error.get("message"),
    }


class _Then(Clock):
    """The time of the event that is being read."""

    def __init__(self) -> None:
        self.moment = 0.0

    def monotonic(self) -> float:
        return self.moment


class _Story:
    """The saved events of a run: they count if their writer left no result."""

    def __init__(self) -> None:
        self._clock = _Then()
        self._progress: Progress | None = None
        self._inputs: Mapping[str, Any] | None = None
        self._result: Mapping[str, Any] | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        moment = parse_time(event.get("ts"))
        self._clock.moment = moment.timestamp() if moment is not None else self._clock.moment
        data = event.get("data")
        if event["type"] == "noxcli.started":
            inputs = mapping(data).get("inputs")
            self._inputs = inputs if isinstance(inputs, dict) else None
            self._progress = Progress(_run(mapping(data)), self._clock, from_start=self._inputs is not None)
        elif event["type"] == "noxcli.result":
            self._result = mapping(data)
        elif self._progress is not None:
            self._progress.take([_update(event, mapping(data))])

    def told(self, mask: Mask) -> Iterable[Told]:
        """Return the run or runs of the events."""
        if self._result is not None:
            return _runs(self._result, self._inputs)
        if self._progress is None:
            return []
        run = replace(self._progress.run, status=self._progress.status)
        error = LostContact("the events end before the result: their writer was killed", f"noxcli wait {run.id}")
        outcome = Outcome(run=run, progress=self._progress, error=error, phase=Phase.FOLLOW)
        return [Told(outcome.document(ExitCode.LOST_CONTACT, mask), self._inputs)]


def _run(data: Mapping[str, Any]) -> Run:
    run_id, workflow_id, status, created = (
        data[name] if isinstance(data.get(name), str) else "" for name in ("id", "workflow_id", "status", "created_at")
    )
    return Run(run_id, workflow_id, status, created_at=created or None)


def _update(event: Mapping[str, Any], data: Mapping[str, Any]) -> Update:
    reason = str(data.get("reason"))
    match event["type"]:
        case "noxcli.reconnecting":
            return Reconnecting(int(number(data.get("attempt")) or 0), number(data.get("delay_s")) or 0.0, reason)
        case "noxcli.gap":
            return Gap(reason)
        case "noxcli.paused":
            return Paused(_run(data))
        case kind:
            return RunEvent(kind, event.get("data"))
