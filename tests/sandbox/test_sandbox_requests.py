"""Keys, permissions, rejections, rate limits, inputs, workflows, and the record of requests."""

import socket
import threading
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from noxcli.sandbox.scenario import Node, Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.switches import Switches
from tests.process import HUNG

from .api import Api

MISSING = "00000000-0000-4000-8000-000000000000"


class TestKeys:
    @pytest.mark.parametrize("key", ["", "wrong", "schlüssel"])
    def test_a_wrong_key_is_401(self, api: Api, key: str) -> None:
        answer = api.get("/v1/admin/me", headers={"X-API-Key": key.encode()})
        assert (answer.status_code, type(answer.json()["detail"])) == (401, str)

    def test_a_key_without_permission_reads_but_does_not_run(self, api: Api) -> None:
        workflow = api.plays()
        api.session.headers["X-API-Key"] = api.sandbox.limited_key

        assert api.get(f"/v1/workflows/{workflow}").ok
        me = api.get("/v1/admin/me")
        assert "flows_run" not in me.json()["permissions"]
        assert api.sandbox.key not in me.text
        for path in (f"/v1/workflows/{workflow}/runs", f"/v1/workflows/{workflow}/runs/sync"):
            assert api.post(path, {"input": {}}).status_code == 403


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "loc"),
        [
            ({"input": []}, ["body", "input"]),
            ({}, ["body", "input"]),
            ([], ["body"]),
            ({"input": {}, "callback_url": "ftp://x"}, ["body", "callback_url"]),
            ({"input": {}, "callback_url": 5}, ["body", "callback_url"]),
            ({"input": {}, "workflow_version_id": "v1"}, ["body", "workflow_version_id"]),
        ],
    )
    def test_a_bad_body_is_422_and_starts_nothing(
        self, api: Api, body: Any, loc: list[str]
    ) -> None:
        workflow = api.plays()
        answer = api.post(f"/v1/workflows/{workflow}/runs", body)

        assert answer.status_code == 422
        (problem,) = answer.json()["detail"]
        assert problem["loc"] == loc
        assert set(problem) == {"loc", "msg", "type"}
        assert api.sandbox.runs(workflow) == []

    def test_no_body_and_broken_json(self, api: Api) -> None:
        url = f"{api.sandbox.url}/v1/workflows/{api.plays()}/runs"

        assert api.session.post(url, timeout=HUNG).json()["detail"][0]["type"] == "missing"
        assert (
            api.session.post(url, data=b"{", timeout=HUNG).json()["detail"][0]["type"]
            == "json_invalid"
        )

    def test_what_is_not_there_is_404_with_a_text(self, api: Api) -> None:
        for path in (
            f"/v1/workflows/{MISSING}",
            f"/v1/runs/{MISSING}",
            f"/v1/runs/{MISSING}/events",
            "/v1/nothing",
        ):
            answer = api.get(path)
            assert (answer.status_code, type(answer.json()["detail"])) == (404, str)
        assert api.delete("/v1/workflows").status_code == 405

    def test_malformed_ids_are_422(self, api: Api) -> None:
        for path in ("/v1/workflows/no-such-name", "/v1/runs/nonsense", "/v1/runs/nonsense/events"):
            assert api.get(path).json()["detail"][0]["type"] == "uuid_parsing"

    def test_every_answer_has_a_request_id(self, api: Api) -> None:
        answers = [api.get(path) for path in ("/v1/admin/me", "/v1/nothing", "/v1/runs/nonsense")]

        assert len({answer.headers["x-request-id"] for answer in answers}) == 3


class TestRateLimit:
    @pytest.mark.parametrize("form", ["seconds", "date", "none"])
    def test_refuses_what_is_too_much(self, form: Any) -> None:
        switches = Switches(rate_limit=2, retry_after=form, retry_after_seconds=3)
        with Sandbox(switches=switches) as sandbox:
            api = Api(sandbox)
            answers = [api.get("/v1/admin/me") for _ in range(3)]
            api.session.close()

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        retry_after = answers[-1].headers.get("retry-after")
        if form == "date":
            assert parsedate_to_datetime(retry_after or "")
        else:
            assert retry_after == ("3" if form == "seconds" else None)


class TestWorkflows:
    def test_the_node_catalogue_knows_every_type_in_use(self, api: Api) -> None:
        api.plays(nodes=[Node("A", "QuantumNode")])

        assert {"InputNode", "OutputNode", "QuantumNode"} <= {
            node["type"] for node in api.get("/v1/nodes").json()
        }

    def test_a_scenario_is_found_by_id_and_by_name(self, api: Api) -> None:
        workflow = api.plays("by-name")

        assert api.get("/v1/workflows/by-name").json()["id"] == workflow
        assert api.start("by-name")["workflow_id"] == workflow
        record = api.get(f"/v1/workflows/{workflow}").json()
        assert (record["runs_count"], bool(record["last_run_at"])) == (1, True)
        assert Scenario("by-name").id == workflow

    def test_the_list_has_one_type(self, api: Api) -> None:
        api.plays("listed")
        items = api.get("/v1/workflows", params={"type": "flow", "size": 100}).json()["items"]

        assert "listed" in [item["name"] for item in items]
        assert api.get("/v1/workflows", params={"type": "agent_flow"}).json()["items"] == []


def test_a_client_of_an_ending_sandbox_is_cut_off() -> None:
    clients: list[socket.socket] = []

    def connect(port: int) -> None:
        with suppress(OSError):
            while True:
                clients.append(socket.create_connection(("127.0.0.1", port), timeout=HUNG))
                clients[-1].sendall(
                    b"POST /v1/workflows HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
                )  # no body
                time.sleep(0.001)

    for _ in range(2):
        with Sandbox() as sandbox:
            connecting = threading.Thread(target=connect, args=(urlsplit(sandbox.url).port,))
            connecting.start()
            time.sleep(0.02)
        connecting.join()
    for client in clients:
        with client, suppress(ConnectionError):
            while client.recv(1000):  # a timeout fails the test
                pass
