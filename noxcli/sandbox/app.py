"""The API as one ASGI application: its paths, and what all answers have in common."""

from collections.abc import Collection
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from noxcli.sandbox import bundles, event_routes, file_routes, run_routes, workflow_routes
from noxcli.sandbox.answers import answer, error_body
from noxcli.sandbox.door import Door, RequestLog
from noxcli.sandbox.guard import RateLimit, guarded
from noxcli.sandbox.request import ApiRequest
from noxcli.sandbox.workspace import Workspace

ROUTES = [
    Route("/v1/workflows", guarded("list", workflow_routes.list_all), methods=["GET"]),
    Route("/v1/workflows/import", guarded("import", bundles.import_), methods=["POST"]),
    Route("/v1/workflows/{workflow_id}", guarded("workflow", workflow_routes.read), methods=["GET"]),
    Route("/v1/workflows/{workflow_id}/versions", guarded("workflow", workflow_routes.versions), methods=["GET"]),
    Route("/v1/workflows/{workflow_id}/versions", guarded("workflow", bundles.save_version), methods=["POST"]),
    Route("/v1/workflows/{workflow_id}/export", guarded("workflow", bundles.export), methods=["POST"]),
    Route("/v1/workflows/{workflow_id}/export/preview", guarded("workflow", bundles.preview), methods=["GET"]),
    Route("/v1/workflows/{workflow_id}/runs", guarded("list", run_routes.list_of_workflow), methods=["GET"]),
    Route("/v1/workflows/{workflow_id}/runs", guarded("start", run_routes.start, running=True), methods=["POST"]),
    Route("/v1/workflows/{workflow_id}/runs/sync", guarded("sync", run_routes.sync, running=True), methods=["POST"]),
    Route("/v1/workflows/{workflow_id}/runs/{run_id}", guarded("record", run_routes.read), methods=["GET"]),
    Route("/v1/runs", guarded("list", run_routes.list_all), methods=["GET"]),
    Route("/v1/runs/{run_id}", guarded("lookup", run_routes.look_up), methods=["GET"]),
    Route("/v1/runs/{run_id}/events", guarded("events", event_routes.events), methods=["GET"]),
    Route("/v1/runs/{run_id}/stop", guarded("stop", run_routes.stop, running=True), methods=["POST"]),
    Route("/v1/runs/{run_id}/data", guarded("data", run_routes.data), methods=["GET"]),
    Route("/v1/runs/{run_id}/io/{node_id}", guarded("data", run_routes.node_io), methods=["GET"]),
    Route("/v1/file", guarded("upload", file_routes.upload), methods=["POST"]),
    Route("/v1/file/{file_id}", guarded("file", file_routes.download), methods=["GET"]),
    Route("/storage/{file_id}", guarded("storage", file_routes.storage, open_to_all=True), methods=["GET"]),
    Route("/v1/nodes", guarded("me", workflow_routes.nodes), methods=["GET"]),
    Route("/v1/admin/me", guarded("me", workflow_routes.me), methods=["GET"]),
]


def build(workspace: Workspace, connections: Collection[Any]) -> ASGIApp:
    """The application over one workspace; `connections` are those that uvicorn has open."""
    app = Starlette(routes=ROUTES, exception_handlers={HTTPException: _error})
    app.router.redirect_slashes = False
    app.state.workspace = workspace
    app.state.connections = connections
    app.state.limit = RateLimit()
    return RequestLog(Door(app, workspace.switches), workspace.requests)


async def _error(request: Request, error: Exception) -> Response:
    """The answer to what the API refuses, does not have, or can't read."""
    assert isinstance(error, HTTPException)
    body = error_body(error.status_code, error.detail, ApiRequest(request.scope).switches)
    return answer(error.status_code, body, error.headers)
