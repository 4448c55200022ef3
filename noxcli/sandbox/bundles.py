"""The endpoints that export and import workflows, and save versions of them; and the text of a bundle.

noxus-sdk 0.6.0, resources/_exports.py: `v4` is YAML of several documents, `v3` and `auto` are in base64. What is in
them is a guess: no source shows one.
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
    head = {
        "version": "v4",
        "set_active_on_import": request.flag("set_active_on_import"),
        **({"dependencies": []} if request.flag("include_dependencies", "true") else {}),
    }
    body = definition(workflow.scenario, workflow.graph_of(request.query_params.get("version_id")))
    return Response(
        write_bundle(form, head, workflow.scenario, body), media_type="application/octet-stream"
    )


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
    try:
        version = _version(
            str(body["name"]), body.get("description"), parts_of(body.get("definition"))
        )
    except ValueError as error:
        raise Invalid(["body", "definition"], str(error), "value_error") from None
    workflow.save(version)
    return Json(next(record for record in version_records(workflow) if record["id"] == version.id))


async def import_(request: ApiRequest) -> Response:
    """POST /v1/workflows/import"""
    workspace, body = request.workspace, await request.content("definition")
    mode = request.choice("mode", tuple(_MODES))
    activate, dry = request.flag("activate"), request.flag("dry_run")
    try:
        head, records = read_bundle(str(body["definition"]), body.get("version", "auto"))
        parts = [parts_of(record.get("definition")) for record in records]
    except ValueError as error:
        raise HTTPException(int(workspace.switches.unreadable_bundle), str(error)) from None
    if workspace.switches.import_refusal != "none":
        raise HTTPException(int(workspace.switches.import_refusal), "The bundle is not accepted")
    activate = activate or head.get("set_active_on_import") is True
    done = [
        _imported(workspace, mode, record, each, activate=activate, writes=not dry)
        for record, each in zip(records, parts, strict=True)
    ]
    return Json([_answer(each, workspace.switches.import_answer) for each in done])


def _imported(
    workspace: Workspace,
    mode: str,
    record: dict[str, Any],
    parts: Parts,
    *,
    activate: bool,
    writes: bool,
) -> dict[str, Any]:
    """Import one workflow of a bundle, if that `writes`; says what was or would be done. 404 for a missing target."""
    original = workspace.workflows.get(str(record.get("id")).lower())
    target, version_id = original, None
    if mode == "clone":
        target = _cloned(workspace, record, original, parts) if writes else None
    elif original is None:
        raise HTTPException(404, f"Workflow not found: {record.get('id')}")
    elif writes:
        if mode == "version":
            version_id = original.save(
                _version(f"import {len(original.versions) + 1}", None, parts)
            )
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
    # Without one, it answers with a text for each output.
    output = {
        node.name: f"{node.label} of an imported workflow" for node in nodes if node.is_output
    }
    unknown = Scenario(name, str(record.get("description") or ""), output=output)
    known = replace(original.scenario, name=name, versions=()) if original else unknown
    form: Literal["v1", "v2"] = "v2" if record["definition"].get("flow_version") == "v2" else "v1"
    scenario = replace(
        known, workflow_id=str(uuid.uuid4()), nodes=nodes, edges=edges, flow_version=form
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
    """Writes texts of several lines as blocks, so that a diff shows the changed line, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is theirs
        return True

    def represent_str(self, data: str) -> Any:
        return self.represent_scalar(
            "tag:yaml.org,2002:str", data, style="|" if "\n" in data else None
        )


_Representer.add_representer(str, _Representer.represent_str)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style, yaml.explicit_start, yaml.width = False, True, _MAX_LINE
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment] # its type is that of its default
    return yaml


def _documents(text: str) -> list[Any]:
    """The documents of a text without aliases: ten lines of them can mean more than fits into memory."""
    if any(isinstance(event, AliasEvent) for event in _yaml().parse(text)):
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
        documents = decoded(json.dumps(documents, default=str))  # YAML has dates, JSON has none
    except (YAMLError, ValueError, TypeError, RecursionError):
        raise ValueError("The bundle can't be read") from None
    heads = [each for each in documents if isinstance(each, dict) and each.get("kind") == "bundle"]
    workflows = [
        each for each in documents if isinstance(each, dict) and each.get("kind") == "workflow"
    ]
    if len(heads) != 1 or not workflows:
        raise ValueError("The bundle has no workflow")
    return heads[0], workflows


def parts_of(definition: Any) -> Parts:
    """The nodes of a definition, and its edges as pairs of their ids; ValueError for anything else."""
    nodes, edges = (
        definition.get(key) if isinstance(definition, dict) else None for key in ("nodes", "edges")
    )
    if not isinstance(nodes, list) or not isinstance(edges or [], list):
        raise ValueError("The definition has no nodes")
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
