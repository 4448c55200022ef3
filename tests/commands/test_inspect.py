"""`noxcli inspect`: which node did what, and why a run failed, from the server's own answers."""

import json
from typing import Any

import pytest

from noxcli.runs.node_data import data_by_node
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import Node, input_node, output_node
from noxcli.sandbox.steps import Emit, Sleep, node_fails, node_runs
from tests.conftest import Noxcli
from tests.rawserver import Request, Turn, json_answer, raw_server

LONG = "word " * 5000
TWO = {"nodes": [Node("Fetch"), Node("Write"), output_node("Answer")]}
BROKEN: dict[str, Any] = {
    **TWO,
    "script": [*node_runs("Fetch", seconds=20), *node_fails("Write", "no ink", seconds=20)],
    "status": "failed",
}


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_a_failed_run_is_told_node_by_node(noxcli: Noxcli, plays: Any) -> None:
    result = noxcli("inspect", noxcli.ended(plays(**BROKEN)))
    assert result.code == 0
    fetch, write, answer = rows(result.text)
    assert (fetch[:2], write[:2], answer[:4]) == (
        ["Fetch", "completed"],
        ["Write", "failed"],
        ["Answer", "waiting", "-", "-"],
    )
    assert fetch[2] < write[2]
    assert all(0.015 < float(row[3]) < 5 for row in (fetch, write))
    assert (fetch[-1], write[-1]) == ("", "no ink")
    assert "failed at 'Write': no ink" in result.err


@pytest.mark.parametrize("status", ["running", "awaiting_human_feedback", "stopped"])
def test_a_run_that_has_not_completed_can_be_seen(noxcli: Noxcli, plays: Any, status: str) -> None:
    more, limit = ([Sleep(60_000)], ["--timeout", "300ms"]) if status == "running" else ([], [])
    run = noxcli.start(
        plays(script=[*node_runs("Fetch"), Emit("Write"), *more], status=status, **TWO)
    )
    noxcli("wait", run, "--poll-interval", "100ms", *limit)
    found = {row[0]: row[1] for row in rows(noxcli("inspect", run).text)}
    assert found == {"Fetch": "executed", "Write": "running", "Answer": "waiting"}


def test_the_document_has_the_servers_data_as_they_came(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.ended(plays(nodes=[input_node("Topic")], output={"Answer": "x"}), "Topic=ink")
    document = noxcli("inspect", run, "--json").json
    assert document["schema"] == "noxcli.inspect/1"
    assert (document["run"]["id"], document["run"]["status"], document["error"]) == (
        run,
        "completed",
        None,
    )
    assert document["data"]["run_id"] == run
    by_name = {node["name"]: node for node in document["nodes"]}
    told = {node["name"]: node for node in document["data"]["nodes"]}
    assert told["input Topic"]["inputs"] == {"input": "ink"}
    assert by_name["Topic"]["input_bytes"] == len('{"input":"ink"}')
    assert by_name["Topic"]["type"] == "InputNode"
    assert (document["io"], document["inputs"]) == (None, {"Topic": "ink"})


def test_the_inputs_are_shown_without_secrets(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Topic"), input_node("n", type="int"), input_node("Token")])
    noxcli.environ["TOKEN"] = "hidden-value"
    run = noxcli.ended(workflow, f"Topic={LONG}", "n:=3", "--secret", "Token=TOKEN")
    result = noxcli("inspect", run)
    assert f"input 'Topic': {LONG[:190]}" in result.err
    assert "input 'n': 3\ninput 'Token': ***\n" in result.err
    assert "hidden-value" not in result.err + result.text
    assert noxcli("inspect", run, "--json").json["inputs"] == {
        "Topic": LONG,
        "n": 3,
        "Token": "***",
    }
    assert [row[0] for row in rows(result.text)] == [
        row[0] for row in rows(result.text) if len(row) == 7
    ]


def test_a_node_shows_its_inputs_and_outputs_whole(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.ended(plays(output={"Answer": LONG}))
    whole = noxcli("inspect", run, "--node", "Answer")
    assert json.loads(whole.text)["outputs"] == {"output": LONG}
    found = noxcli("inspect", run, "--node", "Answer", "--json").json["io"]
    assert (found["complete"], found["name"]) == (True, "Answer")
    assert json.loads(noxcli("inspect", run, "--node", found["node_id"]).text) == json.loads(
        whole.text
    )


@pytest.mark.parametrize(
    "switches", [{"run_data": "by_id"}, {"run_data": "nodes", "timestamps": "naive"}]
)
def test_the_data_may_have_other_shapes(
    noxcli: Noxcli, plays: Any, switches: dict[str, Any]
) -> None:
    run = noxcli.ended(plays(**BROKEN, switches=switches))
    nodes = noxcli("inspect", run, "--json").json["nodes"]
    assert [node["duration_s"] is not None for node in nodes] == [True, True, False]


def test_what_nothing_tells_is_left_open(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.ended(plays(**BROKEN, switches={"run_data": "404", "node_io": "404"}))
    result = noxcli("inspect", run)
    assert [row[2:6] for row in rows(result.text)] == [["-"] * 4] * 3
    assert "warning: the run's data can't be read" in result.err
    assert noxcli("inspect", run, "--json").json["data"] is None
    assert noxcli("inspect", run, "--node", "Write").code == 5
    timeless = noxcli.ended(plays(**BROKEN, switches={"node_times": False}))
    assert {node["started_at"] for node in noxcli("inspect", timeless, "--json").json["nodes"]} == {
        None
    }


def test_without_the_workflow_nodes_go_by_their_ids(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(
        **TWO,
        script=node_runs("Fetch"),
        faults={"workflow": [Answer(403, {"detail": "no"}, repeat=True)]},
    )
    run = noxcli.ended(workflow, "--no-check")
    assert noxcli("inspect", f"{workflow}/{run}").code == 0


def test_a_run_that_there_is_not_is_told(noxcli: Noxcli) -> None:
    result = noxcli("inspect", "3c90c3cc-0d44-4b50-8888-8dd25736052a", "--json")
    assert (result.code, result.json["error"]["http_status"]) == (5, 404)


@pytest.mark.parametrize(
    "data", [None, 7, "x", [], {"a": {"a": {}}}, {"nodes": {"n": None}}, {"n": [1, {}]}]
)
def test_data_of_any_shape_are_read(data: Any) -> None:
    found = data_by_node(data, {"n"})
    assert all(
        told.started_at is None and told.bytes_of("inputs") is None for told in found.values()
    )


def test_data_nested_without_end_are_read_so_far() -> None:
    data: dict[str, Any] = {"id": "n", "inputs": 1}
    for _ in range(100_000):
        data = {"deeper": data}
    assert data_by_node(data, {"n"}) == {}


def test_an_answer_that_is_a_bare_list_is_passed_on(noxcli: Noxcli) -> None:
    record = {
        "id": "r",
        "workflow_id": "w",
        "status": "completed",
        "output": {"A": "x"},
        "created_at": "2026-01-01T00:00:00Z",
    }
    workflow = {
        "id": "w",
        "name": "odd",
        "definition": {"nodes": [{"id": "n", "name": "N", "type": "T"}], "edges": []},
    }

    def turn(request: Request) -> Turn:
        if "/data" in request.target:
            return json_answer([["n", 1]])
        return json_answer(workflow if request.target == "/v1/workflows/w" else record)

    with raw_server(by_request=turn) as server:
        document = noxcli(
            "inspect", "w/r", "--json", environ={"NOXUS_BACKEND_URL": server.url}
        ).json
    assert (document["data"], [node["id"] for node in document["nodes"]]) == ([["n", 1]], ["n"])


def test_a_rate_limit_hides_nothing(noxcli: Noxcli, plays: Any) -> None:
    busy = Answer(429, {"detail": "Slow down"}, {"Retry-After": "1"})
    run = noxcli.ended(plays(**TWO, script=node_runs("Fetch")))
    calm = noxcli("inspect", run, "--json").json
    workflow = plays(**TWO, script=node_runs("Fetch"), faults={"workflow": [busy], "data": [busy]})
    told = noxcli("inspect", noxcli.ended(workflow, "--no-check"), "--json")
    assert told.json["data"]["nodes"]
    assert [node["name"] for node in told.json["nodes"]] == [node["name"] for node in calm["nodes"]]
    assert "warning" not in told.err


def test_names_with_escapes_do_nothing_to_a_terminal(noxcli: Noxcli) -> None:
    run = noxcli.ended("odd-names")
    result = noxcli("inspect", run)
    assert all(len(row) == 7 for row in rows(result.text))
    assert "\x1b" not in result.err
