"""noxcli without the time for its start: a process that has loaded it forks for each command.

Each command is its own process, with its own descriptors, directory and environment. Tests of a terminal, of a process
group, of limits, of memory and of the start itself run the real command instead.
"""

import atexit
import gc
import os
import select
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

ROOT = Path(__file__).parent.parent
# The `noxcli` on PATH: it passes on its arguments, streams and signals, and exits as the command did.
CLIENT = r"""#!PYTHON -IS
import _signal, _socket, os, struct, sys
def is_open(fd):
    try: os.fstat(fd)
    except OSError: return False
    return True
fds = [fd for fd in map(int, os.listdir("/proc/self/fd")) if is_open(fd)]
server = _socket.socket(_socket.AF_UNIX)
server.connect("ADDRESS")
lists = [map(str, fds), [os.getcwd(), str(os.umask(0))], sys.argv[1:], map("=".join, os.environ.items())]
data = b"\0\0".join(b"".join(os.fsencode(item) + b"\0\n" for item in items) for items in lists)
descriptors = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("=%di" % len(fds), *fds))
server.sendmsg([struct.pack("=I", len(data))], [descriptors])
server.sendall(data)
for number in SIGNALS:
    if _signal.getsignal(number) != _signal.SIG_IGN:
        _signal.signal(number, lambda number, _: server.send(bytes([number])))
ended = server.recv(4)
status = struct.unpack("=i", ended)[0] if ended else 9
if status & 127:
    _signal.signal(status & 127, _signal.SIG_DFL)
    os.kill(os.getpid(), status & 127)
os._exit(status >> 8)
"""
SIGNALS = [int(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1)]
MOST_DESCRIPTORS, ABOVE_ALL = 64, 500


@cache
def directory() -> Path:
    """Return what to put first on PATH; if such a process is not possible, the installed command's directory."""
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
    atexit.register(server.kill)
    return place


def serve(listener: socket.socket) -> None:
    """Load everything, then fork for each client until stdin ends."""
    for name in (ROOT / "tests" / "golden" / "loaded.txt").read_text().splitlines():
        import_module(name.partition(":")[0])
    for module in walk_packages([str(ROOT / "noxcli")], "noxcli."):
        if module.name != "noxcli.__main__":
            import_module(module.name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        if 0 in select.select([listener.fileno(), 0], [], [])[0]:
            return
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            attend(client)
            os._exit(0)
        client.close()


def attend(client: socket.socket) -> None:
    """Run the client's command, pass on its signals, and send it the exit status; end it if the client is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, received, _, _ = socket.recv_fds(client, 4, MOST_DESCRIPTORS)
    data, size = b"", struct.unpack("=I", head)[0]
    while len(data) < size:
        data += client.recv(size - len(data))
    lists = [part.split("\0\n")[:-1] for part in os.fsdecode(data).split("\0\0")]
    command = os.fork()
    if command == 0:
        become(received, *lists)
    for fd in received:
        os.close(fd)
    ended = os.pidfd_open(command)
    while ended not in select.select([client.fileno(), ended], [], [])[0]:
        number = client.recv(1)
        with suppress(ProcessLookupError):
            os.kill(command, number[0] if number else signal.SIGKILL)
        if not number:
            return
    _, status = os.waitpid(command, 0)
    with suppress(OSError):
        client.sendall(struct.pack("=i", status))


def become(received: list[int], fds: list[str], place: list[str], argv: list[str], environ: list[str]) -> None:
    """Run the command as if the process had just been started."""
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
    sys.stdin, sys.stdout, sys.stderr = opened(0, sys.stdin), opened(1, sys.stdout), opened(2, sys.stderr)
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
