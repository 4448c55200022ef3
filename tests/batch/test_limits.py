"""Batches that end before their rows do: at a time limit, or with a rejected key; none of their runs is lost."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from noxcli import errors, retry
from noxcli.errors import StatusFacts
from noxcli.sandbox.faults import Answer, Hold
from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from noxcli.sandbox.switches import Switches
from noxcli.timing import Clock
from tests.conftest import Noxcli, write_rows
from tests.sample import one_in

A_SECOND = 1000.0  # of the sandbox's time
FOREVER = [Sleep(600 * A_SECOND)]


@pytest.fixture(autouse=True)
def _rows(noxcli: Noxcli) -> None:
    write_rows(*"1234567")
    noxcli.clock = Clock()


@pytest.mark.long(4)
@pytest.mark.parametrize("limit", [3.0, pytest.param(12.0, marks=pytest.mark.wide)])
def test_starts_in_flight_at_the_limit_are_in_doubt(
    noxcli: Noxcli, plays: Any, limit: float
) -> None:
    workflow = plays(nodes=[input_node("Q")], faults={"start": [Hold(60 * A_SECOND, repeat=True)]})
    began = time.monotonic()
    result = noxcli(
        "batch", workflow, "rows.jsonl", "--max-parallel", "3", "--timeout", f"{limit}s"
    )
    took = time.monotonic() - began
    assert (result.code, result.codes) == (7, {1: 7})
    assert "1 in doubt" in result.err
    assert "6 not started" in result.err
    assert limit <= took < limit + 1 + 3  # a second, and some time for a busy machine
    assert "row 1: its start was sent, but the outcome is unknown" in result.err


def test_a_wait_at_the_pace_is_no_lost_contact(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it the first of two failures, the second of which is an answer that is late once."""
    monkeypatch.setattr(retry, "MIN_ATTEMPT", 0.6)
    reads = [Answer(429, {}, headers={"Retry-After": "1"}), Hold(60 * A_SECOND)]
    workflow = plays(nodes=[input_node("Q")], faults={"record": reads})
    result = noxcli("batch", workflow, write_rows("a"), "--retry-for", "300ms")
    assert (result.code, result.codes) == (0, {1: 0})


@pytest.mark.long(4)
def test_without_runs_the_rest_of_the_time_is_not_waited_for(noxcli: Noxcli, plays: Any) -> None:
    workflow, began = (
        plays(nodes=[input_node("Q")], script=[Sleep(1.5 * A_SECOND)]),
        time.monotonic(),
    )
    result = noxcli("batch", workflow, "rows.jsonl", "--max-parallel", "1", "--timeout", "5s")
    assert result.code == 124
    assert time.monotonic() - began < 5
    assert "too close to the timeout to start more rows" in result.err


@pytest.mark.long(3)
def test_a_batch_that_reaches_its_timeout_says_so(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], script=FOREVER)
    result = noxcli("batch", workflow, write_rows("a"), "--timeout", "2s")
    assert (result.code, result.codes) == (124, {1: 124})
    assert "the timeout was reached" in result.err


@pytest.mark.long(4)
def test_at_the_timeout_the_last_read_does_not_wait_at_the_pace(noxcli: Noxcli, plays: Any) -> None:
    limit = Answer(429, {}, headers={"Retry-After": "60"})
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(A_SECOND)], faults={"record": [limit]})
    result = noxcli("batch", workflow, write_rows("a"), "--timeout", "3s")
    assert (result.code, result.codes) == (0, {1: 0}), result.err


def test_a_workflow_that_is_gone_ends_the_batch(noxcli: Noxcli, plays: Any) -> None:
    gone = Answer(404, {"detail": "no such workflow"}, repeat=True)
    workflow = plays(nodes=[input_node("Q")], faults={"start": [Hold(0), gone]})
    result = noxcli("batch", workflow, "rows.jsonl", "--max-parallel", "1")
    assert (result.code, result.codes) == (5, {1: 0, 2: 5})
    assert "5 not started" in result.err


@pytest.mark.long(6)
def test_rows_that_wait_at_a_slow_pace_are_all_started(noxcli: Noxcli) -> None:
    """Each waits longer than --row-timeout, but the server accepts one of them every half second."""
    switches = Switches(rate_limit=2, rate_limit_counts="starts", rate_limit_window="sliding")
    with Sandbox([], speed=1000, switches=switches) as server:
        workflow = server.add(Scenario("slow", nodes=[input_node("Q")]))
        batch = ("batch", workflow, "rows.jsonl", "--row-timeout", "2s", "--max-parallel", "16")
        result = noxcli(*batch, environ={"NOXUS_BACKEND_URL": server.url})
    assert (result.code, sorted(result.codes)) == (0, [1, 2, 3, 4, 5, 6, 7]), result.err


@pytest.mark.long(3)
def test_a_status_that_is_sent_again_is_sent_after_a_pause(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever status is added to those that are sent again, it starts no flood."""
    again = StatusFacts(is_repeated=True, had_no_effect=True)
    monkeypatch.setitem(errors.STATUSES, 425, again)
    workflow = plays(nodes=[input_node("Q")], faults={"start": [Answer(425, {}, repeat=True)]})
    result = noxcli("batch", workflow, "rows.jsonl", "--timeout", "4s")
    assert result.code == 75, result.err
    assert {*result.codes.values()} <= {75}  # on a busy machine, a row may end before the batch
    assert sum(request.method == "POST" for request in sandbox.requests) < 40


REJECTED = {"detail": "Invalid API key"}


def test_a_key_rejected_for_reads_ends_each_row_by_name(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxcli.retry.BELIEVED_AFTER", 1.0)
    faults = {"record": [Answer(401, REJECTED, repeat=True)]}
    workflow = plays(nodes=[input_node("Q")], script=FOREVER, faults=faults)
    result = noxcli("batch", workflow, "rows.jsonl", "--max-parallel", "2", "--timeout", "30s")
    assert (result.code, set(result.codes.values())) == (4, {4})
    assert len(result.lines) == len(sandbox.runs(workflow)) <= 3
    assert "not started" in result.err
    for line in result.lines:
        assert line["result"]["retry_safe"] is False
        run = line["result"]["run"]["id"]
        assert (
            f"run {run} may still be running; continue with: noxcli wait"
            in line["result"]["error"]["hint"]
        )


@pytest.mark.parametrize(
    "faults", [{"record": [Answer(401, REJECTED)] * 2}, {"start": [Hold(1), Answer(401, REJECTED)]}]
)
def test_rows_that_run_are_followed_after_a_rejected_key(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, faults: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(3 * A_SECOND)], faults=faults)
    result = noxcli(
        "batch", workflow, write_rows("a", "b"), "--max-parallel", "2", "--timeout", "30s"
    )
    reads = "record" in faults
    assert (result.code, sorted(result.codes.values())) == (
        (0, [0, 0]) if reads else (4, [0, 4])
    ), result.err
    assert [run.status for run in sandbox.runs(workflow)] == (["completed"] * (2 if reads else 1))


@pytest.mark.parametrize("answers", ["one id", "an old run"])
def test_the_run_of_another_row_is_not_taken(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, answers: str
) -> None:
    monkeypatch.setattr("noxcli.retry.BELIEVED_AFTER", 1.0)
    workflow = plays(nodes=[input_node("Q")])
    known = {
        "id": "11111111-2222-4333-8444-555555555555",
        "workflow_id": workflow,
        "status": "completed",
    }
    created = {} if answers == "one id" else {"created_at": "2025-01-01T00:00:00Z"}
    other = plays(
        nodes=[input_node("Q")], faults={"start": [Answer(200, {**known, **created})] * 3}
    )
    result = noxcli("batch", other, "rows.jsonl", "--max-parallel", "1", "--retry-for", "1s")
    found = result.codes
    assert [found[number] for number in (4, 5, 6, 7)] == [0] * 4
    assert [found[number] for number in (1, 2, 3)] == (
        [5, 7, 7] if answers == "one id" else [7, 7, 7]
    )
    assert (
        json.loads(Path("rows.jsonl.batch/results.jsonl").read_text().splitlines()[0])["row"] >= 4
    )


@pytest.mark.long(4)
@pytest.mark.parametrize(
    ("rate_limit_counts", "rate_limit_window"),
    one_in(2, ["all", "starts"], ["sliding", "fixed", "bucket"]),
)
def test_limits_of_each_kind_let_every_row_run_once(
    noxcli: Noxcli, rate_limit_counts: Any, rate_limit_window: Any
) -> None:
    switches = Switches(
        rate_limit=20, rate_limit_counts=rate_limit_counts, rate_limit_window=rate_limit_window
    )
    write_rows(*map(str, range(30)))
    with Sandbox([], speed=1000, switches=switches) as server:
        workflow = server.add(Scenario("limited", nodes=[input_node("Q")]))
        result = noxcli("batch", workflow, "rows.jsonl", environ={"NOXUS_BACKEND_URL": server.url})
        assert (result.code, sorted(result.codes)) == (0, list(range(1, 31))), result.err
        assert len(server.runs(workflow)) == 30
