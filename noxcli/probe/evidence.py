"""The evidence for answers: a workflow, its ended runs, and the probe's own runs. Each thing is requested once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from noxcli.inputs.definition import InputNode, OutputNode, inputs_of, outputs_of
from noxcli.probe.asking import Asker
from noxcli.probe.frames import Watched, taken_apart, watch_out
from noxcli.probe.raw import RawAnswer, RawRequest
from noxcli.probe.trial import ENDED_STATUSES, Trial

MOST_LAGGING = 8  # reads of a record that lags
UNKNOWN_CURSOR = "1-1"  # in the form that the docs show, and older than any event
ABOVE_LIMIT = 101
ENDED_RUN, FAILED_RUN = "an ended run", "a failed run"
THE_RECORD, OUR_RECORD = "the record of an ended run", "the record of a run that probe started"
NEEDS_ENDED, NEEDS_COMPLETED = "needs an ended run", "needs a completed run with outputs"


class EndedRun:
    """A run that has ended, read in every way that changes nothing."""

    def __init__(self, asker: Asker, workflow_id: str, run_id: str, watch: float, how: str) -> None:
        self.id, self.how = run_id, how
        self._asker, self._workflow_id, self._watch = asker, workflow_id, watch

    @cached_property
    def record(self) -> Mapping[str, Any] | None:
        """The record, read until it has the end of the run and its output; None if it never does."""
        record: Mapping[str, Any] = {}
        for _ in range(MOST_LAGGING):
            record = self._asker.get("workflows", self._workflow_id, "runs", self.id).object
            if record.get("status") in ENDED_STATUSES and (record.get("output") or record["status"] != "completed"):
                return record
        return record if record.get("status") in ENDED_STATUSES else None

    @cached_property
    def output(self) -> Mapping[str, Any]:
        """The output of a completed run, empty if it is not known."""
        record = self.record
        output = record.get("output") if record and record.get("status") == "completed" else None
        return output if isinstance(output, dict) else {}

    @cached_property
    def look_up(self) -> RawAnswer:
        """The answer to a look-up by the run's id alone."""
        return self._asker.get("runs", self.id)

    @cached_property
    def by_id(self) -> Mapping[str, Any]:
        """The output with ids as keys."""
        output = self._record_with(use_output_ids="true").object.get("output")
        return output if isinstance(output, dict) else {}

    @cached_property
    def output_only(self) -> RawAnswer:
        """The record's output alone."""
        return self._record_with(output_only="true")

    @cached_property
    def data(self) -> RawAnswer:
        """The data of the run's nodes."""
        return self._asker.get("runs", self.id, "data", params={"fetch_structured_data": "true"})

    def node_io(self, node_id: str) -> RawAnswer:
        """Return the inputs and outputs of one node."""
        return self._asker.get("runs", self.id, "io", node_id)

    @cached_property
    def replay(self) -> Watched:
        """The event stream from its start."""
        return self.watched(None)

    @cached_property
    def cursor(self) -> tuple[int, str] | None:
        """The cursor of an event in the middle of the replay, and the event's index; None if none is suitable."""
        cursors = [each.get("redisId") for each in self.replay.envelopes]
        known = [(at, cursor) for at, cursor in enumerate(cursors) if at > 0 and isinstance(cursor, str)]
        usable = [(at, cursor) for at, cursor in known if at < len(cursors) - 1]
        return usable[len(usable) // 2] if usable else None

    @cached_property
    def resumed(self) -> Watched | None:
        """The event stream from that cursor on."""
        return None if self.cursor is None else self.watched(self.cursor[1], first=True)

    @cached_property
    def lost(self) -> Watched:
        """The event stream from a cursor that never existed."""
        return self.watched(UNKNOWN_CURSOR, first=True)

    def watched(self, cursor: str | None, *, first: bool = False) -> Watched:
        """Return the event stream from a cursor on; with `first`, only until the first event."""
        stream = self._asker.watch(self.id, cursor)
        try:
            watch_out(stream, self._watch, lambda: first and bool(taken_apart(stream, "").events))
            return taken_apart(stream, f"events of {self.how}")
        finally:
            stream.close()

    def _record_with(self, **params: str) -> RawAnswer:
        assert self.record is not None  # read before: it no longer lags
        return self._asker.get("workflows", self._workflow_id, "runs", self.id, params=params)


@dataclass
class Evidence:
    """All the evidence. `ended_id` is the run to learn from, None for the newest one that has ended."""

    asker: Asker
    workflow_id: str
    definition: Mapping[str, Any]
    watch: float
    ended_id: str | None = None
    trials: Sequence[Trial] = field(default_factory=list)

    @property
    def inputs(self) -> list[InputNode]:
        """The workflow's inputs, as far as its definition can be read."""
        return inputs_of(self.definition) or []

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
        found = items_on(self.page)
        envelope = self.page.json
        pages = envelope.get("pages") if isinstance(envelope, dict) else None
        if isinstance(pages, int) and pages > 1 and found and _created(found[0]) < _created(found[-1]):
            found += items_on(self.asker.get("workflows", self.workflow_id, "runs", params={"page": str(pages)}))
        return sorted(found, key=_created, reverse=True)

    @cached_property
    def ended(self) -> EndedRun | None:
        """The run to learn from: the one that was given, or else one of the probe's own, or else a listed one."""
        run_id = self.ended_id
        if run_id is None:
            run_id = next((trial.run_id for trial in self.trials if trial.has_ended and not trial.stops), None)
        if run_id is None:
            run_id = self._newest_listed()
        return None if run_id is None else self._ended(run_id, ENDED_RUN)

    def _newest_listed(self) -> str | None:
        """Return the id of the newest completed run, or else of the newest one that ended."""
        ended = [item for item in self.listed if item.get("status") in ENDED_STATUSES]
        found = next((item for item in ended if item["status"] == "completed"), ended[0] if ended else {})
        run_id = found.get("id")
        return run_id if isinstance(run_id, str) else None

    @cached_property
    def failed(self) -> EndedRun | None:
        """A failed run: the one to learn from, or else the newest failed one."""
        if self.ended and self.ended.record and self.ended.record.get("status") == "failed":
            return self.ended
        found = next((item for item in self.listed if item.get("status") == "failed"), None)
        return self._ended(found["id"], FAILED_RUN) if found and isinstance(found.get("id"), str) else None

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
        return self._file({}, follows=False)

    @cached_property
    def file_part(self) -> RawAnswer | None:
        """The answer to a download of its first byte only."""
        return self._file({"Range": "bytes=0-0"}, follows=True)

    def streams(self) -> Iterator[Watched]:
        """Yield the observed event streams, the most informative first: the probe watches its own runs in any case."""
        yield from (trial.stream for trial in self.trials if trial.stream is not None)
        if self.ended is not None:
            yield self.ended.replay

    def _ended(self, run_id: str, how: str) -> EndedRun:
        return EndedRun(self.asker, self.workflow_id, run_id, self.watch, how)

    def _file(self, headers: Mapping[str, str], *, follows: bool) -> RawAnswer | None:
        value = self.file_value
        if value is None:
            return None
        headers = {"Accept-Encoding": "identity", "Accept": "*/*", **headers}
        parts = ("v1", "file", str(value["id"]))
        return self.asker.send(RawRequest("GET", parts, headers=headers, reads=False, follows=follows))


def items_on(page: RawAnswer) -> list[Mapping[str, Any]]:
    """Return the records on a page of a list, in the server's order."""
    value = page.json if page.ok else None
    items = value.get("items") if isinstance(value, dict) else value
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def form_of(key: str, nodes: Any, end: str) -> str | None:
    """Return how a key names a node; None if two ways give the same key, or it names none."""
    forms = set()
    for node in nodes:
        names = node.connectors if isinstance(node, InputNode) else (end,)
        forms |= {"label"} if key == node.label else set()
        forms |= {"node_id"} if key == node.id else set()
        forms |= {"node_id::name"} if key in [f"{node.id}::{name}" for name in names] else set()
    return forms.pop() if len(forms) == 1 else None


def _created(item: Mapping[str, Any]) -> str:
    return str(item.get("created_at"))


def _files_in(value: Any, depth: int = 20) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict) and isinstance(value.get("id"), str) and isinstance(value.get("uri"), str):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner if depth else ():
        yield from _files_in(each, depth - 1)
