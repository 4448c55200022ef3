"""noxcli as its own process: with pipes, signals and pseudo-terminals."""

import fcntl
import os
import pty
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import pytest

from tests import forks
from tests.documents import check_stdout

NOXCLI = [sys.executable, "-m", "noxcli"]
IN_SHELL = shlex.join(NOXCLI)  # the project may be in a directory with a blank
HUNG = 200.0  # seconds after which a process hangs, however much else a machine has to do
HUNG_INSTALLING = 400.0  # the same where it downloads packages and installs them


def until(
    holds: Callable[[], object], told: Callable[[], object] = str, limit: float = HUNG
) -> None:
    """Wait until something holds; `told` says what there is instead, if it never does."""
    end = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < end, told()
        time.sleep(0.01)


def forked() -> list[str]:
    """Return the command that is forked from a process that has loaded noxcli."""
    return [str(forks.directory() / "noxcli")]


def environment(url: str, key: str = "sandbox-key") -> dict[str, str]:
    """What a process needs to find the sandbox, and noxcli: the command that is forked."""
    return {
        "NOXUS_BACKEND_URL": url,
        "NOXUS_API_KEY": key,
        "PATH": f"{forks.directory()}:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
    }


def call(
    *argv: str,
    env: Mapping[str, str],
    limit: float = 30,
    stdin: str | None = None,
    program: Sequence[str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command until it exits, with everything captured."""
    process = subprocess.Popen(
        [*(program or forked()), *argv],
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
    )
    with process:
        try:
            out, err = process.communicate(None if stdin is None else stdin.encode(), timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    check_stdout(out)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def captured(
    argv: Sequence[str], env: Mapping[str, str], **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run any program until it exits, and return its code and the texts that it wrote."""
    return subprocess.run(
        argv, env=env, capture_output=True, text=True, timeout=HUNG, check=False, **options
    )


def in_bash(line: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return captured(["bash", "-c", line], env)


@contextmanager
def running(
    *argv: str, env: Mapping[str, str], program: Sequence[str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start noxcli, with Popen's options; it is gone after the block."""
    command, options = (
        [*(program or forked()), *argv],
        {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )
    process = subprocess.Popen(command, env=dict(env), **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
            stream.close()


def ended_by(process: subprocess.Popen[bytes], number: int) -> tuple[bytes, bytes]:
    """Send a process a signal, and return what it has written once it has ended."""
    process.send_signal(number)
    return process.communicate(timeout=HUNG)


@dataclass
class Seen:
    """What arrived at the terminal's other end."""

    process: "subprocess.Popen[bytes]"
    end: int
    name: str = ""  # the terminal's device
    raw: bytearray = field(default_factory=bytearray)

    def wait_for(self, text: bytes, limit: float = HUNG, after: int = 0) -> None:
        """Wait for a text; of a process that has ended, only what it has written may still arrive."""

        def told() -> str:
            return f"{text!r} did not come: {bytes(self.raw)!r}"

        until(lambda: text in self.raw[after:] or self.process.poll() is not None, told, limit)
        until(lambda: text in self.raw[after:], told, 5)

    def resize(self, columns: int, rows: int) -> None:
        """Do what a user does at the corner of a window."""
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def on_terminal(
    argv: Sequence[str],
    env: Mapping[str, str],
    columns: int = 80,
    rows: int = 24,
    *,
    stdout: int | None = None,
) -> Iterator[Seen]:
    """Run with stderr (and stdin, and stdout by default) on a pseudo-terminal of that size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        argv,
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        env={key: value for key, value in env.items() if key != "COLUMNS"},
        start_new_session=True,
    )
    seen = Seen(process, ours, os.ttyname(theirs))
    os.close(theirs)

    def read() -> None:
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                return
            if not piece:
                return
            seen.raw += piece

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield seen
        process.wait(HUNG)
        reader.join(5)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        reader.join(5)
        os.close(ours)


def needs(name: str) -> None:
    """Skip if a program is missing; on CI all must be installed."""
    if shutil.which(name) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")


def watched(
    argv: Sequence[str],
    env: Mapping[str, str],
    columns: int = 80,
    rows: int = 24,
    *,
    stdout: int | None = None,
) -> Seen:
    """Run on such a terminal until it exits."""
    with on_terminal(argv, env, columns, rows, stdout=stdout) as seen:
        return seen


STARVE = """
import os, resource
def starve(free=0):
    limit = os.open(os.devnull, os.O_RDONLY) + 1 + free
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
"""


def printed_by(script: str, **environ: str) -> str:
    """Return what a script prints in a process of its own; `starve(N)` leaves it only N free handles.

    In the process of the tests, handles that other threads close meanwhile would count.
    """
    done = subprocess.run(
        [sys.executable, "-c", STARVE + script],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


MEASURE = """
import os, subprocess, sys, hashlib
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
digest = hashlib.sha256()
while piece := process.stdout.read(1 << 20):
    digest.update(piece)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss // 1024, os.waitstatus_to_exitcode(status), digest.hexdigest())
"""  # a small process: until exec, its child counts as large as itself


def measured(
    *argv: str, env: Mapping[str, str], stdin: IO[bytes] | None = None
) -> tuple[int, int, str]:
    """Run noxcli; return its peak memory in MiB, its exit code and the hash of its stdout."""
    line = [sys.executable, "-S", "-c", MEASURE, *NOXCLI, *argv]
    done = subprocess.run(line, env=env, stdin=stdin, capture_output=True, check=True, timeout=HUNG)
    memory, code, digest = done.stdout.split()
    return int(memory), int(code), digest.decode()
