"""A machine without room: no thread can be started, no file opened; one line and the right code, never a bug."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit
from tests.conftest import write_rows
from tests.process import HUNG, NOXCLI, call, environment, needs

PATIENT = ["--retry-for", "1s"]
LATE = """
import sys, threading
from noxcli.__main__ import main
def see(event, args):
    if event == "import" and threading.current_thread() is not threading.main_thread():
        sys.stderr.write(f"late: {args[0]}\\n")
sys.addaudithook(see)
main()
"""
# The limit on processes does not hold for root; another user needs to read Python and these files.
SOMEBODY = ["--clear-groups", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def limited(*argv: str, env: dict[str, str], **limit: int) -> subprocess.CompletedProcess[bytes]:
    """Run noxcli with that limit (nproc, nofile)."""
    needs("prlimit")
    command = ["prlimit", *(f"--{name}={value}" for name, value in limit.items())]
    return called([*command, *(as_somebody() if "nproc" in limit else [])], *argv, env=env)


def as_somebody() -> list[str]:
    """Return the command that runs another one as a user without a passwd entry."""
    needs("setpriv")
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    somebody = str(100_000 + os.getpid())
    return ["setpriv", "--reuid", somebody, "--regid", somebody, *SOMEBODY]


def called(
    command: list[str], *argv: str, env: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [*command, *NOXCLI, *argv], env=env, capture_output=True, timeout=HUNG, check=False
    )
    assert b"Traceback" not in done.stderr
    return done


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    tmp_path.chmod(0o777)
    own = {"NOXCLI_STATE_DIR": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    return {**environment(sandbox.url), **own}


@pytest.fixture
def run_id(plays: Any, env: dict[str, str]) -> str:
    return call("run", plays(output={"A": "x"}), "--detach", env=env).stdout.decode().strip()


@pytest.mark.parametrize("argv", [["run", "demo", "User Input=x"], ["doctor"]])
def test_no_thread_before_a_start_is_temporary(
    sandbox: Sandbox, env: dict[str, str], argv: list[str]
) -> None:
    patient = [] if argv == ["doctor"] else PATIENT
    done = limited(*argv, *patient, env=env, nproc=1)
    assert done.returncode == 75
    assert (
        b"can't start a thread; check the limit on processes (ulimit -u)"
        in done.stdout + done.stderr
    )
    assert not sandbox.runs("demo")


@pytest.mark.parametrize("verb", ["wait", pytest.param("fetch-output", marks=pytest.mark.wide)])
def test_no_thread_for_a_run_is_lost_contact(env: dict[str, str], run_id: str, verb: str) -> None:
    assert limited(verb, run_id, *PATIENT, env=env, nproc=1).returncode == 6


def test_two_threads_more_are_enough_for_a_run(env: dict[str, str]) -> None:
    done = limited(
        "run", "demo", "User Input=x", "--json", env=env, nproc=3
    )  # one may still be ending
    assert (done.returncode, json.loads(done.stdout)["complete"]) == (0, True)


@pytest.fixture
def workflow(plays: Any) -> str:
    write_rows(*map(str, range(16)))
    Path.cwd().chmod(0o777)
    return str(
        plays(nodes=[input_node("Q")], script=[Emit("Write", "x")], output={"A": "y" * 20_000})
    )


@pytest.mark.parametrize("threads", [1, pytest.param(3, marks=pytest.mark.wide)])
def test_a_batch_tells_what_it_started(
    sandbox: Sandbox, workflow: str, env: dict[str, str], threads: int
) -> None:
    options = ["--max-parallel", "8", "--output-dir", "out", *PATIENT]
    done = limited("batch", workflow, "rows.jsonl", *options, env=env, nproc=threads)
    results = [json.loads(line)["result"] for line in done.stdout.splitlines()]
    assert done.returncode in {0, 6, 9, 75}, done.stderr
    assert sum(not result["retry_safe"] for result in results) == len(sandbox.runs(workflow)), (
        done.stderr
    )
    assert {result["exit_code"] for result in results if not result["retry_safe"]} <= {0, 6, 7, 9}


def test_the_threads_of_a_batch_fetch_its_texts(workflow: str, env: dict[str, str]) -> None:
    done = limited("batch", workflow, "rows.jsonl", *PATIENT, env=env, nproc=3)
    assert (done.returncode, done.stdout.count(b"y" * 20_000)) == (0, 16), done.stderr


def test_the_threads_of_a_batch_import_nothing(workflow: str, env: dict[str, str]) -> None:
    argv = [
        sys.executable,
        "-c",
        LATE,
        "batch",
        workflow,
        "rows.jsonl",
        "--output-dir",
        "out",
        *PATIENT,
    ]
    done = subprocess.run(argv, env=env, capture_output=True, timeout=HUNG, check=False)
    assert (done.returncode, b"late: " in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("files", [11, pytest.param(20, marks=pytest.mark.wide)])
def test_a_batch_with_few_files_delivers_the_rest_later(
    sandbox: Sandbox, workflow: str, env: dict[str, str], files: int
) -> None:
    options = ["--max-parallel", "8", "--output-dir", "out", *PATIENT]
    done = limited("batch", workflow, "rows.jsonl", *options, env=env, nofile=files)
    assert done.returncode in {0, 6, 9, 75}, done.stderr
    again = limited("batch", workflow, "rows.jsonl", *options, "--resume", env=env)
    assert (again.returncode, len(sandbox.runs(workflow))) == (0, 16), again.stderr


@pytest.mark.parametrize(
    "files", [6, *(pytest.param(few, marks=pytest.mark.wide) for few in (5, 7))]
)
def test_no_file_handle_is_no_bug(
    sandbox: Sandbox, env: dict[str, str], run_id: str, files: int
) -> None:
    for argv in (
        ["run", "demo", "User Input=x"],
        ["wait", run_id],
        ["runs"],
        ["fetch-output", run_id],
    ):
        done = limited(*argv, *PATIENT, "--json", env=env, nofile=files)
        assert done.returncode in {0, 6, 75, 9}, (argv, done.stderr)
        if argv[0] == "run" and done.returncode == 75:
            assert not sandbox.runs("demo")


def test_a_user_without_a_home_keeps_no_history(
    sandbox: Sandbox, env: dict[str, str], run_id: str
) -> None:
    places = ("HOME", "NOXCLI_STATE_DIR", "NOXCLI_CACHE_DIR", "NOXCLI_CONFIG")
    homeless = {
        name: value
        for name, value in env.items()
        if name not in places and not name.startswith("XDG_")
    }
    Path.cwd().chmod(0o777)
    done = called(as_somebody(), "run", "demo", "User Input=x", "--detach", env=homeless)
    assert (done.returncode, done.stdout.decode()) == (0, f"{sandbox.runs('demo')[0].id}\n")
    assert (
        done.stderr.count(
            b"warning: this user has no home directory; @last and --resume won't find runs"
        )
        == 1
    )
    expected = {
        ("stream", "@last"): 5,
        ("stream", run_id, "--resume"): 0,
        ("doctor",): 0,
        ("runs",): 0,
    }
    for argv, code in expected.items():
        done = called(as_somebody(), *argv, env=homeless)
        assert done.returncode == code, (argv, done.stderr)
    assert not [path for path in Path.cwd().iterdir() if path.name.startswith(("~", "."))]
