"""The endpoints that export and import workflows, and save versions; the text of a bundle.

noxus-sdk 0.6.0, resources/_exports.py: `v4` is YAML of several documents, `v3` and `auto` are in
base64. What is in them is a guess: no source shows one.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.representer import SafeRepresenter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from noxcli.sandbox.answers import Invalid, Json
from noxcli.sandbox.definition import definition, version_records
from noxcli.sandbox.json_toml import decoded
from noxcli.sandbox.records import stamp
from noxcli.sandbox.request import ApiRequest
from noxcli.sandbox.scenario import Node, Scenario, Version
from noxcli.sandbox.workflow import Workflow
from noxcli.sandbox.workspace import Workspace

Parts = tuple[list[Node], list[tuple[str, str]]]
_MAX_LINE = 1_000_000_000  # longer ones are folded
_FORMS = ("auto", "v3", "v4")
_MODES = {"clone": "created", "version": "version_added", "replace": "replaced"}


async def export(request: ApiRequest) -> Response:
    """POST /v1/workflows/{workflow_id}/export: the bundle itself"""
    workflow = request.workflow
    form = request.choice("version", _FORMS)
    head: dict[str, Any] = {
        "version": "v4",
        "set_active_on_import": request.flag("set_active_on_import"),
    }
    if request.flag("include_dependencies", "true"):
        head["dependencies"] = []
    graph = workflow.graph_of(request.query_params.get("version_id"))
    body = definition(workflow.scenario, graph)
    bundle = write_bundle(form, head, workflow.scenario, body)
    return Response(bundle, media_type="application/octet-stream")


async def preview(request: ApiRequest) -> Response:
    """GET /v1/workflows/{workflow_id}/export/preview: the shape is a guess"""
    workflow = request.workflow
    version_id = request.query_params.get("version_id")
    nodes = len(workflow.graph_of(version_id).nodes)
    named = {
        "id": workflow.scenario.id,
        "name": workflow.scenario.name,
        "version_id": version_id,
        "nodes": nodes,
    }
    return Json({"workflows": [named], "dependencies": []})


async def save_version(request: ApiRequest) -> Response:
    """POST /v1/workflows/{workflow_id}/versions"""
    workflow = request.workflow
    body = await request.content("name")
    switches = workflow.switches
    try:
        nodes, edges = parts_of(body.get("definition"))
        if switches.version_positions == "required":
            _require_positions(body["definition"])
    except ValueError as error:
        raise Invalid(["body", "definition"], str(error), "value_error") from None
    if switches.version_settings == "completed":
        nodes = [replace(node, config={**node.config, "retries": 0}) for node in nodes]
    version = _version(str(body["name"]), body.get("description"), (nodes, edges))
    workflow.save_late(version)
    if switches.version_answer == "empty":
        return Json({})
    saved = [record for record in version_records(workflow) if record["id"] == version.id]
    return Json(saved[0])


def _require_positions(definition: Mapping[str, Any]) -> None:
    """A ValueError for a node without a place in the editor."""
    for node in definition["nodes"]:
        if "display" not in node:
            raise ValueError(f"Node {node['id']} has no display")


async def import_(request: ApiRequest) -> Response:
    """POST /v1/workflows/import"""
    workspace = request.workspace
    body = await request.content("definition")
    mode = request.choice("mode", tuple(_MODES))
    activate = request.flag("activate")
    dry_run = request.flag("dry_run")
    try:
        head, records = read_bundle(str(body["definition"]), body.get("version", "auto"))
        parts = [parts_of(record.get("definition")) for record in records]
    except ValueError as error:
        raise HTTPException(int(workspace.switches.unreadable_bundle), str(error)) from None
    if workspace.switches.import_refusal != "none":
        raise HTTPException(int(workspace.switches.import_refusal), "The bundle is not accepted")
    if head.get("set_active_on_import") is True:
        activate = True
    answers = []
    for record, each in zip(records, parts, strict=True):
        done = _imported(workspace, mode, record, each, activate=activate, writes=not dry_run)
        answers.append(_answer(done, workspace.switches.import_answer))
    return Json(answers)


def _imported(
    workspace: Workspace,
    mode: str,
    record: dict[str, Any],
    parts: Parts,
    *,
    activate: bool,
    writes: bool,
) -> dict[str, Any]:
    """Import one workflow of a bundle, if that `writes`; says what was or would be done.

    404 for a missing target.
    """
    original = workspace.workflows.get(str(record.get("id")).lower())
    target = original
    version_id = None
    if mode == "clone":
        target = None
        if writes:
            target = _cloned(workspace, record, original, parts)
    elif original is None:
        raise HTTPException(404, f"Workflow not found: {record.get('id')}")
    elif writes:
        if mode == "version":
            name = f"import {len(original.versions) + 1}"
            version_id = original.save(_version(name, None, parts))
        if mode == "replace" or activate:
            original.become(*parts)
    return {
        "id": target.scenario.id if target else None,
        "name": target.scenario.name if target else record.get("name"),
        "type": "workflow",
        "action": _MODES[mode],
        "version_id": version_id,
    }


def _cloned(
    workspace: Workspace, record: dict[str, Any], original: Workflow | None, parts: Parts
) -> Workflow:
    """A new workflow, whose runs take the course of the original's if that is known here."""
    name = str(record.get("name") or "imported")
    taken = {workflow.scenario.name for workflow in workspace.workflows.values()}
    while name in taken:
        name += " (copy)"
    nodes, edges = parts
    if original is not None:
        course = replace(original.scenario, name=name, versions=())
    else:
        outputs = [node for node in nodes if node.is_output]
        texts = {node.name: f"{node.label} of an imported workflow" for node in outputs}
        course = Scenario(name, str(record.get("description") or ""), output=texts)
    form: Literal["v1", "v2"] = "v1"
    if record["definition"].get("flow_version") == "v2":
        form = "v2"
    scenario = replace(
        course, workflow_id=str(uuid.uuid4()), nodes=nodes, edges=edges, flow_version=form
    )
    return workspace.workflow(workspace.add(scenario))


def _version(name: str, description: str | None, parts: Parts) -> Version:
    now = stamp(datetime.now(UTC), "z") or ""
    return Version(name, description, *parts, created_at=now, id=str(uuid.uuid4()))


def _answer(told: dict[str, Any], form: str) -> dict[str, Any]:
    match form:
        case "ids":
            return {"workflow_id": told["id"]}
        case "nested":
            return {"status": "ok", "workflow": told}
        case "empty":
            return {}
    return told


class _Representer(SafeRepresenter):
    """Writes no aliases, and texts of several lines as blocks: a diff shows the changed line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is theirs
        return True

    def represent_str(self, data: str) -> Any:
        style = "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Representer.add_representer(str, _Representer.represent_str)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.explicit_start = True
    yaml.width = _MAX_LINE
    # Its declared type is that of its default, None.
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    return yaml


def _documents(text: str) -> list[Any]:
    """The documents of a text that has no aliases."""
    for event in _yaml().parse(text):
        # Ten lines of aliases can mean more than fits into memory.
        if isinstance(event, AliasEvent):
            raise ValueError("an alias")
    return list(_yaml().load_all(text))


def write_bundle(
    form: str, head: Mapping[str, Any], scenario: Scenario, definition: Mapping[str, Any]
) -> bytes:
    """One workflow as a bundle; `form` is `v4`, `v3` or `auto`."""
    workflow = {
        "kind": "workflow",
        "id": scenario.id,
        "name": scenario.name,
        "description": scenario.description,
        "definition": definition,
    }
    documents = [{"kind": "bundle", **head}, workflow]
    file = BytesIO()
    _yaml().dump_all(documents, file)
    text = file.getvalue()
    if form == "v4":
        return text
    return base64.b64encode(text)


def read_bundle(text: str, form: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head of a bundle and its workflows; ValueError for a text that is none."""
    try:
        documents = _documents(text)
        if form != "v4" and len(documents) == 1 and isinstance(documents[0], str):
            inside = base64.b64decode(documents[0], validate=True).decode()
            documents = _documents(inside)
        documents = decoded(json.dumps(documents, default=str))  # YAML has dates, JSON has none
    except (YAMLError, ValueError, TypeError, RecursionError):
        raise ValueError("The bundle can't be read") from None
    heads = []
    workflows = []
    for document in documents:
        kind = document.get("kind") if isinstance(document, dict) else None
        if kind == "bundle":
            heads.append(document)
        elif kind == "workflow":
            workflows.append(document)
    if len(heads) != 1 or not workflows:
        raise ValueError("The bundle has no workflow")
    return heads[0], workflows


def parts_of(definition: Any) -> Parts:
    """The nodes of a definition, and its edges as pairs of ids; ValueError for anything else."""
    if not isinstance(definition, dict):
        raise ValueError("The definition has no nodes")
    nodes = definition.get("nodes")
    edges = definition.get("edges") or []
    if not isinstance(nodes, list) or not isinstance(edges, list):
        raise ValueError("The definition has no nodes")
    try:
        return [_node(each) for each in nodes], [_edge(each) for each in edges]
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
