"""The sandbox from a shell: until Ctrl-C, or around one command."""

import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from noxcli.sandbox.server import Sandbox

# Exit codes of a shell.
NOT_EXECUTABLE = 126
NOT_FOUND = 127
BY_SIGNAL = 128  # and the signal's number
DEFAULT_PORT = 8765

_GLANCE = 0.1  # seconds between two checks for a signal


def run_command(argv: Sequence[str], sandbox: Sandbox) -> int:
    """Run a command against a sandbox that ends with it; returns the exit code of a shell."""
    with sandbox:
        return _run(argv, environment(sandbox))


def serve_forever(sandbox: Sandbox) -> int:
    """Serve until Ctrl-C or SIGTERM; prints what can be run, and what to export."""
    with _noted() as arrived, sandbox:
        for line in _listed(sandbox):
            print(line)
        print()
        print("# Paste these two lines elsewhere; Ctrl-C stops the sandbox.")
        print(f"export NOXUS_BACKEND_URL={sandbox.url}")
        print(f"export NOXUS_API_KEY={shlex.quote(sandbox.key)}", flush=True)
        while not arrived:
            time.sleep(_GLANCE)
    return 0


def _listed(sandbox: Sandbox) -> Iterator[str]:
    """Yield the workflows and what they do, wrapped at words on a terminal."""
    width = max((len(scenario.name) for scenario in sandbox.scenarios), default=0)
    columns = sys.maxsize
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
    for scenario in sandbox.scenarios:
        line = f"# {scenario.name:{width}}  {scenario.description}"
        yield textwrap.fill(line, max(columns, 2 * width), subsequent_indent=f"# {'':{width}}  ")


def fresh_key() -> str:
    """An unguessable key: other users of this machine, and web pages, can also reach the port."""
    return f"sandbox-{secrets.token_urlsafe(24)}"


def environment(sandbox: Sandbox) -> dict[str, str]:
    """This process's environment, pointed at the sandbox."""
    # A client's own variables override the shared ones, and would send a rehearsal to the real API.
    own = re.compile("NOXCLI_.*(KEY|URL|HOST|PROFILE)")
    ours = {name: value for name, value in os.environ.items() if not own.match(name)}
    no_proxy = "127.0.0.1,localhost"
    given = ours.get("NO_PROXY") or ours.get("no_proxy")
    if given:
        no_proxy = f"{given},{no_proxy}"
    scripts = str(Path(sys.executable).parent)
    return {
        **ours,
        "NOXUS_BACKEND_URL": sandbox.url,
        "NOXUS_API_KEY": sandbox.key,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PATH": os.pathsep.join([scripts, ours.get("PATH", os.defpath)]),
    }


def _run(argv: Sequence[str], env: dict[str, str]) -> int:
    with _noted() as arrived:
        try:
            child = subprocess.Popen(argv, env=env)  # noqa: S603 - the user asks to run it
        except FileNotFoundError:
            print(f"noxcli sandbox: command not found: {argv[0]}", file=sys.stderr)
            return NOT_FOUND
        except OSError as error:
            print(f"noxcli sandbox: cannot run {argv[0]}: {error.strerror}", file=sys.stderr)
            return NOT_EXECUTABLE
        while child.returncode is None:
            while arrived:
                number = arrived.pop(0)
                if number != signal.SIGINT:  # a terminal's Ctrl-C reaches the child without us
                    child.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                child.wait(_GLANCE)
    if child.returncode < 0:
        return BY_SIGNAL - child.returncode
    return child.returncode


@contextmanager
def _noted() -> Iterator[list[int]]:
    """Yield a list of the signals that arrive.

    They are noted, since an exception could hit the server at its start or end; and not ignored,
    since a child inherits what is ignored. What nohup has ignored stays so.
    """
    arrived: list[int] = []

    def note(number: int, _: object) -> None:
        arrived.append(number)

    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        before[number] = signal.getsignal(number)
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
