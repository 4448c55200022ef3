"""noxcli without the time for its start: a process that has loaded it forks for each command.

Each command is its own process, with its own descriptors, directory and environment. Tests of a terminal, of a process
group, of limits, of memory and of the start itself run the real command instead.
"""

import atexit
import gc
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from fcntl import F_DUPFD, fcntl
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from noxcli.app import verb_named
from noxcli.cli.verbs import VERBS

ROOT = Path(__file__).parent.parent
# The `noxcli` on PATH: it passes on its arguments, streams and signals, and exits as the command did.
CLIENT = r"""#!/bin/sh
'''exec' "PYTHON" -IS "$0" "$@"
''' # a path with a blank can't stand after #!
import _signal, _socket, posix, sys # neither os nor struct: loading them would take half as long as Python's start
def is_open(fd):
    try: posix.fstat(fd)
    except OSError: return False
    return True
def packed(number): return number.to_bytes(4, sys.byteorder)
def unpacked(data): return int.from_bytes(data, sys.byteorder)
fds = [fd for fd in map(int, posix.listdir("/proc/self/fd")) if is_open(fd)]
server = _socket.socket(_socket.AF_UNIX)
server.connect("ADDRESS")
place = [posix.getcwdb(), b"%d" % posix.umask(0)]
argv = [item.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()) for item in sys.argv[1:]]
lists = [[b"%d" % fd for fd in fds], place, argv, map(b"=".join, posix.environ.items())]
data = b"\0\0".join(b"".join(item + b"\0\n" for item in items) for items in lists)
command, early = [], []
def pass_on(number, _):
    if not command: return early.append(number)
    try: posix.kill(command[0], number)
    except OSError: pass # it has just ended
for number in SIGNALS:
    if _signal.getsignal(number) != _signal.SIG_IGN: _signal.signal(number, pass_on)
server.sendmsg([packed(len(data))], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, b"".join(map(packed, fds)))])
server.sendall(data)
command.append(unpacked(server.recv(4)))
for number in early: pass_on(number, None)
ended = server.recv(4)
status = unpacked(ended) if ended else 9
if status & 127:
    _signal.signal(status & 127, _signal.SIG_DFL)
    posix.kill(posix.getpid(), status & 127)
posix._exit(status >> 8)
"""
SIGNALS = [
    int(number)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1)
]
LIBRARIES = ["jmespath", "pathvalidate", "platformdirs", "rich", "sseclient"]
SHARED = "TESTS_FORKS"  # the variable with the directory of a process that another one has started
MOST_DESCRIPTORS, ABOVE_ALL = 64, 500


@cache
def directory() -> Path:
    """Return what to put first on PATH; if such a process is not possible, the installed command's directory."""
    if shared := os.environ.get(SHARED):
        return Path(shared)
    if not hasattr(os, "pidfd_open"):
        return Path(sys.executable).parent
    place = Path(tempfile.mkdtemp(prefix="noxcli-forks-"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place / "socket"))
    listener.listen(64)
    client = CLIENT.replace("PYTHON", sys.executable).replace("ADDRESS", str(place / "socket"))
    (place / "noxcli").write_text(client.replace("SIGNALS", str(SIGNALS)))
    (place / "noxcli").chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forks", str(listener.fileno())],
        cwd=ROOT,
        env={"LANG": "C.UTF-8", "PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE,  # when it closes, the server exits
        stdout=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        start_new_session=True,
    )
    listener.close()
    atexit.register(server.communicate)  # closes its stdin, and waits until the directory is gone
    return place


def share() -> None:
    """Start the process now, and let the processes that this one starts use it, too."""
    os.environ[SHARED] = str(directory())


def serve(listener: socket.socket) -> None:
    """Load everything, then fork for each client until stdin ends; then remove the directory."""
    for name in LIBRARIES:
        import_module(name)
    for module in walk_packages([str(ROOT / "noxcli")], "noxcli."):
        if module.name != "noxcli.__main__":
            import_module(module.name)
    for verb in VERBS:
        verb_named(verb)
    gc.freeze()
    commands = Commands()
    for fd in (listener.fileno(), 0):
        commands.poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in commands.poll.poll():
            if fd == 0:
                shutil.rmtree(Path(listener.getsockname()).parent)
                return
            if fd == listener.fileno():
                commands.start(listener.accept()[0])
            elif fd in commands.clients:
                commands.kill(fd)
            elif fd in commands.running:
                commands.finish(fd)


class Commands:
    """The processes that run now, each with the client that waits for it."""

    def __init__(self) -> None:
        self.poll = select.poll()
        self.running: dict[int, tuple[int, socket.socket]] = {}  # process and client, by pidfd
        self.clients: dict[int, int] = {}  # process, by the client's descriptor

    def start(self, client: socket.socket) -> None:
        """Fork a process, which reads from the client what to run."""
        process = os.fork()
        if process == 0:
            become(client)
        pidfd = os.pidfd_open(process)
        self.running[pidfd] = process, client
        self.clients[client.fileno()] = process
        self.poll.register(pidfd, select.POLLIN)
        self.poll.register(client.fileno(), 0)  # reports that the client is gone, and nothing else

    def kill(self, client: int) -> None:
        """End the command of a client that is gone."""
        self.poll.unregister(client)
        os.kill(self.clients.pop(client), signal.SIGKILL)

    def finish(self, pidfd: int) -> None:
        """Send the client the exit status of its command."""
        process, client = self.running.pop(pidfd)
        _, status = os.waitpid(process, 0)
        self.poll.unregister(pidfd)
        os.close(pidfd)
        if self.clients.pop(client.fileno(), None):
            self.poll.unregister(client.fileno())
        with suppress(OSError), client:
            client.sendall(struct.pack("=i", status))


def read_request(client: socket.socket) -> tuple[list[int], list[list[str]]]:
    """Return the client's descriptors as they are here; their numbers there, its place, arguments and environment."""
    head, received, _, _ = socket.recv_fds(client, 4, MOST_DESCRIPTORS)
    data, size = b"", struct.unpack("=I", head)[0]
    while len(data) < size:
        data += client.recv(size - len(data))
    return received, [part.split("\0\n")[:-1] for part in os.fsdecode(data).split("\0\0")]


def become(client: socket.socket) -> None:
    """Run the client's command as if the process had just been started."""
    received, (fds, place, argv, environ) = read_request(client)
    client.sendall(struct.pack("=i", os.getpid()))
    high = [fcntl(fd, F_DUPFD, ABOVE_ALL) for fd in received]
    os.closerange(0, ABOVE_ALL)
    for fd, wanted in zip(high, map(int, fds), strict=True):
        os.dup2(fd, wanted)
        os.close(fd)
    os.chdir(place[0])
    os.umask(int(place[1]))
    os.environ.clear()
    os.environ.update(pair.partition("=")[::2] for pair in environ)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin, sys.stdout, sys.stderr = (
        opened(0, sys.stdin),
        opened(1, sys.stdout),
        opened(2, sys.stderr),
    )
    sys.argv = ["noxcli", *argv]
    try:
        import_module("noxcli.__main__").main()
    finally:
        os._exit(1)


def opened(fd: int, like: Any) -> Any:
    """Return a standard stream as in a new process: None if it is closed."""
    try:
        os.fstat(fd)
    except OSError:
        return None
    line_buffering = fd == 2 or os.isatty(fd)
    return open(fd, like.mode[0], 1 if line_buffering else -1, "utf-8", like.errors, closefd=False)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
