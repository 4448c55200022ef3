"""The inputs and outputs in a workflow's definition, in both versions, and their JSON Schema.

Odd parts are skipped.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from noxcli.codec import decode_json, to_json
from noxcli.value_class import value_class

# noxus-sdk 0.6.0 names InputNode, InputNodeV2, FileInputNode and ImageInputNode; others may be
# named alike.
INPUT_TYPE = r"(?P<kind>[A-Z][A-Za-z]*)?InputNode(?:V\d+)?"
OUTPUT_TYPE = r"(?:[A-Z][A-Za-z]*)?OutputNode(?:V\d+)?"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What moving a node or saving it changes, and what no run depends on.
LAYOUT = re.compile(
    r"display|position|viewport|(created|updated|saved|modified|edited|last_\w+)_at"
)
FILE_SCHEMA = {
    "type": "object",
    "properties": {"uri": {"type": "string"}, "name": {"type": "string"}},
    "required": ["uri"],
}


@value_class(frozen=True, slots=True)
class InputKind:
    """A kind of values: its name, and a value on a command line, in a schema and in JSON."""

    types: tuple[str, ...]  # of the docs, the SDK and the editor, in lower case
    words: str
    example: str
    schema: Mapping[str, Any]
    sample: Any


KINDS = {
    "text": InputKind(("str", "string", "text"), "text", "=TEXT", {"type": "string"}, "hello"),
    "int": InputKind(("int", "integer"), "an int", ":=3", {"type": "integer"}, 3),
    "number": InputKind(("float", "number"), "a number", ":=0.5", {"type": "number"}, 0.5),
    "bool": InputKind(("bool", "boolean"), "true or false", ":=true", {"type": "boolean"}, True),
    "object": InputKind(
        ("dict", "object"), "an object", ":=JSON", {"type": "object"}, {"key": "value"}
    ),
    "list": InputKind(("list", "array"), "a list", ":=JSON", {"type": "array"}, ["one", "two"]),
    "file": InputKind(
        ("file", "image", "audio"),
        "a file",
        "@FILE",
        FILE_SCHEMA,
        {"uri": "https://example.com/report.pdf", "name": "report.pdf"},
    ),
}
KIND_OF_TYPE = {type_: name for name, kind in KINDS.items() for type_ in kind.types}


@value_class(frozen=True, slots=True)
class InputNode:
    """One input of a workflow.

    `type` is the server's name for it, `value` is fixed or a default.
    """

    id: str
    label: str | None
    type: str | None
    fixed: bool = False
    value: Any = None
    connectors: tuple[str, ...] = ("input",)
    is_list: bool = False

    @property
    def kind(self) -> str | None:
        """The kind of its values, None if unknown."""
        if self.type is None:
            return None
        kind = KIND_OF_TYPE.get(self.type.lower())
        if kind is None or not self.is_list:
            return kind
        # How a list of files is sent is not documented.
        return None if kind == "file" else "list"

    @property
    def required(self) -> bool:
        """True if the workflow has no value of its own."""
        return not self.fixed and self.value is None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The keys that mean only this input, apart from its label."""
        return self.id, *(f"{self.id}::{name}" for name in self.connectors)


@value_class(frozen=True, slots=True)
class OutputNode:
    """One output of a workflow."""

    id: str
    label: str | None


def inputs_of(definition: Mapping[str, Any]) -> list[InputNode] | None:
    """Return the inputs that a caller can give, in order.

    None if the definition has no readable nodes.
    """
    nodes = _top_level(definition)
    if nodes is None:
        return None
    inputs = (_input(node) for node in nodes)
    return [node for node in inputs if node is not None]


def outputs_of(definition: Mapping[str, Any]) -> list[OutputNode] | None:
    """Return the outputs that a caller gets, in order.

    None if the definition has no readable nodes.
    """
    nodes = _top_level(definition)
    if nodes is None:
        return None
    return [
        OutputNode(node["id"], _label(node))
        for node in nodes
        if re.fullmatch(OUTPUT_TYPE, str(node.get("type", ""))) and isinstance(node.get("id"), str)
    ]


N = TypeVar("N", InputNode, OutputNode)


def keys_of(nodes: Iterable[N]) -> dict[str, N]:
    """Return each node by its shortest unique key: its label, or its id if others share that."""
    nodes = list(nodes)
    labels = [node.label for node in nodes]
    keys: dict[str, N] = {}
    for node in nodes:
        if node.label and labels.count(node.label) == 1:
            keys[node.label] = node
        else:
            keys[node.id] = node
    return keys


def meant_by(key: str, nodes: Sequence[InputNode]) -> list[InputNode]:
    """Return the inputs that the key may mean: by their label, or else by an address."""
    labeled = [node for node in nodes if node.label == key]
    if labeled:
        return labeled
    return [node for node in nodes if key in node.addresses]


def schema_of(nodes: Sequence[InputNode], title: str) -> dict[str, Any]:
    """Return the schema of the input object for `--inputs`, with the shortest key of each input.

    The other keys (node ids, `id::input`) are omitted: an editor would suggest each input three
    times.
    """
    keys = keys_of(nodes)
    required = [key for key, node in keys.items() if node.required]
    example = {key: KINDS[keys[key].kind or "text"].sample for key in required}
    return {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "properties": {key: _property(node) for key, node in keys.items()},
        "required": required,
        # An input without a label may have a key that the definition does not show.
        "additionalProperties": any(node.label is None for node in nodes),
        "examples": [example],
    }


def ends_of(edge: Any) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the node's id and the connector at both ends of an edge, empty if not readable."""
    if not isinstance(edge, dict):
        return ("", ""), ("", "")
    return _end_of(edge, "source", "from_id"), _end_of(edge, "target", "to_id")


def _end_of(edge: Mapping[str, Any], name: str, older_name: str) -> tuple[str, str]:
    """Return node and connector at one end, whose name depends on the version of the definition."""
    older = edge.get(older_name)
    if not isinstance(older, dict):
        older = {}
    node_id = edge.get(name) or older.get("node_id") or ""
    connector = edge.get(f"{name}_handle") or older.get("connector_name") or ""
    return str(node_id), str(connector)


def _top_level(definition: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the nodes without those inside a loop or another scope, which sets and reads them."""
    nodes = definition.get("nodes")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        return None
    return [node for node in nodes if not node.get("parent_id")]


def _label(node: Mapping[str, Any]) -> str | None:
    label = _config_of(node).get("label")
    return label if isinstance(label, str) and label else None


def _config_of(node: Mapping[str, Any]) -> Mapping[str, Any]:
    config = node.get("node_config")
    return config if isinstance(config, dict) else {}


def _input(node: Mapping[str, Any]) -> InputNode | None:
    matched = re.fullmatch(INPUT_TYPE, str(node.get("type", "")))
    if matched is None or not isinstance(node.get("id"), str):
        return None
    config = _config_of(node)
    type_ = config.get("type")
    if not isinstance(type_, str) or not type_:
        type_ = matched["kind"]
    return InputNode(
        id=node["id"],
        label=_label(node),
        type=type_,
        fixed=config.get("fixed_value") is True,
        value=config.get("value"),
        connectors=_connectors_of(node),
        is_list=config.get("is_list") is True,
    )


def _connectors_of(node: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a node's connectors; each has the one that the docs name."""
    names = ["input"]
    listed = node.get("inputs")
    for each in listed if isinstance(listed, list) else []:
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(name, str) and name not in names:
            names.append(name)
    return tuple(names)


def _property(node: InputNode) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if node.kind is not None:
        schema.update(KINDS[node.kind].schema)
    schema["description"] = f"{node.type or 'input'}, node {node.id}"
    if node.fixed:
        schema["description"] += "; fixed by the workflow"
    if node.value is not None:
        schema["default"] = node.value
    return schema


def definition_in(text: str) -> dict[str, Any] | None:
    """Return the definition that a text is, None for any other text."""
    try:
        definition = decode_json(text)
    except ValueError:
        return None
    if not isinstance(definition, dict) or inputs_of(definition) is None:
        return None
    return definition


def definition_text(definition: Mapping[str, Any], *, full: bool = False) -> str:
    """Return a definition as git likes it: it changes only with what a run depends on.

    With `full`, positions and times stay in it.
    """
    text = to_json(tidy(definition, full=full), indent=2)
    return f"{text}\n"


def has_layout(definition: Mapping[str, Any]) -> bool:
    """True if the definition has positions or times."""
    return tidy(definition) != tidy(definition, full=True)


def tidy(definition: Mapping[str, Any], *, full: bool = False) -> dict[str, Any]:
    """Return a definition without positions and times, in an order that no editor chooses.

    With `full`, they stay. Nodes are sorted by their ids, and edges by their ends; nodes without
    ids stay in their order. The settings inside a node are unchanged, apart from the order of their
    keys.
    """
    keep: Callable[[Any], Any] = _whole if full else _without_layout
    kept = dict(keep(definition))
    nodes = kept.get("nodes")
    if isinstance(nodes, list):
        kept["nodes"] = sorted(map(keep, nodes), key=_id_of_node)
    edges = kept.get("edges")
    if isinstance(edges, list):
        kept["edges"] = sorted(map(keep, edges), key=_place_of_edge)
    found: dict[str, Any] = _in_order(kept)
    return found


def _id_of_node(node: Any) -> str:
    return str(node.get("id", "")) if isinstance(node, dict) else ""


def _place_of_edge(edge: Any) -> tuple[str, str, str]:
    (source, _), (target, _) = ends_of(edge)
    return source, target, to_json(_in_order(edge))


def _whole(part: Any) -> Any:
    return part


def _without_layout(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return part
    return {key: value for key, value in part.items() if not LAYOUT.fullmatch(key)}


def _in_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _in_order(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_in_order(each) for each in value]
    return value
