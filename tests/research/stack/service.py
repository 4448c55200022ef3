"""The API as a team would write it with FastAPI, sse-starlette and Redis: run it with `-m`, and a port.

It shares no code with the sandbox, and has none of its switches: what happens here is what these libraries do.
"""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, Header, HTTPException
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NoConnection
from sse_starlette import EventSourceResponse

from tests.research.stack import KEY, WORKFLOW

GROUP = "0b6e2d0e-6f36-4b2f-9a39-000000000001"
NODES = [
    {"id": "in", "type": "InputNode", "name": "Script", "node_config": {"label": "Script", "type": "str"}},
    {"id": "talk", "type": "TextGenerationNode", "name": "Talk", "node_config": {}},
    {"id": "out", "type": "OutputNode", "name": "Answer", "node_config": {"label": "Answer", "type": "str"}},
]
RECORD = {
    "id": WORKFLOW,
    "group_id": GROUP,
    "name": "talk",
    "type": "flow",
    "definition": {"flow_version": "v1", "nodes": NODES, "edges": []},
    "created_at": "2026-01-01T00:00:00",
}
FINAL = {"completed", "failed", "stopped"}


def redis_at(variable: str) -> Any:
    return Redis.from_url(os.environ[variable], decode_responses=True)


# Rows are written to the store and read from a replica of it; the queue to the workers is a server of its own.
store, replica, queue = redis_at("STORE"), redis_at("REPLICA"), redis_at("QUEUE")


async def check_key(x_api_key: Annotated[str | None, Header()] = None) -> None:
    if x_api_key != KEY:
        raise HTTPException(401, "Invalid API key")


async def row_of(run_id: str, server: Any = replica) -> dict[str, Any]:
    text = await server.get(f"run:{run_id}")
    if text is None:
        raise HTTPException(404, "Run not found")
    row: dict[str, Any] = json.loads(text)
    return row


async def me() -> dict[str, Any]:
    return {"id": GROUP, "name": "stack", "tenant_admin": False, "value": KEY, "permissions": ["flows_run"]}


async def workflows() -> dict[str, Any]:
    return {"items": [RECORD], "total": 1, "page": 1, "size": 50, "pages": 1}


async def workflow(workflow_id: str) -> dict[str, Any]:
    if workflow_id != WORKFLOW:
        raise HTTPException(404, "Workflow not found")
    return RECORD


async def versions(workflow_id: str) -> list[Any]:
    await workflow(workflow_id)
    return []


async def start(workflow_id: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """The row is written first, as usual: a queue that fails leaves it there."""
    await workflow(workflow_id)
    if not isinstance(body.get("input"), dict):
        raise HTTPException(422, [{"loc": ["body", "input"], "msg": "Field required", "type": "missing"}])
    run_id = str(uuid.uuid4())
    row = {
        "id": run_id,
        "group_id": GROUP,
        "workflow_id": workflow_id,
        "workflow_version_id": body.get("workflow_version_id"),
        "status": "queued",
        "created_at": datetime.now(UTC).isoformat(),
        "finished_at": None,
        "input": body["input"],
        "output": {},
        "progress": 0,
    }
    await store.set(f"run:{run_id}", json.dumps(row))
    await store.lpush("runs", run_id)
    try:
        await queue.lpush("work", run_id)
    except NoConnection:
        raise HTTPException(503, "The queue is not available, try again later") from None
    return row


async def read(workflow_id: str, run_id: str) -> dict[str, Any]:
    await workflow(workflow_id)
    return await row_of(run_id)


async def look_up(run_id: str) -> dict[str, Any]:
    return {name: value for name, value in (await row_of(run_id)).items() if name != "output"}


async def runs(page: int = 1, size: int = 50) -> dict[str, Any]:
    ids = await store.lrange("runs", 0, -1)
    items = [await row_of(run_id, store) for run_id in ids[(page - 1) * size : page * size]]
    return {"items": items, "total": len(ids), "page": page, "size": size, "pages": -(-len(ids) // size)}


async def stop(run_id: str) -> dict[str, Any]:
    row = await row_of(run_id)
    await store.set(f"stop:{run_id}", "1")
    while row["status"] not in FINAL:
        await asyncio.sleep(0.05)
        row = await row_of(run_id, store)
    return row


async def data(run_id: str) -> dict[str, Any]:
    await row_of(run_id)
    return {"nodes": []}


async def events(run_id: str, etag: str = "0-0") -> EventSourceResponse:
    await row_of(run_id)
    return EventSourceResponse(frames(run_id, etag))


async def frames(run_id: str, position: str) -> AsyncIterator[dict[str, str]]:
    """Yield what XREAD has after a position: after one that was trimmed, it goes on with the oldest entry left."""
    while True:
        found = await store.xread({f"events:{run_id}": position}, block=500)
        for position, entry in found[0][1] if found else []:
            event = json.loads(entry["event"])
            yield {"event": "message", "data": json.dumps({**event, "redisId": position})}
            if "workflow_status" in event["data"]:
                return
        if not found and (await row_of(run_id, store))["status"] in FINAL:
            return


ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/v1/admin/me", me),
    ("GET", "/v1/workflows", workflows),
    ("GET", "/v1/workflows/{workflow_id}", workflow),
    ("GET", "/v1/workflows/{workflow_id}/versions", versions),
    ("POST", "/v1/workflows/{workflow_id}/runs", start),
    ("GET", "/v1/workflows/{workflow_id}/runs", runs),
    ("GET", "/v1/workflows/{workflow_id}/runs/{run_id}", read),
    ("GET", "/v1/runs", runs),
    ("GET", "/v1/runs/{run_id}", look_up),
    ("POST", "/v1/runs/{run_id}/stop", stop),
    ("GET", "/v1/runs/{run_id}/data", data),
    ("GET", "/v1/runs/{run_id}/events", events),
]
app = FastAPI(dependencies=[Depends(check_key)])
for method, path, route in ROUTES:
    app.add_api_route(path, route, methods=[method], response_model=None)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=1)
