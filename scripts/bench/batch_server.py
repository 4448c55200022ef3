"""A server that is never the bottleneck: the few answers that a batch needs, with no state about any run.

Usage: batch_server.py SECONDS [RATE KINDS WINDOW]. Every run takes SECONDS. With RATE, it serves that many requests per
second, of KINDS `all` or `starts`, counted in WINDOWs that are `fixed`, `sliding` or a `bucket`, and answers 429 with
Retry-After to the others. Prints its address, and when stdin closes, what it has counted.
"""

import asyncio
import json
import sys
from collections import Counter, deque
from datetime import UTC, datetime
from time import monotonic, time

WORKFLOW = "00000000-0000-4000-8000-0000000be9c4"
NODES = [{"id": "q", "type": "InputNode", "name": "Q", "node_config": {"label": "Q", "type": "str"}}]
WORKFLOW_RECORD = {"id": WORKFLOW, "name": "bench", "type": "flow", "definition": {"nodes": NODES, "edges": []}}


class Limit:
    """A limit of requests per second."""

    def __init__(self, rate: int, kinds: str, window: str) -> None:
        self._rate, self._kinds, self._window = rate, kinds, window
        self._served: deque[float] = deque()
        self._left, self._since = float(rate), monotonic()

    def serves(self, kind: str) -> bool:
        """Count a request, and return whether it is served."""
        if not self._rate or self._kinds not in ("all", f"{kind}s"):
            return True
        now = monotonic()
        if self._window == "sliding":
            while self._served and self._served[0] <= now - 1:
                self._served.popleft()
            served = len(self._served) < self._rate
            self._served += [now] if served else []
            return served
        if self._window == "bucket":
            self._left = min(self._rate, self._left + (now - self._since) * self._rate)
            self._since = now
        elif now >= self._since + 1:
            self._left, self._since = self._rate, now
        served = self._left >= 1
        self._left -= served
        return served


class Connection(asyncio.Protocol):
    """The connection of one client."""

    def __init__(self, seen: Counter[str], seconds: float, limit: Limit) -> None:
        self._seen, self._seconds, self._limit = seen, seconds, limit
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
            self._answer(method, path.partition("?")[0].split("/"))

    def _answer(self, method: str, parts: list[str]) -> None:
        kind = "start" if method == "POST" else "read" if "runs" in parts else "definition"
        if not self._limit.serves(kind):
            self._seen[f"refused {kind}"] += 1
            self._send(429, {"detail": "Rate limit exceeded"})
            return
        self._seen[kind] += 1
        if kind == "definition":
            self._send(200, WORKFLOW_RECORD)
        elif parts[-1] == "events":
            self._send(404, {"detail": "no streams here"})
        elif parts[-1] == "runs" and kind == "read":
            self._send(200, {"items": [], "total": 0, "page": 1, "size": 50, "pages": 0})
        else:
            # A run's id holds everything there is to know about it.
            now = monotonic()
            self._send(200, record(f"{self._seen[kind]}-{now:.4f}" if kind == "start" else parts[-1], self._seconds))

    def _send(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        after = b"Retry-After: 1\r\n" if status == 429 else b""
        self._transport.write(b"HTTP/1.1 %d -\r\n%bContent-Length: %d\r\n\r\n%b" % (status, after, len(body), body))


def record(run: str, seconds: float) -> dict[str, object]:
    """Return the record of a run, whose id has the time of its start."""
    taken = monotonic() - float(run.rpartition("-")[2])
    created = time() - taken
    found: dict[str, object] = {"id": run, "workflow_id": WORKFLOW, "status": "running", "input": {"Q": "a row"}}
    found["created_at"] = datetime.fromtimestamp(created, UTC).isoformat()
    if taken >= seconds:
        ended = datetime.fromtimestamp(created + seconds, UTC).isoformat()
        found |= {"status": "completed", "output": {"A": "an answer"}, "finished_at": ended}
    return found


async def serve(seconds: float, limit: Limit) -> Counter[str]:
    """Serve until stdin closes."""
    seen = Counter[str]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(seen, seconds, limit), "127.0.0.1", 0, backlog=1024)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    return seen


def main() -> None:
    """Serve, and print the counts."""
    seconds, *limit = sys.argv[1:]
    rate, kinds, window = limit or ("0", "all", "fixed")
    print(json.dumps(asyncio.run(serve(float(seconds), Limit(int(rate), kinds, window)))))


if __name__ == "__main__":
    main()
