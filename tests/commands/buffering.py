"""A reverse proxy on loopback that buffers event streams like badly configured ones."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Way = Literal["passes", "holds", "fills", "collects", "compresses"]
BUFFER = 4096  # bytes


def full_buffers(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield full buffers, of which none ends with an event, and then the rest."""
    kept = b""
    while piece := answer.read(BUFFER):
        piece = kept + piece
        kept = piece[-9:] if piece.endswith(b"\n") else b""
        yield piece[: len(piece) - len(kept)]
    yield kept


@contextmanager
def proxy(upstream: str, way: Way) -> Iterator[str]:
    """Serve what is at `upstream`; yields the proxy's address.

    Streams are passed on as they arrive, held back until they end (their head is sent at once) or until a buffer is
    full, collected and sent with a length, or declared as compressed.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with closing(http.client.HTTPConnection(urlsplit(upstream).netloc)) as connection:
                self._pass_on(connection)

        def _pass_on(self, connection: http.client.HTTPConnection) -> None:
            connection.request("GET", self.path, headers={"X-API-Key": self.headers["X-API-Key"]})
            answer = connection.getresponse()
            streamed = answer.getheader("Content-Type", "").startswith("text/event-stream")
            body = b"" if streamed and way != "collects" else answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"content-length", "transfer-encoding", "connection", "server", "date"}:
                    self.send_header(name, value)
            if body or not streamed:
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            else:
                self._stream(answer)

        def _stream(self, answer: http.client.HTTPResponse) -> None:
            self.close_connection = True
            self.send_header("Connection", "close")
            if way == "compresses":
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            try:
                if way == "holds":
                    self.wfile.write(answer.read())
                for piece in full_buffers(answer) if way == "fills" else iter(answer.read1, b""):
                    self.wfile.write(piece)
            except (OSError, http.client.HTTPException):
                pass  # the client has seen enough

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
