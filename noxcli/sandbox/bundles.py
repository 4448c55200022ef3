"""Workflows as bundles: the text that export gives and import takes.

noxus-sdk 0.6.0, resources/_exports.py: `v4` is YAML of several documents, `v3` and `auto` are in base64. What is in
them is a guess: no source shows one.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from noxcli.sandbox.documents import check_depth
from noxcli.sandbox.scenario import Node, Scenario

Parts = tuple[list[Node], list[tuple[str, str]]]
_LONGEST_LINE = 1_000_000_000  # PyYAML folds longer ones


class _Loader(yaml.SafeLoader):
    """Reads no aliases: ten lines of them can mean more than fits into memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("an alias")
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a diff shows the changed line, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is theirs
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


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
    text = yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, explicit_start=True, width=_LONGEST_LINE
    )
    return text.encode() if form == "v4" else base64.b64encode(text.encode())


def read_bundle(text: str, form: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head of a bundle and its workflows; ValueError for a text that is none."""
    try:
        documents = list(yaml.load_all(text, _Loader))
        if form != "v4" and len(documents) == 1 and isinstance(documents[0], str):
            inside = base64.b64decode(documents[0], validate=True).decode()
            documents = list(yaml.load_all(inside, _Loader))
        check_depth(documents)
        documents = json.loads(json.dumps(documents, default=str))  # YAML has dates, JSON has none
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
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
