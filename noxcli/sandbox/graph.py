"""The nodes of a scenario with ids and edges, including those that only its script or output mentions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from noxcli.sandbox.errors import Invalid
from noxcli.sandbox.scenario import Node, Scenario, id_of, output_node
from noxcli.sandbox.steps import Emit


class Graph:
    """A workflow's nodes in workflow order: inputs, steps, outputs."""

    def __init__(self, scenario: Scenario) -> None:
        nodes = [*scenario.nodes, *_implied(scenario)]
        self.nodes = [node if node.id else replace(node, id=_id(scenario, node, nodes)) for node in nodes]
        self.inputs = [node for node in self.nodes if node.is_input]
        self.outputs = [node for node in self.nodes if node.is_output]
        self.work = [node for node in self.nodes if not node.is_input and not node.is_output]
        self._by_name = {node.name: node for node in reversed(self.nodes)}
        self._outputs_by_name = {node.name: node for node in reversed(self.outputs)}
        self.edges = self._edges(scenario)

    def node(self, name: str) -> Node:
        """The node of that name or id; an unknown name becomes a node, so that odd scripts still run."""
        return self._by_name.get(name) or Node(name, id=name)

    def output(self, name: str) -> Node:
        """The output node of that name, even where a step has the same name."""
        return self._outputs_by_name.get(name) or output_node(name)

    def part_of(self, body: Mapping[str, Any]) -> frozenset[str]:
        """The ids of the nodes that a start requests. Noxus docs: `node_ids` with their dependencies, or one node.

        The 422 for an unknown node, or for both fields at once, is a guess.
        """
        known = {node.id for node in self.nodes}
        asked = {name: body[name] for name in ("node_ids", "single_node_id") if body.get(name) is not None}
        if len(asked) > 1:
            raise Invalid(["body", "single_node_id"], "Give node_ids or single_node_id", "value_error")
        for field, value in asked.items():
            wanted = value if field == "node_ids" else [value]
            if strange := set(wanted) - known:
                raise Invalid(["body", field], f"Unknown node: {min(strange)}", "value_error")
            return self._with_sources(wanted) if field == "node_ids" else frozenset(wanted)
        return frozenset(known)

    def _with_sources(self, wanted: Sequence[str]) -> frozenset[str]:
        part, left = set(wanted), list(wanted)
        while left:
            target = left.pop()
            sources = {source.id for source, each in self.edges if each.id == target} - part
            part |= sources
            left += sources
        return frozenset(part)

    def _edges(self, scenario: Scenario) -> list[tuple[Node, Node]]:
        if scenario.edges is not None:
            return [(self.node(source), self.node(target)) for source, target in scenario.edges]
        if not self.work:
            return [(source, target) for source in self.inputs for target in self.outputs]
        steps = pairwise(self.work)
        entry = [(source, self.work[0]) for source in self.inputs]
        leave = [(self.work[-1], target) for target in self.outputs]
        return [*entry, *steps, *leave]


def _implied(scenario: Scenario) -> list[Node]:
    """Nodes that the script or the output mentions and the list does not."""
    known = {node.name for node in scenario.nodes}
    outputs = {node.name for node in scenario.nodes if node.is_output}
    written = scenario.output if isinstance(scenario.output, Mapping) else {}
    implied = {name: output_node(name) for name in written if name not in outputs}
    steps = {name: Node(name) for name in _emitting(scenario) if name not in known and name not in implied}
    return [*steps.values(), *implied.values()]


def _emitting(scenario: Scenario) -> list[str]:
    """The names of the nodes in the script; none if only a run's inputs decide them."""
    if callable(scenario.script):
        return []
    return [step.node for step in scenario.script or () if isinstance(step, Emit)]


def _id(scenario: Scenario, node: Node, nodes: list[Node]) -> str:
    """An id that follows from the names, also where a step and an output share one."""
    place = sum(other.name == node.name for other in nodes[: nodes.index(node)])
    return id_of(f"{scenario.id}/{node.name}/{place}/{node.type}")
