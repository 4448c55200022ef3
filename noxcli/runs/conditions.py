"""The conditions of `wait --for`: parsed from the command line, and checked against every update of a run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from noxcli.errors import UsageProblem, nearest, suggestion
from noxcli.models import PAUSED_STATUS, PAUSED_WORD, Finished, Paused, Polled, Run, Started
from noxcli.runs.follow import Burst
from noxcli.runs.node_data import FAILED
from noxcli.runs.progress import DONE, EXECUTED, SKIPPED, WAITING, Node, Progress, listed_status
from noxcli.runs.resolve import resolve_node

RUN_WORDS = ("completed", "failed", "stopped", PAUSED_WORD, "queued", "running")
GOING_ON = frozenset({"queued", "running"})
NODE_WORDS = DONE | FAILED | SKIPPED | {"running"}
CONDITION_FORMS = "node:NAME=completed, node:NAME, run=completed or run=paused"


@dataclass(frozen=True, slots=True)
class Condition:
    """One --for. `node` is a node's name or id, None for the run; `status` is None if any of the node will do."""

    text: str
    node: str | None = None
    status: str | None = None


def read_condition(text: str) -> Condition:
    """Return the condition of one --for. Raises UsageProblem with the correct form."""
    if text.startswith("run="):
        return Condition(text, status=_run_status(text))
    kind, _, rest = text.partition(":")
    name, equals, status = rest.rpartition("=") if "=" in rest else (rest, "", "")
    if kind != "node" or not name.strip() or (equals and not status):
        raise UsageProblem(f"--for {text!r} is not a condition", f"write {CONDITION_FORMS}")
    return Condition(text, name, status or None)


def _run_status(text: str) -> str:
    word = text.removeprefix("run=")
    if word == PAUSED_STATUS:
        return word
    if word not in RUN_WORDS:
        near = nearest(word, RUN_WORDS)
        hint = suggestion(near and f"run={near}", f"a run is {', '.join(RUN_WORDS)}")
        raise UsageProblem(f"--for {text!r}: {word!r} is not a status of a run", hint)
    return PAUSED_STATUS if word == PAUSED_WORD else word


def with_node_id(condition: Condition, names: Mapping[str, str]) -> Condition:
    """Return the condition with the id of its node; `names` are the workflow's nodes, empty if they are not known.

    Raises UsageProblem for an unknown node.
    """
    return condition if condition.node is None else replace(condition, node=resolve_node(condition.node, names))


def doubtful_words(conditions: Iterable[Condition]) -> Iterator[str]:
    """Yield a warning for each node status that may be misspelled; the API's statuses are not documented."""
    for condition in conditions:
        if condition.node is not None and condition.status is not None and condition.status not in NODE_WORDS:
            near = nearest(condition.status, sorted(NODE_WORDS))
            meant = f"; {suggestion(near)}" if near else ""
            yield f"--for {condition.text!r}: {condition.status!r} is not a known status of a node{meant}"


class ConditionWatch:
    """Checks conditions while updates are applied to `progress`, and keeps the first one that is met."""

    def __init__(self, conditions: Sequence[Condition], progress: Progress) -> None:
        self.conditions, self.progress = conditions, progress
        self.met: Condition | None = None
        self._node: Node | None = None  # the one that met it

    def until(self, bursts: Iterable[Burst]) -> Iterator[Burst]:
        """Yield each update alone until a condition is met, so that a status which lasts less than a burst counts."""
        for burst in bursts:
            for update in burst:
                yield [update]
                if self._choose(update.run if isinstance(update, Started | Polled | Paused | Finished) else None):
                    return
            if not burst:
                yield burst

    def document(self, met: Condition) -> dict[str, Any]:
        """Return the condition that was met, and the node that met it, for the result document."""
        node = self._node and {"id": self._node.id, "name": self._node.name, "status": self._node.status}
        return {"condition": met.text, "node": node}

    def look(self) -> None:
        """Check the nodes again, now that more is known about them."""
        self._choose(None)

    def _choose(self, run: Run | None) -> bool:
        """Keep the first condition, in the order of the command line, that is met by what is known now."""
        for condition in self.conditions:
            node = next((node for node in self._nodes(condition) if self._is(node, condition.status)), None)
            # Events tell of a run that goes on; of one that has ended or pauses, the record alone.
            said = self.progress.status if run is None and condition.status in GOING_ON else run and run.status
            if node is not None or (condition.node is None and said == condition.status):
                self.met, self._node = condition, node
                return True
        return False

    def _nodes(self, condition: Condition) -> Iterator[Node]:
        return (node for node in self.progress.nodes.values() if condition.node in {node.id, node.name})

    def _is(self, node: Node, status: str | None) -> bool:
        if status is None:
            return node.status != WAITING
        if status in DONE:
            # A node that is only listed as executed may have failed.
            listed = listed_status(self.progress.details, node.id)
            return (listed if node.status == EXECUTED else node.status) in DONE - {EXECUTED}
        if status in FAILED:
            return node.failed
        if status in SKIPPED:
            return node.status in SKIPPED
        return node.running if status == "running" else node.status == status
