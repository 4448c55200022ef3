"""The output directory: nothing outside it is written, and no link below it is followed."""

import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from noxcli.errors import Unavailable, Undelivered
from noxcli.files import Saved, reason_of, umask
from noxcli.fixed import fixed
from noxcli.outputs.partial import Part
from noxcli.place import Place

PREFIX, SUFFIX = ".noxcli-out-", ".part"
STALE = 60.0  # seconds
COPY_PIECE = 1024 * 1024


@fixed
class Written:
    """What noxcli wrote under a name, by its own record."""

    file_id: str | None
    bytes: int
    sha256: str


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keep other noxcli out of the directory: files of two runs would replace each other under the same names.

    It is made if necessary, and removed if it is still empty. Does nothing where it can't be opened or locked: it may
    never be needed. Raises Unavailable if another noxcli has it.
    """
    try:
        made = [each for each in (directory, *directory.parents) if not each.exists()]
        place = Place.named(directory, make=True)
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


class FolderPart(Part):
    """A partial file next to its target."""

    def __init__(self, place: Place, target: Path, mode: int) -> None:
        self._place = place
        self._name: str | None = f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
        self.target = target
        self._mode = mode
        try:
            handle = place.opened(self._name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Undelivered(f"can't write {target}: {reason_of(error)}") from None
        super().__init__(os.fdopen(handle, "w+b"), str(target))

    def keep(self) -> Saved:
        """Put the complete file in its place, flushed to disk."""
        assert self._name is not None
        try:
            self._file.flush()
            os.fchmod(self._file.fileno(), self._mode)
            os.fsync(self._file.fileno())
            self._place.move(self._name, self.target.name)
        except OSError as error:
            raise self.refused(error) from None
        self._name = None
        return Saved(self.target, self.size, self.sha256)

    def abandon(self) -> None:
        """Remove the name, even while another thread uses the bytes."""
        if self._name is not None:
            with suppress(OSError):
                self._place.remove(self._name)

    def drop(self) -> None:
        self.abandon()
        super().drop()


class Folder:
    """A directory of the user, and the record of what noxcli wrote there before."""

    def __init__(self, place: Place, written: Mapping[str, Written], *, overwrite: bool = False) -> None:
        self.path = place.path
        self._place = place
        self._written = written
        self._overwrite = overwrite
        self._parts: list[FolderPart] = []
        # Read once, in the main thread: reading the umask sets it, for all threads.
        self._mode = 0o666 & ~umask()

    def target(self, name: str) -> Path:
        return self.path / name

    def right(self, name: str, file_id: str) -> Saved | None:
        """Return the file if it is what this id stands for, by the record and by its own bytes.

        An id always stands for the same bytes: the API has no call that changes a file.
        """
        entry = self._written.get(name)
        if entry is None or entry.file_id != file_id or self._size(name) != entry.bytes:
            return None
        return Saved(self.target(name), entry.bytes, entry.sha256) if self._hash(name) == entry.sha256 else None

    def is_free(self, name: str) -> bool:
        """True if the name is free, or noxcli wrote the file itself."""
        there = self._look(name)
        if there is None or (name in self._written and stat.S_ISREG(there.st_mode)):
            return True
        return self._overwrite and not stat.S_ISDIR(there.st_mode)

    def could_be(self, name: str, size: int | None) -> bool:
        """True if the name is free, or its file may have the same bytes."""
        return self.is_free(name) or (size is None and self._size(name) is not None) or self._size(name) == size

    def exists(self, name: str) -> bool:
        """True if the file exists, without a link on its path."""
        try:
            return self._size(name) is not None
        except Undelivered:
            return False

    def has(self, name: str, part: FolderPart) -> bool:
        """True if the file has exactly these bytes already."""
        return self._size(name) == part.size and self._hash(name) == part.sha256

    def in_the_way(self, name: str) -> Undelivered:
        return in_the_way(self.target(name))

    def part(self, name: str) -> FolderPart:
        """Begin a file under a name."""
        _sweep(self._place)
        part = FolderPart(self._place, self.target(name), self._mode)
        self._parts.append(part)
        return part

    def settle(self, name: str, part: FolderPart) -> Saved:
        """Put the part's bytes under the name; keep an existing file with the same bytes.

        Raises Undelivered if another file is in the way.
        """
        if self.has(name, part):
            return Saved(self.target(name), part.size, part.sha256)
        if not self.is_free(name):
            raise self.in_the_way(name)
        if part.target == self.target(name):
            return part.keep()
        with self.part(name) as copy:
            content = part.read_back()
            while piece := content.read(COPY_PIECE):
                copy.write(piece)
            return copy.keep()

    def abandon(self) -> None:
        """Remove everything incomplete."""
        for part in self._parts:
            part.abandon()

    def _look(self, name: str) -> os.stat_result | None:
        try:
            return self._place.look(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Undelivered(f"can't write {self.target(name)}: {reason_of(error)}") from None

    def _size(self, name: str) -> int | None:
        there = self._look(name)
        return there.st_size if there is not None and stat.S_ISREG(there.st_mode) else None

    def _hash(self, name: str) -> str | None:
        try:
            with os.fdopen(self._place.opened(name, os.O_RDONLY), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None


def in_the_way(path: Path) -> Undelivered:
    """Return the error for another program's file in place of ours."""
    return Undelivered(f"{path} exists and noxcli did not write it", "add --overwrite or choose another directory")


def _sweep(place: Place) -> None:
    """Remove parts of killed processes. The directory is this one's alone, but not every file system has locks."""
    with suppress(OSError):
        for name in place.names():
            if name.startswith(PREFIX) and name.endswith(SUFFIX) and time.time() - place.look(name).st_mtime > STALE:
                place.remove(name)
