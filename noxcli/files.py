"""Files that appear complete or not at all: written next to their target, flushed, renamed."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from noxcli.errors import Undelivered, UsageProblem
from noxcli.place import Place, is_device

if TYPE_CHECKING:
    import hashlib


@dataclass(frozen=True, slots=True)
class Saved:
    """A file in place."""

    path: Path
    bytes: int
    sha256: str


def prepare_directory(directory: Path, mode: int = 0o777) -> Place:
    """Create the directory that the user named, check that it is writable, and return it open.

    Raises Undelivered with the reason.
    """
    try:
        place = Place.named(directory, make=True, mode=mode)
        with tempfile.TemporaryFile(dir=directory):
            return place
    except OSError as error:
        raise Undelivered(
            f"can't write to the directory {directory}: {reason_of(error)}", "check --output-dir"
        ) from None


def check_target(target: Path, option: str) -> None:
    """Check, before anything is started, that the file which `option` names can be written at the end.

    Raises UsageProblem with the reason.
    """
    # If redirected, /dev/stdout leads to a regular file, and replacing would replace the link itself.
    if is_device(target) or (target.exists() and not target.is_file()):
        raise UsageProblem(f"can't write {target}: it is not a regular file", f"check {option}")
    try:
        prepare_directory(target.parent).close()
    except Undelivered as error:
        raise UsageProblem(error.message, f"check {option}") from None


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Open a file next to `target` that replaces it when the block ends; a link there is replaced, not followed.

    Raises Undelivered if writing fails, and what the block raises; either way no partial file remains.
    """
    try:
        place = Place.named(target.parent)
    except OSError as error:
        raise Undelivered(f"can't write {target}: {reason_of(error)}") from None
    with replacing_in(place, target.name) as file:
        yield file


@contextmanager
def replacing_in(place: Place, name: str) -> Iterator[IO[bytes]]:
    """Do the same in a directory that is already open."""
    try:
        with place.replacing(name) as file:
            yield file
    except OSError as error:
        raise Undelivered(f"can't write {place.path / name}: {reason_of(error)}") from None


def save(target: Path, pieces: Iterable[bytes]) -> Saved:
    """Write the pieces to `target`, completely or not at all, in constant memory.

    Raises Undelivered if writing fails, and what `pieces` raises.
    """
    digest, size = new_digest(), 0
    with replacing(target) as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return Saved(target, size, digest.hexdigest())


def put_privately(target: Path, content: bytes) -> None:
    """Write a small file of noxcli's own, readable by its user only, and create its directory. Raises OSError."""
    with (
        Place.named(target.parent, make=True, mode=0o700) as place,
        place.replacing(target.name, 0o600, durable=False) as file,
    ):
        file.write(content)


def new_digest() -> "hashlib._Hash":
    """Return a SHA-256 object to update."""
    import hashlib  # loads OpenSSL, which commands that write nothing do not need

    return hashlib.sha256()


def umask() -> int:
    """Return the process's umask."""
    current = os.umask(0o077)
    os.umask(current)
    return current


def reason_of(error: Exception) -> str:
    """Return the system's reason about a file, or why a path is not a file."""
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
