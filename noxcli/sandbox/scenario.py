"""A workflow of the sandbox and the course of its runs: pure data, no server."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from noxcli.sandbox.faults import FaultPlan
from noxcli.sandbox.steps import Script

CREATED_AT = "2026-01-01T09:00:00Z"
NAMESPACE = uuid.UUID("6a1f4a0e-57b1-5c0c-9a53-6e6f78636c69")

INPUT = "InputNode"
OUTPUT = "OutputNode"
WORK = "TextGenerationNode"


@lru_cache(maxsize=4096)
def id_of(name: str) -> str:
    """Return the id for a name: the same at each start."""
    return str(uuid.uuid5(NAMESPACE, name.encode("utf-8", "backslashreplace").decode()))


@dataclass(frozen=True, slots=True)
class Node:
    """One box on the canvas. Scripts and outputs use its `name`; users see a label in `config`."""

    name: str
    type: str = WORK
    config: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""

    @property
    def is_input(self) -> bool:
        """Whether the caller of a run fills it."""
        return self.type in (INPUT, "InputNodeV2", "FileInputNode", "ImageInputNode")

    @property
    def is_output(self) -> bool:
        """Whether its value is part of the run's output."""
        return self.type in (OUTPUT, "OutputNodeV2")

    @property
    def label(self) -> str:
        """The name that users gave it, for inputs and outputs."""
        return str(self.config.get("label") or self.name)


def input_node(label: str, *, type: str = "str", default: Any = None) -> Node:
    """An input; required unless it has a default."""
    config = {"label": label, "type": type, "fixed_value": False}
    if default is not None:
        config["value"] = default
    return Node(f"input {label}", INPUT, config)


def fixed_input(label: str, value: Any, *, type: str = "str") -> Node:
    """An input that the workflow fills itself; a caller may still override it."""
    config = {"label": label, "type": type, "fixed_value": True, "value": value}
    return Node(f"input {label}", INPUT, config)


def output_node(label: str, *, type: str = "String") -> Node:
    """An output with this name, which is also its key in `Scenario.output`."""
    return Node(label, OUTPUT, {"label": label, "type": type})


@dataclass(frozen=True, slots=True)
class File:
    """A file as an output value. With `size`, `content` is repeated up to it while it is sent."""

    name: str
    content: bytes = b""
    content_type: str = "application/octet-stream"
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A saved version of a workflow: its own nodes and edges; without nodes, the current ones."""

    name: str
    description: str | None = None
    nodes: Sequence[Node] = ()
    edges: Sequence[tuple[str, str]] | None = None
    created_at: str = CREATED_AT
    id: str = ""  # empty: one derived from the names


Course = Callable[[str | None, dict[str, Any]], "Scenario"]
Output = Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A workflow, the course of its runs, and their faults.

    `script` and `output` may be functions of the run's inputs by label; its `$turn` counts the
    runs of a version with the same input, from 1. `output` maps names of output nodes to values;
    nodes that script or output mention need not be listed in `nodes`. Without a script, every node
    simply runs. `status` is the last status of a run, which may be any word; a failed run has no
    output. `faults` are used up in order, one per request of that kind, unless they repeat.
    `switches` override the server's for this workflow. `course` gives each run its own scenario,
    by its version and input.
    """

    name: str
    description: str = ""
    nodes: Sequence[Node] = ()
    edges: Sequence[tuple[str, str]] | None = None  # pairs of node names; None: one after the other
    script: Script | None = None
    status: str = "completed"
    output: Output = field(default_factory=dict)
    faults: FaultPlan = field(default_factory=dict)
    switches: Mapping[str, Any] = field(default_factory=dict)
    flow_version: Literal["v1", "v2"] = "v1"
    versions: Sequence[Version] = ()
    workflow_id: str = ""
    course: "Course | None" = None

    @property
    def id(self) -> str:
        """The workflow's id: the given one, else one derived from the name."""
        return self.workflow_id or id_of(self.name)
