"""`--fail-fast` of `run` and `stream`: a failed node ends the command, and the record still has the verdict."""

from typing import Any

import pytest

from noxcli.sandbox.faults import Answer
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, node_fails, node_runs
from tests.conftest import Noxcli

FOREVER = Sleep(600_000)
GOES_ON = [*node_fails("Work", "no ink"), *node_runs("Other", ["still here"]), FOREVER]


@pytest.mark.parametrize("polls", [(), ("--no-stream", "--poll-interval", "100ms")])
@pytest.mark.parametrize(
    ("options", "status"),
    [((), "stopped"), (("--on-interrupt", "stop"), "stopped"), (("--on-interrupt", "detach"), "running")],
)
def test_run_leaves_at_the_first_failed_node(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, options: tuple[str, ...], status: str, polls: tuple[str, ...]
) -> None:
    workflow = plays(script=GOES_ON, output={"A": "x"})
    result = noxcli("run", workflow, "--fail-fast", "--json", *options, *polls)
    run, document = sandbox.runs(workflow)[0], result.json
    assert (result.code, run.status, document["run"]["status"]) == (1, status, status), result.err
    assert document["error"]["message"].startswith("node 'Work' failed")
    became = "the run was stopped" if status == "stopped" else f"run {run.id} is still running"
    assert document["error"]["message"].endswith(became)
    assert (document["retry_safe"], document["error"]["phase"]) == (False, "run")
    assert (f"noxcli wait {run.id}" in result.err) is (status == "running")
    if not polls:
        assert "no ink" in document["error"]["message"]


def test_on_a_terminal_the_run_is_left_as_on_ctrl_c(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=GOES_ON, output={"A": "x"})
    assert noxcli("run", workflow, "--fail-fast", tty=True).code == 1
    assert sandbox.runs(workflow)[0].status == "running"


def test_stream_never_stops_the_run(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=GOES_ON, output={"A": "x"})
    run = noxcli("run", workflow, "--detach").text.strip()
    result = noxcli("stream", run, "--fail-fast", "--format", "ndjson")
    assert (result.code, sandbox.runs(workflow)[0].status) == (1, "running"), result.err
    assert result.lines[-1]["data"]["error"]["message"] == f"node 'Work' failed: no ink; run {run} is still running"
    assert result.out.count(b"still here") == 1


@pytest.mark.parametrize("read", [True, False])
def test_the_node_has_its_name_where_nothing_was_shown(noxcli: Noxcli, plays: Any, read: bool) -> None:
    faults = {} if read else {"workflow": [Answer(403, {"detail": "no"}, repeat=True)]}
    workflow = plays(script=GOES_ON, output={"A": "x"}, faults=faults)
    run = noxcli("run", workflow, "--detach", "--no-check").text.strip()
    result = noxcli("stream", f"{workflow}/{run}", "--fail-fast", "--quiet")
    assert result.code == 1
    assert ("node 'Work' failed: no ink" in result.err) is read
    assert "failed: no ink" in result.err


@pytest.mark.parametrize("options", [(), ("--no-stream",)])
def test_a_failed_run_is_told_as_without(noxcli: Noxcli, plays: Any, options: tuple[str, ...]) -> None:
    workflow = plays(script=node_fails("Work", "no ink"), status="failed")
    fast = noxcli("run", workflow, "--json", "--fail-fast", *options).json
    plain = noxcli("run", workflow, "--json", *options).json
    told = [one["error"]["message"].replace(one["run"]["id"], "RUN") for one in (fast, plain)]
    assert (fast["exit_code"], fast["run"]["status"], told[0]) == (1, "failed", told[1])
    assert "at 'Work': no ink" in fast["error"]["message"]


def test_a_node_that_is_tried_again_has_not_failed(noxcli: Noxcli, plays: Any) -> None:
    retried = [*node_fails("Work", "no ink"), Sleep(500), Emit("Work"), Sleep(2500), Emit("Work", status="completed")]
    result = noxcli("run", plays(script=retried, output={"A": "x"}), "--fail-fast")
    assert (result.code, result.text) == (0, "x\n"), result.err


def test_a_run_that_completes_in_spite_of_a_failed_node_completed(noxcli: Noxcli, plays: Any) -> None:
    handled = [*node_fails("Work", "no ink"), *node_runs("Handle it"), Sleep(500)]
    result = noxcli("run", plays(script=handled, output={"A": "x"}), "--fail-fast")
    assert (result.code, result.text) == (0, "x\n"), result.err


def test_without_the_option_the_run_is_followed_to_its_end(noxcli: Noxcli, plays: Any) -> None:
    goes_on = [*node_fails("Work", "no ink"), Sleep(2500)]
    assert noxcli("run", plays(script=goes_on, output={"A": "x"})).code == 0


def test_a_run_that_cannot_be_stopped_is_told(noxcli: Noxcli, plays: Any) -> None:
    gone = Answer(503, "<html>down</html>", repeat=True)
    workflow = plays(script=GOES_ON, output={"A": "x"}, faults={"stop": [gone], "record": [gone]})
    result = noxcli("run", workflow, "--fail-fast")
    assert result.code == 1
    assert "node 'Work' failed" in result.err
    assert "could not be stopped" in result.err
