"""`noxcli wait --for`: a condition ends the wait, and the first that is met is reported."""

from typing import Any

import pytest

from noxcli.models import Run, RunEvent, Started
from noxcli.runs.conditions import ConditionWatch, read_condition
from noxcli.runs.progress import Progress
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import Node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, node_fails, node_runs
from noxcli.timing import Clock
from tests.conftest import Noxcli

FOREVER = Sleep(600_000)
UNKNOWN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


@pytest.mark.parametrize("options", [(), ("--no-stream", "--poll-interval", "100ms")])
@pytest.mark.parametrize(
    "condition",
    ["node:Work=completed", "node:Work", "node:Next=running", "node:Next", "run=running", "run=queued"],
)
def test_a_condition_ends_the_wait_before_the_run_does(
    noxcli: Noxcli, plays: Any, condition: str, options: tuple[str, ...]
) -> None:
    script = [*node_runs("Work"), Emit("Next"), FOREVER]
    switches = {"queue_seconds": 60_000} if condition == "run=queued" else {}
    run = noxcli.start(plays(script=script, output={"A": "x"}, switches=switches))
    result = noxcli("wait", run, "--for", "run=failed", "--for", condition, *options)
    assert result.code == 0, result.err
    told, status, met = result.text.split("\t")
    assert (told, status in {"queued", "running"}, met) == (run, True, f"{condition}\n")


def test_the_document_tells_which_condition_was_met(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(script=[*node_runs("Work", ["Hel", "lo"]), FOREVER], output={"A": "x"}))
    node = noxcli("wait", run, "--json", "--for", "run=failed", "--for", "node:Work=completed").json
    assert (node["ok"], node["exit_code"], node["run"]["status"]) == (True, 0, "running")
    matched = node["matched"]
    assert matched["condition"] == "node:Work=completed"
    assert matched["node"]["name"] == "Work"


@pytest.mark.parametrize("status", ["completed", "failed", "stopped"])
@pytest.mark.parametrize("options", [(), ("--no-stream",)])
def test_the_end_of_a_run_is_a_condition_too(noxcli: Noxcli, plays: Any, status: str, options: tuple[str, ...]) -> None:
    run = noxcli.start(plays(status=status, script=[Sleep(200)], output={"A/~": "x"}))
    assert noxcli("wait", run, "--for", f"run={status}", *options).text == f"{run}\t{status}\trun={status}\n"


@pytest.mark.parametrize("condition", ["node:Work=failed", "node:Later=running", "run=paused"])
@pytest.mark.parametrize("status", ["completed", "failed", "stopped"])
def test_a_run_that_ends_without_is_exit_12(noxcli: Noxcli, plays: Any, condition: str, status: str) -> None:
    nodes = [Node("Later"), output_node("A")]
    run = noxcli.start(plays(script=node_runs("Work", ["yes"]), nodes=nodes, status=status, output={"A": "x"}))
    result = noxcli("wait", run, "--for", condition)
    assert (result.code, result.text) == (12, f"{run}\t{status}\n"), result.err
    assert f"it never met --for {condition!r}" in result.err
    document = noxcli("wait", run, "--for", condition, "--json").json
    assert (document["ok"], document["exit_code"], document["matched"]) == (False, 12, None)


def test_a_failed_run_without_its_condition_says_why_it_failed(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(script=node_fails("Work", "no ink"), status="failed"))
    result = noxcli("wait", run, "--for", "node:Work=completed")
    assert (result.code, result.err) == (
        12,
        "noxcli: run failed at 'Work': no ink; it never met --for 'node:Work=completed'; "
        f"details: noxcli inspect {run}\n",
    )


@pytest.mark.parametrize("condition", ["node:Work=failed", "node:Work=completed", "node:Work=resting"])
def test_a_status_that_does_not_last_is_seen_all_the_same(noxcli: Noxcli, plays: Any, condition: str) -> None:
    flaps = [Emit("Work"), Emit("Work", status="failed"), Emit("Work"), Emit("Work", status="resting")]
    workflow = plays(script=[*flaps, *node_runs("Work")], output={"A": "x"}, switches={"chunk_per_event": False})
    run = noxcli.ended(workflow)
    result = noxcli("wait", run, "--for", condition)
    assert result.text.endswith(f"\t{condition}\n"), result.err


def test_in_a_loop_the_first_time_counts(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    turns = [step for turn in "abc" for step in node_runs("Turn", [turn], seconds=300)]
    workflow = plays(script=turns, output={"A": "x"})
    run = noxcli.start(workflow)
    assert noxcli("wait", run, "--for", "node:Turn=completed").text == f"{run}\trunning\tnode:Turn=completed\n"
    assert "c" not in [event["data"].get("content") for event in sandbox.runs(workflow)[0].events]


def test_of_several_the_first_of_the_command_line_is_told(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.ended(plays(script=node_runs("Work"), output={"A": "x"}))
    for first, second in (("node:Work", "run=completed"), ("run=completed", "node:Work")):
        assert noxcli("wait", run, "--for", first, "--for", second).text == f"{run}\tcompleted\t{first}\n"


def test_a_run_is_running_when_an_event_says_so() -> None:
    clock, run = Clock(), Run("r", "w", "queued")
    progress = Progress(run, clock)
    for word, ends in (("running", True), ("completed", False)):
        watch = ConditionWatch([read_condition(f"run={word}")], progress)
        for burst in watch.until([[Started(run)], [RunEvent("state", {"status": word})]]):
            progress.apply(burst)
        assert (watch.met is not None) == ends


def test_the_condition_that_is_met_first_wins(noxcli: Noxcli, plays: Any) -> None:
    script = [*node_runs("Early"), *node_runs("Late"), FOREVER]
    run = noxcli.start(plays(script=script, switches={"node_progress": "none"}))  # events alone show its nodes
    result = noxcli("wait", run, "--for", "node:Late=completed", "--for", "node:Early=completed")
    assert result.text.endswith("\tnode:Early=completed\n")


def test_a_pause_is_no_end(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(status="awaiting_human_feedback", script=node_runs("Work")))
    assert noxcli("wait", run, "--for", "run=paused").text.endswith("\trun=paused\n")
    left = noxcli("wait", run, "--for", "run=completed")
    assert (left.code, left.text) == (10, f"{run}\tawaiting_human_feedback\n")


@pytest.mark.parametrize(("fails", "code"), [(False, 0), (True, 12)])
def test_a_node_that_is_only_listed_as_executed_may_have_failed(
    noxcli: Noxcli, plays: Any, fails: bool, code: int
) -> None:
    script = [*(node_fails("Work", "no ink") if fails else node_runs("Work")), Sleep(500)]
    status = "failed" if fails else "completed"
    run = noxcli.start(plays(script=script, status=status, switches={"node_progress": "none"}))
    result = noxcli("wait", run, "--for", "node:Work=completed", "--no-stream", "--poll-interval", "100ms")
    assert (result.code, result.text.split("\t")[1].strip()) == (code, status), result.err


@pytest.mark.parametrize(("condition", "code"), [("run=running", 0), ("node:Work=completed", 0), ("run=failed", 8)])
def test_timeout_0_looks_once(noxcli: Noxcli, plays: Any, condition: str, code: int) -> None:
    run = noxcli.start(plays(script=[*node_runs("Work"), Emit("Next"), FOREVER], output={"A": "x"}))
    assert noxcli("wait", run, "--for", "node:Next").code == 0
    result = noxcli("wait", run, "--for", condition, "--timeout", "0", "--json")
    assert (result.code, (result.json["matched"] is None)) == (code, code == 8), result.err


def test_the_time_limit_counts_here_too(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(script=[FOREVER]))
    result = noxcli("wait", run, "--for", "run=completed", "--timeout", "300ms", "--json")
    assert (result.code, result.json["matched"]) == (124, None)


def test_without_a_stream_it_polls(noxcli: Noxcli, plays: Any) -> None:
    gone = Answer(501, {"detail": "no events here"}, repeat=True)
    workflow = plays(script=[*node_runs("Work"), Sleep(300), Emit("Next"), FOREVER], faults={"events": [gone]})
    result = noxcli("wait", noxcli.start(workflow), "--for", "node:Work=completed", "--poll-interval", "100ms")
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--for", "Work"), "'Work' is not a condition; write node:NAME=completed"),
        (("--for", "status:completed"), "is not a condition; write"),
        (("--for", "node:"), "is not a condition; write"),
        (("--for", "node:=completed"), "is not a condition; write node:NAME=completed"),
        (("--for", "node:Work="), "is not a condition; write node:NAME=completed"),
        (("--for", "run=complete"), "'complete' is not a status of a run; did you mean run=completed?"),
        (("--for", "run=xyz"), "a run is completed, failed"),
        (("--for", "run=failed", "--assert", "ok"), "remove one of them"),
        (("--for", "run=failed", UNKNOWN), "--for waits for one run; it got 2"),
    ],
)
def test_a_wrong_condition_is_told_before_a_request(
    noxcli: Noxcli, sandbox: Sandbox, argv: tuple[str, ...], told: str
) -> None:
    result = noxcli("wait", UNKNOWN.replace("3", "4"), *argv)
    assert (result.code, told in result.err, sandbox.requests) == (2, True, []), result.err


def test_a_name_that_the_workflow_lacks_is_told_at_once(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(script=[*node_runs("Work"), FOREVER], output={"A": "x"}))
    result = noxcli("wait", run, "--for", "node:Wrok=completed")
    assert (result.code, "the run has no node 'Wrok'; did you mean 'Work'?" in result.err) == (2, True), result.err


def test_a_doubtful_status_is_warned_of(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(script=[*node_runs("x=completed"), FOREVER], output={"A": "x"}))
    doubtful = noxcli("wait", run, "--for", "node:x=completed=compleet", "--for", "node:x=completed=completed")
    assert (doubtful.code, "did you mean complete?" in doubtful.err) == (0, True), doubtful.err


def test_names_go_unchecked_where_the_workflow_cannot_be_read(noxcli: Noxcli, plays: Any) -> None:
    gone = Answer(403, {"detail": "no"}, repeat=True)
    workflow = plays(script=[*node_runs("Work"), FOREVER], faults={"workflow": [gone]})
    run = noxcli.start(workflow)
    result = noxcli("wait", f"{workflow}/{run}", "--for", "run=running")
    assert (result.code, "are not checked" in result.err) == (0, True), result.err
