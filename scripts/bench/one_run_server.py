"""A server that is never the bottleneck: one run, its events in one chunk each, and a file from the disk's cache.

Usage: one_run_server.py EVENTS [RATE [FILE]]. With RATE, it sends that many events per second, each with its send time
in `sent` (nanoseconds of the monotonic clock). Prints its address, and serves until stdin closes. Six of sixty nodes
stream text at once.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, pairwise
from pathlib import Path
from typing import Any

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
WORKFLOW = "00000000-0000-4000-8000-0000000be9c4"
FILE = {"id": "f", "name": "a.bin", "uri": "spot://f", "content_type": "application/octet-stream"}
LAST_CHUNK = b"0\r\n\r\n"


def chunk(number: int, total: int, **more: object) -> bytes:
    """Return one event as an HTTP chunk; the nodes of one layer take turns for its share of the events."""
    node = NAMES[6 * min(9, 10 * number // total) + number % 6]
    ends = {"content": "", "workflow_status": "completed"} if number == total - 1 else {"content": f"word {number} "}
    data = {"id": node, "status": "running", **ends, **more}
    envelope = {"type": "content", "data": data, "redisId": f"{1_700_000_000_000 + number // 8}-{number % 8}"}
    body = b"event: message\ndata: %b\n\n" % json.dumps(envelope, separators=(",", ":")).encode()
    return b"%x\r\n%b\r\n" % (len(body), body)


def paced(total: int, rate: int) -> Iterator[bytes]:
    """Yield each event when it is due, then the end."""
    began = time.monotonic()
    for number in range(total):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield chunk(number, total, sent=time.monotonic_ns())
    yield LAST_CHUNK


class Server(ThreadingHTTPServer):
    """The answers that one run needs; its record says `completed` once its events were sent."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, events: int, rate: int, file: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.events, self.rate, self.file = events, rate, file
        self.body = b"" if rate else b"".join([*(chunk(number, events) for number in range(events)), LAST_CHUNK])
        self.ended: set[str] = set()  # runs
        self.started = count(1)

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
        elif "file" in parts:
            self._send_file()
        elif parts[-1] == WORKFLOW:
            self._send_json({"id": WORKFLOW, "name": "bench", "definition": DEFINITION})
        else:
            self._send_json(self._record(parts[-1]))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send_json(self._record(f"started-{next(self.server.started)}"))

    def _record(self, run: str) -> dict[str, object]:
        now = datetime.now(UTC).isoformat()
        record: dict[str, object] = {
            "id": run,
            "workflow_id": WORKFLOW,
            "input": {},
            "status": "running",
            "created_at": now,
        }
        if run in self.server.ended:
            record |= {"status": "completed", "output": {"A": FILE if self.server.file else "x"}}
        return record

    def _head(self, kind: str, length: int | None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        framing = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
        self.send_header(*framing)
        self.end_headers()

    def _send_json(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self._head("application/json", len(body))
        self.wfile.write(body)

    def _send_file(self) -> None:
        assert self.server.file is not None
        self._head("application/octet-stream", self.server.file.stat().st_size)
        with self.server.file.open("rb") as file:
            self.connection.sendfile(file)

    def _send_events(self, run: str) -> None:
        self._head("text/event-stream", None)
        server = self.server
        try:
            for piece in paced(server.events, server.rate) if server.rate else [server.body]:
                if piece.endswith(LAST_CHUNK):
                    server.ended.add(run)
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True  # a reader may disconnect once it has the end

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until stdin closes."""
    events, rate, *file = sys.argv[1:]
    server = Server(int(events), int(rate), Path(file[0]) if file else None)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
