"""The endpoints that export and import workflows, and save versions of them."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from noxcli.sandbox import params
from noxcli.sandbox.answers import Json
from noxcli.sandbox.bundles import Parts, parts_of, placeholder, read_bundle, write_bundle
from noxcli.sandbox.definition import definition, version_records
from noxcli.sandbox.errors import ApiError, Invalid
from noxcli.sandbox.guard import workspace_of
from noxcli.sandbox.records import stamp
from noxcli.sandbox.scenario import Scenario, Version
from noxcli.sandbox.workflow import Workflow
from noxcli.sandbox.workspace import Workspace

_FORMS = ("auto", "v3", "v4")
_MODES = {"clone": "created", "version": "version_added", "replace": "replaced"}


async def export(request: Request) -> Response:
    """POST /v1/workflows/{workflow_id}/export: the bundle itself"""
    workflow = workspace_of(request).workflow(request.path_params["workflow_id"])
    form = params.choice(request, "version", _FORMS)
    head = {
        "version": "v4",
        "set_active_on_import": params.flag(request, "set_active_on_import"),
        **({"dependencies": []} if params.flag(request, "include_dependencies", "true") else {}),
    }
    body = definition(workflow.scenario, workflow.graph_of(request.query_params.get("version_id")))
    return Response(write_bundle(form, head, workflow.scenario, body), media_type="application/octet-stream")


async def preview(request: Request) -> Response:
    """GET /v1/workflows/{workflow_id}/export/preview: the shape is a guess"""
    workflow = workspace_of(request).workflow(request.path_params["workflow_id"])
    version_id = request.query_params.get("version_id")
    nodes = len(workflow.graph_of(version_id).nodes)
    named = {"id": workflow.scenario.id, "name": workflow.scenario.name, "version_id": version_id, "nodes": nodes}
    return Json({"workflows": [named], "dependencies": []})


async def save_version(request: Request) -> Response:
    """POST /v1/workflows/{workflow_id}/versions"""
    workflow = workspace_of(request).workflow(request.path_params["workflow_id"])
    body = await params.body(request)
    if not isinstance(body.get("name"), str):
        raise Invalid(["body", "name"], "Field required", "missing")
    try:
        version = _version(body["name"], body.get("description"), parts_of(body.get("definition")))
    except ValueError as error:
        raise Invalid(["body", "definition"], str(error), "value_error") from None
    workflow.save(version)
    return Json(next(record for record in version_records(workflow) if record["id"] == version.id))


async def import_(request: Request) -> Response:
    """POST /v1/workflows/import"""
    workspace, body = workspace_of(request), await params.body(request)
    mode = params.choice(request, "mode", tuple(_MODES))
    activate, dry = params.flag(request, "activate"), params.flag(request, "dry_run")
    if not isinstance(body.get("definition"), str):
        raise Invalid(["body", "definition"], "Field required", "missing")
    try:
        head, records = read_bundle(body["definition"], body.get("version", "auto"))
        parts = [parts_of(record.get("definition")) for record in records]
    except ValueError as error:
        raise ApiError(int(workspace.switches.unreadable_bundle), str(error)) from None
    if workspace.switches.import_refusal != "none":
        raise ApiError(int(workspace.switches.import_refusal), "The bundle is not accepted")
    writes = not dry or workspace.switches.dry_run == "ignored"
    activate = activate or head.get("set_active_on_import") is True
    done = [
        _imported(workspace, mode, record, each, activate=activate, writes=writes)
        for record, each in zip(records, parts, strict=True)
    ]
    return Json([_answer(each, workspace.switches.import_answer) for each in done])


def _imported(
    workspace: Workspace, mode: str, record: dict[str, Any], parts: Parts, *, activate: bool, writes: bool
) -> dict[str, Any]:
    """Import one workflow of a bundle, if that `writes`; says what was or would be done. 404 for a missing target."""
    original = workspace.workflows.get(str(record.get("id")).lower())
    target, version_id = original, None
    if mode == "clone":
        target = _cloned(workspace, record, original, parts) if writes else None
    elif original is None:
        raise ApiError(404, f"Workflow not found: {record.get('id')}")
    elif writes:
        if mode == "version":
            version_id = original.save(_version(f"import {len(original.versions) + 1}", None, parts))
        if mode == "replace" or activate:
            original.become(*parts)
    return {
        "id": target.scenario.id if target else None,
        "name": target.scenario.name if target else record.get("name"),
        "type": "workflow",
        "action": _MODES[mode],
        "version_id": version_id,
    }


def _cloned(workspace: Workspace, record: dict[str, Any], original: Workflow | None, parts: Parts) -> Workflow:
    """A new workflow, whose runs take the course of the original's if that is known here."""
    name = str(record.get("name") or "imported")
    taken = {workflow.scenario.name for workflow in workspace.workflows.values()}
    while name in taken:
        name += " (copy)"
    nodes, edges = parts
    unknown = Scenario(name, str(record.get("description") or ""), output=placeholder(nodes))
    known = replace(original.scenario, name=name, versions=()) if original else unknown
    form: Literal["v1", "v2"] = "v2" if record["definition"].get("flow_version") == "v2" else "v1"
    scenario = replace(known, workflow_id=str(uuid.uuid4()), nodes=nodes, edges=edges, flow_version=form)
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
