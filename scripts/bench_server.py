"""A server that is never the bottleneck: the few answers that a batch needs, and nothing kept of any run.

Usage: python scripts/bench_server.py SECONDS [RATE]. Every run takes SECONDS; with RATE, so many requests are served in
any second and the others get a 429 without Retry-After. Prints its address; when stdin closes, what it has seen.
"""

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, process_time

WORKFLOW = "00000000-0000-4000-8000-0000000be9c4"
NODES = [{"id": "q", "type": "InputNode", "name": "Q", "node_config": {"label": "Q", "type": "str"}}]
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass
class Seen:
    """What has been asked, and when it was granted (seconds on no particular clock)."""

    requests: Counter[str] = field(default_factory=Counter)
    granted: list[float] = field(default_factory=list)
    connections: int = 0
    most_connections: int = 0


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, seen: Seen, seconds: float, rate: int | None) -> None:
        self._seen = seen
        self._seconds = seconds
        self._rate = rate
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._seen.connections += 1
        self._seen.most_connections = max(self._seen.most_connections, self._seen.connections)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is theirs
        self._seen.connections -= 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if blank and len(rest) >= length:
            self._received = b""  # nobody sends the next request before the answer
            method, path = head.split(b" ", 2)[:2]
            self._answer(method.decode(), path.decode())

    def _answer(self, method: str, path: str) -> None:
        kind, run = _kind_of(method, path)
        if (
            self._rate is not None
            and sum(at > monotonic() - 1 for at in self._seen.granted[-self._rate :]) == self._rate
        ):
            self._seen.requests["429"] += 1
            self._send(429, {"detail": "Rate limit exceeded"})
            return
        self._seen.requests[kind] += 1
        if self._rate is not None:
            self._seen.granted.append(monotonic())
        match kind:
            case "events":
                self._stream(run)
            case "read":
                self._send(200, _record(run))
            case "start":
                # All there is to know of a run is in its id.
                started = f"{self._seen.requests[kind]}-{monotonic() + self._seconds:.4f}"
                self._send(200, _record(started))
            case _:
                self._send(200, {"id": WORKFLOW, "name": "bench", "definition": {"nodes": NODES, "edges": []}})

    def _send(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self._transport.write(b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    def _stream(self, run: str) -> None:
        self._transport.write(STREAM + _event("state", {"status": "running"}, "1-0"))
        asyncio.get_running_loop().call_later(max(0.0, _due(run) - monotonic()), self._end_stream)

    def _end_stream(self) -> None:
        self._transport.write(_event("content", {"id": "a", "workflow_status": "completed"}, "2-0"))
        self._transport.close()


def _kind_of(method: str, path: str) -> tuple[str, str]:
    parts = path.partition("?")[0].split("/")
    if parts[-1] == "events":
        return "events", parts[-2]
    if method == "POST":
        return "start", ""
    return ("read", parts[-1]) if "runs" in parts else ("workflow", "")


def _due(run: str) -> float:
    return float(run.rpartition("-")[2])


def _record(run: str) -> dict[str, object]:
    over = monotonic() >= _due(run)
    return {
        "id": run,
        "workflow_id": WORKFLOW,
        "status": "completed" if over else "running",
        "progress": 100 if over else 0,
        "output": {"A": "an answer"} if over else None,
        "created_at": datetime.now(UTC).isoformat(),
        "finished_at": datetime.now(UTC).isoformat() if over else None,
    }


def _event(kind: str, data: object, cursor: str) -> bytes:
    return b"data: %b\n\n" % json.dumps({"type": kind, "data": data, "redisId": cursor}).encode()


async def serve(seconds: float, rate: int | None) -> Seen:
    """Serve until stdin closes."""
    seen = Seen()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(seen, seconds, rate), "127.0.0.1", 0, backlog=1024)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "key", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    return seen


def main() -> None:
    """Serve, and report."""
    seen = asyncio.run(serve(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
    print(
        json.dumps(
            {
                "requests": seen.requests,
                "connections": seen.most_connections,
                "granted": seen.granted,
                "cpu": process_time(),
            }
        )
    )


if __name__ == "__main__":
    main()
