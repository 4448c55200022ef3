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

from noxcli.sandbox.server import Sandbox

NOT_EXECUTABLE, NOT_FOUND, BY_SIGNAL = 126, 127, 128
DEFAULT_PORT = 8765

_GLANCE = 0.1  # seconds between two checks for a signal


def run_command(argv: Sequence[str], sandbox: Sandbox) -> int:
    """Run a command against a sandbox that ends with it; returns the command's exit code, as a shell would see it."""
    with sandbox:
        return _run(argv, environment(sandbox))


def serve_forever(sandbox: Sandbox) -> int:
    """Serve until Ctrl-C or SIGTERM; prints what can be run and, where it stays on a screen, what to export."""
    with _noted() as arrived, sandbox:
        print(*_listed(sandbox), "", sep="\n")
        print("# Paste these two lines elsewhere; Ctrl-C stops the sandbox.")
        print(f"export NOXUS_BACKEND_URL={sandbox.url}")
        print(f"export NOXUS_API_KEY={shlex.quote(sandbox.key)}", flush=True)
        while not arrived:
            time.sleep(_GLANCE)
    return 0


def _listed(sandbox: Sandbox) -> Iterator[str]:
    """Yield the workflows and what they do, wrapped at words on a terminal."""
    width = max((len(scenario.name) for scenario in sandbox.scenarios), default=0)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
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
    scripts = str(Path(sys.executable).parent)
    loopback = [
        name
        for name in (ours.get("NO_PROXY") or ours.get("no_proxy"), "127.0.0.1,localhost")
        if name
    ]
    return {
        **ours,
        "NOXUS_BACKEND_URL": sandbox.url,
        "NOXUS_API_KEY": sandbox.key,
        "NO_PROXY": ",".join(loopback),
        "no_proxy": ",".join(loopback),
        "PATH": os.pathsep.join([scripts, ours.get("PATH", os.defpath)]),
    }


def _run(argv: Sequence[str], env: dict[str, str]) -> int:
    with _noted() as arrived:
        try:
            child = subprocess.Popen(argv, env=env)  # noqa: S603 - the command line that the user asks to run
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
    return BY_SIGNAL - child.returncode if child.returncode < 0 else child.returncode


@contextmanager
def _noted() -> Iterator[list[int]]:
    """Yield a list of the signals that arrive: an exception instead could hit the server at its start or end.

    They are handled, since a child inherits what is ignored; and what nohup has ignored stays so.
    """
    arrived: list[int] = []
    before = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: arrived.append(number))
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
