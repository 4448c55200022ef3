"""A server in front of the sandbox that sends one file with sendfile, as web servers do, and hardly uses the processor.

Usage: python scripts/bench_files.py SANDBOX-URL BYTES DIRECTORY. The file is the answer to every `GET /v1/file/...`;
everything else is forwarded. Prints its addresses, plain and TLS, and the path of the certificate; serves until stdin
closes. The file and the certificate are in the directory, which the caller removes.
"""

import mmap
import ssl
import subprocess
import sys
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

BLOCK = 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    sandbox: str
    file: Path

    def do_GET(self) -> None:
        """Send the file, or forward the request."""
        if not self.path.startswith("/v1/file/"):
            self._forward()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(self.file.stat().st_size))
        self.end_headers()
        with self.file.open("rb") as file:
            if not isinstance(self.connection, ssl.SSLSocket):
                self.connection.sendfile(file)
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
                for start in range(0, len(view), BLOCK):
                    self.connection.sendall(view[start : start + BLOCK])

    def do_POST(self) -> None:
        """Forward the request."""
        self._forward()

    def log_message(self, *args: object) -> None:
        """Print nothing."""

    def _forward(self) -> None:
        """Ask the sandbox, and pass its answer on."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sandbox = HTTPConnection(self.sandbox)
        sandbox.request(self.command, self.path, body, {**dict(self.headers), "Host": self.sandbox})
        answer = sandbox.getresponse()
        self.close_connection = True
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Connection", "close")
        self.end_headers()
        while piece := answer.read1(BLOCK):
            self.wfile.write(piece)
        sandbox.close()


def certificate_in(directory: Path) -> Path:
    """Make a certificate for this machine, with its key in the same file."""
    path, key = directory / "certificate.pem", directory / "key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*argv, *subject, "-keyout", str(key), "-out", str(path)], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


def main() -> None:
    """Write the file, and serve it."""
    url, size, directory = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    Handler.sandbox, Handler.file = urlsplit(url).netloc, directory / "sent.bin"
    block = bytes(range(256)) * (BLOCK // 256)
    with Handler.file.open("wb") as file:
        for start in range(0, size, BLOCK):
            file.write(block[: size - start])
    certificate = certificate_in(directory)
    plain, tls = (ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    tls.socket = context.wrap_socket(tls.socket, server_side=True)
    for server in (plain, tls):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{plain.server_port} https://127.0.0.1:{tls.server_port} {certificate}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
