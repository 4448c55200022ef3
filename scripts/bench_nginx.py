"""nginx in front of the sandbox: it sends one file from the disk's cache, plain and over TLS, as many servers do.

The file is the answer to every `GET /v1/file/...`; everything else goes to the sandbox. nginx must be installed.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

BLOCK = 1024 * 1024
STARTED_WITHIN = 10  # seconds
CONFIG = """
daemon off;
error_log {directory}/error.log;
pid {directory}/pid;
events {{}}
http {{
    access_log off;
    default_type application/octet-stream;
    sendfile on;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        root {directory};
        location /v1/file/ {{ try_files /sent.bin =404; }}
        location / {{ proxy_pass {sandbox}; proxy_buffering off; }}
    }}
}}
"""


class Addresses(NamedTuple):
    """Where nginx listens, and the file with the certificate."""

    plain: str
    tls: str
    certificate: Path


@contextmanager
def nginx(sandbox: str, size: int, directory: Path) -> Iterator[Addresses]:
    """Serve a file of `size` bytes from the directory, which the caller removes. Raises SystemExit without nginx."""
    program = shutil.which("nginx")
    if program is None:
        raise SystemExit("nginx is not installed")
    write_file(directory / "sent.bin", size)
    plain, tls = free_ports(2)
    certificate = certificate_in(directory)
    config = directory / "nginx.conf"
    config.write_text(
        CONFIG.format(directory=directory, plain=plain, tls=tls, certificate=certificate, sandbox=sandbox)
    )
    # As another user, nginx's workers could not enter the temporary directory.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    with subprocess.Popen([program, "-c", config, "-e", directory / "error.log", *user]) as server:
        try:
            wait_for(plain)
            yield Addresses(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", certificate)
        finally:
            server.terminate()


def write_file(path: Path, size: int) -> None:
    """Write so many bytes."""
    block = bytes(range(256)) * (BLOCK // 256)
    with path.open("wb") as file:
        for start in range(0, size, BLOCK):
            file.write(block[: size - start])


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]


def wait_for(port: int) -> None:
    """Wait until something listens there."""
    end = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < end:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise SystemExit("nginx does not listen")


def certificate_in(directory: Path) -> Path:
    """Make a certificate for this machine, with its key in the same file."""
    path, key = directory / "certificate.pem", directory / "key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*argv, *subject, "-keyout", str(key), "-out", str(path)], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path
