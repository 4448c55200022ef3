"""Room on the disk for what a journal must not lack: which runs the sent starts have begun."""

import errno
import os
import threading

from noxcli.safe_dir import SafeDir

PREFIX = ".noxcli-room-"
PIECE = 4096  # bytes
PIECES = 4  # for a line of each start that is in flight at one time


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
        name, file = self._place.open_partial(PREFIX)
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
