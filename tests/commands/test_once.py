"""`noxcli run --once KEY`: the same key again finds the run of the first call, whatever happened in between."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, Hold, LostAnswer
from noxcli.sandbox.scenario import Version, fixed_input, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli
from tests.process import HUNG, NOXCLI, environment, forked

SAME = {"nodes": [input_node("Q")], "output": {"A": "x"}}


def memories(noxcli: Noxcli) -> list[Path]:
    return list((Path(noxcli.environ["NOXCLI_STATE_DIR"]) / "once").iterdir())


def test_the_same_key_finds_the_run_of_the_first_call(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(**SAME)
    first = noxcli("run", workflow, "Q=1", "--once", "today", "--json").json
    again = noxcli("run", workflow, "Q=1", "--once", "today", "--json")
    assert (again.code, again.json["run"]["id"], again.json["output"]) == (0, first["run"]["id"], {"A": "x"})
    assert len(sandbox.runs(workflow)) == 1
    assert "was started by an earlier call with --once 'today'" in again.err
    assert "warning" not in again.err
    detached = noxcli("run", workflow, "Q=1", "--once", "today", "--detach", "--state-file", "run.state")
    run = first["run"]["id"]
    assert (detached.text, json.loads(Path("run.state").read_text())["run_id"]) == (f"{run}\n", run)


def test_another_key_workflow_or_server_starts_another_run(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(**SAME)
    other = sandbox.url.replace("127.0.0.1", "localhost")
    noxcli("run", workflow, "Q=1", "--once", "a")
    noxcli("run", workflow, "Q=1", "--once", "b")
    noxcli("run", workflow, "Q=1", "--once", "a", "--base-url", other)
    noxcli("run", workflow, "Q=1", "--once", "auto")
    assert len(sandbox.runs(workflow)) == 4
    assert noxcli("run", "qa", "Question=1", "--once", "a").code == 0
    assert len(memories(noxcli)) == 5
    assert {path.stat().st_mode & 0o777 for path in memories(noxcli)} == {0o600}


def test_other_inputs_are_warned_of(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(**SAME)
    noxcli("run", workflow, "Q=1", "--once", "today")
    result = noxcli("run", workflow, "Q=2", "--once", "today")
    assert (result.code, len(sandbox.runs(workflow))) == (0, 1)
    assert "warning: that call had other inputs" in result.err


def test_auto_compares_inputs_and_version(noxcli: Noxcli, plays: Any) -> None:
    nodes = [input_node("Q"), fixed_input("Key", "k"), input_node("Doc", type="File", default={"uri": "x"})]
    workflow = plays(nodes=nodes, output={"A": "x"}, versions=[Version("first")])
    Path("a.txt").write_text("one")
    environ = {"SECRET": "s3cret-value", "OTHER": "an0ther-value"}
    base = ("Q=1", "Doc@a.txt", "--once", "auto")
    runs = [
        noxcli("run", workflow, *argv, "--json", environ=environ).json["run"]["id"]
        for argv in (
            base,
            base,
            (*base, "--secret", "Key=SECRET"),
            (*base, "--secret", "Key=OTHER"),  # secrets don't count
            ("Q=2", *base[1:]),
            (*base, "--version-id", "first"),
            (*base, "--version-id", "first"),
        )
    ]
    assert runs[0] == runs[1] == runs[2] == runs[3]
    assert runs[5] == runs[6]
    Path("a.txt").write_text("two")
    runs.append(noxcli("run", workflow, *base, "--json").json["run"]["id"])
    assert len({runs[0], runs[4], runs[5], runs[7]}) == 4
    assert "s3cret-value" not in "".join(path.read_text() for path in memories(noxcli))
    piped = noxcli("run", workflow, "Q=1", "Doc@/dev/stdin", "--once", "auto")
    assert (piped.code, "--once auto can't compare the pipe" in piped.err) == (2, True), piped.err


def test_a_failed_run_stays_the_run_of_its_key(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(status="failed")
    assert [noxcli("run", workflow, "--once", "k").code for _ in range(2)] == [1, 1]
    assert len(sandbox.runs(workflow)) == 1


@pytest.mark.parametrize("answer", [Answer(422, {"detail": "no"}), Answer(403, {"detail": "no"})])
def test_a_start_that_was_refused_leaves_the_key_free(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, answer: Answer
) -> None:
    workflow = plays(output={"A": "x"}, faults={"start": [answer]})
    assert noxcli("run", workflow, "--once", "k").code in {2, 4}
    assert noxcli("run", workflow, "--once", "k").code == 0
    assert len(sandbox.runs(workflow)) == 1


def test_an_unanswered_start_is_adopted_by_the_next_call(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(**SAME, faults={"start": [LostAnswer()]})
    assert noxcli("run", workflow, "Q=1", "--once", "k").code == 7
    result = noxcli("run", workflow, "Q=1", "--once", "k", "--json")
    assert (result.code, result.json["run"]["id"]) == (0, sandbox.runs(workflow)[0].id), result.err
    assert len(sandbox.runs(workflow)) == 1


def test_what_the_list_cannot_settle_stays_in_doubt(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(**SAME, faults={"start": [LostAnswer()]})
    assert noxcli("run", workflow, "Q=1", "--once", "k").code == 7
    other = noxcli("run", workflow, "Q=1", "--detach", environ={"NOXCLI_STATE_DIR": "elsewhere"}).text.strip()
    result = noxcli("run", workflow, "Q=1", "--once", "k", "--json")
    document = result.json
    assert (result.code, document["retry_safe"], document["error"]["phase"]) == (7, False, "start")
    ours = {run.id for run in sandbox.runs(workflow)}
    assert {one["id"] for one in document["error"]["candidates"]} == ours == {other, *ours}
    assert len(ours) == 2
    (memory,) = memories(noxcli)
    assert f"remove {memory} to start another" in result.err


def test_a_run_that_is_gone_is_not_started_again(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(output={"A": "x"})
    noxcli("run", workflow, "--once", "k")
    sandbox.reset()
    result = noxcli("run", workflow, "--once", "k")
    assert (result.code, "to start another run for --once 'k'" in result.err, sandbox.runs(workflow)) == (5, True, [])


@pytest.mark.parametrize("damage", [b'{"step": "int', b"\xff\n[1]\nnull\n", b'{"step": "started", "run_id": 5}\n'])
def test_a_torn_line_counts_for_nothing(noxcli: Noxcli, plays: Any, sandbox: Sandbox, damage: bytes) -> None:
    workflow = plays(output={"A": "x"})
    noxcli("run", workflow, "--once", "k")
    (memory,) = memories(noxcli)
    whole = memory.read_bytes()
    memory.write_bytes(damage + whole + damage)
    assert noxcli("run", workflow, "--once", "k").code == 0
    assert len(sandbox.runs(workflow)) == 1
    memory.write_bytes(damage)
    assert [noxcli("run", workflow, "--once", "k").code for _ in range(2)] == [0, 0]
    assert len(sandbox.runs(workflow)) == 2


def test_two_processes_at_once_start_one_run(plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(output={"A": "x"}, faults={"start": [Hold(500)]})
    command = [*forked(), "run", workflow, "--once", "k", "--quiet", "--detach"]
    both = [
        subprocess.Popen(command, env=environment(sandbox.url), stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    told = {process.communicate(timeout=HUNG)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0, 0]
    (run,) = sandbox.runs(workflow)
    assert told == {f"{run.id}\n"}


def test_a_kill_during_the_start_starts_no_second_run(plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(output={"A": "x"}, faults={"start": [LostAnswer("hold")]})
    environ = environment(sandbox.url)
    process = subprocess.Popen([*NOXCLI, "run", workflow, "--once", "k"], env=environ, stderr=subprocess.DEVNULL)
    until = time.monotonic() + HUNG
    while not sandbox.runs(workflow) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(HUNG)
    again = subprocess.run(
        [*forked(), "run", workflow, "--once", "k", "--detach", "--quiet"],
        env=environ,
        capture_output=True,
        timeout=HUNG,
        check=False,
    )
    (run,) = sandbox.runs(workflow)
    assert (again.returncode, again.stdout.decode()) == (0, f"{run.id}\n"), again.stderr


def test_an_interrupted_second_call_leaves_the_run_alone(plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=[Sleep(600_000)])
    environ = environment(sandbox.url)
    command = [*forked(), "run", workflow, "--once", "k"]
    subprocess.run([*command, "--detach", "--quiet"], env=environ, capture_output=True, timeout=HUNG, check=True)
    second = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    assert "earlier call" in second.stderr.readline()
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=HUNG)
    assert (second.returncode, sandbox.runs(workflow)[0].status) == (130, "running")


def test_dry_run_keeps_no_memory(noxcli: Noxcli, plays: Any) -> None:
    assert noxcli("run", plays(output={"A": "x"}), "--once", "k", "--dry-run").code == 0
    assert not (Path(noxcli.environ["NOXCLI_STATE_DIR"]) / "once").exists()


def test_a_memory_that_cannot_be_kept_starts_nothing(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(output={"A": "x"})
    Path("file").write_text("")
    result = noxcli("run", workflow, "--once", "k", environ={"NOXCLI_STATE_DIR": "file"})
    assert (result.code, "set NOXCLI_STATE_DIR" in result.err, sandbox.runs(workflow)) == (2, True, []), result.err
    assert noxcli("run", workflow, "--once", " ").code == 2
