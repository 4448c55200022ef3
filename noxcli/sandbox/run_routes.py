"""The endpoints that start, read, list and stop runs."""

import asyncio
from datetime import timedelta
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from noxcli.sandbox import params, records
from noxcli.sandbox.answers import Json
from noxcli.sandbox.errors import ApiError
from noxcli.sandbox.guard import workspace_of
from noxcli.sandbox.run import Run
from noxcli.sandbox.switches import Switches
from noxcli.sandbox.workspace import Workspace


async def start(request: Request) -> Response:
    """POST /v1/workflows/{workflow_id}/runs"""
    workspace = workspace_of(request)
    workflow = workspace.workflow(request.path_params["workflow_id"])
    run = workspace.start(workflow, await params.run_body(request))
    if workflow.refusals_left > 0:
        workflow.refusals_left -= 1
        text = "upstream connect error or disconnect/reset before headers"
        return PlainTextResponse(text, workflow.switches.gateway_status)
    return Json(records.started(run, workspace.runs_of(workflow)), workflow.switches.create_status)


async def sync(request: Request) -> Response:
    """POST /v1/workflows/{workflow_id}/runs/sync: blocks until the end, or until the server's limit."""
    workspace = workspace_of(request)
    workflow = workspace.workflow(request.path_params["workflow_id"])
    output_only, use_ids = params.flag(request, "output_only"), params.flag(request, "use_output_ids")
    run = workspace.start(workflow, await params.run_body(request))
    over = asyncio.create_task(run.over.wait())
    limit = asyncio.create_task(workspace.pause(run.switches.sync_limit_seconds))
    await asyncio.wait({over, limit}, return_when=asyncio.FIRST_COMPLETED)
    over.cancel()
    limit.cancel()
    if not run.over.is_set() and run.switches.sync_limit_status != 200:
        raise ApiError(run.switches.sync_limit_status, "The run did not finish in time")
    return Json(records.read(run, output_only=output_only, use_ids=use_ids))


async def read(request: Request) -> Response:
    """GET /v1/workflows/{workflow_id}/runs/{run_id}: the record behind every verdict."""
    workspace = workspace_of(request)
    workflow = workspace.workflow(request.path_params["workflow_id"])
    run = workspace.run(request.path_params["run_id"], workflow)
    output_only, use_ids = params.flag(request, "output_only"), params.flag(request, "use_output_ids")
    return Json(records.read(run, output_only=output_only, use_ids=use_ids))


async def look_up(request: Request) -> Response:
    """GET /v1/runs/{run_id}: leads from a bare run id to its workflow."""
    workspace = workspace_of(request)
    run = workspace.run(request.path_params["run_id"])
    if run.switches.look_up != "served":
        status = int(run.switches.look_up)
        raise ApiError(status, HTTPStatus(status).phrase)
    return Json(records.without_io(run, len(workspace.runs_of(run.workflow))))


async def list_of_workflow(request: Request) -> Response:
    """GET /v1/workflows/{workflow_id}/runs"""
    workspace = workspace_of(request)
    workflow = workspace.workflow(request.path_params["workflow_id"])
    every = _listed(workspace, workspace.runs_of(workflow), workflow.switches)
    runs, envelope = params.page(request, every, workflow.switches)
    return Json({"items": [records.listed(run) for run in runs], **envelope})


async def list_all(request: Request) -> Response:
    """GET /v1/runs"""
    workspace = workspace_of(request)
    everything = _listed(workspace, list(workspace.runs.values()), workspace.switches)
    runs, envelope = params.page(request, everything, workspace.switches)
    return Json({"items": [records.without_io(run, len(workspace.runs_of(run.workflow))) for run in runs], **envelope})


async def stop(request: Request) -> Response:
    """POST /v1/runs/{run_id}/stop: the run in its state after the stop"""
    workspace = workspace_of(request)
    run = workspace.run(request.path_params["run_id"])
    if run.ended and run.switches.on_stop_finished == "409":
        raise ApiError(409, "The run has already ended")
    await workspace.stop(run)
    return Json(records.full(run))


async def data(request: Request) -> Response:
    """GET /v1/runs/{run_id}/data"""
    params.flag(request, "fetch_structured_data")
    run = workspace_of(request).run(request.path_params["run_id"])
    if run.switches.run_data == "404":
        raise ApiError(404, "Not Found")
    return Json(records.data(run))


async def node_io(request: Request) -> Response:
    """GET /v1/runs/{run_id}/io/{node_id}: `it` counts from 1, and 0 counts as the first; here, there is no second"""
    run = workspace_of(request).run(request.path_params["run_id"])
    node_id = request.path_params["node_id"]
    if run.switches.node_io == "404" or node_id not in [node.id for node in run.graph.nodes]:
        raise ApiError(404, "Node not found")
    if request.query_params.get("it", "1") not in ("0", "1"):
        raise ApiError(404, "Iteration not found")
    entry = records.node_io(run, node_id)
    bare = {key: entry[key] for key in ("inputs", "outputs")}
    return Json(bare if run.switches.node_io == "bare" else entry)


def _listed(workspace: Workspace, runs: list[Run], switches: Switches) -> list[Run]:
    known = Run.now() - timedelta(seconds=switches.list_delay_seconds / workspace.speed)
    runs = [run for run in runs if run.created_at <= known]
    return runs[::-1] if switches.list_order == "newest" else runs
