"""What can keep a command waiting on this machine: the first signal and --timeout end each within a second."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from noxcli.render import Format
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep
from tests.conftest import write_rows
from tests.process import HUNG, call, environment, running, until
from tests.sample import one_in

AT_MOST = 1.0  # seconds
PYTHON_STARTS = 1.0  # seconds
LIMIT = 2.0  # of --timeout
SIGNALS = [signal.SIGTERM, signal.SIGINT]
LINES = [Emit("Write", "x" * 1000) for _ in range(5000)]


@pytest.fixture
def workflow(plays: Any) -> str:
    write_rows("a")
    return str(plays(nodes=[input_node("Q")], script=[Sleep(60_000)]))


def until_read(path: Path) -> int:
    """Return the writing end of a FIFO once noxcli has opened the other one."""
    end = time.monotonic() + HUNG
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.01)


def waiting_in(pipe: int) -> int:
    """Return the number of bytes in a pipe that nobody has read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


def until_full(end: int) -> None:
    """Return once the pipe is full."""
    writing = os.open(f"/proc/self/fd/{end}", os.O_WRONLY)
    until(
        lambda: not select.select([], [writing], [], 0)[1], lambda: f"{waiting_in(end)} bytes came"
    )
    os.close(writing)


def held_up(process: subprocess.Popen[bytes]) -> float:
    """Wait until the process has ended, and return by how many seconds a busy machine woke this one too late."""
    late, limit = 0.0, time.monotonic() + HUNG
    while process.poll() is None and (asleep := time.monotonic()) < limit:
        time.sleep(0.01)
        late += time.monotonic() - asleep - 0.01
    return late


def require_end(process: subprocess.Popen[bytes], code: int, *, after: float) -> None:
    """Check that the process ends that many seconds from now, and within AT_MOST more."""
    began = time.monotonic()
    late = held_up(process)
    assert time.monotonic() - began < after + AT_MOST + late
    assert process.returncode == code


def named_way_on(process: subprocess.Popen[bytes], run: str) -> bool:
    """Return whether the message has a command that prints the rest."""
    assert process.stderr is not None
    told = process.stderr.read().decode()
    return f"noxcli fetch-output {run}" in told or f"noxcli stream {run} --resume" in told


LOCAL = {
    "an upload": ["run", "{workflow}", "Q@{pipe}", "--no-check"],
    "an input": ["run", "{workflow}", "Q=@{pipe}"],
    "--inputs": ["run", "{workflow}", "--inputs", "@{pipe}"],
    "--inputs -": ["run", "{workflow}", "--inputs", "-"],
    "the key": ["run", "{workflow}", "Q=x", "--api-key-file", "{pipe}"],
    "a key command": ["run", "{workflow}", "Q=x"],
    "rows": ["batch", "{workflow}", "{pipe}", "--output-dir", "out"],
    "ids of rows": ["batch", "{workflow}", "rows.jsonl", "--only", "{pipe}"],
    "expectations": ["batch", "{workflow}", "rows.jsonl", "--expect", "{pipe}"],
    "run ids": ["wait", "-"],
}


@contextmanager
def blocked(
    what: str, sandbox: Sandbox, workflow: str, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start noxcli, and continue once it waits for something that does not come."""
    env, pipe = environment(sandbox.url), Path(what).absolute()
    os.mkfifo(pipe)
    if what == "a key command":
        command = f"api_key_command = ['cat', '{pipe}']"
        Path("config.toml").write_text(f"[profile.p]\nbase_url = '{sandbox.url}'\n{command}\n")
        env = {name: value for name, value in env.items() if not name.startswith("NOXUS_")}
        env |= {"NOXCLI_CONFIG": "config.toml", "NOXCLI_PROFILE": "p"}
    argv = [word.format(workflow=workflow, pipe=pipe) for word in LOCAL[what]]
    with running(*argv, *options, env=env, stdin=subprocess.PIPE) as process:
        if "-" in argv:
            assert process.stdin is not None
            given = process.stdin.fileno()
            os.write(given, b"\n")
            until(lambda: not waiting_in(given))
            yield process
            return
        writer = until_read(pipe)
        yield process
        os.close(writer)


@pytest.mark.parametrize(("what", "number"), one_in(2, LOCAL, SIGNALS))
def test_a_signal_ends_a_read(sandbox: Sandbox, workflow: str, what: str, number: int) -> None:
    with blocked(what, sandbox, workflow) as process:
        process.send_signal(number)
        require_end(process, 128 + number, after=0)
    assert not sandbox.runs(workflow)


def test_the_timeout_ends_each_read(sandbox: Sandbox, workflow: str) -> None:
    """All of them wait at the same time."""

    def end(what: str) -> tuple[int, bool]:
        began = time.monotonic()
        with blocked(what, sandbox, workflow, "--timeout", f"{LIMIT}s") as process:
            read = time.monotonic()  # it counts from its start, which is before
            late = held_up(process)
            ended = time.monotonic()
            is_in_time = ended - began > LIMIT and ended - read < LIMIT + AT_MOST + late
            return process.returncode, is_in_time

    with ThreadPoolExecutor(len(LOCAL)) as pool:
        assert dict(zip(LOCAL, pool.map(end, LOCAL), strict=True)) == dict.fromkeys(
            LOCAL, (75, True)
        )
    assert not sandbox.runs(workflow)


def test_a_pipe_that_nobody_opens_is_no_obstacle(sandbox: Sandbox, workflow: str) -> None:
    os.mkfifo("pipe")
    with running("run", workflow, "Q@pipe", "--no-check", env=environment(sandbox.url)) as process:
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        require_end(process, 143, after=0)


@pytest.mark.parametrize(("form", "number"), one_in(2, Format, SIGNALS))
def test_a_signal_ends_the_wait_for_a_reader(
    sandbox: Sandbox, plays: Any, form: str, number: int
) -> None:
    workflow = plays(script=LINES, output={"A": "y" * 5_000_000})
    with running("run", workflow, "--format", form, env=environment(sandbox.url)) as process:
        assert process.stdout is not None
        until_full(process.stdout.fileno())
        process.send_signal(number)
        require_end(process, 128 + number, after=0)
        (run,) = sandbox.runs(workflow)
        assert named_way_on(process, run.id)


@pytest.mark.parametrize(("form", "then"), one_in(2, ["ndjson", "text"], ["stop", "detach"]))
def test_the_timeout_ends_the_wait_for_a_reader(
    sandbox: Sandbox, plays: Any, form: str, then: str
) -> None:
    more = [Sleep(60_000)] if form == "ndjson" else []
    workflow = plays(script=[*LINES, *more], output={"A": "y" * 5_000_000})
    options = ["--format", form, "--timeout", "3s", "--on-timeout", then]
    began = time.monotonic()
    with running("run", workflow, *options, env=environment(sandbox.url)) as process:
        late = held_up(process)
    assert process.returncode == 124
    assert 3 < time.monotonic() - began < 3 + AT_MOST + PYTHON_STARTS + late
    (run,) = sandbox.runs(workflow)
    assert run.status == ("completed" if not more else "stopped" if then == "stop" else "running")


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_a_slow_reader_gets_everything(sandbox: Sandbox, plays: Any, form: str) -> None:
    workflow = plays(script=LINES[:500], output={"A": "y" * 500_000})
    with running("run", workflow, "--format", form, env=environment(sandbox.url)) as process:
        assert process.stdout is not None
        out = b""
        while piece := os.read(process.stdout.fileno(), 30_000):
            out += piece
            time.sleep(0.02)
        process.wait(HUNG)
    last = json.loads(out.splitlines()[-1])
    document = last if form == "json" else last["data"]
    assert (process.returncode, document["output"]["A"]) == (0, "y" * 500_000)


def read_slowly(end: int) -> None:
    """Read about 100 KB a second, as somebody does over a bad line."""
    while os.read(end, 4096):
        time.sleep(0.04)
    os.close(end)


@pytest.mark.parametrize("form", ["content", pytest.param("text", marks=pytest.mark.wide)])
def test_the_timeout_ends_the_writing_to_a_slow_reader(
    sandbox: Sandbox, plays: Any, form: str
) -> None:
    workflow = plays(script=LINES, output={"A": "y" * 5_000_000})
    began = time.monotonic()
    with running(
        "run", workflow, "--format", form, "--timeout", "3s", env=environment(sandbox.url)
    ) as process:
        assert process.stdout is not None
        Thread(target=read_slowly, args=[os.dup(process.stdout.fileno())], daemon=True).start()
        late = held_up(process)
        assert 3 < time.monotonic() - began < 3 + AT_MOST + PYTHON_STARTS + late
        assert process.returncode in (
            {9, 124} if form == "content" else {124}
        )  # between two pieces, or in one
        (run,) = sandbox.runs(workflow)
        assert named_way_on(process, run.id)


def test_a_signal_ends_a_batch_whose_lines_nobody_reads(sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], output={"A": "y" * 15_000})
    write_rows(*map(str, range(100)))
    env = environment(sandbox.url)
    with running("batch", workflow, "rows.jsonl", env=env) as process:
        assert process.stdout is not None
        until_full(process.stdout.fileno())
        process.send_signal(signal.SIGTERM)
        require_end(process, 143, after=0)
    again = call("batch", workflow, "rows.jsonl", "--resume", env=env)
    assert len(sandbox.runs(workflow)) == 100
    assert {json.loads(line)["result"]["exit_code"] for line in again.stdout.splitlines()} == {0}


def test_the_timeout_ends_a_batch_whose_lines_nobody_reads(sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], output={"A": "y" * 15_000})
    write_rows(*map(str, range(100)))
    began = time.monotonic()
    with running(
        "batch", workflow, "rows.jsonl", "--timeout", "3s", env=environment(sandbox.url)
    ) as process:
        late = held_up(process)
    assert process.returncode == 124
    assert time.monotonic() - began < 3 + AT_MOST + PYTHON_STARTS + late


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (None, 124)])
def test_messages_that_nobody_reads_outlast_nothing(
    sandbox: Sandbox, plays: Any, number: int | None, code: int
) -> None:
    workflow = plays(script=[Sleep(60_000)])
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with suppress(BlockingIOError):
        while True:
            os.write(theirs, b"x" * 4096)
    os.set_blocking(theirs, True)
    argv = ["run", workflow, *([] if number else ["--timeout", "3s"])]
    with running(*argv, env=environment(sandbox.url), stderr=theirs) as process:
        until(lambda: sandbox.runs(workflow))
        if number is not None:
            process.send_signal(number)
        require_end(process, code, after=0 if number else 3)
    os.close(ours)
    os.close(theirs)
