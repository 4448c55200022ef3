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

# Node statuses are not documented: these groups have one meaning each, every other status is shown unchanged.
DONE = frozenset({"completed", "complete", "success", "succeeded", "finished", "done", "executed"})
SKIPPED = frozenset({"skipped", "stopped", "cancelled", "canceled"})
ENDED = DONE | FAILED | SKIPPED
WAITING = "waiting"
EXECUTED = "executed"  # listed as executed, which includes failed nodes
MAX_NAMED = 10  # nodes in one message
MAX_TAIL = 400  # characters, which a picture may show
MAX_NAME, MAX_WHY = 100, 300  # characters in a message
STORED = 0.1  # seconds from the first event on, in which events may come that are older than the connection


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One node; `began` and `ended` are seconds of the clock, `error` is why it failed, if known.

    Nodes of one `layer` do not depend on each other; it is None if the order is unknown. `unmeasured` is true if
    `began` or `ended` is only the time of a poll, or of late events, or if it had ended when the first event was heard.
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
        """Return the seconds from the first sign of activity to the end, or to now; None if they were not measured."""
        return None if self.unmeasured else self.seen_for(now)

    def seen_for(self, now: float) -> float | None:
        """Return the seconds since the first sign of activity, which may have been seen late."""
        return (
            None if self.began is None else (now if self.ended is None else self.ended) - self.began
        )


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
    """The run and its nodes, in the order of the workflow's edges, unknown ones in order of appearance.

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
        # What events said about failed nodes, first failed first; about the run as a whole under None.
        self.failures: dict[str | None, str] = {}
        self._missed = not from_start
        self._ended: float | None = (
            None  # when its record first had an end, in seconds into the run
        )
        self._late = False  # the next events follow a break: the time when they happened is unknown
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
        seen, self.nodes, self.title = self.nodes, _nodes(workflow), workflow.name
        for node_id, node in seen.items():
            if node_id in self.nodes:
                node.name, node.layer = self.nodes[node_id].name, self.nodes[node_id].layer
            self.nodes[node_id] = node

    def elapsed(self) -> float:
        return self._clock.monotonic() - self.began

    def took(self) -> float:
        """Return the run's duration in seconds: by its record if its start was not seen."""
        recorded = (
            None if self.from_start else seconds_between(self.run.created_at, self.run.finished_at)
        )
        if recorded is not None:
            return recorded
        return self.elapsed() if self._ended is None else self._ended

    def stuck(self) -> str:
        """Return which nodes are running and which wait for them, to explain why nothing changes."""
        now = self._clock.monotonic()
        nodes = list(self.nodes.values())
        busy = [
            f"{node.name!r} has been {node.status} for {show_seconds(node.seen_for(now) or 0.0)}"
            for node in nodes
            if node.running
        ]
        behind = [repr(node.name) for node in nodes if node.status == WAITING]
        return "; ".join(
            filter(None, [_some(busy, "; "), f"waiting: {_some(behind, ', ')}" if behind else ""])
        )

    def set_reason(self, failed: str | None, reason: str) -> None:
        """Record the node and the reason of the failure, if known."""
        text = self._shown(reason)
        node = self.nodes.get(failed or "")
        if node is not None:
            node.status = node.status if node.failed else "failed"
            node.error = node.error or text or None
        name = failed if node is None else node.name
        where = f" at {one_line(self._shown(name), MAX_NAME)!r}" if name else ""
        self.why = where + (f": {one_line(text, MAX_WHY)}" if text else "")

    def learn(self, other: "Progress") -> None:
        """Copy how nodes ended from another reading of the same run's events."""
        for seen in other.nodes.values():
            if seen.status == EXECUTED or seen.status not in ENDED:
                continue
            node = self._node(seen.id)
            if node.status == EXECUTED or not (node.done or node.failed):
                node.status = seen.status
            node.error = node.error or (
                self._shown(seen.error) if seen.error and node.failed else None
            )

    def apply(self, burst: Sequence[Update]) -> list[Step]:
        """Apply updates that arrived together."""
        if self._heard is None and any(isinstance(update, RunEvent) for update in burst):
            self._heard = self._clock.monotonic()
        steps: list[Step] = [(update, self.apply_one(update)) for update in burst]
        self._late = self._late and not any(isinstance(update, RunEvent) for update in burst)
        return steps

    def apply_one(self, update: Update) -> list[StatusChange]:
        """Apply one update and return the resulting changes of status."""
        match update:
            case RunEvent(kind, data):
                if not isinstance(data, dict):
                    return []
                if "workflow_status" in data and update.is_terminal and not self._missed:
                    self.has_all = True
                if kind == "content":
                    return self._content(data)
                if kind == "state":
                    self.status = update.state or self.status
                    if reason := error_of(data):
                        self.failures[None] = reason
                    return self._details(data.get("progress_details"), by_event=True)
            case Started(run) | Polled(run) | Paused(run) | Finished(run):
                return self._record(run)
            case Reconnecting(lost=lost):
                self.reconnects += int(lost)
                self._late = True
            case Gap():
                self._missed = True
        return []

    def _record(self, run: Run) -> list[StatusChange]:
        self.run, self.status = run, run.status
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
        text, status = data.get("content"), data.get("status")
        status = plain_status(status) if isinstance(status, str) else ""
        if status in FAILED:
            reason = one_line(text) if isinstance(text, str) else error_of({"error": text})
            self.failures[node_id] = reason or error_of(data) or self.failures.get(node_id, "")
            node.error = self._shown(self.failures[node_id]) or None
        elif status:
            node.error = None
            self.failures.pop(node_id, None)
        if isinstance(text, str):
            node.tail = (node.tail + text)[-MAX_TAIL:]
        return self._set(node, status, by_event=True) if status and status != node.status else []

    def _details(self, details: Any, *, by_event: bool) -> list[StatusChange]:
        """Apply the nodes' statuses, which an event (`by_event`) or a record has."""
        if not isinstance(details, dict):
            return []
        self.details = details or self.details
        running, executed = (
            self._listed(details, "running_nodes"),
            self._listed(details, "executed_nodes"),
        )
        skipped, remaining = (
            self._listed(details, "skipped_nodes"),
            self._listed(details, "remaining_nodes"),
        )
        ended = "completed" if self.status == "completed" else EXECUTED
        changes = list[StatusChange]()
        for node in running:
            if not node.running:
                changes += self._set(node, "running", by_event=by_event)
        for node in executed:
            if not (node.done or node.failed):
                failed = listed_status(details, node.id) in FAILED
                changes += self._set(node, "failed" if failed else ended, by_event=by_event)
        for node in skipped:
            if node.status not in SKIPPED:
                changes += self._set(node, "skipped", by_event=by_event)
        for node in self.nodes.values():
            node.status = ended if node.status == EXECUTED else node.status
        if done := {node.id for node in (*executed, *skipped)}:
            known = done.union(node.id for node in (*running, *remaining))
            self.percent = max(self.percent or 0.0, 100 * len(done) / len(known))
        return changes

    def _listed(self, details: Mapping[str, Any], name: str) -> list[Node]:
        listed = details.get(name)
        return (
            [self._node(each) for each in listed if isinstance(each, str)]
            if isinstance(listed, list)
            else []
        )

    def _node(self, node_id: str) -> Node:
        node = self.nodes.get(node_id)
        if node is None:
            node = self.nodes[node_id] = Node(node_id, node_id)
        return node

    def _set(self, node: Node, status: str, *, by_event: bool) -> list[StatusChange]:
        """Give a node a status that it does not have yet."""
        now, measured = self._clock.monotonic(), by_event and not self._late
        before, node.status = node.status, status
        if node.began is None:
            node.began, node.unmeasured = now, not (measured and node.running)
        node.ended = None if node.running else now
        was_stored = (
            node.ended is not None and self._heard is not None and now < self._heard + STORED
        )
        node.unmeasured = node.unmeasured or not measured or was_stored
        if before == EXECUTED and node.done:  # the same change with a better name
            return []
        return [
            StatusChange(node.name, status, node.duration(now), node.error if node.failed else None)
        ]


def listed_status(details: Mapping[str, Any], node_id: str) -> str:
    """Return the status in a node's progress, empty if it has none; its shape is not documented."""
    listed = details.get("per_node_progress")
    progress = listed.get(node_id) if isinstance(listed, dict) else None
    status = progress.get("status") if isinstance(progress, dict) else progress
    return plain_status(status) if isinstance(status, str) else ""


def plain_status(status: str) -> str:
    """Return a node's status as it is read here: one word for completed, known ones in small letters, others as is."""
    word = status.lower()
    if word in DONE and word != EXECUTED:
        return "completed"
    return word if word in ENDED or word == "running" else status


def _nodes(workflow: Workflow) -> dict[str, Node]:
    layer_of = layers_of(workflow.definition)
    ordered = dict.fromkeys(
        [*(node_id for node_id in layer_of if node_id in workflow.nodes), *workflow.nodes]
    )
    return {
        node_id: Node(node_id, workflow.nodes[node_id], layer=layer_of.get(node_id))
        for node_id in ordered
    }


def _some(named: Sequence[str], separator: str) -> str:
    """Return the first ones, and the number of the others."""
    omitted = [f"{len(named) - MAX_NAMED} more"] if len(named) > MAX_NAMED else []
    return separator.join([*named[:MAX_NAMED], *omitted])


def layers_of(definition: Mapping[str, Any]) -> dict[str, int]:
    """Return the layers, from 0, of the nodes that edges join: a node needs nothing of its own layer or of later ones.

    They are in order; within a layer, in the definition's. Empty if no edge is usable, or the edges have a cycle.
    """
    nodes = [node for node in _dicts(definition.get("nodes")) if isinstance(node.get("id"), str)]
    place = {node["id"]: number for number, node in enumerate(nodes)}
    ends = [
        (source, target)
        for (source, _), (target, _) in map(ends_of, _dicts(definition.get("edges")))
    ]
    # What is inside a loop or another scope comes to work after the node that it is inside.
    inside = [(str(node.get("parent_id")), node["id"]) for node in nodes]
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for source, target in (*ends, *inside):
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
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
