"""Files that appear whole or not at all: written beside their target, flushed, renamed."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noxcli.errors import Undelivered

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


def save(target: Path, pieces: Iterable[bytes]) -> Saved:
    """Write the pieces to `target` in constant memory; a link in its place is replaced, not followed.

    Raises Undelivered where the disk won't have it, and what `pieces` raises; either way no part is left behind.
    """
    digest, size = new_digest(), 0
    partial: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".noxcli-", suffix=".part", dir=target.parent)
        partial = Path(name)
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
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
    return Saved(target, size, digest.hexdigest())


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
