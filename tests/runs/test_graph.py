"""The order of nodes: by their edges, in both versions of a definition, and by the definition if those fail."""

from typing import Any

import pytest

from noxcli.models import Run, Workflow
from noxcli.runs.progress import Progress, layers_of
from noxcli.timing import Clock

DIAMOND = [("a", "c"), ("a", "b"), ("b", "d"), ("c", "d")]


def old(source: str, target: str) -> dict[str, Any]:
    return {"id": "e", "from_id": {"node_id": source}, "to_id": {"node_id": target}}


def new(source: str, target: str) -> dict[str, Any]:
    return {"id": "e", "source": source, "target": target}


def definition(names: str, edges: list[Any]) -> dict[str, Any]:
    return {"nodes": [{"id": name, "name": name.upper()} for name in names], "edges": edges}


@pytest.mark.parametrize("edge", [old, new], ids=["v1", "v2"])
def test_nodes_come_in_the_order_of_their_work(edge: Any) -> None:
    edges = [edge(*ends) for ends in DIAMOND]
    assert [*layers_of(definition("dcba", edges)).items()] == [
        ("a", 0),
        ("c", 1),
        ("b", 1),
        ("d", 2),
    ]


def test_a_node_waits_for_the_last_of_those_it_needs() -> None:
    edges = [new("a", "b"), new("b", "c"), new("a", "c"), new("x", "c")]
    assert [*layers_of(definition("cbax", edges)).items()] == [
        ("a", 0),
        ("x", 0),
        ("b", 1),
        ("c", 2),
    ]


def test_what_is_inside_a_loop_comes_after_the_loop() -> None:
    known = definition("alb", [new("a", "l"), new("b", "l")])
    known["nodes"].insert(0, {"id": "inner", "parent_id": "l"})
    assert [*layers_of(known).items()] == [("a", 0), ("b", 0), ("l", 1), ("inner", 2)]


def test_a_node_without_edges_stands_alone_after_the_others() -> None:
    known = definition("xab", [new("a", "b")])
    assert [*layers_of(known).items()] == [("a", 0), ("b", 1)]
    workflow = Workflow("w", "W", {"x": "X", "a": "A", "b": "B"}, known)
    nodes = Progress(Run("r", "w", "queued"), Clock(), workflow).nodes
    assert [(node.name, node.layer) for node in nodes.values()] == [("A", 0), ("B", 1), ("X", None)]


@pytest.mark.parametrize(
    "edges",
    [
        [],
        None,
        "edges",
        [new("a", "b"), new("b", "a")],
        [new("a", "a")],
        [
            {"id": "e"},
            7,
            {"from_id": "a", "to_id": "b"},
            {"source": ["a"], "target": {}},
            new("a", "nobody"),
        ],
    ],
    ids=["none", "missing", "text", "circle", "itself", "odd"],
)
def test_empty_edges_leave_the_order_to_the_definition(edges: Any) -> None:
    known = definition("cab", edges)
    assert layers_of(known) == {}
    workflow = Workflow("w", "W", {"c": "C", "a": "A", "b": "B"}, known)
    nodes = Progress(Run("r", "w", "queued"), Clock(), workflow).nodes
    assert [(node.name, node.layer) for node in nodes.values()] == [
        ("C", None),
        ("A", None),
        ("B", None),
    ]
