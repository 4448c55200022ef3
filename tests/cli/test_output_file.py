"""`-o FILE`: what stdout would get, in a file that is whole or as it was."""

import json
import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli
from tests.process import ended_by, environment, forked, running, watched

OLD = b"what was there"


def left() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path().iterdir()}


@pytest.mark.parametrize(
    "line",
    [
        "run qa Question=x",
        "run structured --format ndjson",
        "run demo 'User Input=x' --format content",
        "stream @last --raw Answer",
        "fetch-output @last --query output",
        "rerun @last --json",
        "results b --query id",
        "export demo",
        "report @last",
    ],
)
def test_the_file_has_what_stdout_would_have(noxcli: Noxcli, line: str) -> None:
    Path("rows.jsonl").write_text('{"$id": "a", "Question": "x"}\n')
    assert noxcli("batch", "qa", "rows.jsonl", "--output-dir", "b").code == 0
    assert noxcli("run", "qa", "Question=x").code == 0
    plain = noxcli(*shlex.split(line))
    result = noxcli(*shlex.split(line), "-o", "file")
    assert (plain.code, result.code, result.out) == (0, 0, b"")
    content = Path("file").read_bytes()
    assert content
    if not {"--json", "ndjson", "report"} & {*line.split()}:  # those have ids and times
        assert content == plain.out


def test_an_ending_without_success_leaves_the_old_file(noxcli: Noxcli) -> None:
    Path("file").write_bytes(OLD)
    for line, code in (
        ("run fails", 1),
        ("run pauses --format ndjson", 10),
        ("run qa Question=x --assert !ok", 11),
        ("run qa", 2),
        ("run qa Question=x --raw Answr", 2),
    ):
        result = noxcli(*shlex.split(line), "-o", "file")
        assert (result.code, result.out, left()) == (code, b"", {"file": OLD}), line


def test_a_document_is_written_in_every_ending(noxcli: Noxcli) -> None:
    assert noxcli("run", "fails", "--json", "-o", "file").code == 1
    document: Any = json.loads(Path("file").read_bytes())
    assert (document["exit_code"], document["ok"]) == (1, False)


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/null", "pipe", ".", "file/below"])
def test_what_is_no_file_is_refused(noxcli: Noxcli, sandbox: Sandbox, target: str) -> None:
    os.mkfifo("pipe")
    Path("file").touch()
    assert noxcli("run", "qa", "Question=x", "-o", target).code == 2
    assert sandbox.requests == []


def test_a_kill_leaves_nothing_behind(sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(script=[Sleep(60_000)])
    with running(
        "run", workflow, "--format", "ndjson", "-o", "file", env=environment(sandbox.url)
    ) as process:
        assert process.stderr is not None
        assert b"started" in process.stderr.readline()
        ended_by(process, signal.SIGKILL)
    assert not [path for path in Path().iterdir() if path.is_file()]


def test_on_a_terminal_the_page_of_the_last_run_is_a_file(noxcli: Noxcli, sandbox: Sandbox) -> None:
    run = noxcli("run", "qa", "Question=x", "--json").json["run"]["id"]
    seen = watched([*forked(), "report"], {**environment(sandbox.url), **noxcli.environ})
    assert seen.process.returncode == 0
    assert bytes(seen.raw) == f"wrote noxcli-{run}.html\r\n".encode()
    assert Path(f"noxcli-{run}.html").read_bytes().startswith(b"<!doctype html>")
