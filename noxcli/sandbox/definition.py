"""Workflow records and the node catalog, in the shapes of the Noxus docs and noxus-sdk 0.6.0.

Sources: Noxus docs: Get workflow; noxus-sdk 0.6.0 workflows/workflow.py and
workflows/workflow_v2.py.
"""

import hashlib
from typing import Any

from noxcli.sandbox.scenario import CREATED_AT, Node, Scenario, id_of
from noxcli.sandbox.workflow import Graph, Workflow

GROUP_ID = id_of("workspace")

_V2_TYPES = {"InputNode": "InputNodeV2", "OutputNode": "OutputNodeV2"}
_COMMON = {"InputNode", "InputNodeV2", "OutputNode", "OutputNodeV2", "TextGenerationNode"}


def workflow_record(workflow: Workflow, last_run_at: str | None) -> dict[str, Any]:
    """One workflow as `GET /v1/workflows/{id}` gives it."""
    scenario = workflow.scenario
    body = definition(scenario, workflow.graph)
    return {
        "id": scenario.id,
        "group_id": GROUP_ID,
        "name": scenario.name,
        "type": "flow",
        "flow_version": scenario.flow_version,
        "definition": body,
        "workflow_hash": hashlib.sha256(repr(body).encode()).hexdigest(),
        "meta": {"tags": [], "icon": None},
        "settings": {},
        "last_updated_at": workflow.updated_at,
        "last_run_at": last_run_at,
        "created_at": CREATED_AT,
        "deleted_at": None,
        "runs_count": len(workflow.runs),
        "author_name": "sandbox",
        "description": scenario.description,
        "saved": True,
        "error_handler": None,
        "triggers": [],
    }


def definition(scenario: Scenario, graph: Graph) -> dict[str, Any]:
    """Nodes and edges in the version that the scenario names."""
    if scenario.flow_version == "v2":
        write_node = _node_v2
        write_edge = _edge_v2
    else:
        write_node = _node_v1
        write_edge = _edge_v1
    return {
        "flow_version": scenario.flow_version,
        "nodes": [write_node(node, place) for place, node in enumerate(graph.nodes)],
        "edges": [write_edge(source, target) for source, target in graph.edges],
    }


def version_records(workflow: Workflow) -> list[dict[str, Any]]:
    """The saved versions of a workflow, oldest first."""
    return [
        {
            "id": version_id,
            "name": version.name,
            "description": version.description,
            "created_at": version.created_at,
            "created_by": None,
            "definition": definition(workflow.scenario, graph),
        }
        for version_id, (version, graph) in workflow.versions.items()
    ]


def catalog(types: set[str]) -> list[dict[str, Any]]:
    """The node catalog: the common types and all others that the workflows at hand use."""
    return [_catalog_entry(name) for name in sorted(types | _COMMON)]


def _node_v1(node: Node, place: int) -> dict[str, Any]:
    return {
        "id": node.id,
        "type": node.type,
        "name": node.name,
        "display": {"position": {"x": 350 * place, "y": 0}},
        "node_config": dict(node.config),
        "connector_config": {"inputs": [], "outputs": []},
        "config_definition": {},
        "subflow_config": None,
        "subflow_id": None,
        "inputs": [{"node_id": node.id, "name": "input", "fixed_value": None, "type": "input"}],
        "outputs": [{"node_id": node.id, "name": "output", "type": "output"}],
    }


def _node_v2(node: Node, place: int) -> dict[str, Any]:
    return {
        "id": node.id,
        "type": _V2_TYPES.get(node.type, node.type),
        "name": node.name,
        "node_config": dict(node.config),
        "variable_bindings": {},
        "iterate_overrides": {},
        "parent_id": None,
        "display": {"position": {"x": 350 * place, "y": 0}},
    }


def _edge_id(source: Node, target: Node) -> str:
    return id_of(f"{source.id}/{target.id}")


def _edge_v1(source: Node, target: Node) -> dict[str, Any]:
    def end(node: Node, connector: str) -> dict[str, Any]:
        return {"node_id": node.id, "connector_name": connector, "key": None, "optional": False}

    return {
        "id": _edge_id(source, target),
        "from_id": end(source, "output"),
        "to_id": end(target, "input"),
    }


def _edge_v2(source: Node, target: Node) -> dict[str, Any]:
    return {
        "id": _edge_id(source, target),
        "source": source.id,
        "target": target.id,
        "source_handle": "output",
        "target_handle": "input",
    }


def _catalog_entry(name: str) -> dict[str, Any]:
    return {
        "type": name,
        "title": name,
        "description": f"{name} (sandbox)",
        "small_description": None,
        "category": "io" if "Input" in name or "Output" in name else "other",
        "integrations": [],
        "inputs": [{"name": "input", "label": "Input", "type": "input", "optional": False}],
        "outputs": [{"name": "output", "label": "Output", "type": "output", "optional": False}],
        "config": {},
        "is_available": True,
        "visible": True,
        "config_endpoint": None,
        "v2_ready": True,
    }
