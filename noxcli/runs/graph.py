"""The order in which a workflow's nodes run, from its edges."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any


def layers_of(definition: Mapping[str, Any]) -> list[list[str]]:
    """Return the ids of the nodes that edges join, in layers: a node needs nothing of its own layer or of later ones.

    Within a layer, the definition's order is kept. Empty if no edge is usable, or the edges have a cycle.
    """
    nodes = [node for node in _dicts(definition.get("nodes")) if isinstance(node.get("id"), str)]
    place = {node["id"]: number for number, node in enumerate(nodes)}
    # What is inside a loop or another scope comes to work after the node that it is inside.
    pairs = [*map(_ends, _dicts(definition.get("edges"))), *((node.get("parent_id"), node["id"]) for node in nodes)]
    edges = [pair for pair in pairs if all(isinstance(end, str) and end in place for end in pair)]
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for source, target in edges:
        sorter.add(target, source)
    try:
        sorter.prepare()
    except CycleError:
        return []
    layers = []
    while sorter.is_active():
        ready = sorter.get_ready()
        layers.append(sorted(ready, key=place.__getitem__))
        sorter.done(*ready)
    return layers


def _ends(edge: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return source and target of an edge, in both versions of the definition."""
    old = edge.get("from_id"), edge.get("to_id")
    new = edge.get("source"), edge.get("target")
    source, target = (was.get("node_id") if isinstance(was, dict) else now for was, now in zip(old, new, strict=True))
    return source, target


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
