"""A run's inputs: which node a key means, what is missing, and what fixed and default values fill in."""

from typing import Any

from noxcli.sandbox.errors import Invalid
from noxcli.sandbox.graph import Graph
from noxcli.sandbox.scenario import Node
from noxcli.sandbox.switches import Switches

_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "string": str,
    "int": int,
    "float": (int, float),
    "number": (int, float),
    "bool": bool,
    "dict": dict,
    "list": list,
}


def resolved(given: dict[str, Any], graph: Graph, switches: Switches) -> dict[str, Any]:
    """The inputs by label, whichever of the three key forms was used, completed with the workflow's own values."""
    values: dict[str, Any] = {}
    for key, value in given.items():
        node = _meant(key, graph)
        if node is None and switches.unknown_input == "422":
            raise Invalid(["body", "input", key], f"Unknown input: {key}", "extra_forbidden")
        if node is not None and switches.wrong_type == "422" and not _fits(value, node):
            expected = node.config.get("type")
            raise Invalid(["body", "input", key], f"Input should be of type {expected}", "type_error")
        values[node.label if node else key] = value
    for node in graph.inputs:
        if node.label in values:
            continue
        if "value" in node.config:
            values[node.label] = node.config["value"]
        elif switches.missing_input == "422":
            raise Invalid(["body", "input", node.label], f"Missing required input: {node.label}", "missing")
    return values


def _meant(key: str, graph: Graph) -> Node | None:
    """A label, a node id, or `node id::input name`."""
    for node in graph.inputs:
        if key in (node.label, node.id, f"{node.id}::input"):
            return node
    return None


def _fits(value: Any, node: Node) -> bool:
    expected = _PYTHON_TYPES.get(str(node.config.get("type", "")).lower())
    if expected is None:
        return True
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
