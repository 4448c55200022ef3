"""The API as one ASGI application: its paths, endpoints of workflows and of the key, errors."""

from collections.abc import Collection
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from noxcli.sandbox import bundles, event_routes, file_routes, records, run_routes
from noxcli.sandbox.admission import RateLimit, guarded
from noxcli.sandbox.answers import Json, answer, error_body
from noxcli.sandbox.definition import GROUP_ID, catalog, version_records, workflow_record
from noxcli.sandbox.entry import PathFilter, RequestLog
from noxcli.sandbox.request import ApiRequest
from noxcli.sandbox.workflow import Workflow
from noxcli.sandbox.workspace import Workspace

_PERMISSIONS = ["flows_run", "flows_edit", "flows_advanced", "resource:delete_history"]


async def read_workflow(request: ApiRequest) -> Response:
    """GET /v1/workflows/{workflow_id}"""
    return Json(_record(request.workflow))


async def list_workflows(request: ApiRequest) -> Response:
    """GET /v1/workflows, of one type where the query names one"""
    wanted = request.query_params.get("type", "flow")
    workflows: list[Workflow] = []
    if wanted == "flow":
        workflows = list(request.workspace.workflows.values())
    some, envelope = request.page(workflows)
    return Json({"items": [_record(workflow) for workflow in some], **envelope})


async def list_versions(request: ApiRequest) -> Response:
    """GET /v1/workflows/{workflow_id}/versions"""
    workflow = request.workflow
    if workflow.switches.versions == "404":
        raise HTTPException(404)
    saved = [each for each in version_records(workflow) if not workflow.is_late(each["id"])]
    if workflow.switches.versions == "list":
        return Json(saved)
    some, envelope = request.page(saved)
    return Json({"items": some, **envelope})


async def list_nodes(request: ApiRequest) -> Response:
    """GET /v1/nodes: noxus-sdk 0.6.0 loads it before anything else"""
    return Json(catalog(request.workspace.node_types()))


async def read_key(request: ApiRequest) -> Response:
    """GET /v1/admin/me; `value` is masked, as a key is shown only once"""
    name = "sandbox"
    permissions = list(_PERMISSIONS)
    if request.headers.get("x-api-key") == request.workspace.limited_key:
        name = "sandbox, not allowed to run flows"
        permissions.remove("flows_run")
    key = {
        "id": GROUP_ID,
        "name": name,
        "tenant_admin": False,
        "value": "****",
        "permissions": permissions,
    }
    return Json(key)


def _record(workflow: Workflow) -> dict[str, object]:
    last_run_at = None
    if workflow.runs:
        last_run_at = records.stamp(workflow.runs[-1].created_at, workflow.switches.timestamps)
    return workflow_record(workflow, last_run_at)


ROUTES = [
    Route("/v1/workflows", guarded("list", list_workflows), methods=["GET"]),
    Route("/v1/workflows/import", guarded("import", bundles.import_), methods=["POST"]),
    Route("/v1/workflows/{workflow_id}", guarded("workflow", read_workflow), methods=["GET"]),
    Route(
        "/v1/workflows/{workflow_id}/versions", guarded("workflow", list_versions), methods=["GET"]
    ),
    Route(
        "/v1/workflows/{workflow_id}/versions",
        guarded("save", bundles.save_version),
        methods=["POST"],
    ),
    Route(
        "/v1/workflows/{workflow_id}/export", guarded("workflow", bundles.export), methods=["POST"]
    ),
    Route(
        "/v1/workflows/{workflow_id}/export/preview",
        guarded("workflow", bundles.preview),
        methods=["GET"],
    ),
    Route(
        "/v1/workflows/{workflow_id}/runs",
        guarded("list", run_routes.list_of_workflow),
        methods=["GET"],
    ),
    Route(
        "/v1/workflows/{workflow_id}/runs",
        guarded("start", run_routes.start, running=True),
        methods=["POST"],
    ),
    Route(
        "/v1/workflows/{workflow_id}/runs/sync",
        guarded("sync", run_routes.sync, running=True),
        methods=["POST"],
    ),
    Route(
        "/v1/workflows/{workflow_id}/runs/{run_id}",
        guarded("record", run_routes.read),
        methods=["GET"],
    ),
    Route("/v1/runs", guarded("list", run_routes.list_all), methods=["GET"]),
    Route("/v1/runs/{run_id}", guarded("lookup", run_routes.look_up), methods=["GET"]),
    Route("/v1/runs/{run_id}/events", guarded("events", event_routes.events), methods=["GET"]),
    Route(
        "/v1/runs/{run_id}/stop", guarded("stop", run_routes.stop, running=True), methods=["POST"]
    ),
    Route("/v1/runs/{run_id}/data", guarded("data", run_routes.data), methods=["GET"]),
    Route("/v1/runs/{run_id}/io/{node_id}", guarded("data", run_routes.node_io), methods=["GET"]),
    Route("/v1/file", guarded("upload", file_routes.upload), methods=["POST"]),
    Route("/v1/file/{file_id}", guarded("file", file_routes.download), methods=["GET"]),
    Route(
        "/storage/{file_id}",
        guarded("storage", file_routes.storage, open_to_all=True),
        methods=["GET"],
    ),
    Route("/v1/nodes", guarded("me", list_nodes), methods=["GET"]),
    Route("/v1/admin/me", guarded("me", read_key), methods=["GET"]),
]


def build(workspace: Workspace, connections: Collection[Any]) -> ASGIApp:
    """The application over one workspace; `connections` are those that uvicorn has open."""
    app = Starlette(routes=ROUTES, exception_handlers={HTTPException: _error})
    app.router.redirect_slashes = False
    app.state.workspace = workspace
    app.state.connections = connections
    app.state.limit = RateLimit()
    return RequestLog(PathFilter(app, workspace.switches), workspace.requests)


async def _error(request: Request, error: Exception) -> Response:
    """The answer to what the API refuses, does not have, or can't read."""
    assert isinstance(error, HTTPException)
    body = error_body(error.status_code, error.detail, ApiRequest(request.scope).switches)
    return answer(error.status_code, body, error.headers)
