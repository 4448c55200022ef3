"""What is known of a run's nodes while it goes on: updates folded into a table that every renderer reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noxcli.graph import layers_of
from noxcli.models import Finished, Paused, Polled, Reconnecting, Run, RunEvent, Started, Update, Workflow
from noxcli.timing import Clock, seconds_between, show_seconds

# The set of node statuses is not documented: these are read as one thing each, every other word is shown as it is.
DONE = frozenset({"completed", "complete", "success", "succeeded", "finished", "done", "executed"})
FAILED = frozenset({"failed", "failure", "error", "errored"})
RUNNING = frozenset({"running", "started", "in_progress", "streaming"})
SKIPPED = frozenset({"skipped", "stopped", "cancelled", "canceled"})
WAITING = "waiting"
TAIL = 400
NAMED = 10  # nodes in one message
HEAD = 64


@dataclass(slots=True)
class Node:
    """One node; `began` and `ended` are seconds of the clock, `tail` is the end of its streamed text.

    Nodes of one `layer` need nothing of each other; it is None where the order is not known.
    """

    id: str
    name: str
    status: str = WAITING
    layer: int | None = None
    began: float | None = None
    ended: float | None = None
    tail: str = ""
    head: str = ""
    length: int = 0

    @property
    def done(self) -> bool:
        return self.status in DONE

    @property
    def failed(self) -> bool:
        return self.status in FAILED

    @property
    def running(self) -> bool:
        return self.status != WAITING and not (self.done or self.failed or self.status in SKIPPED)

    def hear(self, text: str) -> None:
        """Take in streamed text: a piece, or (the docs leave it open) all there is so far."""
        if self.length and len(text) > self.length and text.startswith(self.head):
            self.length, self.head, self.tail = 0, "", ""
        self.head = self.head if len(self.head) >= HEAD else (self.head + text)[:HEAD]
        self.length += len(text)
        self.tail = (self.tail + text)[-TAIL:]

    def duration(self, now: float) -> float | None:
        """Return the seconds from the first sign of work to the end, or to now."""
        return None if self.began is None else (now if self.ended is None else self.ended) - self.began


@dataclass(frozen=True, slots=True)
class Change:
    """A node's status became another one; `seconds` since its first sign of work."""

    name: str
    status: str
    seconds: float | None
    said: str


# An update with the changes that it brought: what renderers are shown.
Step = tuple[Update, Sequence[Change]]


class Progress:
    """The run and its nodes, in the order of the workflow's edges, later ones in the order they showed up.

    What is measured here means something only for a run that is watched from its start.
    """

    def __init__(self, run: Run, clock: Clock, workflow: Workflow | None = None, *, from_start: bool = True) -> None:
        self.run = run
        self.from_start = from_start
        self.title = workflow.name if workflow else ""
        self.status = run.status
        self.began = clock.monotonic()
        self.nodes = _nodes(workflow) if workflow else {}
        self.percent: float | None = None
        self.reconnects = 0
        self._clock = clock

    def elapsed(self) -> float:
        return self._clock.monotonic() - self.began

    def took(self) -> float:
        """Return the seconds that the run took: by its record where its start was not seen."""
        recorded = None if self.from_start else seconds_between(self.run.created_at, self.run.finished_at)
        return self.elapsed() if recorded is None else recorded

    def stuck(self) -> str:
        """Return which nodes are at work and which wait behind them, for whoever asks why nothing moves."""
        now = self._clock.monotonic()
        nodes = list(self.nodes.values())
        busy = [
            f"{node.name!r} has been {node.status} for {show_seconds(node.duration(now) or 0.0)}"
            for node in nodes
            if node.running
        ]
        behind = [repr(node.name) for node in nodes if node.status == WAITING]
        return "; ".join(filter(None, [_some(busy, "; "), f"waiting behind: {_some(behind, ', ')}" if behind else ""]))

    def failed_at(self, shown: Callable[[str], str]) -> str:
        """Return where the run failed and what was said there, for the end of a sentence; `shown` hides secrets."""
        for node in self.nodes.values():
            if node.failed:
                said = shown(node.tail)
                return f" at {node.name!r}" + (f": {said}" if said else "")
        return ""

    def fold(self, update: Update) -> list[Change]:
        """Take in one update and return the changes of status that it brought."""
        match update:
            case RunEvent(type="content", data=dict() as data):
                return self._content(data)
            case RunEvent(type="state", data=dict() as data):
                status = data.get("status")
                self.status = status if isinstance(status, str) else self.status
                return self._details(data.get("progress_details"))
            case Started(run) | Polled(run) | Paused(run) | Finished(run):
                self.run, self.status = run, run.status
                if run.progress is not None:
                    self.percent = max(float(run.progress), self.percent or 0.0)
                return self._details(run.progress_details)
            case Reconnecting(lost=lost):
                self.reconnects += int(lost)
                return []
            case _:
                return []

    def _content(self, data: Mapping[str, Any]) -> list[Change]:
        node_id = data.get("id")
        if not isinstance(node_id, str):
            return []
        if self.status == "queued":
            self.status = "running"  # a node is at work
        node = self._node(node_id)
        text, status = data.get("content"), data.get("status")
        if isinstance(text, str) and text:
            node.hear(text)
            if status in FAILED:
                node.tail = text[-TAIL:]  # the reason, and nothing of what was said before
        return self._set([node], status) if isinstance(status, str) and status else []

    def _details(self, details: Any) -> list[Change]:
        if not isinstance(details, dict):
            return []
        executed, running = _ids(details, "executed_nodes"), _ids(details, "running_nodes")
        skipped, remaining = _ids(details, "skipped_nodes"), _ids(details, "remaining_nodes")
        changed = self._set((node for node in map(self._node, running) if not node.running), "running")
        changed += self._set((n for n in map(self._node, executed) if not (n.done or n.failed)), "completed")
        changed += self._set((node for node in map(self._node, skipped) if node.status not in SKIPPED), "skipped")
        for node_id in remaining:
            self._node(node_id)
        total = len({*executed, *running, *skipped, *remaining})
        if total:
            self.percent = max(self.percent or 0.0, 100 * len({*executed, *skipped}) / total)
        return changed

    def _node(self, node_id: str) -> Node:
        node = self.nodes.get(node_id)
        if node is None:
            node = self.nodes[node_id] = Node(node_id, node_id)
        return node

    def _set(self, nodes: Iterable[Node], status: str) -> list[Change]:
        now = self._clock.monotonic()
        changed = []
        for node in nodes:
            if node.status == status:
                continue
            node.status = status
            node.began = now if node.began is None else node.began
            node.ended = None if node.running else now
            changed.append(Change(node.name, status, node.duration(now), node.tail))
        return changed


def _nodes(workflow: Workflow) -> dict[str, Node]:
    layers = layers_of(workflow.definition)
    layer_of = {node_id: place for place, layer in enumerate(layers) for node_id in layer}
    ordered = dict.fromkeys([*(node_id for node_id in layer_of if node_id in workflow.nodes), *workflow.nodes])
    return {node_id: Node(node_id, workflow.nodes[node_id], layer=layer_of.get(node_id)) for node_id in ordered}


def _some(named: Sequence[str], separator: str) -> str:
    """Return the first ones, and how many more there are."""
    left = [f"{len(named) - NAMED} more"] if len(named) > NAMED else []
    return separator.join([*named[:NAMED], *left])


def _ids(details: Mapping[str, Any], name: str) -> list[str]:
    listed = details.get(name)
    return [node_id for node_id in listed if isinstance(node_id, str)] if isinstance(listed, list) else []
