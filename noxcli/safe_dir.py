"""Open directories, below which no link is followed and only regular files are opened.

A path on the command line may lead through the user's own links. Every name that noxcli adds to it
may have been planted by a repository, an archive or another user, and is opened only through the
directory's handle.
"""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Self
from weakref import WeakSet

from noxcli.waiting import run_apart

DEVICES = {Path("/dev"), Path("/proc")}
MEMORY = Path("/dev/shm")  # noqa: S108 - a place to recognize, not to write to
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK, a FIFO in place of a file would block the command.
_CAREFULLY = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITING = os.O_WRONLY | os.O_RDWR
CLOSED = -1
# Of a file that is not complete.
PREFIX = ".noxcli-"
SUFFIX = ".part"
NOT_REGULAR = "it is not a regular file"


class SafeDir(AbstractContextManager["SafeDir"]):
    """An open directory, for several threads.

    If it is closed before they are done, their calls fail. No partial file remains then, in it or
    in the directories that were opened below it, which are also closed.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._partial: set[str] = set()  # names of files that are not complete
        self._below: WeakSet[SafeDir] = WeakSet()
        # Held during each system call: the number of a closed handle may belong to another
        # directory a moment later.
        self._lock = threading.Lock()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            if self._handle != CLOSED:
                for name in self._partial:
                    with suppress(OSError):
                        os.unlink(name, dir_fd=self._handle)
                os.close(self._handle)
                self._handle = CLOSED
            for place in self._below:
                place.close()

    @classmethod
    def open_named(cls, path: Path, *, make: bool = False, mode: int = 0o777) -> Self:
        """Open a directory that the user named, also through links.

        With `make`, create it with its parents. Raises OSError.
        """
        if make:
            path.mkdir(parents=True, exist_ok=True, mode=mode)
        return cls(path, os.open(path, _DIRECTORY))

    @classmethod
    def open_derived(cls, path: Path, *, make: bool = False) -> "SafeDir":
        """Open a directory whose last name noxcli chose: that name must not be a link. Raises
        OSError.
        """
        with cls.open_named(path.parent, make=make) as above:
            return above._open_step(path.name, make=make)

    def open_below(self, name: str, *, make: bool = False) -> "SafeDir":
        """Open the directory of that name in this one; create it if necessary.

        Raises OSError, also for a link.
        """
        with self._lock:
            place = self._open_step(name, make=make)
            self._below.add(place)
        return place

    def _open_step(self, name: str, *, make: bool) -> "SafeDir":
        step = _step(name)
        if make:
            with suppress(FileExistsError):
                os.mkdir(step, dir_fd=self._handle)
        try:
            handle = os.open(step, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self._handle)
        except OSError as error:
            raise _explain(error, name, self._handle) from None
        return SafeDir(self.path / name, handle)

    def open_file(self, name: str, flags: int) -> int:
        """Open the regular file of that name, and return its descriptor.

        Raises OSError for anything else.
        """
        with self._lock:
            return open_regular(_step(name), flags, dir_fd=self._handle)

    def open_partial(self, prefix: str, mode: int = 0o666) -> tuple[str, int]:
        """Open a new file until `move` gives it its name, or `remove` ends it: return its own, and
        its descriptor.

        Raises OSError.
        """
        name = f"{prefix}{os.urandom(8).hex()}{SUFFIX}"
        with self._lock:
            self._partial.add(name)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            return name, open_regular(name, flags, mode, dir_fd=self._handle)

    def lstat(self, name: str) -> os.stat_result:
        """Return the status of the name itself, even if it is a link. Raises OSError."""
        with self._lock:
            return os.stat(_step(name), dir_fd=self._handle, follow_symlinks=False)

    def list_names(self) -> list[str]:
        """Return the names in the directory. Raises OSError."""
        with self._lock, os.scandir(self._handle) as entries:
            return [entry.name for entry in entries]

    def remove(self, name: str) -> None:
        """Remove the name if it exists. Raises OSError."""
        with self._lock, suppress(FileNotFoundError):
            os.unlink(_step(name), dir_fd=self._handle)
            self._partial.discard(name)

    def lock(self) -> bool:
        """Take the directory until it is closed; return false if another process has it."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # some network file systems have no locks
        return True

    def move(self, name: str, target: str) -> None:
        """Rename a file, and replace what has the other name, even a link. Raises OSError."""
        with self._lock:
            os.replace(_step(name), _step(target), src_dir_fd=self._handle, dst_dir_fd=self._handle)
            self._partial.discard(name)

    def read(self, name: str, most: int) -> bytes:
        """Return a small file's content. Raises OSError, also for more than `most` bytes."""
        return _read(self.open_file(name, os.O_RDONLY), most)

    @contextmanager
    def replacing(
        self, name: str, mode: int = 0o666, *, durable: bool = True
    ) -> Iterator[IO[bytes]]:
        """Open a new file that gets the name when the block ends, complete and on disk, or never.

        Raises OSError, and what the block raises; either way no partial file remains.
        """
        partial, handle = self.open_partial(PREFIX, mode)
        with os.fdopen(handle, "w+b") as file:
            try:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
                self.move(partial, name)
            except BaseException:
                # Signals included: nothing that ends the block may leave half a file.
                with suppress(OSError):
                    self.remove(partial)
                raise


def open_regular(
    path: str | Path,
    flags: int,
    mode: int = 0o666,
    *,
    dir_fd: int | None = None,
    follow: bool = False,
) -> int:
    """Open a regular file, and return its descriptor.

    With `follow`, follow a link of the user's. Raises OSError for anything else: a FIFO, a device,
    a socket, and for writing, a file with a second name.
    """
    carefully = flags | _CAREFULLY
    if not follow:
        carefully |= os.O_NOFOLLOW
    try:
        handle = os.open(path, carefully, mode, dir_fd=dir_fd)
    except OSError as error:
        raise _explain(error, path, dir_fd) from None
    there = os.fstat(handle)
    is_regular = stat.S_ISREG(there.st_mode)
    has_other_name = there.st_nlink > 1
    for_writing = bool(flags & _WRITING)
    if is_regular and not (for_writing and has_other_name):
        return handle
    os.close(handle)
    if is_regular:
        raise OSError("it has a second name (a hard link)")
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(NOT_REGULAR)


def read_named(path: Path, most: int) -> bytes:
    """Return the content of a file that the user named: regular, or an empty or piped one under
    /dev or /proc.

    Raises OSError, also for more than `most` bytes.
    """
    if is_device(path):
        return run_apart(lambda: _read(os.open(path, os.O_RDONLY | os.O_CLOEXEC), most))
    return _read(open_regular(path, os.O_RDONLY, follow=True), most)


def is_device(path: Path) -> bool:
    """True for paths that clearly belong to the system: /dev/null, /dev/fd/3, /proc/self/fd/3."""
    above = set(path.parents)
    if MEMORY in above or ".." in path.parts:
        return False
    return not above.isdisjoint(DEVICES)


def _step(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise OSError(f"{name!r} is not a valid file name")
    return name


def _read(handle: int, most: int) -> bytes:
    with os.fdopen(handle, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(f"it is larger than {most // 1024} KiB")
    return content


def _explain(error: OSError, path: str | Path, directory: int | None) -> OSError:
    """Return the error in plainer words if the file's type caused it."""
    with suppress(OSError):
        kind = os.stat(path, dir_fd=directory, follow_symlinks=False).st_mode
        if stat.S_ISLNK(kind) and error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}:
            return OSError(f"{Path(path).name} is a symbolic link, which noxcli does not follow")
        if error.errno == errno.ENXIO and not stat.S_ISREG(kind):
            return OSError(NOT_REGULAR)
    return error
