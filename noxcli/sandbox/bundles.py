"""Workflows as bundles: the text that export gives and import takes.

noxus-sdk 0.6.0, resources/_exports.py: `v4` is YAML of several documents, `v3` and `auto` are in base64. What is in
them is a guess: no source shows one.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.representer import SafeRepresenter

from noxcli.sandbox.documents import MOST_DEPTH
from noxcli.sandbox.scenario import Node, Scenario

Parts = tuple[list[Node], list[tuple[str, str]]]
_LONGEST_LINE = 1_000_000_000  # longer ones are folded


class _Representer(SafeRepresenter):
    """Writes texts of several lines as blocks, so that a diff shows the changed line, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is theirs
        return True

    def represent_str(self, data: str) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Representer.add_representer(str, _Representer.represent_str)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style, yaml.explicit_start, yaml.width = False, True, _LONGEST_LINE
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment] # its type is that of its default
    return yaml


def _documents(text: str) -> list[Any]:
    """The documents of a text without aliases: ten lines of them can mean more than fits into memory."""
    depth = 0
    for event in _yaml().parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if isinstance(event, AliasEvent) or depth > MOST_DEPTH:
            raise ValueError("an alias, or more levels than JSON may have here")
    return list(_yaml().load_all(text))


def write_bundle(form: str, head: Mapping[str, Any], scenario: Scenario, definition: Mapping[str, Any]) -> bytes:
    """One workflow as a bundle; `form` is `v4`, `v3` or `auto`."""
    workflow = {
        "kind": "workflow",
        "id": scenario.id,
        "name": scenario.name,
        "description": scenario.description,
        "definition": definition,
    }
    documents = [{"kind": "bundle", **head}, workflow]
    written = BytesIO()
    _yaml().dump_all(documents, written)
    return written.getvalue() if form == "v4" else base64.b64encode(written.getvalue())


def read_bundle(text: str, form: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head of a bundle and its workflows; ValueError for a text that is none."""
    try:
        documents = _documents(text)
        if form != "v4" and len(documents) == 1 and isinstance(documents[0], str):
            inside = base64.b64decode(documents[0], validate=True).decode()
            documents = _documents(inside)
        documents = json.loads(json.dumps(documents, default=str))  # YAML has dates, JSON has none
    except (YAMLError, ValueError, TypeError, RecursionError):
        raise ValueError("The bundle can't be read") from None
    heads = [each for each in documents if isinstance(each, dict) and each.get("kind") == "bundle"]
    workflows = [each for each in documents if isinstance(each, dict) and each.get("kind") == "workflow"]
    if len(heads) != 1 or not workflows:
        raise ValueError("The bundle has no workflow")
    return heads[0], workflows


def parts_of(definition: Any) -> Parts:
    """The nodes of a definition, and its edges as pairs of their ids; ValueError for anything else."""
    nodes, edges = (definition.get(key) if isinstance(definition, dict) else None for key in ("nodes", "edges"))
    if not isinstance(nodes, list) or not isinstance(edges or [], list):
        raise ValueError("The definition has no nodes")  # noqa: TRY004 - a wrong text
    try:
        return [_node(each) for each in nodes], [_edge(each) for each in edges or []]
    except (KeyError, TypeError, AttributeError):
        raise ValueError("A node or an edge of the definition is incomplete") from None


def _node(record: Mapping[str, Any]) -> Node:
    config = record.get("node_config") or {}
    name = record.get("name") or config.get("label") or record["id"]
    return Node(str(name), str(record["type"]), dict(config), str(record["id"]))


def _edge(record: Mapping[str, Any]) -> tuple[str, str]:
    if "source" in record:
        return str(record["source"]), str(record["target"])
    return str(record["from_id"]["node_id"]), str(record["to_id"]["node_id"])


def placeholder(nodes: Sequence[Node]) -> dict[str, str]:
    """The output of a workflow that is not known here otherwise."""
    return {node.name: f"{node.label} of an imported workflow" for node in nodes if node.is_output}
