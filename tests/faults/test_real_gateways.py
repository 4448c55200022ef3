"""A start behind nginx and haproxy, which answer 502 or 504 for a request that they had passed on."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from noxcli.sandbox.faults import LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.proxies import proxying

PROXIES = {
    "nginx": """
  upstream api {{ server {server} max_fails=0; server {server} max_fails=0; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://api; proxy_set_header Host localhost;
      proxy_read_timeout 1s; proxy_next_upstream {again};
    }}
  }}
""",
    "haproxy": """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 1s
listen api
  bind 127.0.0.1:{port}
  server one {server}
""",
}


@pytest.mark.parametrize(
    ("lost", "status"),
    [(LostAnswer("drop", repeat=True), 502), (LostAnswer("hold", repeat=True), 504)],
)
@pytest.mark.parametrize(
    ("name", "repeats"), [("nginx", False), ("nginx", True), ("haproxy", False)]
)
def test_a_start_that_a_gateway_has_passed_on_is_in_doubt(
    noxcli: Noxcli,
    sandbox: Sandbox,
    plays: Any,
    tmp_path: Path,
    name: str,
    lost: LostAnswer,
    status: int,
    repeats: bool,
) -> None:
    workflow = plays(nodes=[input_node("Question")], faults={"start": [lost]})
    server, again = (
        urlsplit(sandbox.url).netloc,
        "error timeout non_idempotent" if repeats else "off",
    )
    with proxying(name, PROXIES[name], tmp_path, server=server, again=again) as url:
        result = noxcli(
            "run", workflow, "Question=why", "--json", environ={"NOXUS_BACKEND_URL": url}
        )
    runs = [run.id for run in sandbox.runs(workflow)]
    assert len(runs) == 1 + repeats, "what the gateway itself sent"
    assert (result.code, result.json["retry_safe"]) == (7, False), result.err
    assert result.json["error"]["http_status"] == status
    assert sorted(one["id"] for one in result.json["error"]["candidates"]) == sorted(runs)
