"""Where the API is not: a web page as the first answer, pages of gateways, and an API below a path, behind nginx."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from noxcli.api import Http, NoxusApi
from noxcli.config.settings import Settings
from noxcli.errors import ConfigProblem
from noxcli.sandbox.scenario import File, Scenario, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.switches import Switches, with_overrides
from tests.conftest import Noxcli, write_rows
from tests.proxies import proxying
from tests.rawserver import answer, json_answer
from tests.sample import one_in

PAGE = b"<!DOCTYPE html><html><head><title>Noxus</title></head></html>"
RUN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
FIRST = {
    "run": ("run", RUN, "Q=x"),
    "run by name": ("run", "Quick", "Q=x"),
    "run unchecked": ("run", RUN, "Q=x", "--no-check"),
    "wait": ("wait", RUN),
    "wait for several": ("wait", RUN, f"{RUN[:-1]}b"),
    "stream": ("stream", f"{RUN}/{RUN}"),
    "fetch-output": ("fetch-output", RUN),
    "stop": ("stop", RUN),
    "stop several": ("stop", RUN, f"{RUN[:-1]}b"),
    "inputs": ("inputs", RUN),
    "runs": ("runs",),
    "workflows": ("workflows",),
    "batch": ("batch", RUN, "rows.jsonl"),
    "inspect": ("inspect", RUN),
    "versions": ("versions", RUN),
    "doctor": ("doctor",),
}


def page(status: int, kind: str = "text/html; charset=utf-8") -> bytes:
    return answer(status, PAGE, Content_Type=kind)


@pytest.mark.parametrize(("status", "command"), one_in(3, [200, 404, 405], FIRST.values()))
def test_a_web_page_as_the_first_answer_ends_the_command(
    noxcli: Noxcli, command: tuple[str, ...], status: int
) -> None:
    write_rows("a", "b")
    result, server = noxcli.against([page(status)], *command)
    if "--no-check" in command and status == 200:
        assert (result.code, len([one for one in server.requests if one.method == "POST"])) == (
            7,
            1,
        )
        return
    assert result.code == 2
    assert "with a web page, not the API" in (result.text if command == ("doctor",) else result.err)
    assert "/api/backend" not in result.err
    assert result.err.count("with a web page") <= 1
    assert len(server.requests) <= {"doctor": 3, "stop": 1}.get(command[0], 2)
    assert (
        not [one for one in server.requests if one.method == "POST"]
        or command[0] == "stop"
        or "--no-check" in command
    )


def test_the_web_app_of_noxus_is_told_from_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "requests.adapters.HTTPAdapter.send",
        lambda *_, **__: made(200, "https://app.noxus.ai/v1/runs/r", "text/html"),
    )
    for url, hint in (
        ("https://app.noxus.ai", "set the base URL to https://app.noxus.ai/api/backend"),
        ("https://app.noxus.ai/api/backend", "is it the base URL of the API?"),
        ("https://noxus.example", "is it the base URL of the API?"),
    ):
        with NoxusApi(Http(Settings(url, "key"))) as api, pytest.raises(ConfigProblem) as caught:
            api.find_run("r")
        assert str(caught.value.hint) == hint


def made(status: int, url: str, kind: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url = status, url
    response.headers["Content-Type"] = kind
    response._content_consumed = True  # type: ignore[attr-defined]  # there is no connection to close
    return response


@pytest.mark.parametrize(("status", "code"), [(404, 6), (403, 6), (200, 6)])
def test_a_page_after_the_api_has_answered_is_no_address(
    noxcli: Noxcli, status: int, code: int
) -> None:
    record = json_answer({"id": RUN, "workflow_id": RUN, "status": "running"})
    result, _ = noxcli.against(
        [record, page(status)], "wait", f"{RUN}/{RUN}", "--no-stream", "--retry-for", "0"
    )
    assert (result.code, "not the API" in result.err) == (code, False), result.err


def test_a_page_that_forbids_is_no_missing_permission(noxcli: Noxcli) -> None:
    result, _ = noxcli.against([page(403)], "fetch-output", f"{RUN}/{RUN}")
    assert (result.code, "flows_run" in result.err) == (4, False)
    assert "a web page said so, not the API" in result.err


@pytest.mark.parametrize("status", ["200", "404"])
def test_the_api_is_below_the_web_app(noxcli: Noxcli, status: str) -> None:
    switches = with_overrides(Switches(), {"web_app": status})
    with Sandbox([Scenario("quick", output={"A": "x"})], switches=switches) as sandbox:
        for below, code in (("", 2), ("/api/backend", 0), ("/api/backend/", 0)):
            environ = {"NOXUS_BACKEND_URL": sandbox.url + below, "NOXUS_API_KEY": sandbox.key}
            assert noxcli("run", "quick", environ=environ).code == code, below


BELOW_A_PATH = """
  server {{
    listen 127.0.0.1:{port};
    location /api/backend/ {{
      proxy_pass http://{server}/; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Connection ""; proxy_set_header Host localhost;
    }}
    location / {{ default_type text/html; return 200 "<html>the web app</html>"; }}
  }}
"""


@pytest.fixture
def below_a_path(tmp_path: Path) -> Iterator[tuple[str, Sandbox]]:
    """Yield the address of an API below a path, behind nginx, and the sandbox that answers."""
    output = {"A": File("a.bin", b"abc")}
    quick = Scenario("quick", nodes=[input_node("Q")], output=output)
    filed = Scenario("filed", nodes=[input_node("F", type="File")], output=output)
    with (
        Sandbox([quick, filed], speed=50) as sandbox,
        proxying("nginx", BELOW_A_PATH, tmp_path, server=urlsplit(sandbox.url).netloc) as url,
    ):
        yield f"{url}/api/backend", sandbox


def test_an_api_below_a_path_works_in_every_verb(
    noxcli: Noxcli, below_a_path: tuple[str, Sandbox]
) -> None:
    url, sandbox = below_a_path
    Path("f.txt").write_text("a file")
    write_rows("a", "b")
    environ = {"NOXUS_BACKEND_URL": url, "NOXUS_API_KEY": sandbox.key}

    def works(*argv: str) -> None:
        result = noxcli(*argv, environ=environ)
        assert result.code == 0, (argv, result.err, result.out)

    works("run", "filed", "F@f.txt", "--output-dir", "out")
    assert Path("out/A.bin").read_bytes() == b"abc"
    works("run", "quick", "Q=x", "--format", "ndjson")
    for verb in ("stream", "wait", "fetch-output", "inspect", "stop", "rerun"):
        works(verb, "@last", *(["--raw", "A"] if verb == "fetch-output" else []))
    for line in (
        "runs",
        "workflows",
        "inputs quick",
        "versions quick",
        "batch quick rows.jsonl",
        "doctor",
    ):
        works(*line.split())
    noxcli(
        "run",
        "quick",
        "Q=x",
        environ={**environ, "NOXUS_BACKEND_URL": url.removesuffix("/api/backend")},
    )
    assert {request.path.partition("/")[0] for request in sandbox.requests} == {""}
