"""Files in progress, and the output directory: nothing outside it is written, and no link below it is followed."""

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

from noxcli.errors import Unavailable, Undelivered
from noxcli.files import Saved, reason_of
from noxcli.place import SUFFIX, Place

PREFIX = ".noxcli-out-"
STALE = 60.0  # seconds


@contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Keep other noxcli out of the directory: files of two runs would replace each other under the same names.

    It is made if necessary, and removed if it is still empty. Does nothing where it can't be opened or locked: it may
    never be needed. Raises Unavailable if another noxcli has it.
    """
    try:
        made = [each for each in (directory, *directory.parents) if not each.exists()]
        place = Place.open_named(directory, make=True)
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


class Part:
    """Bytes of a file that is not complete yet, counted and hashed as they arrive; `what` names it in messages.

    Raises Undelivered if a write fails, and for more than `most` bytes.
    """

    def __init__(self, file: IO[bytes], what: str, most: int | None = None) -> None:
        self.what = what
        self.size = 0
        self._most = most
        self._file = file
        self._digest = hashlib.sha256()

    @classmethod
    def open_nameless(cls) -> "Part":
        """Return a part in an unnamed temporary file, which disappears with the process."""
        try:
            return Part(tempfile.TemporaryFile(), "a temporary file")
        except OSError as error:
            raise Undelivered(f"can't make a temporary file: {reason_of(error)}", "set TMPDIR") from None

    def __enter__(self) -> Self:
        return self

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
            raise self.too_long(self._most)
        with self._explained():
            self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def restart(self) -> None:
        """Drop the bytes so far."""
        with self._explained():
            self._file.seek(0)
            self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def read_back(self) -> IO[bytes]:
        """Return the file, at its beginning."""
        with self._explained():
            self._file.flush()
            self._file.seek(0)
        return self._file

    def too_long(self, most: int) -> Undelivered:
        """Return the error for more bytes than there may be."""
        return Undelivered(f"{self.what} has more than {most:,} bytes", "write it to a file: --output-dir DIR")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Undelivered(f"can't write {self.what}: {reason_of(error)}") from None


class FolderPart(Part):
    """A partial file next to its target."""

    def __init__(self, place: Place, target: Path, most: int | None) -> None:
        self.target = target
        self._place = place
        self._name: str | None
        try:
            self._name, handle = place.open_partial(PREFIX)
        except OSError as error:
            raise Undelivered(f"can't write {target}: {reason_of(error)}") from None
        super().__init__(os.fdopen(handle, "w+b"), str(target), most)

    def __exit__(self, *_: object) -> None:
        if self._name is not None:
            with suppress(OSError):
                self._place.remove(self._name)
        super().__exit__()

    def keep(self) -> Saved:
        """Put the complete file in its place, flushed to disk."""
        assert self._name is not None
        with self._explained():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._place.move(self._name, self.target.name)
        self._name = None
        return Saved(self.target, self.size, self.sha256)

    def too_long(self, most: int) -> Undelivered:  # noqa: ARG002 - as long as the file in its place
        return in_the_way(self.target)


class Folder:
    """A directory of the user, and the names in its manifest `entries`: those of files that noxcli wrote.

    Another program's file can only be taken over, if its bytes are the same.
    """

    def __init__(self, place: Place, entries: Sequence[Mapping[str, Any]]) -> None:
        self._place = place
        self._written = {entry["name"] for entry in entries}
        _sweep(place)

    def exists(self, name: str) -> bool:
        """True if the file exists, and is no link."""
        with suppress(OSError):
            return stat.S_ISREG(self._place.look(name).st_mode)
        return False

    def part(self, name: str) -> FolderPart:
        """Begin a file under a name. Raises Undelivered if it can't have that name."""
        return FolderPart(self._place, self._place.path / name, self._size_in_the_way(name))

    def put_in_place(self, part: FolderPart) -> Saved:
        """Put the part's bytes in their place, or take over another program's file that has the same.

        Raises Undelivered if other bytes are in the way.
        """
        size = self._size_in_the_way(part.target.name)
        if size is None:
            return part.keep()
        if size == part.size:
            with suppress(OSError), os.fdopen(self._place.open_file(part.target.name, os.O_RDONLY), "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == part.sha256:
                    return Saved(part.target, part.size, part.sha256)
        raise in_the_way(part.target)

    def _size_in_the_way(self, name: str) -> int | None:
        """Return the size of a file that noxcli did not write, None for no file. Raises Undelivered."""
        try:
            there = self._place.look(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Undelivered(f"can't write {self._place.path / name}: {reason_of(error)}") from None
        if not stat.S_ISREG(there.st_mode):
            raise in_the_way(self._place.path / name)
        return None if name in self._written else there.st_size


def in_the_way(path: Path) -> Undelivered:
    """Return the error for the file of another program, or of a newer noxcli, in place of ours."""
    return Undelivered(f"{path} exists, and this noxcli did not write it", "move it, or choose another directory")


def _sweep(place: Place) -> None:
    """Remove parts of killed processes. The directory is this one's alone, but not every file system has locks."""
    with suppress(OSError):
        for name in place.list_names():
            if name.startswith(PREFIX) and name.endswith(SUFFIX) and time.time() - place.look(name).st_mtime > STALE:
                place.remove(name)
