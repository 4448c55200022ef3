"""Files that appear whole or not at all: written beside their target, flushed, renamed."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from noxcli.errors import Undelivered, UsageProblem

if TYPE_CHECKING:
    import hashlib


@dataclass(frozen=True, slots=True)
class Saved:
    """A file in place."""

    path: Path
    bytes: int
    sha256: str


def prepare_directory(directory: Path) -> None:
    """Make the directory, and prove that it can be written to.

    Raises Undelivered with the reason.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise Undelivered(
            f"can't write to the directory {directory}: {reason_of(error)}", "check --output-dir"
        ) from None


def check_target(target: Path, option: str) -> None:
    """Find out before anything is started that the file, which `option` names, could not be written at the end.

    Raises UsageProblem with the reason.
    """
    try:
        prepare_directory(target.parent)
    except Undelivered as error:
        raise UsageProblem(error.message, f"check {option}") from None
    if target.exists() and not target.is_file():
        raise UsageProblem(f"can't write {target}: it is there and no file", f"check {option}")


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `target` that takes its place when the block ends; a link there is replaced, not followed.

    Raises Undelivered where the disk won't have it, and what the block raises; either way no part is left behind.
    """
    partial: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".noxcli-", suffix=".part", dir=target.parent)
        partial = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~umask())  # mkstemp makes it private; it is an ordinary file of the user's
        partial.replace(target)
    except OSError as error:
        raise Undelivered(f"can't write {target}: {reason_of(error)}") from None
    else:
        partial = None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def save(target: Path, pieces: Iterable[bytes]) -> Saved:
    """Write the pieces to `target`, whole or not at all, in constant memory.

    Raises Undelivered where the disk won't have it, and what `pieces` raises.
    """
    digest, size = new_digest(), 0
    with replacing(target) as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return Saved(target, size, digest.hexdigest())


def put_privately(target: Path, content: bytes) -> None:
    """Write a small file of noxcli's own, for its user alone; its directory is made. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    partial.replace(target)


def new_digest() -> "hashlib._Hash":
    """Return a SHA-256 to be fed."""
    import hashlib  # loads OpenSSL, which commands that write nothing can do without

    return hashlib.sha256()


def umask() -> int:
    """Return the process's umask."""
    current = os.umask(0o077)
    os.umask(current)
    return current


def reason_of(error: Exception) -> str:
    """Return what the system says of a file, or of a path that is none."""
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
