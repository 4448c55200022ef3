"""A server that is never the bottleneck: the few answers that a batch needs, with no state about any run.

Usage: python scripts/bench_server.py SECONDS [RATE [bucket|window[,retry-after][,headers]]]. Every run takes SECONDS;
with FROM-TO, each of 1000 runs takes a little longer than the one before.
With RATE, it serves that many requests per second, from a bucket of that size or in windows of a second, and answers
429 to the others; on request with Retry-After, and with X-RateLimit-* on every answer. Prints its address, and when
stdin closes, what it has counted.
"""

import asyncio
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, process_time, time
from urllib.parse import parse_qs

from noxcli.sandbox.definition import catalog

KEY = "nox_c0ffee0ddba11c0ffee0ddba11c0ffee"  # as long as a real key: hiding it takes time
WORKFLOW = "00000000-0000-4000-8000-0000000be9c4"
NODES = [{"id": "q", "type": "InputNode", "name": "Q", "node_config": {"label": "Q", "type": "str"}}]
WORKFLOW_RECORD = {
    "id": WORKFLOW,
    "name": "bench",
    "type": "flow",
    "tenant_admin": False,  # the SDK asks for the key's permissions, and accepts this answer
    "value": "",
    "definition": {"nodes": NODES, "edges": []},
}
SPREAD = 1000
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass
class Seen:
    """The requests so far, and the ids of the started runs."""

    requests: Counter[str] = field(default_factory=Counter)
    runs: list[str] = field(default_factory=list)
    connections: int = 0
    most_connections: int = 0


class Limit:
    """A limit of requests per second."""

    def __init__(self, rate: int | None, form: str) -> None:
        kind, *told = form.split(",")
        self._rate = rate
        self._window = kind == "window"
        self._told = told
        self._left, self._since = float(rate or 0), monotonic()

    def check(self) -> tuple[bool, str]:
        """Count a request; return whether it is served, and the header lines about the limit."""
        if self._rate is None:
            return True, ""
        now = monotonic()
        if not self._window:
            self._left = min(self._rate, self._left + (now - self._since) * self._rate)
            self._since = now
        elif now >= self._since + 1:
            self._left, self._since = self._rate, self._since + math.floor(now - self._since)
        served = self._left >= 1
        self._left -= served
        lines = ["Retry-After: 1"] if not served and "retry-after" in self._told else []
        if "headers" in self._told:
            numbers = {"Limit": self._rate, "Remaining": int(self._left), "Reset": 1}
            lines += [f"X-RateLimit-{name}: {number}" for name, number in numbers.items()]
        return served, "".join(f"{line}\r\n" for line in lines)


class Connection(asyncio.Protocol):
    """The connection of one client."""

    def __init__(self, seen: Seen, seconds: Sequence[float], limit: Limit) -> None:
        self._seen = seen
        self._seconds = seconds
        self._limit = limit
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
            self._received = b""  # a client sends its next request after the answer
            method, path = head.split(b" ", 2)[:2]
            self._answer(method.decode(), path.decode())

    def _answer(self, method: str, path: str) -> None:
        kind, run = _kind_of(method, path)
        served, self._limits = self._limit.check()
        if not served:
            self._seen.requests["429"] += 1
            self._send(429, {"detail": "Rate limit exceeded"})
            return
        self._seen.requests[kind] += 1
        match kind:
            case "events":
                self._stream(run)
            case "read":
                self._send(200, _record(run))
            case "start":
                # A run's id holds everything there is to know about it.
                number = self._seen.requests[kind]
                shortest, longest = self._seconds[0], self._seconds[-1]
                ends = monotonic() + shortest + (longest - shortest) * (number % SPREAD) / SPREAD
                started = f"{number}-{monotonic():.4f}-{ends:.4f}"
                self._seen.runs.append(started)
                self._send(200, _record(started))
            case "list":
                self._send(200, self._page(path))
            case "nodes":
                self._send(200, catalog({"InputNode"}))
            case _:
                self._send(200, WORKFLOW_RECORD)

    def _send(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self._transport.write(
            b"HTTP/1.1 %d -\r\n%bContent-Length: %d\r\n\r\n%b" % (status, self._limits.encode(), len(body), body)
        )

    def _page(self, path: str) -> dict[str, object]:
        asked = parse_qs(path.partition("?")[2])
        page, size = int(asked.get("page", ["1"])[0]), int(asked.get("size", ["50"])[0])
        runs = self._seen.runs[::-1]
        items = [_record(run) for run in runs[(page - 1) * size : page * size]]
        return {"items": items, "total": len(runs), "page": page, "size": size, "pages": math.ceil(len(runs) / size)}

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
    if parts[-1] in {"runs", "nodes"}:
        return ("list" if parts[-1] == "runs" else "nodes"), ""
    return ("read", parts[-1]) if "runs" in parts else ("workflow", "")


def _due(run: str) -> float:
    return float(run.rpartition("-")[2])


def _record(run: str) -> dict[str, object]:
    left = _due(run) - monotonic()
    over, began, ends = left <= 0, float(run.split("-")[1]), time() + left
    return {
        "id": run,
        "group_id": WORKFLOW,
        "workflow_id": WORKFLOW,
        "input": {"Q": "a row"},
        "status": "completed" if over else "running",
        "progress": 100 if over else 0,
        "output": {"A": "an answer"} if over else None,
        "created_at": datetime.fromtimestamp(ends - (_due(run) - began), UTC).isoformat(),
        "finished_at": datetime.fromtimestamp(ends, UTC).isoformat() if over else None,
    }


def _event(kind: str, data: object, cursor: str) -> bytes:
    return b"data: %b\n\n" % json.dumps({"type": kind, "data": data, "redisId": cursor}).encode()


async def serve(seconds: Sequence[float], limit: Limit) -> Seen:
    """Serve until stdin closes."""
    seen = Seen()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(seen, seconds, limit), "127.0.0.1", 0, backlog=1024)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", KEY, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    return seen


def main() -> None:
    """Serve, and print the counts."""
    seconds, rate, form = [*sys.argv[1:], *("", "window")[len(sys.argv) - 2 :]]
    seen = asyncio.run(serve([*map(float, seconds.split("-"))], Limit(int(rate) if rate else None, form)))
    print(json.dumps({"requests": seen.requests, "connections": seen.most_connections, "cpu": process_time()}))


if __name__ == "__main__":
    main()
