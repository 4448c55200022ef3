"""A batch that is interrupted, or whose reader exits: nothing is lost, and it says how to continue."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, Hold
from noxcli.sandbox.scenario import File, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli, write_rows
from tests.faults.gateway import Forward, Gateway
from tests.process import HUNG, ended_by, environment, forked, on_terminal, running, until
from tests.rawserver import Request


@pytest.fixture
def workflow(plays: Any) -> str:
    """Its first rows end at once, the others continue."""

    def script(inputs: dict[str, Any]) -> list[Any]:
        return [Sleep(60_000)] if int(inputs["Q"]) > 2 else []

    return str(plays(nodes=[input_node("Q")], script=script))


def wait_for_runs(sandbox: Sandbox, workflow: str, count: int) -> None:
    until(lambda: len(sandbox.runs(workflow)) >= count)


def wait_for_a_start(sandbox: Sandbox) -> None:
    until(lambda: any(request.method == "POST" for request in sandbox.requests))


def test_detached_rows_are_followed_again(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, env: dict[str, str]
) -> None:
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(2_000)])
    rows = write_rows(*"123456")
    options = ["--max-parallel", "4", "--on-interrupt", "detach"]
    with running("batch", workflow, rows, *options, env=env) as process:
        wait_for_runs(sandbox, workflow, 4)
        out, err = ended_by(process, signal.SIGINT)
    assert process.returncode == 130
    assert b"4 runs still running" in err
    assert out == b""
    begun = {run.id for run in sandbox.runs(workflow)}
    resumed = noxcli("batch", workflow, rows, "--resume")
    assert (resumed.code, sorted(resumed.codes)) == (0, [1, 2, 3, 4, 5, 6])
    assert {line["result"]["run"]["id"] for line in resumed.lines} > begun
    assert len(sandbox.runs(workflow)) == 6


def test_a_signal_waits_for_the_answers_to_starts(
    sandbox: Sandbox, plays: Any, env: dict[str, str]
) -> None:
    workflow = plays(
        nodes=[input_node("Q")], script=[Sleep(60_000)], faults={"start": [Hold(1_000)] * 4}
    )
    with running("batch", workflow, write_rows(*"1234"), env=env) as process:
        wait_for_a_start(sandbox)
        ended_by(process, signal.SIGINT)
    runs = sandbox.runs(workflow)
    journal = Path("rows.jsonl.batch/batch.jsonl").read_text()
    assert runs
    assert all(run.id in journal for run in runs)
    assert all(run.status == "stopped" for run in runs)


@pytest.mark.long(7)
def test_a_start_that_is_not_answered_in_time_is_in_doubt(
    sandbox: Sandbox, plays: Any, env: dict[str, str]
) -> None:
    workflow = plays(
        nodes=[input_node("Q")], script=[Sleep(60_000)], faults={"start": [Hold(60_000)]}
    )
    with running("batch", workflow, write_rows(*"1234"), "--max-parallel", "2", env=env) as process:
        wait_for_a_start(sandbox)
        time.sleep(0.2)  # in the meantime, the request has left
        out, err = ended_by(process, signal.SIGTERM)
    assert process.returncode == 143
    doubt = answered(out)[1]
    assert (doubt["exit_code"], doubt["retry_safe"]) == (7, False)
    assert b"1 in doubt" in err


@pytest.mark.parametrize("ci", [{}, {"CI": "false"}])
def test_on_a_terminal_there_is_a_bar_and_ctrl_c_detaches(
    sandbox: Sandbox, workflow: str, ci: dict[str, str]
) -> None:
    argv = [*forked(), "batch", workflow, write_rows(*"123456789"), "--max-parallel", "3"]
    out = os.open("out", os.O_WRONLY | os.O_CREAT)
    with on_terminal(argv, environment(sandbox.url) | ci, stdout=out) as seen:
        seen.wait_for(b"2 of 9 rows, 3 running")
        seen.process.send_signal(signal.SIGINT)
    os.close(out)
    assert seen.process.returncode == 130
    assert b"3 runs still running" in seen.raw
    assert [run.status for run in sandbox.runs(workflow)].count("running") == 3
    assert len(Path("out").read_text().splitlines()) == 2


def answered(out: bytes) -> dict[int, Any]:
    return {line["row"]: line["result"] for line in map(json.loads, out.splitlines())}


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        *(pytest.param(each, marks=pytest.mark.wide) for each in (signal.SIGINT, signal.SIGHUP)),
    ],
)
def test_rows_that_noxcli_stopped_are_started_again(
    noxcli: Noxcli, sandbox: Sandbox, env: dict[str, str], plays: Any, number: int
) -> None:
    waits = [60_000] * 4
    workflow = plays(
        nodes=[input_node("Q")], script=lambda _: [Sleep(waits.pop())] if waits else []
    )
    rows = write_rows(*"123456")
    with running("batch", workflow, rows, "--max-parallel", "4", env=env) as process:
        wait_for_runs(sandbox, workflow, 4)
        out, err = ended_by(process, number)
    assert (process.returncode, b"4 stopped, 0 runs still running" in err) == (128 + number, True)
    assert f"noxcli batch {workflow} rows.jsonl --max-parallel 4 --resume" in err.decode()
    assert out == b""
    stored = noxcli("results", "rows.jsonl.batch")
    assert (stored.code, [*stored.codes.values()]) == (8, [8] * 6)
    assert "--resume starts the row again" in stored.lines[0]["result"]["error"]["message"]
    resumed = noxcli("batch", workflow, rows, "--resume")
    assert (resumed.code, sorted(resumed.codes)) == (0, [1, 2, 3, 4, 5, 6])
    assert (
        sorted(run.status for run in sandbox.runs(workflow)) == ["completed"] * 6 + ["stopped"] * 4
    )


def test_a_run_that_completes_while_it_is_stopped_has_its_output(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    """The server completes it before it handles the request to stop: --resume delivers its output."""
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(3_000)], output={"A": "whole"})

    def wait_until_complete(request: Request, _: Forward) -> bytes | None:
        if request.target.endswith("/stop"):
            until(lambda: sandbox.runs(workflow)[0].status == "completed")
        return None

    batch = ("batch", workflow, write_rows("1"), "--poll-interval", "60s")
    with Gateway(sandbox.url, wait_until_complete) as gateway:
        noxcli.environ["NOXUS_BACKEND_URL"] = gateway.url
        with running(*batch, "--on-interrupt", "stop", env=environment(gateway.url)) as process:
            wait_for_runs(sandbox, workflow, 1)
            time.sleep(0.3)  # in the meantime, its answer has arrived, and its record was read
            ended_by(process, signal.SIGTERM)
        assert noxcli("results", "rows.jsonl.batch").code == 143
        resumed = noxcli(*batch, "--resume")
    assert (resumed.code, resumed.lines[0]["result"]["output"]) == (0, {"A": "whole"})
    assert len(sandbox.runs(workflow)) == 1


def test_a_kill_while_the_server_refuses_starts_leaves_no_doubt(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, env: dict[str, str]
) -> None:
    nodes = [input_node("Q")]
    limit = Answer(429, {}, headers={"Retry-After": "300"}, repeat=True)
    workflow = plays(nodes=nodes, faults={"start": [limit]})
    batch = ("batch", workflow, write_rows("1"))
    with running(*batch, env=env) as process:
        wait_for_a_start(sandbox)
        until(lambda: len(Path("rows.jsonl.batch/batch.jsonl").read_text().splitlines()) >= 3)
        process.kill()
        process.communicate(timeout=HUNG)
    plays(nodes=nodes)
    resumed = noxcli(*batch, "--resume")
    assert (resumed.code, resumed.codes, len(sandbox.runs(workflow))) == (0, {1: 0}, 1)


def test_a_row_that_somebody_else_stopped_stays_stopped(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, env: dict[str, str]
) -> None:
    rows = write_rows(*"123")
    with running("batch", workflow, rows, env=env) as process:
        wait_for_runs(sandbox, workflow, 3)
        (run,) = [run for run in sandbox.runs(workflow) if run.input["Q"] == "3"]
        assert noxcli("stop", f"{workflow}/{run.id}").code == 0
        out, err = process.communicate(timeout=HUNG)
    assert (process.returncode, answered(out)[3]["exit_code"]) == (3, 3)
    assert (
        f"run the failed rows again with: noxcli batch {workflow} rows.jsonl --again stopped"
        in err.decode()
    )
    resumed = noxcli("batch", workflow, rows, "--resume")
    assert (resumed.code, resumed.out, len(sandbox.runs(workflow))) == (3, b"", 3)


def test_a_stop_that_was_cut_off_is_noxclis_own_as_well(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, env: dict[str, str]
) -> None:
    """Slurm kills some seconds after its SIGTERM: the runs are stopped, and the journal does not know their end."""
    waits = [60_000] * 2
    workflow = plays(
        nodes=[input_node("Q")], script=lambda _: [Sleep(waits.pop())] if waits else []
    )
    rows = write_rows(*"12")
    with running("batch", workflow, rows, "--on-interrupt", "stop", env=env) as process:
        wait_for_runs(sandbox, workflow, 2)
        process.send_signal(signal.SIGTERM)
        journal = Path("rows.jsonl.batch/batch.jsonl")
        until(lambda: b'"step":"stopping"' in journal.read_bytes())
        process.kill()
        process.communicate(timeout=HUNG)
    for run in sandbox.runs(workflow):
        noxcli("stop", f"{workflow}/{run.id}")
    resumed = noxcli("batch", workflow, rows, "--resume")
    assert (resumed.code, sorted(resumed.codes)) == (0, [1, 2])
    assert (
        sorted(run.status for run in sandbox.runs(workflow)) == ["completed"] * 2 + ["stopped"] * 2
    )


def test_a_ci_system_is_no_terminal(sandbox: Sandbox, workflow: str) -> None:
    argv = [*forked(), "batch", workflow, write_rows(*"123456"), "--max-parallel", "3"]
    out = os.open("out", os.O_WRONLY | os.O_CREAT)
    with on_terminal(argv, {**environment(sandbox.url), "CI": "1"}, stdout=out) as seen:
        wait_for_runs(sandbox, workflow, 5)
        time.sleep(0.5)
        seen.process.send_signal(signal.SIGTERM)
    os.close(out)
    assert seen.process.returncode == 143
    assert b"3 stopped, 0 runs still running" in seen.raw
    assert b"\x1b" not in seen.raw, "neither a bar nor color"


def test_a_signal_leaves_no_partial_files(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, env: dict[str, str]
) -> None:
    output = {"A": "x", "B": File("b.csv", b"a,b", "text/csv")}
    workflow = plays(nodes=[input_node("Q")], output=output, faults={"file": [Hold(600_000)] * 4})
    batch = ("batch", workflow, write_rows(*"1234"), "--output-dir", "out")
    with running(*batch, env=env) as process:
        until(lambda: len([*Path("out").glob("*/.noxcli-*.part")]) == 4)
        ended_by(process, signal.SIGTERM)
    assert process.returncode == 143
    assert sorted(path.name for path in Path("out").rglob("*") if path.is_file()) == [
        "batch.jsonl",
        "progress.json",
        "results.jsonl",
    ]
    assert noxcli(*batch, "--resume").code == 0
    assert len(sandbox.runs(workflow)) == 4
