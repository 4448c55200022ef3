"""A server that is never the bottleneck: few answers, one chunk for each event, and a file from the disk's cache.

Usage: server.py PLAN, the fields of `Plan` as JSON. Prints its address, and ends when stdin closes.
"""

import asyncio
import json
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path
from time import monotonic

WORKFLOW = "00000000-0000-4000-8000-0000000be9c4"
JUDGE = "00000000-0000-4000-8000-0000000be9c5"
INPUT = {"id": "q", "type": "InputNode", "name": "Q", "node_config": {"label": "Q", "type": "str"}}
OUTPUT = {
    "id": "a",
    "type": "OutputNode",
    "name": "A",
    "node_config": {"label": "A", "type": "str"},
}
# Six nodes stream text at the same time.
LAYERS = [[f"Step {layer}.{place}" for place in range(6)] for layer in range(10)]
EDGES = [(a, b) for before, after in pairwise(LAYERS) for a in before for b in after]
STEPS = [{"id": name, "name": name, "type": "Step"} for layer in LAYERS for name in layer]
NODES = [INPUT, *STEPS, OUTPUT]
DEFINITION = {
    "nodes": NODES,
    "edges": [{"id": f"{a}>{b}", "source": a, "target": b} for a, b in EDGES],
}
FILE = {"id": "f", "name": "a.bin", "uri": "spot://f", "content_type": "application/octet-stream"}
# What a gate compares; the definitions differ, so that it has something to compare.
VERSIONS = ("base", "new")
JSON, EVENTS, BYTES = "application/json", "text/event-stream", "application/octet-stream"
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class Plan:
    """How runs go: each takes `seconds`, or as long as its `events`, `pace` of them a second or all together."""

    seconds: float = 0.0
    events: int = 0
    pace: int = 0
    file: str = ""


def chunk(number: int, total: int, **more: object) -> bytes:
    """Return one event as an HTTP chunk; the nodes of one layer take turns for its share of the events."""
    node = LAYERS[min(9, 10 * number // total)][number % 6]
    ends = (
        {"content": "", "workflow_status": "completed"}
        if number == total - 1
        else {"content": f"word {number} "}
    )
    data = {"id": node, "status": "running", **ends, **more}
    envelope = {
        "type": "content",
        "data": data,
        "redisId": f"{1_700_000_000_000 + number // 8}-{number % 8}",
    }
    body = b"event: message\ndata: %b\n\n" % json.dumps(envelope, separators=(",", ":")).encode()
    return b"%x\r\n%b\r\n" % (len(body), body)


class Server:
    """What all connections share."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.started = plan, count(1)
        self.ended: set[str] = set()  # runs whose events were sent
        self.tasks: set[asyncio.Task[None]] = set()
        every = [] if plan.pace else [chunk(number, plan.events) for number in range(plan.events)]
        self.stream = b"".join([*every, LAST_CHUNK])

    def record(self, run: str, workflow: str = WORKFLOW) -> dict[str, object]:
        """Return the record of a run, whose id has the time of its start unless it has events."""
        plan, found = (
            self.plan,
            {"id": run, "workflow_id": workflow, "status": "running", "input": {"Q": "a row"}},
        )
        taken = 0.0 if plan.events else monotonic() - float(run.rpartition("-")[2])
        created = time.time() - taken
        output = {"A": FILE if plan.file else "an answer"}
        if run in self.ended if plan.events else taken >= plan.seconds:
            found |= {
                "status": "completed",
                "output": output,
                "finished_at": moment(created + plan.seconds),
            }
        return {**found, "created_at": moment(created)}


def version_named(name: str) -> dict[str, object]:
    """Return a saved version of the workflow, whose definition has a node of that name."""
    nodes = [*NODES, {"id": name, "name": name, "type": "Step"}]
    return {"id": name, "name": name, "definition": {**DEFINITION, "nodes": nodes}}


def head(kind: str, framing: str, status: int = 200) -> bytes:
    return f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n".encode()


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


class Connection(asyncio.Protocol):
    """The connection of one client."""

    def __init__(self, server: Server) -> None:
        self._server, self._plan = server, server.plan
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if blank and len(rest) >= length:
            self._received = b""  # a client sends its next request after the answer
            method, path = head.decode("latin-1").split(" ", 2)[:2]
            self._answer(method, path.partition("?")[0].strip("/").split("/"))

    def _answer(self, method: str, parts: Sequence[str]) -> None:
        server, last = self._server, parts[-1]
        if method == "POST":
            self._send(server.record(f"{next(server.started)}-{monotonic():.4f}", parts[2]))
        elif last == "events" and self._plan.events:
            self._later(self._stream(parts[2]))
        elif last == "events":
            self._send({"detail": "no streams here"}, 404)
        elif "file" in parts:
            self._later(self._send_file())
        elif last == "runs":
            self._send({"items": [], "total": 0, "page": 1, "size": 50, "pages": 0})
        elif "runs" in parts:
            self._send(server.record(last, parts[2] if parts[1] == "workflows" else WORKFLOW))
        elif last == "versions":
            self._send([version_named(name) for name in VERSIONS])
        else:
            self._send({"id": last, "name": "bench", "type": "flow", "definition": DEFINITION})

    def _later(self, answer: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(answer)
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def _send(self, answer: object, status: int = 200) -> None:
        body = json.dumps(answer).encode()
        self._transport.write(head(JSON, f"Content-Length: {len(body)}", status) + body)

    async def _stream(self, run: str) -> None:
        """Send the events of a run, all together or each when it is due, with the time at which it was sent."""
        self._transport.write(head(EVENTS, "Transfer-Encoding: chunked"))
        began, plan = monotonic(), self._plan
        for number in range(plan.events if plan.pace else 0):
            await asyncio.sleep(max(0.0, began + number / plan.pace - monotonic()))
            self._transport.write(chunk(number, plan.events, sent=time.monotonic_ns()))
        self._server.ended.add(run)
        self._transport.write(self._server.stream)

    async def _send_file(self) -> None:
        with Path(self._plan.file).open("rb") as file:
            size = Path(self._plan.file).stat().st_size
            self._transport.write(head(BYTES, f"Content-Length: {size}"))
            await asyncio.get_running_loop().sendfile(self._transport, file)


async def serve(server: Server) -> None:
    """Serve until stdin closes."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0, backlog=1024)
    async with listening:
        print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Server(Plan(**json.loads(sys.argv[1])))))
