"""The endpoints that start, read, list and stop runs."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from noxcli.sandbox import records
from noxcli.sandbox.answers import Json
from noxcli.sandbox.request import ApiRequest
from noxcli.sandbox.run import Run


async def start(request: ApiRequest) -> Response:
    """POST /v1/workflows/{workflow_id}/runs"""
    run = await request.start()
    workflow = request.workflow
    if workflow.refusals_left > 0:
        workflow.refusals_left -= 1
        text = "upstream connect error or disconnect/reset before headers"
        return PlainTextResponse(text, workflow.switches.gateway_status)
    return Json(records.full(run), workflow.switches.create_status)


async def sync(request: ApiRequest) -> Response:
    """POST /v1/workflows/{workflow_id}/runs/sync: blocks until the end or the server's limit."""
    output_only = request.flag("output_only")
    use_ids = request.flag("use_output_ids")
    run = await request.start()
    over = asyncio.create_task(run.over.wait())
    limit = asyncio.create_task(request.workspace.pause(run.switches.sync_limit_seconds))
    await asyncio.wait({over, limit}, return_when=asyncio.FIRST_COMPLETED)
    over.cancel()
    limit.cancel()
    if not run.over.is_set() and run.switches.sync_limit_status != 200:
        raise HTTPException(run.switches.sync_limit_status, "The run did not finish in time")
    return Json(records.read(run, output_only=output_only, use_ids=use_ids))


async def read(request: ApiRequest) -> Response:
    """GET /v1/workflows/{workflow_id}/runs/{run_id}: the record behind every verdict."""
    output_only = request.flag("output_only")
    use_ids = request.flag("use_output_ids")
    return Json(records.read(request.run, output_only=output_only, use_ids=use_ids))


async def look_up(request: ApiRequest) -> Response:
    """GET /v1/runs/{run_id}: leads from a bare run id to its workflow."""
    run = request.run
    if run.switches.look_up != "served":
        raise HTTPException(int(run.switches.look_up))
    return Json(records.without_io(run))


async def list_of_workflow(request: ApiRequest) -> Response:
    """GET /v1/workflows/{workflow_id}/runs"""
    runs, envelope = request.page(_listed(request, request.workflow.runs))
    return Json({"items": [records.full(run) for run in runs], **envelope})


async def list_all(request: ApiRequest) -> Response:
    """GET /v1/runs"""
    runs, envelope = request.page(_listed(request, list(request.workspace.runs.values())))
    return Json({"items": [records.without_io(run) for run in runs], **envelope})


async def stop(request: ApiRequest) -> Response:
    """POST /v1/runs/{run_id}/stop: the run in its state after the stop"""
    run = request.run
    if run.ended and run.switches.on_stop_finished == "409":
        raise HTTPException(409, "The run has already ended")
    await request.workspace.stop(run)
    return Json(records.full(run))


async def data(request: ApiRequest) -> Response:
    """GET /v1/runs/{run_id}/data"""
    request.flag("fetch_structured_data")
    run = request.run
    if run.switches.run_data == "404":
        raise HTTPException(404)
    return Json(records.data(run))


async def node_io(request: ApiRequest) -> Response:
    """GET /v1/runs/{run_id}/io/{node_id}: `it` counts from 1, and 0 counts as the first"""
    run = request.run
    node_id = request.path_params["node_id"]
    if run.switches.node_io == "404" or node_id not in [node.id for node in run.graph.nodes]:
        raise HTTPException(404, "Node not found")
    # No node of the sandbox runs twice.
    if request.query_params.get("it", "1") not in ("0", "1"):
        raise HTTPException(404, "Iteration not found")
    entry = records.node_io(run, node_id)
    if run.switches.node_io == "bare":
        entry = {"inputs": entry["inputs"], "outputs": entry["outputs"]}
    return Json(entry)


def _listed(request: ApiRequest, runs: list[Run]) -> list[Run]:
    if request.switches.list_order == "newest":
        return runs[::-1]
    return runs
