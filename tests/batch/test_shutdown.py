"""What ends a batch before each row has its result: no row is forgotten, each run is named, and the code says it."""

import json
import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, Hold
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from noxcli.timing import Clock
from tests.conftest import Noxcli, asked, write_rows
from tests.faults.gateway import RECORD, Forward, Gateway, line_of
from tests.process import HUNG, NOXCLI, call, environment, running, until
from tests.rawserver import Request, json_answer

A_SECOND = 1000.0  # of the sandbox's time
LIMIT = Answer(429, {}, headers={"Retry-After": "300"}, repeat=True)


@pytest.fixture(autouse=True)
def _real_time(noxcli: Noxcli) -> None:
    noxcli.clock = Clock()


# Rows that wait when starting ends.


@pytest.mark.long(3)
def test_rows_that_wait_at_the_pace_are_not_started(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], faults={"start": [LIMIT]})
    result = noxcli("batch", workflow, write_rows(*"123"), "--timeout", "4s", "--max-parallel", "8")
    assert (result.code, result.out) == (75, b"")
    assert "3 not started" in result.err
    assert "nothing was started" in result.err
    assert not Path("rows.jsonl.batch").exists()


@pytest.mark.long(4)
def test_rows_behind_a_slow_upload_are_not_started(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    Path("doc.txt").write_text("text")
    rows = write_rows({"Q": "doc.txt"}, {"Q": "doc.txt"})
    began = time.monotonic()

    def hold(request: Request, _: Forward) -> bytes | None:
        if request.target == "/v1/file":
            time.sleep(6)
        return None

    with Gateway(sandbox.url, hold) as gateway:
        argv = ("batch", workflow, rows, "--column", "Q@", "--timeout", "4s", "--no-check")
        result = noxcli(*argv, environ={"NOXUS_BACKEND_URL": gateway.url})
    assert (result.code, result.out, sandbox.runs(workflow)) == (75, b"", [])
    assert "2 not started" in result.err
    assert time.monotonic() - began < 10, "the gateway itself takes 6 s"


# Rows that can't be read on.


def test_rows_before_one_that_changed_meanwhile_run_to_their_end(
    sandbox: Sandbox, plays: Any
) -> None:
    workflow, rows = plays(nodes=[input_node("Q")], script=[Sleep(A_SECOND)]), Path("rows.csv")
    rows.write_text("Q\n" + f"{'x' * 20_000}\n" * 4)
    with running(
        "batch", workflow, "rows.csv", "--max-parallel", "1", env=environment(sandbox.url)
    ) as process:
        until(lambda: sandbox.runs(workflow))
        rows.write_text("\0" * 80_000)
        out, err = process.communicate()
    assert (process.returncode, b"has NUL bytes" in err) == (2, True), err
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["result"]["run"]["id"] for line in lines} == {
        run.id for run in sandbox.runs(workflow)
    }
    assert {line["result"]["exit_code"] for line in lines} == {0}


def test_runs_of_rows_that_are_gone_are_followed(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow, rows = (
        plays(nodes=[input_node("Q")], script=[Sleep(600 * A_SECOND)]),
        Path("rows.csv"),
    )
    batch = ("batch", workflow, "rows.csv", "--timeout", "2s")
    rows.write_text("Q\n1\n2\n3\n")
    first = noxcli(*batch)
    runs = [run.id for run in sandbox.runs(workflow)]
    assert (first.code, len(runs)) == (124, 3)
    assert all(run in first.err for run in runs)
    rows.write_text("Q\n1\nother\n3\n")
    again = noxcli(*batch, "--resume")
    assert (again.code, len(sandbox.runs(workflow))) == (124, 4), "only the other row is started"
    assert all(run.id in again.err for run in sandbox.runs(workflow))


def test_a_call_that_ends_before_its_rows_names_runs(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow, rows = (
        plays(nodes=[input_node("Q")], script=[Sleep(600 * A_SECOND)]),
        write_rows(*"12"),
    )
    assert noxcli("batch", workflow, rows, "--timeout", "2s").code == 124
    nowhere = {"NOXUS_BACKEND_URL": "http://127.0.0.1:9"}
    again = noxcli("batch", workflow, rows, "--resume", "--retry-for", "0", environ=nowhere)
    runs = [run.id for run in sandbox.runs(workflow)]
    assert (again.code, len(again.err.splitlines()), len(runs)) == (75, 1, 2), again.err
    assert all(run in again.err for run in runs)
    other = noxcli("batch", workflow, rows)
    assert (other.code, "already has a batch" in other.err, runs[0] in other.err) == (
        2,
        True,
        False,
    )


# A full disk.


@pytest.mark.parametrize(
    "kept", [1, 3, 5, *(pytest.param(kept, marks=pytest.mark.wide) for kept in (2, 4, 6))]
)
def test_on_a_full_disk_each_run_is_named_and_found_again(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, small_disk: Path, kept: int
) -> None:
    outputs = lambda inputs: {"A": inputs["Q"] * 900}  # noqa: E731
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(300)], output=outputs)
    (small_disk / "ballast").write_bytes(bytes(1024 * (256 - 4 * kept)))
    argv = (
        "batch",
        workflow,
        write_rows(*"123456"),
        "--output-dir",
        f"{small_disk}/out",
        "--max-parallel",
        "3",
    )
    first = noxcli(*argv)
    told = first.text + first.err
    assert first.code in {2, 9}, told
    assert all(run.id in told for run in sandbox.runs(workflow))
    assert "Traceback" not in first.err
    until(lambda: all(run.status == "completed" for run in sandbox.runs(workflow)))
    (small_disk / "ballast").unlink()
    again = noxcli(*argv, "--resume")
    assert again.code == 0, again.err
    assert asked(sandbox, workflow) == Counter("123456")


# One row's time.


@pytest.mark.long(5)
@pytest.mark.parametrize("trouble", ["slow", "429"])
def test_a_row_that_has_had_its_time_waits_for_no_read(
    noxcli: Noxcli, plays: Any, trouble: str
) -> None:
    late = LIMIT if trouble == "429" else Hold(60 * A_SECOND, repeat=True)
    workflow = plays(
        nodes=[input_node("Q")], script=[Sleep(600 * A_SECOND)], faults={"record": [late]}
    )
    began = time.monotonic()
    result = noxcli(
        "batch", workflow, write_rows(*"123"), "--row-timeout", "2s", "--max-parallel", "3"
    )
    assert (result.code, set(result.codes.values())) == (124, {124})
    assert 2 <= time.monotonic() - began < 5
    assert all("at --row-timeout" in line["result"]["error"]["message"] for line in result.lines)


@pytest.mark.long(6)
def test_a_read_that_is_answered_late_reports_no_row_twice(noxcli: Noxcli, plays: Any) -> None:
    forever, late = [Sleep(600 * A_SECOND)], Hold(3.5 * A_SECOND)
    workflow = plays(nodes=[input_node("Q")], script=forever, faults={"record": [late]})
    batch = ("batch", workflow, write_rows(*"12345"), "--row-timeout", "1s", "--max-parallel", "1")
    result = noxcli(*batch)
    assert sorted(line["row"] for line in result.lines) == [1, 2, 3, 4, 5]


@pytest.mark.long(4)
def test_a_start_that_was_sent_gets_its_answer_even_late(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    script, faults = [Sleep(600 * A_SECOND)], {"start": [Hold(2.5 * A_SECOND)]}
    workflow = plays(nodes=[input_node("Q")], script=script, faults=faults)
    result = noxcli("batch", workflow, write_rows("1"), "--row-timeout", "1s")
    assert (result.codes, len(sandbox.runs(workflow))) == ({1: 124}, 1), (
        "its run is known: the row is not in doubt"
    )
    assert result.lines[0]["result"]["run"]["id"] in result.lines[0]["result"]["error"]["message"]


@pytest.mark.long(4)
def test_rows_wait_at_a_standing_pace_as_long_as_a_row_may(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], faults={"start": [Hold(0), LIMIT]})
    began = time.monotonic()
    result = noxcli(
        "batch", workflow, write_rows(*"123"), "--row-timeout", "2s", "--max-parallel", "1"
    )
    assert (result.code, result.codes) == (124, {1: 0})
    assert "the server accepted no run for 2.0s (--row-timeout)" in result.err
    assert "2 not started" in result.err
    assert time.monotonic() - began < 5


@pytest.mark.long(12)
def test_retry_for_ends_a_batch_of_a_silent_server(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    """It takes each connection, and answers no read of a record."""

    def hold(request: Request, _: Forward) -> bytes | None:
        if RECORD.match(line_of(request)):
            time.sleep(20)
        return None

    with Gateway(sandbox.url, hold) as gateway:
        began = time.monotonic()
        argv = ("batch", workflow, write_rows(*"123"), "--retry-for", "3s")
        result = noxcli(*argv, environ={"NOXUS_BACKEND_URL": gateway.url})
        took = time.monotonic() - began
    assert (result.code, set(result.codes.values())) == (6, {6})
    assert took < 3 + 5 + 4, "one attempt may take 5 s"


@pytest.mark.long(3)
def test_retry_for_ends_a_batch_of_an_overloaded_server(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    """It answers reads with 503, and requests a pause that is longer than the time for retries."""
    two_reads = Barrier(2)  # one alone would be bad luck

    def refuse(request: Request, _: Forward) -> bytes | None:
        if not RECORD.match(line_of(request)):
            return None
        with suppress(BrokenBarrierError):
            two_reads.wait(10)
        return json_answer({}, 503, Retry_After="300")

    with Gateway(sandbox.url, refuse) as gateway:
        began = time.monotonic()
        argv = ("batch", workflow, write_rows(*"123"), "--retry-for", "2s", "--timeout", "30s")
        result = noxcli(*argv, environ={"NOXUS_BACKEND_URL": gateway.url})
        took = time.monotonic() - began
    assert (result.code, set(result.codes.values())) == (6, {6}), result.err
    assert took < 20


@pytest.mark.engine("strace")
@pytest.mark.parametrize("step", ["write", "fsync"])
def test_the_last_result_that_the_disk_does_not_take_is_an_error(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, step: str
) -> None:
    workflow, results = (
        plays(nodes=[input_node("Q")]),
        Path("rows.jsonl.batch/results.jsonl").absolute(),
    )
    fails = ["-e", f"trace={step}", "-e", f"inject={step}:error=ENOSPC:when=3"]
    traced = ["strace", "-f", "-qq", "-o", os.devnull, "-P", str(results), *fails, *NOXCLI]
    argv = ("batch", workflow, write_rows(*"123"), "--max-parallel", "1")
    first = call(*argv, env=environment(sandbox.url), program=traced, limit=HUNG)
    assert (first.returncode, len(first.stdout.splitlines())) == (9, 2), first.stderr
    (last,) = (run.id for run in sandbox.runs(workflow) if run.input["Q"] == "3")
    assert f"runs whose result was not saved and printed: {last}" in first.stderr.decode()
    again = noxcli(*argv, "--resume")
    assert (again.code, again.codes) == (0, {3: 0})
    assert asked(sandbox, workflow) == Counter("123")


@pytest.mark.engine("strace")
@pytest.mark.parametrize("write", [2, 3], ids=["the first row started", "the second row sent"])
def test_a_start_that_the_disk_does_not_record_is_the_last_one(
    sandbox: Sandbox, workflow: str, write: int
) -> None:
    """The thread that starts the rows writes two lines for each: `sent` and `started`."""
    journal = Path("rows.jsonl.batch/batch.jsonl").absolute()
    fails = ["-e", "trace=write", "-e", f"inject=write:error=ENOSPC:when={write}"]
    traced = ["strace", "-f", "-qq", "-o", os.devnull, "-P", str(journal), *fails, *NOXCLI]
    argv = ("batch", workflow, write_rows(*"123"), "--max-parallel", "1")
    first = call(*argv, env=environment(sandbox.url), program=traced, limit=HUNG)
    told = first.stderr.decode()
    assert (first.returncode, "can't write the journal" in told) == (9, True), told
    assert "in doubt" not in told
    assert asked(sandbox, workflow) == Counter("1")


def test_a_bug_leaves_no_run_unnamed(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each verdict on a row fails, also those at the end."""

    def fails(_: object, line: dict[str, Any]) -> Any:
        raise KeyError(line["row"])

    monkeypatch.setattr("noxcli.checks.row_checker.RowChecker.judged", fails)
    workflow = plays(
        nodes=[input_node("Q")], script=lambda inputs: [Sleep(int(inputs["Q"]) * 0.2 * A_SECOND)]
    )
    result = noxcli("batch", workflow, write_rows(*"1234"), "--timeout", "20s")
    assert (result.code, "Traceback" in result.err) == (70, False), result.err
    assert all(run.id in result.err for run in sandbox.runs(workflow)), result.err
