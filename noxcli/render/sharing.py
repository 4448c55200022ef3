"""Other writers to our terminal: other noxcli processes, and readers of our stdout."""

import os
import stat
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where this is unknown
    fcntl = None  # type: ignore[assignment]

ANY_TERMINAL = os.makedev(5, 0)  # /dev/tty: the controlling terminal of a process
LONGEST_PIPELINE = 8
STDIN, STDERR = "0", "2"


class Claim:
    """The right to draw on a terminal. One process at a time has it, and loses it at its end.

    The lock is on the terminal's device, so no file remains. Without locks, every process may draw.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._handle: int | None = None

    def take(self) -> bool:
        """Return whether this process may draw now."""
        if self._handle is not None or fcntl is None:
            return True
        try:
            flags = os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK
            handle = os.open(os.ttyname(self._stream.fileno()), flags)
        except (OSError, ValueError):
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError:  # a system without locks on devices
            os.close(handle)
            return True
        self._handle = handle
        return True

    def release(self) -> None:
        """Release the right to draw."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def is_elsewhere(self) -> bool:
        """Return whether another process draws on this terminal."""
        if self._handle is not None:
            return False
        free = self.take()
        self.release()
        return not free


def may_reach(out: IO[bytes], screen: IO[str]) -> bool:
    """Return whether text written to `out` may appear on the terminal `screen`, now or at the end of a pipeline.

    If that is unknown, it may. A stream that is not a file of the system reaches nothing.
    """
    try:
        number = os.fstat(screen.fileno()).st_rdev
        return _leads_to(number, Path(f"/dev/fd/{out.fileno()}"))
    except (OSError, ValueError):
        return False


def _leads_to(terminal: int, path: Path, pipes: int = 0) -> bool:
    status = path.stat()
    if stat.S_ISREG(status.st_mode):
        return False
    if stat.S_ISCHR(status.st_mode):
        return status.st_rdev in {terminal, ANY_TERMINAL}
    if not stat.S_ISFIFO(status.st_mode) or pipes == LONGEST_PIPELINE:
        return True
    readers = _readers(status)
    return not readers or any(_any_leads_to(terminal, reader, pipes + 1) for reader in readers)


def _any_leads_to(terminal: int, reader: Path, pipes: int) -> bool:
    """Check everything that a process has open for writing; its stderr carries only messages."""
    return any(
        _leads_to(terminal, handle, pipes)
        for handle in _handles(reader)
        if handle.name not in {STDIN, STDERR} and _mode(handle) != os.O_RDONLY
    )


def _readers(pipe: os.stat_result) -> list[Path]:
    """Return the processes that read the pipe, as far as the system lets us see them (Linux: proc(5))."""
    return [
        process
        for process in Path("/proc").glob("[0-9]*")
        if any(_is_end(handle, pipe) and _mode(handle) != os.O_WRONLY for handle in _handles(process))
    ]


def _handles(process: Path) -> list[Path]:
    try:
        return list((process / "fd").iterdir())
    except OSError:
        return []  # another user's process, or an ended one


def _is_end(handle: Path, pipe: os.stat_result) -> bool:
    try:
        return os.path.samestat(handle.stat(), pipe)
    except OSError:
        return False


def _mode(handle: Path) -> int:
    """Return whether a process has this open for reading, writing or both."""
    info = handle.parent.with_name("fdinfo") / handle.name
    try:
        flags = next(line for line in info.read_text().splitlines() if line.startswith("flags:"))
    except (OSError, StopIteration):
        return os.O_RDWR
    return int(flags.split()[1], 8) & os.O_ACCMODE
