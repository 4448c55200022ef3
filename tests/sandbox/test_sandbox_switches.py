"""Switches for what servers and their gateways may do differently with runs, lists, versions and files."""

import json
from typing import Any

import pytest

from noxcli.sandbox.scenario import File, Node, Version, input_node
from noxcli.sandbox.steps import Sleep, node_fails, node_runs

from .api import Api

NODES = [input_node("Topic")]


def looked_up(api: Api, **switches: Any) -> Any:
    run = api.completed(api.plays(output={"Answer": "yes"}, switches=switches))
    return api.get(f"/v1/runs/{run['id']}")


@pytest.mark.parametrize("status", [403, 404, 405])
def test_the_look_up_by_id_alone_may_not_be_served(api: Api, status: int) -> None:
    assert looked_up(api, look_up=str(status)).status_code == status


@pytest.mark.parametrize(("switch", "output"), [("null", None), ("empty", {}), ("whole", {"Answer": "yes"})])
def test_the_look_up_may_carry_an_output(api: Api, switch: str, output: Any) -> None:
    assert looked_up(api, look_up_output=switch).json()["output"] == output


def test_the_look_up_has_no_output_by_default(api: Api) -> None:
    assert "output" not in looked_up(api).json()


def test_the_output_may_lag_behind_the_status(api: Api) -> None:
    run = api.start(api.plays(output={"Answer": "yes"}, switches={"late_output_reads": 2}))
    while (record := api.record(run))["status"] != "completed":
        pass

    assert [record["output"], api.record(run)["output"], api.record(run)["output"]] == [{}, {}, {"Answer": "yes"}]


@pytest.mark.parametrize("form", ["label", "node_id", "node_id::name"])
def test_records_may_key_inputs_in_their_own_way(api: Api, form: str) -> None:
    workflow = api.plays(nodes=NODES, switches={"record_inputs": form})
    node_id = api.get(f"/v1/workflows/{workflow}").json()["definition"]["nodes"][0]["id"]
    key = {"label": "Topic", "node_id": node_id}.get(form, f"{node_id}::input")

    for given in ("Topic", node_id, f"{node_id}::input"):
        run = api.completed(workflow, {given: "x", "Other": 1})
        assert run["input"] == {key: "x", "Other": 1}


@pytest.mark.parametrize(("switch", "there"), [("executed", True), ("left_out", False)])
def test_a_failed_node_may_be_left_out_of_the_executed_ones(api: Api, switch: str, *, there: bool) -> None:
    run = api.completed(api.plays(script=node_fails("Work", "no"), status="failed", switches={"failed_nodes": switch}))

    assert bool(run["progress_details"]["executed_nodes"]) is there


def test_versions_may_come_in_pages_or_not_at_all(api: Api) -> None:
    versions = [Version(str(number)) for number in range(3)]
    paged = api.plays("paged", versions=versions, switches={"versions": "paged", "page_size": 2})
    absent = api.plays("absent", versions=versions, switches={"versions": "404"})

    pages = [api.get(f"/v1/workflows/{paged}/versions", params={"page": page}).json() for page in (1, 2)]
    assert [[item["name"] for item in page["items"]] for page in pages] == [["0", "1"], ["2"]]
    assert pages[0]["pages"] == 2
    assert api.get(f"/v1/workflows/{absent}/versions").status_code == 404


def test_pages_may_be_limited_to_fewer_items(api: Api) -> None:
    workflow = api.plays(switches={"page_limit": 20})
    path = f"/v1/workflows/{workflow}/runs"

    assert api.get(path, params={"size": 100}).status_code == 422
    assert api.get(path, params={"size": 20}).json()["size"] == 20
    assert api.get(path).json()["size"] == 20


def test_a_gateway_may_answer_503_for_starts_that_it_passed_on(api: Api) -> None:
    workflow = api.plays(switches={"gateway_refusals": 2})
    answers = [api.post(f"/v1/workflows/{workflow}/runs", {"input": {}}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["content-type"].startswith("text/plain")
    assert api.get(f"/v1/workflows/{workflow}/runs").json()["total"] == 3


@pytest.mark.parametrize(("switch", "key"), [("name", "odd"), ("numbered", "Input 2"), ("input", "input")])
def test_an_input_without_a_label_has_a_key_of_its_own(api: Api, switch: str, key: str) -> None:
    nodes = [*NODES, Node("odd", "InputNode", {"type": "str"})]
    workflow = api.plays(nodes=nodes, switches={"unlabelled_input": switch})
    path = f"/v1/workflows/{workflow}/runs"

    assert api.post(path, {"input": {"Topic": "x", key: "y"}}).status_code == 200
    assert api.post(path, {"input": {"Topic": "x", "wrong": "y"}}).status_code == 422


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_may_get_either_status(api: Api, status: int) -> None:
    workflow = api.plays(switches={"key_refusal": str(status)})

    assert api.get(f"/v1/workflows/{workflow}", headers={"X-API-Key": "wrong"}).status_code == status


@pytest.mark.parametrize(
    ("switch", "text", "invalid"),
    [
        ("detail", '{"detail":"Run not found"}', '{"detail":[{"loc"'),
        ("list", '{"detail":[{"loc":[],"msg":"Run not found","type":"error"}]}', '{"detail":[{"loc"'),
        ("message", '{"message":"Run not found"}', '{"message":"body.input: Field required"}'),
        ("error", '{"error":"Run not found"}', '{"error":"body.input: Field required"}'),
        ("empty", "", ""),
        ("html", "<html><head><title>404 Not Found</title>", "<html><head><title>422 Unprocessable"),
    ],
)
def test_errors_have_several_forms(api: Api, switch: str, text: str, invalid: str) -> None:
    workflow = api.plays(switches={"error_body": switch})
    missing = api.get(f"/v1/workflows/{workflow}/runs/00000000-0000-4000-8000-000000000000")
    refused = api.post(f"/v1/workflows/{workflow}/runs", {})

    assert (missing.status_code, refused.status_code) == (404, 422)
    assert missing.text.replace(": ", ":").replace(", ", ",").startswith(text)
    assert refused.text.replace('": ', '":').startswith(invalid)
    assert (missing.text == "") is (switch == "empty")


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        ("plain", ["running", "failed"]),
        ("upper", ["RUNNING", "FAILED"]),
        ("synonym", ["started", "errored"]),
        ("foreign", ["busy", "broken"]),
    ],
)
def test_nodes_may_be_told_in_other_words(api: Api, switch: str, words: list[str]) -> None:
    workflow = api.plays(script=node_fails("Work", "no"), status="failed", switches={"node_words": switch})
    run = api.completed(workflow)
    told = [event["data"]["status"] for event in api.events(run) if event["type"] == "content"]
    (node,) = api.get(f"/v1/runs/{run['id']}/data").json()["nodes"]

    assert told[:2] == words
    assert node["status"] == words[1]
    assert [each["status"] for each in run["progress_details"]["per_node_progress"].values()] == words[1:]


@pytest.mark.parametrize(
    ("switch", "form"),
    [
        ("entries", {"id": [{"level": "error", "message": "no"}]}),
        ("lines", {"id": ["ERROR no"]}),
        ("text", {"id": "ERROR no"}),
        ("object", {"id": {"error": "no"}}),
        ("flat", {"entries": [{"node_id": "id", "level": "error", "message": "no"}]}),
    ],
)
def test_logs_have_several_forms(api: Api, switch: str, form: Any) -> None:
    run = api.completed(api.plays(script=node_fails("Work", "no"), status="failed", switches={"run_logs": switch}))
    (node,) = run["progress_details"]["executed_nodes"]

    assert json.loads(json.dumps(run["progress_details"]["run_logs"]).replace(node, "id")) == form


@pytest.mark.parametrize(
    ("switch", "form"), [("status", {"name": "Work", "status": "failed"}), ("word", "failed"), ("percent", 100)]
)
def test_progress_of_nodes_has_several_forms(api: Api, switch: str, form: Any) -> None:
    run = api.completed(api.plays(script=node_fails("Work", "no"), status="failed", switches={"node_progress": switch}))

    assert list(run["progress_details"]["per_node_progress"].values()) == [form]


@pytest.mark.parametrize(("switch", "queued"), [("first", True), ("new", False)])
def test_a_stream_may_start_with_what_is_new(api: Api, switch: str, *, queued: bool) -> None:
    workflow = api.plays(script=[Sleep(300), *node_runs("Work")], switches={"stream_start": switch})
    run = api.start(workflow)
    told = [event["data"].get("status") for event in api.events(run)]

    assert ("queued" in told) is queued
    assert told[-1] == "completed"
    assert api.events(run)[0]["data"]["status"] == "queued", "an ended run is replayed"


@pytest.mark.parametrize(
    ("switch", "form"),
    [
        ("spot", "spot://{id}"),
        ("spot_path", "spot://{id}/a%20b.csv"),
        ("https", "https://files.invalid/{id}/a%20b.csv"),
    ],
)
def test_file_values_may_have_other_addresses(api: Api, switch: str, form: str) -> None:
    run = api.completed(api.plays(output={"Table": File("a b.csv", b"1")}, switches={"file_uri": switch}))
    value = run["output"]["Table"]

    assert value["uri"] == form.format(id=value["id"])
