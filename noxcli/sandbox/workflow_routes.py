"""The endpoints of workflows, their versions, the node catalog, and the owner of the key."""

from starlette.requests import Request
from starlette.responses import Response

from noxcli.sandbox import params, records
from noxcli.sandbox.answers import Json
from noxcli.sandbox.definition import GROUP_ID, catalog, version_records, workflow_record
from noxcli.sandbox.errors import ApiError
from noxcli.sandbox.guard import workspace_of
from noxcli.sandbox.workflow import Workflow
from noxcli.sandbox.workspace import Workspace

_PERMISSIONS = ["flows_run", "flows_edit", "flows_advanced", "resource:delete_history"]


async def read(request: Request) -> Response:
    """GET /v1/workflows/{workflow_id}"""
    workspace = workspace_of(request)
    return Json(_record(workspace, workspace.workflow(request.path_params["workflow_id"])))


async def list_all(request: Request) -> Response:
    """GET /v1/workflows, of one type where the query names one"""
    workspace = workspace_of(request)
    wanted = request.query_params.get("type", "flow")
    workflows = list(workspace.workflows.values()) if wanted == "flow" else []
    some, envelope = params.page(request, workflows, workspace.switches)
    return Json({"items": [_record(workspace, workflow) for workflow in some], **envelope})


async def versions(request: Request) -> Response:
    """GET /v1/workflows/{workflow_id}/versions"""
    workflow = workspace_of(request).workflow(request.path_params["workflow_id"])
    if workflow.switches.versions == "404":
        raise ApiError(404, "Not Found")
    saved = version_records(workflow)
    if workflow.switches.versions == "list":
        return Json(saved)
    some, envelope = params.page(request, saved, workflow.switches)
    return Json({"items": some, **envelope})


async def nodes(request: Request) -> Response:
    """GET /v1/nodes: noxus-sdk 0.6.0 loads it before anything else"""
    return Json(catalog(workspace_of(request).node_types()))


async def me(request: Request) -> Response:
    """GET /v1/admin/me; `value` is masked, as a key is shown only once"""
    limited = request.headers.get("x-api-key") == workspace_of(request).limited_key
    permissions = [each for each in _PERMISSIONS if not (limited and each == "flows_run")]
    name = "sandbox, not allowed to run flows" if limited else "sandbox"
    return Json(
        {
            "id": GROUP_ID,
            "name": name,
            "tenant_admin": False,
            "value": "****",
            "permissions": permissions,
        }
    )


def _record(workspace: Workspace, workflow: Workflow) -> dict[str, object]:
    runs = workspace.runs_of(workflow)
    last = runs[-1].created_at if runs else None
    return workflow_record(workflow, len(runs), records.stamp(last, workflow.switches.timestamps))
