"""The evidence for answers: a workflow, its ended runs, and the probe's own runs. Each thing is requested once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from noxcli.inputs.definition import OutputNode, outputs_of
from noxcli.probe.asking import Asker
from noxcli.probe.frames import Watched
from noxcli.probe.raw import RawAnswer, RawRequest, items_on
from noxcli.probe.trial import Trial

MOST_LAGGING = 8  # reads of a record that lags
# A stopped run may have been stopped by anybody, also by probe: how it ended shows nothing about other runs.
ENDED_BY_ITSELF = ("completed", "failed")
ABOVE_LIMIT = 101
ENDED_RUN, FAILED_RUN = "an ended run", "a failed run"
THE_RECORD, OUR_RECORD = "the record of an ended run", "the record of a run that probe started"
NEEDS_ENDED, NEEDS_COMPLETED = "needs a run that completed or failed", "needs a completed run with outputs"


class EndedRun:
    """A run that has ended by itself, read in every way that changes nothing."""

    def __init__(self, asker: Asker, workflow_id: str, run_id: str, watch: float, how: str) -> None:
        self.id, self.how = run_id, how
        self._asker, self._workflow_id, self._watch = asker, workflow_id, watch

    @cached_property
    def record(self) -> Mapping[str, Any] | None:
        """The record, read until it has the end of the run and its output; None if it never does."""
        record: Mapping[str, Any] = {}
        for _ in range(MOST_LAGGING):
            record = self._asker.get("workflows", self._workflow_id, "runs", self.id).object
            if record.get("status") in ENDED_BY_ITSELF and (record.get("output") or record["status"] == "failed"):
                return record
        return record if record.get("status") in ENDED_BY_ITSELF else None

    @cached_property
    def output(self) -> Mapping[str, Any]:
        """The output of a completed run, empty if it is not known."""
        record = self.record
        output = record.get("output") if record and record["status"] == "completed" else None
        return output if isinstance(output, dict) else {}

    @cached_property
    def look_up(self) -> RawAnswer:
        """The answer to a look-up by the run's id alone."""
        return self._asker.get("runs", self.id)

    @cached_property
    def data(self) -> RawAnswer:
        """The data of the run's nodes."""
        return self._asker.get("runs", self.id, "data", params={"fetch_structured_data": "true"})

    @cached_property
    def replay(self) -> Watched:
        """The event stream from its start; opened again if it broke or closed before it told the end."""
        first = self.watched(None)
        if not first.ended or first.status != 200 or first.told(*ENDED_BY_ITSELF):
            return first
        again = self.watched(None)
        return again if len(again.events) >= len(first.events) else first

    @cached_property
    def cursor(self) -> tuple[int, str] | None:
        """The cursor of an event in the middle of the replay, and the event's index; None if none is suitable."""
        cursors = [each.get("redisId") for each in self.replay.envelopes]
        known = [(at, cursor) for at, cursor in enumerate(cursors) if at > 0 and isinstance(cursor, str)]
        usable = [(at, cursor) for at, cursor in known if at < len(cursors) - 1]
        return usable[len(usable) // 2] if usable else None

    def watched(self, cursor: str | None, *, events: int | None = None) -> Watched:
        """Return the event stream from a cursor on; only until there have been so many events."""
        watched = self._asker.watch(self.id, f"events of {self.how}", cursor)
        try:
            watched.follow(self._watch, events=events)
            return watched
        finally:
            watched.close()


@dataclass
class Evidence:
    """All the evidence. `ended_id` is the run to learn from, None for the newest one that has ended by itself."""

    asker: Asker
    workflow_id: str
    definition: Mapping[str, Any]
    watch: float
    ended_id: str | None = None
    trials: Sequence[Trial] = field(default_factory=list)

    @property
    def outputs(self) -> list[OutputNode]:
        """The workflow's outputs, as far as its definition can be read."""
        return outputs_of(self.definition) or []

    @cached_property
    def page(self) -> RawAnswer:
        """A page of the workflow's runs in the server's default size."""
        return self.asker.get("workflows", self.workflow_id, "runs")

    @cached_property
    def listed(self) -> list[Mapping[str, Any]]:
        """The runs on that page, newest first; if it begins with the oldest, also those on the last page."""
        found, pages = items_on(self.page.object), self.page.object.get("pages")
        if isinstance(pages, int) and pages > 1 and found and _created(found[0]) < _created(found[-1]):
            last = self.asker.get("workflows", self.workflow_id, "runs", params={"page": str(pages)})
            found += items_on(last.object)
        return sorted(found, key=_created, reverse=True)

    @cached_property
    def ended(self) -> EndedRun | None:
        """The run to learn from: the one that was given, or else one of the probe's own, or else a listed one."""
        run_id = self.ended_id
        if run_id is None:
            run_id = next((trial.run_id for trial in self.trials if trial.status in ENDED_BY_ITSELF), None)
        if run_id is None:
            run_id = self._newest("completed") or self._newest("failed")
        return None if run_id is None else self._ended(run_id, ENDED_RUN)

    @cached_property
    def failed(self) -> EndedRun | None:
        """A failed run: the one to learn from, or else the newest failed one."""
        if self.ended and self.ended.record and self.ended.record["status"] == "failed":
            return self.ended
        run_id = self._newest("failed")
        return None if run_id is None else self._ended(run_id, FAILED_RUN)

    @cached_property
    def versions(self) -> RawAnswer:
        """The saved versions."""
        return self.asker.get("workflows", self.workflow_id, "versions")

    @cached_property
    def page_above(self) -> RawAnswer:
        """The answer to a page larger than the docs allow; the server probably rejects it, and names its limit."""
        params = {"page": "1", "size": str(ABOVE_LIMIT)}
        return self.asker.get("workflows", self.workflow_id, "runs", params=params)

    @cached_property
    def file_value(self) -> Mapping[str, Any] | None:
        """A file in the output of the run to learn from: its value."""
        return next(_files_in(self.ended.output), None) if self.ended else None

    @cached_property
    def file(self) -> RawAnswer | None:
        """The answer to a download, without its body."""
        return self._file({})

    @cached_property
    def file_part(self) -> RawAnswer | None:
        """The answer to a download of its first byte only."""
        return self._file({"Range": "bytes=0-0"})

    def streams(self) -> Iterator[Watched]:
        """Yield the observed event streams, the most informative first: the probe watches its own runs in any case."""
        yield from (trial.stream for trial in self.trials if trial.stream is not None)
        if self.ended is not None:
            yield self.ended.replay

    def _newest(self, status: str) -> str | None:
        ids = (item.get("id") for item in self.listed if item.get("status") == status)
        return next((id for id in ids if isinstance(id, str)), None)

    def _ended(self, run_id: str, how: str) -> EndedRun:
        return EndedRun(self.asker, self.workflow_id, run_id, self.watch, how)

    def _file(self, headers: Mapping[str, str]) -> RawAnswer | None:
        value = self.file_value
        if value is None:
            return None
        headers = {"Accept-Encoding": "identity", "Accept": "*/*", **headers}
        return self.asker.send(RawRequest("GET", ("v1", "file", str(value["id"])), headers=headers, reads=False))


def _created(item: Mapping[str, Any]) -> str:
    return str(item.get("created_at"))


def _files_in(value: Any, depth: int = 20) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict) and isinstance(value.get("id"), str) and isinstance(value.get("uri"), str):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner if depth else ():
        yield from _files_in(each, depth - 1)
