"""Files of lines that only grow, also after a kill or on a full disk: an added line is complete, or
missing. And room on the disk for what a journal must not lack: which runs the sent starts have
begun.
"""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from noxcli.errors import ExitCode, NoxError
from noxcli.files import reason_of
from noxcli.safe_dir import SafeDir, open_regular
from noxcli.signals import SIGNALS

BLOCK = 1 << 16  # bytes
ROOM_PREFIX = ".noxcli-room-"
PIECE = 4096  # bytes
PIECES = 4  # for a line of each start that is in flight at one time
CONTINUE = "free some space, and continue with --resume"


class JournalTrouble(NoxError, code=ExitCode.UNDELIVERED):
    """A file of the batch can't be written, so nothing more may be started."""


class AppendFile:
    """A file of one batch to which lines are added; thread-safe."""

    def __init__(self, place: SafeDir, name: str, what: str) -> None:
        """Open it, or create it; `what` is its name in messages. Raises OSError."""
        self._place, self._name = place, name
        self._what = f"{what} {place.path / name}"
        self._lock = threading.Lock()
        self.file = place.open_file(name, os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def close(self) -> None:
        """Nothing more is written."""
        with self._lock:
            if self.file >= 0:
                os.close(self.file)
            self.file = -1

    def append(self, content: bytes, *, durable: bool = True) -> None:
        """Add lines, which are on disk when this returns, if they are to be `durable`.

        Raises JournalTrouble if they can't all be written; then none of them remains.
        """
        try:
            with self._lock:
                rest = memoryview(content)
                try:
                    while rest:
                        rest = rest[os.write(self.file, rest) :]
                except OSError:
                    with suppress(OSError):
                        os.ftruncate(
                            self.file, os.fstat(self.file).st_size - len(content) + len(rest)
                        )
                    raise
            if durable:
                # Without the lock: the system makes one flush of those of several threads.
                os.fsync(self.file)
        except OSError as error:
            raise JournalTrouble(
                f"can't write {self._what}: {reason_of(error)}", CONTINUE
            ) from error

    def move_torn_aside(self) -> None:
        """Move an incomplete last line, which a kill leaves, to the end of NAME.torn.

        Raises OSError.
        """
        size = end = os.fstat(self.file).st_size
        while end:
            begin = max(0, end - BLOCK)
            found = os.pread(self.file, end - begin, begin).rfind(b"\n")
            end = begin + found + 1  # or `begin`, if none was found
            if found >= 0:
                break
        if end == size:
            return
        torn = self._place.open_file(f"{self._name}.torn", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with os.fdopen(torn, "wb") as kept:
            for begin in range(end, size, BLOCK):
                kept.write(os.pread(self.file, min(BLOCK, size - begin), begin))
            kept.write(b"\n")
            kept.flush()
            os.fsync(torn)
        os.ftruncate(self.file, end)


class Reserve:
    """Bytes that files without a name keep on the disk of a directory; thread-safe."""

    def __init__(self, place: SafeDir) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._files: list[int] = []
        self._was_full = False
        self._closed = False

    def keep(self) -> None:
        """Keep the bytes from now on.

        Raises OSError if the disk does not have them, or some were given away.
        """
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            if self._was_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            while len(self._files) < PIECES:
                self._add()

    def _add(self) -> None:
        name, file = self._place.open_partial(ROOM_PREFIX)
        try:
            self._place.remove(name)  # its bytes are free when the process ends, however it does
            with os.fdopen(file, "wb", closefd=False) as kept:
                kept.write(os.urandom(PIECE))  # what compresses would keep less
        except OSError:
            os.close(file)
            raise
        self._files.append(file)

    def give(self) -> bool:
        """Free some of the bytes for good; return False if there are none."""
        with self._lock:
            self._was_full = True
            if not self._files:
                return False
            os.close(self._files.pop())
            return True

    def close(self) -> None:
        """Free them all."""
        with self._lock:
            self._closed = True
            while self._files:
                os.close(self._files.pop())


def open_batch_file(path: Path) -> IO[bytes]:
    """Open a file of a batch for reading, and nothing else in its place. Raises OSError."""
    return os.fdopen(open_regular(path, os.O_RDONLY), "rb")


def lines_in(path: Path, longest: int) -> Iterator[tuple[int, bytes]]:
    """Yield each line of a file of a batch after the place where it begins. Raises OSError."""
    with open_batch_file(path) as file:
        offset = 0
        while raw := file.readline(longest):
            SIGNALS.check()
            yield offset, raw
            offset += len(raw)
