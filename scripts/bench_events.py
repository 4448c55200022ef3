"""A server that is never the bottleneck: the same events for each run, prepared in advance, each in its own chunk.

Usage: python scripts/bench_events.py EVENTS [RATE [JOINED]]. With RATE, it sends that many events per second, each with
its send time in `sent` (nanoseconds of the monotonic clock); JOINED puts that many into one chunk. Prints its address
and serves until stdin closes. Six of sixty nodes stream text at once.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

BEATS = 1000  # how many times per second it sends events at most
NAMES = [f"Step {layer}.{place}" for layer in range(10) for place in range(6)]
DEFINITION = {
    "nodes": [{"id": name, "name": name, "type": "Step"} for name in NAMES],
    "edges": [
        {"id": f"{a}>{b}", "source": a, "target": b}
        for before, after in pairwise(range(0, 60, 6))
        for a in NAMES[before : before + 6]
        for b in NAMES[after : after + 6]
    ],
}
RUN: dict[str, object] = {
    "id": "started",
    "group_id": "group",
    "workflow_id": "workflow",
    "input": {},
    "status": "running",
    "progress": 0,
    "created_at": "2026-01-01T00:00:00Z",
}
LAST_CHUNK = b"0\r\n\r\n"


def frame(number: int, total: int, **more: object) -> bytes:
    """Return one event as the server sends it; the nodes of one layer take turns for its share of the events."""
    node = NAMES[6 * min(9, 10 * number // total) + number % 6]
    data = {"id": node, "status": "running", "content": f"word {number} ", **more}
    envelope = {"type": "content", "data": data, "redisId": f"{1_700_000_000_000 + number // 8}-{number % 8}"}
    return b"event: message\ndata: %b\n\n" % json.dumps(envelope, separators=(",", ":")).encode()


def chunk(frames: list[bytes]) -> bytes:
    """Return the events as one HTTP chunk."""
    body = b"".join(frames)
    return b"%x\r\n%b\r\n" % (len(body), body)


def last(total: int) -> bytes:
    """Return the event that announces the end."""
    return frame(total - 1, total, content="", workflow_status="completed")


def at_once(total: int, joined: int) -> bytes:
    """Return the whole body."""
    frames = [*(frame(number, total) for number in range(total - 1)), last(total)]
    chunks = [chunk(frames[place : place + joined]) for place in range(0, total, joined)]
    return b"".join([*chunks, LAST_CHUNK])


def paced(total: int, rate: int, joined: int) -> Iterator[bytes]:
    """Yield the body's pieces, each when it is due."""
    beats, began = min(BEATS, rate), time.monotonic()
    sent = beat = 0
    while sent < total:
        time.sleep(max(0.0, began + beat / beats - time.monotonic()))
        beat += 1
        due = min(total, beat * rate // beats)
        frames = [frame(number, total, sent=time.monotonic_ns()) for number in range(sent, min(due, total - 1))]
        frames += [last(total)] if due == total else []
        yield b"".join(chunk(frames[place : place + joined]) for place in range(0, len(frames), joined))
        sent = due
    yield LAST_CHUNK


class Server(ThreadingHTTPServer):
    """The few answers that following one run needs; the record says `completed` once its events were sent."""

    daemon_threads = True

    def __init__(self, total: int, rate: int, joined: int) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.total, self.rate, self.joined = total, rate, joined
        self.body = b"" if rate else at_once(total, joined)
        self.ended: set[str] = set()  # runs

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, but not a client that exits while its connection is open."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a body waits 40 ms until the client has acknowledged its head
    server: Server

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        if parts[-1] == "events":
            self._send_events(parts[-2])
            return
        run = RUN | {"id": parts[-1]}
        if parts[-1] in self.server.ended:
            run |= {"status": "completed", "progress": 100, "output": {"A": "x"}}
        workflow = {"id": "workflow", "name": "bench", "definition": DEFINITION}
        self._send_json(workflow if parts[-1] == "workflow" else run)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send_json(RUN)

    def _send_json(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_events(self, run_id: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        server = self.server
        try:
            for piece in paced(server.total, server.rate, server.joined) if server.rate else [server.body]:
                if piece.endswith(LAST_CHUNK):
                    server.ended.add(run_id)
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True  # a reader may disconnect once it has the end

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until stdin closes."""
    total, rate, joined = (int(text) for text in (*sys.argv[1:], *["0", "1"][len(sys.argv) - 2 :]))
    server = Server(total, rate, joined)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
