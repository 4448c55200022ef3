"""Starts that ask for a part of a workflow: `node_ids`, or `single_node_id`."""

from typing import Any

import pytest

from noxcli.sandbox.scenario import Node, input_node, output_node
from noxcli.sandbox.steps import node_fails, node_runs

from .api import Api

NODES = [input_node("Topic"), Node("Draft"), Node("Review"), output_node("Text"), output_node("Score")]
EDGES = [("input Topic", "Draft"), ("Draft", "Review"), ("Draft", "Text"), ("Review", "Score")]


@pytest.fixture
def workflow(api: Api) -> str:
    return api.plays(nodes=NODES, edges=EDGES, output={"Text": "a draft", "Score": 3})


def ids(api: Api, workflow: str) -> dict[str, str]:
    nodes = api.get(f"/v1/workflows/{workflow}").json()["definition"]["nodes"]
    return {node["node_config"].get("label") or node["name"]: node["id"] for node in nodes}


def names_that_ran(record: dict[str, Any]) -> list[str]:
    told = record["progress_details"]["per_node_progress"]
    return [told[node_id]["name"] for node_id in record["progress_details"]["executed_nodes"]]


def test_nodes_run_with_all_that_they_depend_on(api: Api, workflow: str) -> None:
    known = ids(api, workflow)
    run = api.start(workflow, {"Topic": "x"}, node_ids=[known["Review"]])
    record = api.finished(run)

    assert run["node_ids"] == record["node_ids"] == [known["Review"]]
    assert names_that_ran(record) == ["input Topic", "Draft", "Review"]
    assert (record["status"], record["output"], record["progress"]) == ("completed", {}, 100)
    assert known["Text"] not in str(api.events(run))


def test_an_output_node_in_the_part_has_its_output_and_no_other(api: Api, workflow: str) -> None:
    record = api.finished(api.start(workflow, {"Topic": "x"}, node_ids=[ids(api, workflow)["Text"]]))

    assert record["output"] == {"Text": "a draft"}


def test_a_single_node_runs_alone_and_takes_inputs_of_its_own(api: Api, workflow: str) -> None:
    draft = ids(api, workflow)["Draft"]
    record = api.finished(api.start(workflow, {f"{draft}::prompt": "write"}, single_node_id=draft))

    assert record["single_node_id"] == draft
    assert names_that_ran(record) == ["Draft"]


def test_a_part_without_the_node_that_fails_completes(api: Api) -> None:
    script = [*node_runs("Draft"), *node_fails("Review", "no")]
    workflow = api.plays(nodes=NODES, edges=EDGES, script=script, status="failed")
    known = ids(api, workflow)

    assert api.finished(api.start(workflow, {"Topic": "x"}, node_ids=[known["Draft"]]))["status"] == "completed"
    assert api.finished(api.start(workflow, {"Topic": "x"}, node_ids=[known["Score"]]))["status"] == "failed"


@pytest.mark.parametrize(
    "body",
    [{"node_ids": ["nobody"]}, {"single_node_id": "nobody"}, {"single_node_id": 7}, {"node_ids": "x"}],
    ids=str,
)
def test_a_part_that_is_none_is_refused(api: Api, workflow: str, body: dict[str, Any]) -> None:
    answer = api.post(f"/v1/workflows/{workflow}/runs", {"input": {"Topic": "x"}, **body})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", *body]


def test_both_fields_at_once_are_refused(api: Api, workflow: str) -> None:
    node = ids(api, workflow)["Draft"]
    body = {"input": {"Topic": "x"}, "node_ids": [node], "single_node_id": node}

    assert api.post(f"/v1/workflows/{workflow}/runs", body).status_code == 422
