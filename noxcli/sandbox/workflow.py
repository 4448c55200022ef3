"""A workflow in service: its nodes with ids and edges, its switches, and its remaining faults."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise, product
from typing import Any

from starlette.exceptions import HTTPException

from noxcli.sandbox.faults import FaultQueue
from noxcli.sandbox.json_toml import encoded
from noxcli.sandbox.scenario import CREATED_AT, Node, Scenario, Version, id_of, output_node
from noxcli.sandbox.steps import Emit
from noxcli.sandbox.switches import Switches, with_overrides


class Graph:
    """A workflow's nodes in order, including those that only its script or output mentions."""

    def __init__(self, scenario: Scenario) -> None:
        self.nodes: list[Node] = []
        names: Counter[str] = Counter()  # a step and an output may share one
        workflow_id = scenario.id
        for node in [*scenario.nodes, *_implied(scenario)]:
            if not node.id:
                name = f"{workflow_id}/{node.name}/{names[node.name]}/{node.type}"
                node = replace(node, id=id_of(name))
            self.nodes.append(node)
            names[node.name] += 1
        self.inputs = [node for node in self.nodes if node.is_input]
        self.outputs = [node for node in self.nodes if node.is_output]
        self.work = [node for node in self.nodes if not node.is_input and not node.is_output]
        self._by_name: dict[str, Node] = {}
        for node in reversed(self.nodes):  # the first of a name counts
            self._by_name[node.id] = node
            self._by_name[node.name] = node
        self._outputs_by_name = {node.name: node for node in reversed(self.outputs)}
        self.edges = self._edges(scenario)

    def node(self, name: str) -> Node:
        """The node of that name or id; an unknown name becomes one, so that odd scripts run."""
        return self._by_name.get(name) or Node(name, id=name)

    def output(self, name: str) -> Node:
        """The output node of that name, even where a step has the same name."""
        return self._outputs_by_name.get(name) or output_node(name)

    def _edges(self, scenario: Scenario) -> list[tuple[Node, Node]]:
        if scenario.edges is not None:
            return [(self.node(source), self.node(target)) for source, target in scenario.edges]
        if not self.work:
            return list(product(self.inputs, self.outputs))
        steps = pairwise(self.work)
        entry = [(source, self.work[0]) for source in self.inputs]
        leave = [(self.work[-1], target) for target in self.outputs]
        return [*entry, *steps, *leave]


def _implied(scenario: Scenario) -> list[Node]:
    """Nodes that the script or the output mentions and the list does not."""
    known = {node.name for node in scenario.nodes}
    known_outputs = {node.name for node in scenario.nodes if node.is_output}
    outputs: dict[str, Node] = {}
    if isinstance(scenario.output, Mapping):
        for name in scenario.output:
            if name not in known_outputs:
                outputs[name] = output_node(name)
    steps: dict[str, Node] = {}
    for name in _emitting(scenario):
        if name not in known and name not in outputs:
            steps[name] = Node(name)
    return [*steps.values(), *outputs.values()]


def _emitting(scenario: Scenario) -> list[str]:
    """The names of the nodes in the script; none if only a run's inputs decide them."""
    if callable(scenario.script):
        return []
    return [step.node for step in scenario.script or () if isinstance(step, Emit)]


class Workflow:
    """A scenario in service."""

    def __init__(self, scenario: Scenario, switches: Switches) -> None:
        self.scenario = scenario
        self.updated_at = CREATED_AT
        self.switches = with_overrides(switches, scenario.switches)
        self.runs: list[Any] = []  # of class Run, oldest first
        self.faults = FaultQueue(scenario.faults)
        self.refusals_left = self.switches.gateway_refusals
        self._turns: Counter[bytes] = Counter()
        self.versions: dict[str, tuple[Version, Graph]] = {}
        self._late: dict[str, int] = {}  # reads of the list that do not show a version yet
        for version in scenario.versions:
            self.save(version)

    @cached_property
    def graph(self) -> Graph:
        """The nodes and edges as they are; for most workflows they are never read."""
        return Graph(self.scenario)

    def save(self, version: Version) -> str:
        """Keep a version; returns its id."""
        version_id = version.id or id_of(f"{self.scenario.id}/version/{version.name}")
        own = version if version.nodes else self.scenario
        scenario = replace(self.scenario, nodes=own.nodes, edges=own.edges)
        self.versions[version_id] = (version, Graph(scenario))
        return version_id

    def save_late(self, version: Version) -> str:
        """Keep a version that the list does not show at first; returns its id."""
        version_id = self.save(version)
        self._late[version_id] = self.switches.late_versions
        return version_id

    def is_late(self, version_id: str) -> bool:
        """Whether the list does not show a version in this read."""
        left = self._late.get(version_id, 0)
        if left:
            self._late[version_id] = left - 1
        return left > 0

    def become(self, nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> None:
        """Take other nodes and edges; runs that have begun keep theirs."""
        self.scenario = replace(self.scenario, nodes=nodes, edges=edges)
        self.graph = Graph(self.scenario)
        self.updated_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

    def graph_of(self, version_id: str | None) -> Graph:
        """The nodes and edges of a version, or of the workflow as it is."""
        if version_id is None:
            return self.graph
        if version_id not in self.versions:
            raise HTTPException(404, "Workflow version not found")
        return self.versions[version_id][1]

    def turn(self, version_id: str | None, given: Any) -> int:
        """Count one more run of a version with this input: 1 for the first."""
        key = hashlib.sha256(encoded([version_id, given])).digest()
        self._turns[key] += 1
        return self._turns[key]
