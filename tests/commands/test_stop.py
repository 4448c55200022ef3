"""`noxcli stop` and the state file: cleaning up, any number of times."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, LostAnswer
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from noxcli.timing import Clock
from tests.conftest import Noxcli, posts
from tests.rawserver import json_answer

FOREVER = [Sleep(60_000)]
UNKNOWN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def test_a_run_is_stopped_and_stopping_again_is_no_mistake(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(script=FOREVER)
    run = noxcli.start(workflow)
    for said in ("stopped run ", "had already ended: stopped"):
        result = noxcli("stop", run)
        assert (result.code, result.text) == (0, f"{run}\tstopped\n")
        assert said in result.err
    assert sandbox.runs(workflow)[0].status == "stopped"
    assert sum("/stop" in request.path for request in sandbox.requests) == 1


@pytest.mark.parametrize("switches", [{}, {"on_stop_finished": "409"}])
def test_a_finished_run_is_left_as_it_is(
    noxcli: Noxcli, plays: Any, switches: dict[str, Any]
) -> None:
    run = noxcli.ended(plays(output={"A": "x"}, switches=switches))
    result = noxcli("stop", run)
    assert (result.code, result.text) == (0, f"{run}\tcompleted\n")


def test_a_stop_that_takes_its_time_is_waited_for(noxcli: Noxcli, plays: Any) -> None:
    noxcli.clock = Clock()
    run = noxcli.start(plays(script=FOREVER, switches={"stop_seconds": 500.0}))
    assert noxcli("stop", run).text == f"{run}\tstopped\n"


def test_a_record_that_lags_puts_no_run_back_in_the_queue(noxcli: Noxcli) -> None:
    record = {"id": UNKNOWN, "workflow_id": UNKNOWN, "created_at": "2026-12-03T00:00:00Z"}
    running = json_answer({**record, "status": "running"})
    queued = json_answer({**record, "status": "queued"})
    stop = ("stop", f"{UNKNOWN}/{UNKNOWN}", "--timeout", "1s", "--json")
    result, _ = noxcli.against([running, queued], *stop)
    assert (result.code, result.json["run"]["status"]) == (8, "running")
    assert "was asked to stop, but is still running" in result.err


def test_a_stop_that_does_not_take_says_so(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(script=FOREVER, switches={"stop_seconds": 60_000.0}))
    result = noxcli("stop", run, "--timeout", "1s", "--json")
    assert (result.code, result.json["run"]["status"]) == (8, "running")
    assert "was asked to stop" in result.err


def test_trouble_on_the_way_is_tried_again(noxcli: Noxcli, plays: Any) -> None:
    trouble = [Answer(502, "<html>x</html>"), Answer(429, {}), Answer(503, {})]
    run = noxcli.start(plays(script=FOREVER, faults={"stop": trouble, "record": [Answer(500, {})]}))
    assert noxcli("stop", run).text == f"{run}\tstopped\n"


@pytest.mark.parametrize(("seconds", "code", "stops"), [(1, 0, 2), (60, 6, 1)])
def test_a_server_that_asks_to_wait_is_not_asked_before(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, seconds: int, code: int, stops: int
) -> None:
    noxcli.clock = Clock()
    busy = [Answer(429, {}, {"Retry-After": str(seconds)})]
    run = noxcli.start(plays(script=FOREVER, faults={"stop": busy}))
    began = time.monotonic()
    assert noxcli("stop", run, "--timeout", "5s").code == code
    took = time.monotonic() - began
    assert sum("/stop" in path for path in posts(sandbox)) == stops
    if code == 0:
        assert took >= seconds


def test_a_stop_without_an_answer_says_that_it_had_none(noxcli: Noxcli, plays: Any) -> None:
    noxcli.clock = Clock()
    run = noxcli.start(plays(script=FOREVER, faults={"stop": [LostAnswer("hold")]}))
    result = noxcli("stop", run, "--timeout", "0.3s")
    assert result.code == 6
    assert result.err.startswith("noxcli: no answer ")
    assert result.err.endswith(f"; try again with: noxcli stop {run}\n")


def test_several_and_the_worst_code(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=FOREVER)
    one, two = noxcli.start(workflow), noxcli.start(workflow)
    result = noxcli("stop", one, UNKNOWN, two)
    assert (result.code, result.text) == (5, f"{one}\tstopped\n{two}\tstopped\n")
    assert result.err.count("404") >= 1


def test_the_state_file_is_enough_to_clean_up(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    workflow = plays(script=FOREVER)
    run = noxcli.start(workflow, "--state-file", "run.state")
    state = json.loads((tmp_path / "run.state").read_text())
    assert (state["run_id"], state["workflow_id"], state["base_url"]) == (
        run,
        workflow,
        sandbox.url,
    )
    for _ in range(2):
        result = noxcli("stop", "--state-file", "run.state")
        assert (result.code, result.text) == (0, f"{run}\tstopped\n")


def test_a_missing_state_file_means_that_nothing_was_started(noxcli: Noxcli) -> None:
    result = noxcli("stop", "--state-file", "none.state")
    assert (result.code, result.out) == (0, b"")
    assert "either nothing was started with it, or the name is wrong" in result.err
    assert noxcli("stop", "--state-file", "none.state", "--json").json["ok"] is True


def test_a_state_file_that_cant_be_written_names_no_other_run(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, small_disk: Path
) -> None:
    workflow, state = plays(output={"A": "x"}), small_disk / "run.state"
    assert noxcli("run", workflow, "--state-file", str(state)).code == 0
    (small_disk / "full").write_bytes(b"x" * 252 * 1024)
    result = noxcli("run", workflow, "--state-file", str(state))
    assert (result.code, result.text) == (9, "x\n")
    assert f"can't write {state}: no space left on device" in result.err
    assert not state.exists()
    (small_disk / "fuller").write_bytes(b"x" * 4 * 1024)
    detached = noxcli("run", workflow, "--state-file", str(state), "--detach", "--json")
    assert (detached.code, detached.json["exit_code"]) == (9, 9)
    assert detached.json["run"]["id"] == sandbox.runs(workflow)[-1].id


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "no json", '{"schema": "x", "run_id": 1, "workflow_id": 2, "base_url": 3}'],
)
def test_a_file_that_is_no_state_file_is_refused(noxcli: Noxcli, tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.state").write_text(text)
    result = noxcli("stop", "--state-file", "odd.state")
    assert (result.code, result.out) == (2, b"")
    assert "odd.state" in result.err


def test_the_state_of_another_address_is_not_used_here(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    noxcli.start(plays(script=FOREVER), "--state-file", "run.state")
    result = noxcli("stop", "--state-file", "run.state", "--base-url", sandbox.other_url)
    assert result.code == 2
    assert sandbox.url in result.err


def test_nothing_named_is_a_mistake(noxcli: Noxcli) -> None:
    result = noxcli("stop")
    assert (result.code, "give RUN, such as @last, or --state-file FILE" in result.err) == (2, True)
