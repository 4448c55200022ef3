"""The inputs of a run, from any form of their keys, and its outputs in the API's form."""

from collections.abc import Callable, Mapping
from typing import Any

from noxcli.sandbox.answers import Invalid
from noxcli.sandbox.scenario import File, Node
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
    """The inputs by label, from any of the three key forms, with the workflow's own values."""
    values = _by_label(given, graph, switches)
    for node in graph.inputs:
        if node.label in values:
            continue
        if "value" in node.config:
            values[node.label] = node.config["value"]
        elif switches.missing_input == "422":
            place = ["body", "input", node.label]
            raise Invalid(place, f"Missing required input: {node.label}", "missing")
    return values


def _by_label(given: dict[str, Any], graph: Graph, switches: Switches) -> dict[str, Any]:
    """The checked inputs by label, without those that the workflow keeps fixed."""
    values: dict[str, Any] = {}
    for key, value in given.items():
        node = _meant(key, graph, switches)
        if node is None:
            if switches.unknown_input == "422":
                raise Invalid(["body", "input", key], f"Unknown input: {key}", "extra_forbidden")
            values[key] = value
            continue
        _check(key, value, node, switches)
        if node.config.get("fixed_value") and switches.fixed_input == "kept":
            continue
        values[node.label] = value
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
    record = {}
    for key, value in given.items():
        node = _meant(key, graph, switches)
        if node is None:
            record[key] = value
        else:
            record[_key(node, form, "input")] = value
    return record


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


Store = Callable[[File], Mapping[str, Any]]
"""Stores a file and returns its value."""


def published(
    output: Mapping[str, Any], graph: Graph, store: Store, switches: Switches
) -> list[tuple[Node, Any]]:
    """Each output node with its value in the API's form; stores long texts and files."""
    pairs = []
    for name, value in output.items():
        node = graph.output(name)
        pairs.append((node, _shaped(value, node.label, store, switches, depth=0)))
    return pairs


def keyed(pairs: list[tuple[Node, Any]], form: str, duplicates: str) -> dict[str, Any]:
    """The output object under labels, node ids or `id::name`.

    `duplicates` is the rule for labels that two nodes share.
    """
    output: dict[str, Any] = {}
    for node, value in pairs:
        key = _key(node, form, "output")
        if key in output and duplicates == "first":
            continue
        if key in output and duplicates == "number":
            key = _numbered(key, output)
        output[key] = value
    return output


def _key(node: Node, form: str, connector: str) -> str:
    match form:
        case "label":
            return node.label
        case "node_id":
            return node.id
    return f"{node.id}::{connector}"


def _numbered(key: str, output: Mapping[str, Any]) -> str:
    number = 2
    while f"{key} ({number})" in output:
        number += 1
    return f"{key} ({number})"


def _shaped(value: Any, name: str, store: Store, switches: Switches, depth: int) -> Any:
    if isinstance(value, File):
        return dict(store(value))
    if isinstance(value, str):
        return _text(value, name, store, switches, depth)
    if isinstance(value, Mapping):
        shaped = {}
        for key, item in value.items():
            shaped[key] = _shaped(item, f"{name}.{key}", store, switches, depth + 1)
        return shaped
    if isinstance(value, list | tuple):
        items = []
        for at, item in enumerate(value):
            items.append(_shaped(item, f"{name}.{at}", store, switches, depth + 1))
        return items
    return value


def _text(text: str, name: str, store: Store, switches: Switches, depth: int) -> Any:
    """The limit of texts counts characters, not bytes, and so does the truncation."""
    if len(text) > switches.preview_limit:
        left = min(switches.preview_characters, switches.preview_limit)
        content = text.encode("utf-8", "surrogatepass")
        file = File(f"{name}.txt", content, "text/plain; charset=utf-8")
        return {"has_preview": True, "text": text[:left], "file": dict(store(file))}
    if switches.inline_text == "container" and depth == 0:
        return {"text": text}
    return text
