"""The endpoints of workflows, their versions, the node catalog, and the owner of the key."""

from starlette.exceptions import HTTPException
from starlette.responses import Response

from noxcli.sandbox import records
from noxcli.sandbox.answers import Json
from noxcli.sandbox.definition import GROUP_ID, catalog, version_records, workflow_record
from noxcli.sandbox.request import ApiRequest
from noxcli.sandbox.workflow import Workflow

_PERMISSIONS = ["flows_run", "flows_edit", "flows_advanced", "resource:delete_history"]


async def read(request: ApiRequest) -> Response:
    """GET /v1/workflows/{workflow_id}"""
    return Json(_record(request.workflow))


async def list_all(request: ApiRequest) -> Response:
    """GET /v1/workflows, of one type where the query names one"""
    wanted = request.query_params.get("type", "flow")
    workflows = list(request.workspace.workflows.values()) if wanted == "flow" else []
    some, envelope = request.page(workflows)
    return Json({"items": [_record(workflow) for workflow in some], **envelope})


async def versions(request: ApiRequest) -> Response:
    """GET /v1/workflows/{workflow_id}/versions"""
    workflow = request.workflow
    if workflow.switches.versions == "404":
        raise HTTPException(404)
    saved = version_records(workflow)
    if workflow.switches.versions == "list":
        return Json(saved)
    some, envelope = request.page(saved)
    return Json({"items": some, **envelope})


async def nodes(request: ApiRequest) -> Response:
    """GET /v1/nodes: noxus-sdk 0.6.0 loads it before anything else"""
    return Json(catalog(request.workspace.node_types()))


async def me(request: ApiRequest) -> Response:
    """GET /v1/admin/me; `value` is masked, as a key is shown only once"""
    limited = request.headers.get("x-api-key") == request.workspace.limited_key
    permissions = [each for each in _PERMISSIONS if not (limited and each == "flows_run")]
    name = "sandbox, not allowed to run flows" if limited else "sandbox"
    key = {"id": GROUP_ID, "name": name, "tenant_admin": False, "value": "****", "permissions": permissions}
    return Json(key)


def _record(workflow: Workflow) -> dict[str, object]:
    last = workflow.runs[-1].created_at if workflow.runs else None
    return workflow_record(workflow, records.stamp(last, workflow.switches.timestamps))
