"""Batches behind real gateways of two pods, of which one is dead, or both are replaced."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import write_rows
from tests.process import HUNG, environment, running, until
from tests.proxies import proxying
from tests.rawserver import own_port

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(120)]
GATEWAYS = {
    "nginx": """
  upstream api {{ server 127.0.0.1:{one}; server 127.0.0.1:{two}; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://api; proxy_set_header Host localhost; }} }}
""",
    "haproxy": """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen api
  bind 127.0.0.1:{port}
  balance roundrobin
  server one 127.0.0.1:{one} check
  server two 127.0.0.1:{two} check
""",
    "caddy": """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  reverse_proxy 127.0.0.1:{one} 127.0.0.1:{two} {{
    lb_policy round_robin
  }}
}}
""",
    "envoy": """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {types}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: api
          route_config:
            virtual_hosts:
            - {{name: api, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: api}}}}]}}
          http_filters:
          - {{name: router, typed_config: {{"@type": {types}.filters.http.router.v3.Router}}}}
  clusters:
  - name: api
    connect_timeout: 1s
    load_assignment:
      cluster_name: api
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {one}}}}}}}
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {two}}}}}}}
""",
}
PARALLEL = 8
IN_FLIGHT = PARALLEL // 2  # starts at one time


class Pod:
    """A port that leads to the sandbox, until it is gone."""

    def __init__(self, url: str, port: int) -> None:
        self._api, self.port = ("127.0.0.1", urlsplit(url).port), port
        self.start()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                api = socket.create_connection(self._api)
                for copy in (_requests, _answers):
                    threading.Thread(target=copy, args=(peer, api, listener), daemon=True).start()

    def stop(self) -> None:
        """Accept no more connections and requests; answers arrive whole, and streams end with their next piece."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()


def _requests(peer: socket.socket, api: socket.socket, listener: socket.socket) -> None:
    with suppress(OSError), peer, api:
        while (piece := peer.recv(65536)) and listener.fileno() >= 0:
            api.sendall(piece)


def _answers(peer: socket.socket, api: socket.socket, listener: socket.socket) -> None:
    stream = False
    with suppress(OSError), peer, api:
        while piece := api.recv(65536):
            peer.sendall(piece)
            if piece.startswith(b"HTTP/"):
                stream = b"text/event-stream" in piece
            if stream and listener.fileno() < 0:
                return


@contextmanager
def two_pods(sandbox: Sandbox, name: str, home: Path) -> Iterator[tuple[str, Pod, Pod]]:
    with ExitStack() as stack:
        one, two = (Pod(sandbox.url, stack.enter_context(own_port())) for _ in range(2))
        stack.callback(one.stop)
        types = "type.googleapis.com/envoy.extensions"
        gateway = proxying(
            name, GATEWAYS[name], home, one=str(one.port), two=str(two.port), types=types
        )
        yield stack.enter_context(gateway), one, two


def codes_of(out: bytes) -> Counter[int]:
    return Counter(json.loads(line)["result"]["exit_code"] for line in out.splitlines())


def started_once(sandbox: Sandbox, workflow: str) -> int:
    inputs = Counter(run.input["Q"] for run in sandbox.runs(workflow))
    assert set(inputs.values()) <= {1}
    return len(inputs)


@pytest.mark.parametrize("name", ["caddy", "envoy"])
def test_a_half_dead_gateway_costs_few_rows(
    sandbox: Sandbox, plays: Any, tmp_path: Path, name: str
) -> None:
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(1000)])
    argv = [
        "batch",
        workflow,
        write_rows(*map(str, range(60))),
        "--max-parallel",
        str(PARALLEL),
        "--retry-for",
        "20s",
    ]
    with (
        two_pods(sandbox, name, tmp_path) as (url, _, two),
        running(*argv, env={**environment(sandbox.url), "NOXUS_BACKEND_URL": url}) as process,
    ):
        until(lambda: len(sandbox.runs(workflow)) >= PARALLEL)
        two.stop()
        out, err = process.communicate(timeout=HUNG)
    counts = codes_of(out)
    assert (process.returncode, counts.keys() <= {0, 7}) == (7, True), err
    assert 1 <= counts[7] <= 5 + IN_FLIGHT - 1
    assert b"stopped starting rows: " in err
    assert b"continue with: noxcli batch" in err
    assert started_once(sandbox, workflow) == counts[0], (
        "a pod that refuses connections has started nothing"
    )


@pytest.mark.parametrize("name", ["haproxy", "caddy", "nginx"])
def test_a_rolling_deploy_costs_few_rows(
    sandbox: Sandbox, plays: Any, tmp_path: Path, name: str
) -> None:
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(1000)])
    argv = ["batch", workflow, write_rows(*map(str, range(40))), "--max-parallel", str(PARALLEL)]
    with two_pods(sandbox, name, tmp_path) as (url, one, two):
        env = {**environment(sandbox.url), "NOXUS_BACKEND_URL": url}
        with running(*argv, env=env) as process:
            until(lambda: len(sandbox.runs(workflow)) >= PARALLEL)
            for pod in (one, two):
                pod.stop()
                time.sleep(2)
                pod.start()
                time.sleep(1)
            out, err = process.communicate(timeout=HUNG)
        two.stop()
    counts = codes_of(out)
    assert (process.returncode in {0, 7}, counts.keys() <= {0, 7}, counts.total()) == (
        True,
        True,
        40,
    ), err
    assert counts[7] <= 2 + IN_FLIGHT
    started_once(sandbox, workflow)
