"""The inputs of a run: the node of each key, missing inputs, and fixed and default values."""

from typing import Any

from noxcli.sandbox.errors import Invalid
from noxcli.sandbox.scenario import Node
from noxcli.sandbox.switches import Switches
from noxcli.sandbox.workflow import Graph

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
    """The inputs by label, from any of the three key forms, completed with the workflow's own values."""
    values = _by_label(given, graph, switches)
    for node in graph.inputs:
        if node.label in values:
            continue
        if "value" in node.config:
            values[node.label] = node.config["value"]
        elif switches.missing_input == "422":
            raise Invalid(["body", "input", node.label], f"Missing required input: {node.label}", "missing")
    return values


def _by_label(given: dict[str, Any], graph: Graph, switches: Switches) -> dict[str, Any]:
    """The checked inputs by label, without those that the workflow keeps fixed."""
    values: dict[str, Any] = {}
    for key, value in given.items():
        node = _meant(key, graph, switches)
        if node is None and switches.unknown_input == "422":
            raise Invalid(["body", "input", key], f"Unknown input: {key}", "extra_forbidden")
        if node is not None:
            _check(key, value, node, switches)
            if node.config.get("fixed_value") and switches.fixed_input == "kept":
                continue
        values[node.label if node else key] = value
    return values


def _check(key: str, value: Any, node: Node, switches: Switches) -> None:
    if switches.wrong_type == "422" and not _fits(value, node):
        expected = node.config.get("type")
        raise Invalid(["body", "input", key], f"Input should be of type {expected}", "type_error")
    if switches.fixed_input == "422" and node.config.get("fixed_value"):
        raise Invalid(["body", "input", key], f"Input is fixed: {key}", "extra_forbidden")


def keyed_input(given: dict[str, Any], graph: Graph, switches: Switches) -> dict[str, Any]:
    """A run's input in its record: under the keys of the start, or under the server's own."""
    form = switches.record_inputs
    if form == "as_given":
        return given
    keys = {node.id: {"label": node.label, "node_id": node.id}.get(form, f"{node.id}::input") for node in graph.inputs}
    nodes = {key: node for key in given if (node := _meant(key, graph, switches)) is not None}
    return {keys[nodes[key].id] if key in nodes else key: value for key, value in given.items()}


def _meant(key: str, graph: Graph, switches: Switches) -> Node | None:
    """A label, a node id, or `node id::input name`."""
    for place, node in enumerate(graph.inputs, 1):
        if key in (_name(node, place, switches.unlabelled_input), node.id, f"{node.id}::input"):
            return node
    return None


def _name(node: Node, place: int, unlabelled: str) -> str:
    if node.config.get("label"):
        return node.label
    return {"numbered": f"Input {place}", "input": "input"}.get(unlabelled, node.label)


def _fits(value: Any, node: Node) -> bool:
    expected = _PYTHON_TYPES.get(str(node.config.get("type", "")).lower())
    if expected is None:
        return True
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
