"""A start behind nginx and haproxy, which answer 502 or 504 for a request that they had passed on."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from noxcli.sandbox.faults import LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.process import HUNG, needs

NGINX = """
daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  upstream api {{ server {server} max_fails=0; server {server} max_fails=0; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://api; proxy_set_header Host localhost;
      proxy_read_timeout 1s; proxy_next_upstream {again};
    }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 1s
listen api
  bind 127.0.0.1:{port}
  server one {server}
"""
PROXIES = {"nginx": (NGINX, ["nginx", "-p", ".", "-c"]), "haproxy": (HAPROXY, ["haproxy", "-q", "-db", "-f"])}
Put = Callable[[str, bool], str]


@pytest.fixture
def before(sandbox: Sandbox, tmp_path: Path) -> Iterator[Put]:
    """Put a proxy before the sandbox, which may send a request twice; returns its address."""
    started = list[subprocess.Popen[bytes]]()

    def put(name: str, repeats: bool) -> str:
        text, argv = PROXIES[name]
        needs(name)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        config = tmp_path / "proxy.conf"
        server = urlsplit(sandbox.url).netloc
        again = "error timeout non_idempotent" if repeats else "off"
        config.write_text(text.format(home=tmp_path, port=port, server=server, again=again))
        started.append(subprocess.Popen([*argv, config], stderr=subprocess.DEVNULL, cwd=tmp_path))
        until = time.monotonic() + HUNG
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        return f"http://127.0.0.1:{port}"

    yield put
    for process in started:
        process.terminate()
        process.wait()


@pytest.mark.parametrize(("lost", "status"), [(LostAnswer("drop", True), 502), (LostAnswer("hold", True), 504)])
@pytest.mark.parametrize(("name", "repeats"), [("nginx", False), ("nginx", True), ("haproxy", False)])
def test_a_start_that_a_gateway_has_passed_on_is_in_doubt(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, before: Put, name: str, lost: LostAnswer, status: int, repeats: bool
) -> None:
    workflow = plays(nodes=[input_node("Question")], faults={"start": [lost]})
    environ = {"NOXUS_BACKEND_URL": before(name, repeats)}
    result = noxcli("run", workflow, "Question=why", "--json", environ=environ)
    runs = [run.id for run in sandbox.runs(workflow)]
    assert len(runs) == 1 + repeats, "what the gateway itself sent"
    assert (result.code, result.json["retry_safe"]) == (7, False), result.err
    assert result.json["error"]["http_status"] == status
    assert sorted(one["id"] for one in result.json["error"]["candidates"]) == sorted(runs)
