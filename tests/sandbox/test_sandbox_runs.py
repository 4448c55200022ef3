"""Starting, reading, listing, stopping and deleting runs, also as switches and gateways have it."""

from typing import Any

import pytest

from noxcli.sandbox.steps import Emit, node_runs

from .api import Api

SLOW = node_runs("Think", seconds=1000)


def test_a_run_is_queued_and_in_the_end_completed(api: Api) -> None:
    run = api.start(api.plays(output={"Answer": "42"}), {"anything": [1, None]})
    assert (run["status"], run["progress"], run["input"], run["output"]) == (
        "queued",
        0,
        {"anything": [1, None]},
        {},
    )
    assert (run["finished_at"], run["created_at"][-1]) == (None, "Z")

    record = api.finished(run)
    assert (record["status"], record["progress"], record["output"]) == (
        "completed",
        100,
        {"Answer": "42"},
    )
    assert record["finished_at"] >= record["created_at"]
    assert record["progress_details"]["remaining_nodes"] == []


def test_a_script_that_raises_fails_the_run(api: Api) -> None:
    def broken(_: object) -> list[Emit]:
        raise KeyError("oops")

    assert api.completed(api.plays(script=broken))["status"] == "failed"


def test_a_run_is_found_by_id_and_under_its_workflow_only(api: Api) -> None:
    run = api.start(api.plays("named", output={"A": "x"}))
    record = api.get(f"/v1/runs/{run['id']}").json()

    assert (record["workflow_id"], record["workflow"]["name"]) == (run["workflow_id"], "named")
    assert api.get(f"/v1/workflows/{api.plays('other')}/runs/{run['id']}").status_code == 404


def test_lists_are_newest_first_and_paged_by_size(api: Api) -> None:
    workflow = api.plays()
    ids = [api.start(workflow, {"n": n})["id"] for n in range(5)]

    for path in (f"/v1/workflows/{workflow}/runs", "/v1/runs"):
        page = api.get(path, params={"page": 2, "size": 2, "page_size": 50}).json()
        assert [item["id"] for item in page["items"]] == [ids[2], ids[1]]
        assert (page["total"], page["page"], page["size"], page["pages"]) == (5, 2, 2, 3)
    assert api.get("/v1/runs", params={"size": 101}).status_code == 422
    assert api.get("/v1/runs", params={"page": 0}).status_code == 422
    assert api.get("/v1/runs", params={"page": "x"}).status_code == 422


def test_outputs_are_keyed_by_ids_on_demand(api: Api) -> None:
    workflow = api.plays(output={"A": "x"})
    run = api.start(workflow)
    api.finished(run)
    (node,) = api.sandbox.runs(workflow)[0].workflow.graph.outputs

    assert api.record(run, use_output_ids="true")["output"] == {node.id: "x"}
    assert api.record(run, use_output_ids="maybe")["detail"][0]["loc"] == [
        "query",
        "use_output_ids",
    ]


@pytest.mark.parametrize("status", [408, 504, 200])
def test_sync_limit(api: Api, status: int) -> None:
    switches = {"sync_limit_seconds": 1.0, "sync_limit_status": status}
    workflow = api.plays(script=SLOW, switches=switches)

    assert api.post(f"/v1/workflows/{workflow}/runs/sync", {"input": {}}).status_code == status
    assert len(api.sandbox.runs(workflow)) == 1


# By switches.


def looked_up(api: Api, **switches: Any) -> Any:
    run = api.completed(api.plays(output={"Answer": "yes"}, switches=switches))
    return api.get(f"/v1/runs/{run['id']}")


@pytest.mark.parametrize(
    ("switch", "output"), [("null", None), ("empty", {}), ("whole", {"Answer": "yes"})]
)
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


@pytest.mark.parametrize(("switch", "end"), [("synonym", "success"), ("foreign", "through")])
def test_a_run_may_end_in_other_words(api: Api, switch: str, end: str) -> None:
    run = api.start(api.plays(script=node_runs("Work"), switches={"run_words": switch}))
    events = api.events(run)
    record = api.record(run)

    assert (record["status"], events[-1]["data"]["workflow_status"]) == (end, end)
    assert record["finished_at"] is not None
