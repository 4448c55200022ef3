"""Whom the sandbox lets in, and how much it keeps."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

import pytest

from noxcli.sandbox.steps import Sleep
from tests.process import HUNG

from .api import Api

LIST = "/v1/workflows"


def asked(
    api: Api,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    path: str = LIST,
    body: bytes | None = None,
    host: str | None = None,
) -> tuple[int, Any, Mapping[str, str]]:
    """Send exactly the headers of a browser; return status, JSON and headers."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(api.sandbox.url.rpartition(":")[2]), timeout=HUNG
    )
    try:
        connection.putrequest(method, path, skip_host=True)
        given = {
            "Host": host or api.sandbox.url.removeprefix("http://"),
            "X-API-Key": api.sandbox.key,
            **(headers or {}),
        }
        for name, value in given.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null"), dict(answer.getheaders())
    finally:
        connection.close()


# Web pages.


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8765", "[::1]:8765", "[::1]"]
)
def test_this_machine_is_answered_by_each_of_its_names(api: Api, host: str) -> None:
    assert asked(api, host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil", "0",
     "[::2]", "127.0.0.1:8765:1", "localhost\\evil", "2130706433", "xlocalhost"],
)  # fmt: skip
def test_a_name_that_somebody_else_points_here_is_refused(api: Api, host: str) -> None:
    status, body, _ = asked(api, host=host)
    assert (status, "answers to localhost" in body["detail"]) == (421, True)
    assert asked(api, host=host, path="/storage/x?signature=sandbox")[0] == 421


def test_a_request_without_a_host_is_refused(api: Api) -> None:
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(api.sandbox.url.rpartition(":")[2]), timeout=HUNG
    )
    connection._http_vsn_str = "HTTP/1.0"  # type: ignore[attr-defined]
    connection.putrequest("GET", LIST, skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status == 421
    connection.close()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost:3000", "null", "http://127.0.0.1", ""]
)
def test_a_page_of_another_site_is_refused(api: Api, origin: str) -> None:
    status, _, headers = asked(api, {"Origin": origin})
    assert status == 403
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_only_pages_of_its_own_may_read_the_answers(api: Api) -> None:
    assert asked(api, {"Origin": api.sandbox.url})[0] == 200
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert asked(api, asking, method="OPTIONS")[0] == 403
    status, _, headers = asked(api, method="OPTIONS")
    assert (status, [name for name in headers if name.lower().startswith("access-control")]) == (
        405,
        [],
    )


# Bodies.


@pytest.mark.parametrize("depth", [100, 501, 900, 990, 1_100, 100_000])
def test_deep_json_is_never_a_server_error(api: Api, depth: int) -> None:
    body = b'{"input": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
    status, answer, _ = asked(
        api, method="POST", path=f"/v1/workflows/{api.plays()}/runs", body=body
    )
    assert status == (200 if depth < 400 else 422)
    assert status == 200 or answer["detail"][0]["loc"] == ["body"]


def test_a_body_is_not_waited_for_without_the_key(api: Api) -> None:
    headers = {"Content-Length": str(1 << 40), "X-API-Key": "wrong"}
    assert asked(api, headers, method="POST", path="/v1/file")[0] == 401


# What is kept.


def test_runs_that_ended_first_are_forgotten_first(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxcli.sandbox.workspace.MAX_RUNS", 3)
    going = api.start(api.plays("going", script=[Sleep(600_000)]))
    workflow = api.plays("quick")
    ended = [api.finished(api.start(workflow))["id"] for _ in range(5)]
    kept = {run["id"] for run in api.get("/v1/runs").json()["items"]}
    assert kept == {going["id"], *ended[-2:]}
    assert api.get(f"/v1/runs/{ended[0]}").status_code == 404
    assert len(api.sandbox.runs(workflow)) == 2


def test_the_oldest_files_are_forgotten(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.sandbox.workspace.MAX_CONTENT", 30_000)
    ids = [
        api.session.post(f"{api.sandbox.url}/v1/file", files={"file": b"x" * 10_000}).json()["id"]
        for _ in range(4)
    ]
    assert [api.get(f"/v1/file/{each}").status_code for each in ids] == [404, 404, 200, 200]
