"""Every exit code, from the real binary; and the help that lists them."""

import subprocess
from typing import Any

import pytest

from noxcli.errors import ExitCode
from noxcli.sandbox.faults import Answer, LostAnswer
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.process import NOXCLI, call, environment

UNKNOWN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
FOREVER = [Sleep(60_000)]
LONG = "x" * 20_000

# code: (scenario, arguments after the workflow or run, verb)
CASES: dict[ExitCode, tuple[dict[str, Any], list[str]]] = {
    ExitCode.OK: ({"output": {"A": "x"}}, ["run", "WF"]),
    ExitCode.RUN_FAILED: ({"status": "failed"}, ["run", "WF"]),
    ExitCode.USAGE: ({}, ["run", "WF", "no-operator"]),
    ExitCode.RUN_STOPPED: ({"status": "stopped"}, ["run", "WF"]),
    ExitCode.AUTH: ({"faults": {"start": [Answer(403, {"detail": "flows_run"})]}}, ["run", "WF"]),
    ExitCode.NOT_FOUND: ({}, ["wait", UNKNOWN]),
    ExitCode.LOST_CONTACT: (
        {},
        ["wait", UNKNOWN, "--base-url", "http://127.0.0.1:9", "--retry-for", "0"],
    ),
    ExitCode.START_UNKNOWN: ({"faults": {"start": [LostAnswer("drop")]}}, ["run", "WF"]),
    ExitCode.NOT_FINISHED: ({"script": FOREVER}, ["fetch-output", "RUN"]),
    ExitCode.UNDELIVERED: (
        {"output": {"A": LONG}, "faults": {"file": [Answer(404, {"detail": "gone"}, repeat=True)]}},
        ["run", "WF"],
    ),
    ExitCode.PAUSED: ({"status": "awaiting_human_feedback"}, ["run", "WF"]),
    ExitCode.NOT_AS_ASSERTED: (
        {"output": {"A": "x"}},
        ["run", "WF", "--assert", "output.A == 'y'"],
    ),
    ExitCode.TEMPORARY: ({}, ["run", "WF", "--base-url", "http://127.0.0.1:9", "--retry-for", "0"]),
    ExitCode.TIMED_OUT: ({"script": FOREVER}, ["run", "WF", "--timeout", "1500ms"]),
}


@pytest.mark.parametrize("code", CASES, ids=lambda code: code.name)
def test_a_code_of_the_real_binary(code: ExitCode, plays: Any, sandbox: Sandbox) -> None:
    scenario, argv = CASES[code]
    env = environment(sandbox.url)
    workflow = plays(**scenario)
    run = (
        call("run", workflow, "--detach", env=env).stdout.decode().strip() if "RUN" in argv else ""
    )
    if "--base-url" in argv:
        del env["NOXUS_BACKEND_URL"]
    done = call(*[{"WF": workflow, "RUN": run}.get(word, word) for word in argv], env=env)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    if code:
        assert done.stderr.splitlines()[-1].startswith(b"noxcli: ")


@pytest.mark.parametrize("verbose", [False, True])
def test_the_code_of_a_bug(sandbox: Sandbox, plays: Any, verbose: bool) -> None:
    argv = [
        "noxcli",
        "run",
        plays(output={"A": "x"}),
        "--json",
        *(["--verbose"] if verbose else []),
    ]
    breaking = (
        "import sys\n"
        "def broken(*a, **k): raise ZeroDivisionError('boom')\n"
        "import noxcli.cli.start as start\n"
        "start.send_once = broken\n"
        f"sys.argv = {argv!r}\n"
        "from noxcli.__main__ import main; main()\n"
    )
    done = subprocess.run(
        [NOXCLI[0], "-c", breaking], env=environment(sandbox.url), capture_output=True, check=False
    )
    assert done.returncode == ExitCode.BUG
    assert b'"exit_code":70' in done.stdout
    assert (b"Traceback" in done.stderr) is verbose
    assert b"please report" in done.stderr


def test_every_code_is_tested() -> None:
    in_process = {
        ExitCode.HANGUP,
        ExitCode.INTERRUPTED,
        ExitCode.TERMINATED,
        ExitCode.READER_GONE,
    }  # test_process.py
    assert set(ExitCode) == {*CASES, *in_process, ExitCode.BUG}


def test_help_lists_them_all(sandbox: Sandbox) -> None:
    done = call("help", "exit-codes", env=environment(sandbox.url))
    assert done.returncode == 0
    table, _, engines = done.stdout.decode().partition("\n\n")
    listed = [line.split()[0] for line in table.splitlines() if not line.startswith("     ")]
    assert "--resume should retry 6, 75, 124, 137, 143" in " ".join(engines.split()).replace(
        "`", ""
    )
    assert listed == [str(int(code)) for code in sorted(ExitCode)]
    assert call("help", "nonsense", env=environment(sandbox.url)).returncode == 2
