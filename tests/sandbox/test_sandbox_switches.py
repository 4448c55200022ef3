"""Switches for what servers and their gateways may do differently with runs, lists, versions and files."""

import time
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import node_runs
from noxcli.sandbox.switches import Switches

from .api import Api

NODES = [input_node("Topic")]


def looked_up(api: Api, **switches: Any) -> Any:
    run = api.completed(api.plays(output={"Answer": "yes"}, switches=switches))
    return api.get(f"/v1/runs/{run['id']}")


@pytest.mark.parametrize(("switch", "output"), [("null", None), ("empty", {}), ("whole", {"Answer": "yes"})])
def test_the_look_up_may_carry_an_output(api: Api, switch: str, output: Any) -> None:
    assert looked_up(api, look_up_output=switch).json()["output"] == output
    assert "output" not in looked_up(api).json()


@pytest.mark.parametrize("status", [502, 503])
def test_a_gateway_may_refuse_starts_that_it_passed_on(api: Api, status: int) -> None:
    workflow = api.plays(switches={"gateway_refusals": 2, "gateway_status": status})
    answers = [api.post(f"/v1/workflows/{workflow}/runs", {"input": {}}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers["content-type"].startswith("text/plain")
    assert api.get(f"/v1/workflows/{workflow}/runs").json()["total"] == 3


def test_a_run_may_be_listed_late(api: Api) -> None:
    workflow = api.plays(switches={"list_delay_seconds": 30.0})  # 0.3 s
    run = api.completed(workflow)
    before = api.get(f"/v1/workflows/{workflow}/runs").json()["items"]
    time.sleep(0.35)
    after = api.get(f"/v1/workflows/{workflow}/runs").json()["items"]

    assert [before, [each["id"] for each in after]] == [[], [run["id"]]]


TEXT = " cafe\u0301\r\n" + "x" * 20_000


@pytest.mark.parametrize(
    ("switch", "text"),
    [
        ("whole", TEXT),
        ("stripped", TEXT.strip()),
        ("nfc", TEXT.replace("e\u0301", "\u00e9")),
        ("lf", TEXT.replace("\r\n", "\n")),
        ("cut", TEXT[:16_000]),
    ],
)
def test_a_list_may_have_other_inputs(api: Api, switch: str, text: str) -> None:
    workflow = api.plays(nodes=NODES, switches={"listed_inputs": switch})
    run = api.completed(workflow, {"Topic": TEXT})
    (listed,) = api.get(f"/v1/workflows/{workflow}/runs").json()["items"]

    assert (listed["input"], run["input"]) == ({"Topic": text}, {"Topic": TEXT})


@pytest.mark.parametrize(("switch", "end"), [("synonym", "success"), ("foreign", "through")])
def test_a_run_may_end_in_other_words(api: Api, switch: str, end: str) -> None:
    run = api.start(api.plays(script=node_runs("Work"), switches={"run_words": switch}))
    events = api.events(run)
    record = api.record(run)

    assert (record["status"], events[-1]["data"]["workflow_status"]) == (end, end)
    assert record["finished_at"] is not None


def test_the_answer_to_a_start_may_contradict_itself(api: Api) -> None:
    def started(switch: str) -> dict[str, Any]:
        workflow = api.plays(switch, switches={"start_answer": switch})
        api.start(workflow)
        answer = api.start(workflow)
        return {**answer, "ours": answer["id"] == api.sandbox.runs(workflow)[1].id, "own": workflow}

    found = {switch: started(switch) for switch in ("record", "id", "other_workflow", "old_run", "old_time")}
    assert found["id"].keys() == {"id", "ours", "own"}
    assert {switch for switch, answer in found.items() if not answer["ours"]} == {"old_run"}
    assert found["other_workflow"]["workflow_id"] != found["other_workflow"]["own"]
    assert found["old_time"]["created_at"] < found["record"]["created_at"][:10]


@pytest.mark.parametrize(("switch", "data"), [("empty", b""), ("ping", b"ping"), ("done", b"[DONE]")])
def test_messages_may_be_none_of_json(api: Api, switch: str, data: bytes) -> None:
    body = api.raw(api.start(api.plays(script=node_runs("Work"), switches={"odd_messages": switch})))
    told = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: ")]

    assert set(told[1::2]) == {data}
    assert all(line.startswith(b"{") for line in told[::2])


def test_the_end_of_something_else_may_be_announced(api: Api) -> None:
    script = [*node_runs("First"), *node_runs("Second")]
    events = api.events(api.start(api.plays(script=script, switches={"nested_ends": True})))
    ends = [number for number, event in enumerate(events, 1) if "workflow_status" in event["data"]]

    assert (len(ends), ends[-1]) == (3, len(events))


@pytest.mark.parametrize("status", [200, 404])
def test_the_api_may_be_below_a_web_app(status: int) -> None:
    with Sandbox(switches=Switches(web_app=str(status))) as sandbox:  # type: ignore[arg-type]
        api = Api(sandbox)
        page, answer = (api.get(f"{below}/v1/admin/me") for below in ("", "/api/backend"))

    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert (answer.status_code, answer.json()["name"]) == (200, "sandbox")
