"""Switches for what servers and their gateways may do differently with runs, lists, versions and files."""

from typing import Any

import pytest

from noxcli.sandbox.steps import node_runs

from .api import Api


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


@pytest.mark.parametrize(("switch", "end"), [("synonym", "success"), ("foreign", "through")])
def test_a_run_may_end_in_other_words(api: Api, switch: str, end: str) -> None:
    run = api.start(api.plays(script=node_runs("Work"), switches={"run_words": switch}))
    events = api.events(run)
    record = api.record(run)

    assert (record["status"], events[-1]["data"]["workflow_status"]) == (end, end)
    assert record["finished_at"] is not None
