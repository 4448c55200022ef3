"""Files in progress, and the output directory: nothing outside it is written, and no link below it
is followed.
"""

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from noxcli.errors import OutputNotDelivered, Unavailable
from noxcli.files import Saved, reason_of
from noxcli.safe_dir import SUFFIX, SafeDir

PREFIX = ".noxcli-out-"
STALE = 60.0  # seconds


@contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Keep other noxcli out of the directory: files of two runs would replace each other under the
    same names.

    It is made if necessary, and removed if it is still empty. Does nothing where it can't be opened
    or locked: it may never be needed. Raises Unavailable if another noxcli has it.
    """
    try:
        made = [each for each in (directory, *directory.parents) if not each.exists()]
        place = SafeDir.open_named(directory, make=True)
    except OSError:
        yield
        return
    with place:
        if not place.lock():
            hint = "choose another directory, or retry once it has ended"
            raise Unavailable(f"another noxcli is writing to {directory}", hint, sent=False)
        try:
            yield
        finally:
            with suppress(OSError):  # it has files now
                for each in made:
                    each.rmdir()


class Part(AbstractContextManager["Part"]):
    """Bytes of a file that is not complete yet, counted and hashed as they arrive.

    `what` names it in messages. Raises OutputNotDelivered if a write fails, and for more than
    `most` bytes, as `beyond` says it.
    """

    def __init__(
        self,
        file: IO[bytes],
        what: str | Path,
        most: int | None = None,
        beyond: OutputNotDelivered | None = None,
    ) -> None:
        self.size = 0
        self._what = what
        self._most = most
        self._beyond = beyond
        self._file = file
        self._digest = hashlib.sha256()

    @classmethod
    def open_nameless(cls) -> "Part":
        """Return a part in an unnamed temporary file, which disappears with the process."""
        try:
            return Part(tempfile.TemporaryFile(), "a temporary file")
        except OSError as error:
            raise OutputNotDelivered(
                f"can't make a temporary file: {reason_of(error)}", "set TMPDIR"
            ) from None

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # closing tries again to write what a full disk has refused
            self._file.close()

    @property
    def sha256(self) -> str:
        """The digest of all bytes so far."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Add bytes."""
        if self._most is not None and self.size + len(piece) > self._most:
            what = f"{self._what} has more than {self._most:,} bytes"
            raise self._beyond or OutputNotDelivered(what, "write it to a file: --output-dir DIR")
        with explained(self._what):
            self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def restart(self) -> None:
        """Drop the bytes so far."""
        with explained(self._what):
            self._file.seek(0)
            self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def read_back(self) -> IO[bytes]:
        """Return the file, at its beginning."""
        with explained(self._what):
            self._file.flush()
            self._file.seek(0)
        return self._file

    def flush(self, *, durable: bool) -> None:
        """Write the bytes of a file that has a name, to the disk if they are to be `durable`."""
        with explained(self._what):
            self._file.flush()
            if durable:
                os.fsync(self._file.fileno())


class Folder:
    """A directory of the user, and the names in its manifest `entries`: those of files that noxcli
    wrote.

    Another program's file can only be taken over, if its bytes are the same.
    """

    def __init__(self, place: SafeDir, entries: Sequence[Mapping[str, Any]]) -> None:
        self._place = place
        self._written = {entry["name"] for entry in entries}
        # Parts of killed processes. The directory is this one's alone, but not every file system
        # has locks.
        with suppress(OSError):
            for name in place.list_names():
                is_part = name.startswith(PREFIX) and name.endswith(SUFFIX)
                if is_part and time.time() - place.lstat(name).st_mtime > STALE:
                    place.remove(name)

    def exists(self, name: str) -> bool:
        """True if the file exists, and is no link."""
        with suppress(OSError):
            return stat.S_ISREG(self._place.lstat(name).st_mode)
        return False

    def save(self, name: str, fill: Callable[[Part], None], *, durable: bool = True) -> Saved:
        """Put what `fill` writes under a name, or take over another program's file that has the
        same bytes.

        Raises OutputNotDelivered if other bytes are in the way, and what `fill` raises.
        """
        place = self._place
        target = self._place.path / name
        most = self._size_in_the_way(name)
        with explained(target):
            partial, handle = place.open_partial(PREFIX)
        try:
            with Part(os.fdopen(handle, "w+b"), target, most, in_the_way(target)) as part:
                fill(part)
                if (size := self._size_in_the_way(name)) is None:
                    part.flush(durable=durable)
                    with explained(target):
                        place.move(partial, name)
                elif size != part.size or not self._has(name, part.sha256):
                    raise in_the_way(target)
                return Saved(target, part.size, part.sha256)
        finally:
            with suppress(OSError):
                place.remove(partial)

    def _has(self, name: str, sha256: str) -> bool:
        with suppress(OSError), os.fdopen(self._place.open_file(name, os.O_RDONLY), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        return False

    def _size_in_the_way(self, name: str) -> int | None:
        """Return the size of a file that noxcli did not write, None for no file.

        Raises OutputNotDelivered.
        """
        with explained(self._place.path / name):
            try:
                there = self._place.lstat(name)
            except FileNotFoundError:
                return None
        if not stat.S_ISREG(there.st_mode):
            raise in_the_way(self._place.path / name)
        return None if name in self._written else there.st_size


@contextmanager
def explained(what: str | Path) -> Iterator[None]:
    """Raise OutputNotDelivered for an OSError about what is written."""
    try:
        yield
    except OSError as error:
        raise OutputNotDelivered(f"can't write {what}: {reason_of(error)}") from None


def in_the_way(path: Path) -> OutputNotDelivered:
    """Return the error for the file of another program, or of a newer noxcli, in place of ours."""
    return OutputNotDelivered(
        f"{path} exists, and this noxcli did not write it", "move it, or choose another directory"
    )
