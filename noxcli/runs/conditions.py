"""The conditions of `wait --for`: parsed from the command line, and checked against every update of a run."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from noxcli.errors import NoxError, UsageProblem, nearest, suggestion
from noxcli.models import PAUSED_STATUS, PAUSED_WORD, Finished, Paused, Polled, Run, Started
from noxcli.runs.follow import Burst
from noxcli.runs.node_data import FAILED
from noxcli.runs.progress import DONE, EXECUTED, SKIPPED, WAITING, Node, Progress, listed_status
from noxcli.runs.resolve import resolve_node
from noxcli.timing import Deadline

RUN_WORDS = ("completed", "failed", "stopped", PAUSED_WORD, "queued", "running")
GOING_ON = frozenset({"queued", "running"})
NODE_WORDS = DONE | FAILED | SKIPPED | {"running"}
HANDLED_WITHIN = 2.0  # seconds after which a node's failure has either failed the run, or was handled
CONDITION_FORMS = "node:NAME=completed, node:NAME, run=completed or run=paused"


@dataclass(frozen=True, slots=True)
class Condition:
    """One --for. `node` is a node's name or id, None for the run; `status` is None if any of the node will do."""

    text: str
    node: str | None = None
    status: str | None = None


def read_condition(text: str) -> Condition:
    """Return the condition of one --for. Raises UsageProblem with the correct form."""
    kind, colon, rest = text.partition(":")
    if text.startswith("run="):
        return Condition(text, status=_run_status(text))
    if not colon or kind != "node" or not rest.strip():
        raise UsageProblem(f"--for {text!r} is not a condition", f"write {CONDITION_FORMS}")
    name, equals, status = rest.rpartition("=")
    if not equals:
        return Condition(text, rest)
    if not name or not status:
        raise UsageProblem(f"--for {text!r} lacks a {'status' if name else 'node'}", "write node:NAME=STATUS")
    return Condition(text, name, status)


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


@dataclass(slots=True, eq=False, repr=False)
class ConditionWatch:
    """Checks conditions while updates are applied to `progress`, and keeps the first one that is met.

    `read` returns the run's record, and `again` limits how often it is read in addition to the events.
    """

    conditions: Sequence[Condition]
    progress: Progress
    read: Callable[[], Run]
    again: Deadline
    met: Condition | None = None
    _node: Node | None = None  # the one that met it
    _listed: dict[str, Deadline] = field(default_factory=dict)  # nodes that are only listed as executed
    _go_on: frozenset[str] = frozenset()  # those of them after which the run continued

    def until(self, bursts: Iterable[Burst]) -> Iterator[Burst]:
        """Yield each update alone until a condition is met, so that a status which lasts less than a burst counts."""
        for burst in bursts:
            for update in burst:
                yield [update]
                if self._choose(update.run if isinstance(update, Started | Polled | Paused | Finished) else None):
                    return
            if not burst:
                yield burst
            if self._read_meets():
                return

    def document(self, met: Condition) -> dict[str, Any]:
        """Return the condition that was met, and the node that met it, for the result document."""
        node = self._node and {"id": self._node.id, "name": self._node.name, "status": self._node.status}
        return {"condition": met.text, "node": node}

    def look(self) -> bool:
        """Check the nodes again, now that more is known about them."""
        return self._choose(None)

    def _read_meets(self) -> bool:
        """Read the record from time to time for what no event has: the end of a listed node."""
        self._note_listed()
        if not self._listed or not self.again.passed:
            return False
        self.again.restart()
        try:
            run = self.read()
        except NoxError:
            return False  # the follower also reads it, and reports errors
        self.progress.apply_one(Polled(run))
        self._go_on = frozenset(node for node, limit in self._listed.items() if limit.passed and not run.settled)
        return self._choose(run)

    def _note_listed(self) -> None:
        """Start the time limit of each node that is now only listed as executed, and forget the others."""
        listed = [
            node.id for condition in self.conditions for node in self._nodes(condition) if node.status == EXECUTED
        ]
        self._listed = {each: self._listed.get(each) or Deadline(self.again.clock, HANDLED_WITHIN) for each in listed}

    def _choose(self, run: Run | None) -> bool:
        """Keep the first condition, in the order of the command line, that is met by what is known now."""
        for condition in self.conditions:
            nodes = [node for node in self._nodes(condition) if self._is(node, condition.status)]
            # Events tell of a run that goes on; of one that has ended or pauses, the record alone.
            said = self.progress.status if run is None and condition.status in GOING_ON else run and run.status
            if nodes or (condition.node is None and said == condition.status):
                self.met, self._node = condition, next(iter(nodes), None)
                return True
        return False

    def _nodes(self, condition: Condition) -> Iterator[Node]:
        return (node for node in self.progress.nodes.values() if condition.node in {node.id, node.name})

    def _is(self, node: Node, status: str | None) -> bool:
        if status is None:
            return node.status != WAITING
        if status in DONE:
            # A node that is only listed as executed may have failed: then its run is about to fail.
            word = node.status if node.status != EXECUTED else listed_status(self.progress.details, node.id)
            return (word in DONE and word != EXECUTED) or (node.status == EXECUTED and node.id in self._go_on)
        if status in FAILED:
            return node.failed
        if status in SKIPPED:
            return node.status in SKIPPED
        return node.running if status == "running" else node.status == status
