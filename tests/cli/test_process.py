"""The real process: pipes, signals, terminals."""

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep
from tests import process
from tests.process import HUNG, IN_SHELL, NOXCLI, ended_by

# Nothing here is forked: this is how a shell starts it.
call, running = partial(process.call, program=NOXCLI), partial(process.running, program=NOXCLI)
FOREVER = [Emit("Write", "hello "), Sleep(60_000)]


def test_module_and_script_are_the_same(env: dict[str, str]) -> None:
    script = subprocess.run(
        [str(Path(sys.executable).with_name("noxcli")), "--version"],
        capture_output=True,
        check=True,
    )
    assert call("--version", env=env).stdout == script.stdout
    assert call("--version", "--version", env=env).stdout == script.stdout


def test_a_reader_that_goes_away(env: dict[str, str], plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=[Emit("Write", "x" * 1000) for _ in range(2000)], output={"A": "x"})
    pipeline = f"{IN_SHELL} run {workflow} --format ndjson | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", pipeline], capture_output=True, env=env, timeout=HUNG, check=True
    )
    first, code = done.stdout.splitlines()
    assert json.loads(first)["type"] == "noxcli.started"
    assert code == b"141"
    assert b"Traceback" not in done.stderr
    assert (
        f"noxcli stream {sandbox.runs(workflow)[0].id} --resume --format ndjson".encode()
        in done.stderr
    )


@pytest.mark.parametrize(
    ("number", "code", "form"),
    [
        pytest.param(number, code, form, marks=[pytest.mark.wide] * (place != turn))
        for place, (number, code) in enumerate(
            [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
        )
        for turn, form in enumerate(["text", "json", "ndjson"])
    ],
)
def test_a_signal_stops_the_run_with_its_code_and_document(
    env: dict[str, str], plays: Any, sandbox: Sandbox, number: int, code: int, form: str
) -> None:
    workflow = plays(script=FOREVER, output={"A": "x"})
    with running("run", workflow, "--format", form, env=env) as process:
        assert process.stderr is not None
        while b"Write" not in process.stderr.readline():
            pass
        out, err = ended_by(process, number)
    assert process.returncode == code
    assert b"Traceback" not in err
    assert b"; stopped run " in err
    assert sandbox.runs(workflow)[0].status == "stopped"
    if form == "text":
        assert out == b""
    else:
        last = json.loads(out.splitlines()[-1])
        document = last if form == "json" else last["data"]
        assert (document["exit_code"], document["retry_safe"]) == (code, False)
        assert (document["run"]["status"], document["run"]["confirmed"]) == ("stopped", True)


def test_force_color_does_not_make_a_file_a_terminal(env: dict[str, str], plays: Any) -> None:
    done = call("run", plays(output={"A": "x"}), env={**env, "FORCE_COLOR": "1"})
    assert b"\x1b" not in done.stdout
    assert b"\x1b[" not in done.stderr.replace(b"\x1b[0m", b"")
    assert b"\x1b[2K" not in done.stderr
