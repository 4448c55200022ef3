"""Rows from a pipe: it is read to its end before the first start, and is like a file from then on."""

import os
import subprocess
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result
from tests.process import IN_SHELL, call, environment, forked, in_bash, until

ROWS = '{"$id": "a", "Q": "1"}\n{"$id": "b", "Q": "2"}\n'


@pytest.fixture
def batch(noxcli: Noxcli, workflow: str) -> Any:
    """Run the rows of a FIFO."""
    os.mkfifo("rows")

    def run(rows: str, *options: str) -> Result:
        writer = Thread(target=Path("rows").write_text, args=[rows], daemon=True)
        writer.start()
        return noxcli("batch", workflow, "rows", "--output-dir", "out", *options)

    return run


def test_nothing_starts_before_the_last_row_is_read(sandbox: Sandbox, workflow: str) -> None:
    argv = [*forked(), "batch", workflow, "-", "--output-dir", "out"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(sandbox.url)
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(ROWS.encode())
        process.stdin.flush()
        until(lambda: sandbox.requests)
        process.stdin.write(b'{"bad": "c"}\n')
        process.stdin.close()
        told = process.stderr.read().decode()
    assert (process.returncode, "row 3 (line 3): 'bad' is not an input" in told) == (2, True), told
    assert (sandbox.runs(workflow), Path("out").exists()) == ([], False)


def test_a_pipe_is_resumed_edited_and_counted_as_a_file(
    batch: Any, sandbox: Sandbox, workflow: str
) -> None:
    assert batch(ROWS, "--dry-run").lines[0]["to_start"] == 2
    assert batch(ROWS).code == 0
    assert [
        line["id"] for line in batch(f'{ROWS}{{"$id": "c", "Q": "3"}}\n', "--resume").lines
    ] == ["c"]
    other = ROWS.replace('"2"', '"two"')
    refused = batch(other, "--resume")
    assert (refused.code, "had another input when it ran: " in refused.err) == (2, True)
    assert [
        line["input"]["Q"]
        for line in batch(f'{other}{{"$id": "c", "Q": "3"}}', "--again", "edited").lines
    ] == ["two"]
    swapped = "".join(reversed(ROWS.replace('"2"', '"two"').splitlines(keepends=True)))
    assert batch(swapped, "--resume").out == b""
    assert sorted(run.input["Q"] for run in sandbox.runs(workflow)) == ["1", "2", "3", "two"]


@pytest.mark.parametrize(
    ("rows", "options", "code", "said"),
    [
        ("", [], 0, "warning: rows has no rows\n"),
        (
            "",
            ["--assert", "output.A == '1'"],
            2,
            "rows has no rows, so nothing is checked; add rows",
        ),
        (ROWS, ["--assert", "output.A != '9'", "--shard", "3/3"], 0, ""),
        ("", ["--expect", "expected"], 2, "has no rows, so nothing is checked"),
        (
            ROWS + ROWS,
            [],
            2,
            "row 3 (line 3) has the id of row 1 (line 1) (the first of 2 such rows); nothing was",
        ),
        (ROWS, ["--expect", "expected"], 2, "--expect has 1 output without a row: 'z'"),
        (ROWS, ["--only", "ids"], 2, "--only ids names 'z', but no row of rows has such an id"),
        (
            ROWS,
            ["--assert", "output.A == row.Quu"],
            2,
            "--assert names row.Quu, but no row has such a column",
        ),
        ("\ufeff[1", [], 2, "rows is not valid JSON"),
    ],
)
def test_a_mistake_in_a_pipe_starts_nothing(
    batch: Any, sandbox: Sandbox, workflow: str, rows: str, options: list[str], code: int, said: str
) -> None:
    Path("expected").write_text('{"$id": "z", "A": "1"}\n')
    Path("ids").write_text("z\n")
    result = batch(rows, "--quiet", *options)
    assert (result.code, said in result.err, bool(result.err)) == (code, True, bool(said)), (
        result.err
    )
    assert sandbox.runs(workflow) == []


def test_a_pipe_needs_a_place_for_the_journal(noxcli: Noxcli, workflow: str) -> None:
    result = noxcli("batch", workflow, "-")
    assert (result.code, "add --output-dir DIR" in result.err) == (2, True)


def test_expectations_and_ids_come_from_pipes_as_well(sandbox: Sandbox, workflow: str) -> None:
    line = (
        f"{forked()[0]} batch {workflow} - --output-dir out --only <(echo b) <<< $'Q,$id\\n1,a\\n2,b' "
        f"""--input-format csv --expect <(echo '{{"$id": "b", "A": "3"}}')"""
    )
    done = in_bash(line, environment(sandbox.url))
    assert (done.returncode, '/A is "2" and not "3"' in done.stderr) == (11, True), done.stderr
    assert [run.input["Q"] for run in sandbox.runs(workflow)] == ["2"]


def test_no_directory_for_temporary_files_is_needed(sandbox: Sandbox, workflow: str) -> None:
    env = {**environment(sandbox.url), "TMPDIR": "/missing"}
    assert call("batch", workflow, "-", "--output-dir", "out", env=env, stdin=ROWS).returncode == 0


@pytest.mark.parametrize(
    ("where", "why"), [("/proc/out", "can't write to the directory"), ("out", "file too large")]
)
def test_a_disk_that_takes_no_copy_is_told(
    sandbox: Sandbox, workflow: str, where: str, why: str
) -> None:
    line = f"ulimit -f 8; yes '{{\"Q\": 1}}' | head -9999 | {IN_SHELL} batch {workflow} - --output-dir {where}"
    done = in_bash(line, {**environment(sandbox.url), "PYTHONDONTWRITEBYTECODE": "1"})
    assert (done.returncode, done.stderr.count("\n"), why in done.stderr) == (2, 1, True), (
        done.stderr
    )
    assert sandbox.runs(workflow) == []
