"""What is known about a run's nodes: updates applied to a table that every renderer reads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from noxcli.inputs.definition import ends_of
from noxcli.models import (
    Finished,
    Gap,
    Paused,
    Polled,
    Reconnecting,
    Run,
    RunEvent,
    Started,
    Update,
    Workflow,
)
from noxcli.runs.node_data import FAILED, error_of, one_line
from noxcli.timing import Clock, seconds_between, show_seconds
from noxcli.value_class import value_class

# Node statuses are not documented: these groups have one meaning each, any other is shown as it is.
DONE = frozenset({"completed", "complete", "success", "succeeded", "finished", "done", "executed"})
SKIPPED = frozenset({"skipped", "stopped", "cancelled", "canceled"})
ENDED = DONE | FAILED | SKIPPED
WAITING = "waiting"
EXECUTED = "executed"  # listed as executed, which includes failed nodes
MAX_NAMED = 10  # nodes in one message
MAX_TAIL = 400  # characters, which a picture may show
MAX_NAME = 100  # characters in a message
MAX_WHY = 300
# Seconds from the first event on, in which events may be older than the connection.
STORED = 0.1


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One node; `began` and `ended` are seconds of the clock, `error` is why it failed, if known.

    Nodes of one `layer` do not depend on each other; it is None if the order is unknown.
    `unmeasured` is true if `began` or `ended` is only the time of a poll, or of late events, or if
    it had ended when the first event was heard.
    """

    id: str
    name: str
    status: str = WAITING
    layer: int | None = None
    began: float | None = None
    ended: float | None = None
    unmeasured: bool = False
    error: str | None = None
    tail: str = ""  # the end of its streamed text

    @property
    def done(self) -> bool:
        return self.status in DONE

    @property
    def failed(self) -> bool:
        return self.status in FAILED

    @property
    def running(self) -> bool:
        return self.status != WAITING and self.status not in ENDED

    def duration(self, now: float) -> float | None:
        """Return the seconds from the first sign of activity to the end, or to now.

        They are None if they were not measured.
        """
        if self.unmeasured:
            return None
        return self.seen_for(now)

    def seen_for(self, now: float) -> float | None:
        """Return the seconds since the first sign of activity, which may have been seen late."""
        if self.began is None:
            return None
        if self.ended is None:
            return now - self.began
        return self.ended - self.began


@value_class(frozen=True, slots=True)
class StatusChange:
    """A change of a node's status; `seconds` since its first sign of activity, if measured."""

    name: str
    status: str
    seconds: float | None
    error: str | None


# An update with its changes, for renderers.
Step = tuple[Update, Sequence[StatusChange]]


class Progress:
    """The run and its nodes, in the order of the workflow's edges, unknown ones as they appear.

    The measured times are meaningful only for a run that is watched from its start.
    """

    def __init__(
        self,
        run: Run,
        clock: Clock,
        workflow: Workflow | None = None,
        *,
        from_start: bool = True,
        shown: Callable[[str], str] = str,
    ) -> None:
        """Begin with the workflow's nodes; `shown` hides secrets."""
        self.run = run
        self.from_start = from_start
        self.title = ""
        self.status = run.status
        self.began = clock.monotonic()
        self.nodes: dict[str, Node] = {}
        self.percent: float | None = None
        self.reconnects = 0
        self.details: Mapping[str, Any] = {}  # the latest from an event or a record
        self.has_all = False  # every event from the first to the one that ends the run
        self.why = ""  # where and why the run failed, for the end of a sentence
        # What events said about failed nodes, first failed first; under None, about the whole run.
        self.failures: dict[str | None, str] = {}
        self._missed = not from_start
        # When its record first had an end, in seconds into the run.
        self._ended: float | None = None
        self._late = False  # the next events follow a break: when they happened is unknown
        self._heard: float | None = None  # when the first event came
        self._clock = clock
        self._shown = shown
        if workflow is not None:
            self.set_workflow(workflow)

    @property
    def names(self) -> dict[str, str]:
        """The nodes' names by id."""
        return {node.id: node.name for node in self.nodes.values()}

    def set_workflow(self, workflow: Workflow) -> None:
        """Take the nodes' names and order from the workflow, and keep what is known about them."""
        seen = self.nodes
        self.title = workflow.name
        self.nodes = _nodes(workflow)
        for node_id, node in seen.items():
            defined = self.nodes.get(node_id)
            if defined is not None:
                node.name = defined.name
                node.layer = defined.layer
            self.nodes[node_id] = node

    def elapsed(self) -> float:
        return self._clock.monotonic() - self.began

    def took(self) -> float:
        """Return the run's duration in seconds: by its record if its start was not seen."""
        if not self.from_start:
            recorded = seconds_between(self.run.created_at, self.run.finished_at)
            if recorded is not None:
                return recorded
        if self._ended is None:
            return self.elapsed()
        return self._ended

    def stuck(self) -> str:
        """Return which nodes run and which wait for them, to explain why nothing changes."""
        now = self._clock.monotonic()
        running: list[str] = []
        waiting: list[str] = []
        for node in self.nodes.values():
            if node.running:
                seconds = show_seconds(node.seen_for(now) or 0.0)
                running.append(f"{node.name!r} has been {node.status} for {seconds}")
            elif node.status == WAITING:
                waiting.append(repr(node.name))
        parts: list[str] = []
        if running:
            parts.append(_some(running, "; "))
        if waiting:
            parts.append(f"waiting: {_some(waiting, ', ')}")
        return "; ".join(parts)

    def set_reason(self, failed: str | None, reason: str) -> None:
        """Record the node and the reason of the failure, if known."""
        text = self._shown(reason)
        node = self.nodes.get(failed or "")
        name = failed
        if node is not None:
            name = node.name
            if not node.failed:
                node.status = "failed"
            node.error = node.error or text or None
        self.why = ""
        if name:
            self.why += f" at {one_line(self._shown(name), MAX_NAME)!r}"
        if text:
            self.why += f": {one_line(text, MAX_WHY)}"

    def learn(self, other: "Progress") -> None:
        """Copy how nodes ended from another reading of the same run's events."""
        for seen in other.nodes.values():
            if seen.status == EXECUTED or seen.status not in ENDED:
                continue
            node = self._node(seen.id)
            if node.status == EXECUTED or not (node.done or node.failed):
                node.status = seen.status
            if seen.error and node.failed and not node.error:
                node.error = self._shown(seen.error)

    def apply(self, burst: Sequence[Update]) -> list[Step]:
        """Apply updates that arrived together."""
        has_events = any(isinstance(update, RunEvent) for update in burst)
        if has_events and self._heard is None:
            self._heard = self._clock.monotonic()
        steps: list[Step] = [(update, self.apply_one(update)) for update in burst]
        if has_events:
            self._late = False
        return steps

    def apply_one(self, update: Update) -> list[StatusChange]:
        """Apply one update and return the resulting changes of status."""
        match update:
            case RunEvent():
                return self._event(update)
            case Started(run) | Polled(run) | Paused(run) | Finished(run):
                return self._record(run)
            case Reconnecting(lost=lost):
                self._late = True
                if lost:
                    self.reconnects += 1
            case Gap():
                self._missed = True
        return []

    def _event(self, event: RunEvent) -> list[StatusChange]:
        data = event.data
        if not isinstance(data, dict):
            return []
        if "workflow_status" in data and event.is_terminal and not self._missed:
            self.has_all = True
        if event.type == "content":
            return self._content(data)
        if event.type == "state":
            return self._state(event, data)
        return []

    def _state(self, event: RunEvent, data: Mapping[str, Any]) -> list[StatusChange]:
        if event.state:
            self.status = event.state
        reason = error_of(data)
        if reason:
            self.failures[None] = reason
        return self._details(data.get("progress_details"), by_event=True)

    def _record(self, run: Run) -> list[StatusChange]:
        self.run = run
        self.status = run.status
        if run.settled and self._ended is None:
            self._ended = self.elapsed()
        if run.progress is not None:
            self.percent = max(float(run.progress), self.percent or 0.0)
        return self._details(run.progress_details, by_event=False)

    def _content(self, data: Mapping[str, Any]) -> list[StatusChange]:
        node_id = data.get("id")
        if not isinstance(node_id, str):
            return []
        if self.status == "queued":
            self.status = "running"  # a node is running
        node = self._node(node_id)
        text = data.get("content")
        if isinstance(text, str):
            node.tail = (node.tail + text)[-MAX_TAIL:]
        status = data.get("status")
        if not isinstance(status, str) or not status:
            return []
        status = plain_status(status)
        if status in FAILED:
            reason = _reason_in(data) or self.failures.get(node_id, "")
            self.failures[node_id] = reason
            node.error = self._shown(reason) or None
        else:
            node.error = None
            self.failures.pop(node_id, None)
        if status == node.status:
            return []
        return self._set(node, status, by_event=True)

    def _details(self, details: Any, *, by_event: bool) -> list[StatusChange]:
        """Apply the nodes' statuses, which an event (`by_event`) or a record has."""
        if not isinstance(details, dict) or not details:
            return []
        self.details = details
        running = self._listed(details, "running_nodes")
        executed = self._listed(details, "executed_nodes")
        skipped = self._listed(details, "skipped_nodes")
        remaining = self._listed(details, "remaining_nodes")
        changes: list[StatusChange] = []
        for node in running:
            if not node.running:
                changes += self._set(node, "running", by_event=by_event)
        for node in executed:
            if not node.done and not node.failed:
                status = self._status_of_executed(node, details)
                changes += self._set(node, status, by_event=by_event)
        for node in skipped:
            if node.status not in SKIPPED:
                changes += self._set(node, "skipped", by_event=by_event)
        if self.status == "completed":
            self._complete_executed()
        ended = {node.id for node in executed + skipped}
        known = ended | {node.id for node in running + remaining}
        if ended:
            self.percent = max(self.percent or 0.0, 100 * len(ended) / len(known))
        return changes

    def _status_of_executed(self, node: Node, details: Mapping[str, Any]) -> str:
        if listed_status(details, node.id) in FAILED:
            return "failed"
        if self.status == "completed":
            return "completed"
        return EXECUTED

    def _complete_executed(self) -> None:
        """Call nodes completed that were listed as executed: none has failed in a completed run."""
        for node in self.nodes.values():
            if node.status == EXECUTED:
                node.status = "completed"

    def _listed(self, details: Mapping[str, Any], name: str) -> list[Node]:
        listed = details.get(name)
        if not isinstance(listed, list):
            return []
        return [self._node(each) for each in listed if isinstance(each, str)]

    def _node(self, node_id: str) -> Node:
        node = self.nodes.get(node_id)
        if node is None:
            node = Node(node_id, node_id)
            self.nodes[node_id] = node
        return node

    def _set(self, node: Node, status: str, *, by_event: bool) -> list[StatusChange]:
        """Give a node a status that it does not have yet."""
        now = self._clock.monotonic()
        before = node.status
        node.status = status
        if not by_event or self._late:
            node.unmeasured = True
        if node.began is None:
            node.began = now
            if not node.running:
                node.unmeasured = True
        node.ended = None
        if not node.running:
            node.ended = now
            if self._heard is not None and now < self._heard + STORED:
                node.unmeasured = True
        if before == EXECUTED and node.done:
            return []  # the same change with a better name
        error = node.error if node.failed else None
        return [StatusChange(node.name, status, node.duration(now), error)]


def listed_status(details: Mapping[str, Any], node_id: str) -> str:
    """Return the status in a node's progress, empty if it has none; its shape is not documented."""
    listed = details.get("per_node_progress")
    if not isinstance(listed, dict):
        return ""
    status = listed.get(node_id)
    if isinstance(status, dict):
        status = status.get("status")
    if not isinstance(status, str):
        return ""
    return plain_status(status)


def plain_status(status: str) -> str:
    """Return a node's status as it is read here.

    There is one word for completed; others that are known are in small letters, unknown ones as is.
    """
    word = status.lower()
    if word in DONE and word != EXECUTED:
        return "completed"
    if word in ENDED or word == "running":
        return word
    return status


def _reason_in(data: Mapping[str, Any]) -> str:
    """Return why a node failed, by its event: what it says as content, or else as its error."""
    text = data.get("content")
    reason = one_line(text) if isinstance(text, str) else error_of({"error": text})
    return reason or error_of(data)


def _nodes(workflow: Workflow) -> dict[str, Node]:
    layer_of = layers_of(workflow.definition)
    names = workflow.nodes
    ordered = [node_id for node_id in layer_of if node_id in names]
    ordered += [node_id for node_id in names if node_id not in layer_of]
    return {
        node_id: Node(node_id, names[node_id], layer=layer_of.get(node_id)) for node_id in ordered
    }


def _some(named: Sequence[str], separator: str) -> str:
    """Return the first ones, and the number of the others."""
    shown = list(named[:MAX_NAMED])
    if len(named) > MAX_NAMED:
        shown.append(f"{len(named) - MAX_NAMED} more")
    return separator.join(shown)


def layers_of(definition: Mapping[str, Any]) -> dict[str, int]:
    """Return the layers, from 0, of the nodes that edges join: each needs only those before it.

    They are in order; within a layer, in the definition's. Empty if no edge is usable, or the edges
    have a cycle.
    """
    nodes = [node for node in _dicts(definition.get("nodes")) if isinstance(node.get("id"), str)]
    place = {node["id"]: number for number, node in enumerate(nodes)}
    joined: list[tuple[str, str]] = []
    for edge in _dicts(definition.get("edges")):
        (source, _), (target, _) = ends_of(edge)
        joined.append((source, target))
    for node in nodes:
        # What is inside a loop or another scope comes to work after the node that it is inside.
        joined.append((str(node.get("parent_id")), node["id"]))
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for source, target in joined:
        if source in place and target in place:
            sorter.add(target, source)
    try:
        sorter.prepare()
    except CycleError:
        return {}
    layer_of: dict[str, int] = {}
    for layer, ready in enumerate(iter(sorter.get_ready, ())):
        layer_of.update(dict.fromkeys(sorted(ready, key=place.__getitem__), layer))
        sorter.done(*ready)
    return layer_of


def _dicts(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]
