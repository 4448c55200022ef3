"""The first call of a batch: one process at a time, no directory without a start, repeated jobs."""

import os
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows
from tests.process import HUNG, running

LIMIT = Answer(429, {}, headers={"Retry-After": "300"}, repeat=True)
SECOND = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ATTEMPT": "2"}


def test_the_slower_of_two_processes_starts_nothing(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, env: dict[str, str]
) -> None:
    os.mkfifo("many.jsonl")
    with running("batch", workflow, "many.jsonl", "--output-dir", "out", env=env) as slow:
        with Path("many.jsonl").open(
            "w"
        ) as rows:  # waits until it reads them, before it has the lock
            assert noxcli("batch", workflow, write_rows(*"123"), "--output-dir", "out").code == 0
            rows.write(Path("rows.jsonl").read_text())
        _, err = slow.communicate(timeout=HUNG)
    assert slow.returncode == 75, err
    assert b"another batch has begun in out meanwhile; continue that one with --resume" in err
    assert len(sandbox.runs(workflow)) == 3


def test_a_table_without_rows_leaves_its_directory(noxcli: Noxcli, workflow: str) -> None:
    assert noxcli("batch", workflow, write_rows()).code == 0
    assert Path("rows.jsonl.batch/batch.jsonl").exists()


def test_a_repeated_job_does_not_resume_an_empty_directory(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    rows = write_rows(*"12")
    result = noxcli("batch", workflow, rows, "--resume", environ=SECOND)
    assert (result.code, result.out, sandbox.requests) == (2, b"", [])
    assert "there is no batch in rows.jsonl.batch, and this is attempt 2 of the job" in result.err
    assert "artifact" in result.err
    assert "set NOXCLI_FIRST=1" in result.err
    assert not Path("rows.jsonl.batch").exists()
    assert noxcli("batch", workflow, rows, "--again", "failed", environ=SECOND).code == 2
    for unset in ("0", "", "false"):
        assert (
            noxcli(
                "batch", workflow, rows, "--resume", environ={**SECOND, "NOXCLI_FIRST": unset}
            ).code
            == 2
        )
    assert (
        noxcli("batch", workflow, rows, "--resume", environ={**SECOND, "NOXCLI_FIRST": "1"}).code
        == 0
    )
    assert noxcli("batch", workflow, rows, "--resume", environ=SECOND).code == 0, (
        "now there is a journal"
    )
    assert len(sandbox.runs(workflow)) == 2


def test_a_repeated_job_without_resume_is_warned(noxcli: Noxcli, workflow: str) -> None:
    rows, said = write_rows(*"12"), "this is attempt 2 of the job, and it starts every row"
    result = noxcli("batch", workflow, rows, environ=SECOND)
    assert (result.code, said in result.err) == (0, True)
    assert said not in noxcli("batch", workflow, rows, "--fresh", environ=SECOND).err


NOTHING_STARTED = {
    "unreachable": ({"NOXUS_BACKEND_URL": "http://127.0.0.1:9"}, 75),
    "429": ({}, 75),
    "wrong key": ({"NOXUS_API_KEY": "wrong"}, 4),
    "no key": ({"NOXUS_API_KEY": ""}, 4),
    "wrong rows": ({}, 2),
}


@pytest.mark.parametrize("reason", NOTHING_STARTED)
def test_an_attempt_that_started_nothing_tells_the_next_one(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, reason: str
) -> None:
    wrong, code = NOTHING_STARTED[reason]
    workflow = plays(nodes=[input_node("Q")], faults={"start": [LIMIT]} if reason == "429" else {})
    rows = write_rows({"Nope": "1"}, *"2") if reason == "wrong rows" else write_rows(*"12")
    argv = ("batch", workflow, rows, "--resume", "--timeout", "1s", "--retry-for", "0")
    assert noxcli(*argv, environ={**SECOND, "GITHUB_RUN_ATTEMPT": "1", **wrong}).code == code
    assert Path("rows.jsonl.batch/batch.jsonl").exists()
    write_rows(*"12")
    again = noxcli(*argv, environ=SECOND)
    assert (again.code, "this is attempt" in again.err) == (75 if reason == "429" else 0, False)
    assert len(sandbox.runs(workflow)) == (0 if reason == "429" else 2)
