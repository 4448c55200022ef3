"""Files that appear complete or not at all, their places, and the versions of noxcli's own."""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

from noxcli.errors import OutputNotDelivered, UsageProblem
from noxcli.safe_dir import SafeDir, is_device
from noxcli.value_class import value_class

# Of a batch, in its directory.
JOURNAL_NAME = "batch.jsonl"
RESULTS_NAME = "results.jsonl"
PROGRESS_NAME = "progress.json"  # how far it is
HOLDER_NAME = "batch.lock"  # which process has that directory, while one has it
# Of a gate, in its directory.
ASKED_NAME = "asked.json"
ASKED_ROWS_NAME = "asked.rows"
SCHEME = r"[A-Za-z][A-Za-z0-9+.-]+:"


@value_class(frozen=True, slots=True)
class Saved:
    """A file in place."""

    path: Path
    bytes: int
    sha256: str


def prepare_directory(directory: Path) -> SafeDir:
    """Create the directory that the user named, check that it is writable, and return it open.

    Raises OutputNotDelivered with the reason.
    """
    try:
        place = SafeDir.open_named(directory, make=True)
    except OSError as error:
        raise _unwritable(directory, error) from None
    check_writable(directory)
    return place


def check_writable(directory: Path) -> None:
    """Check that noxcli can write to the directory that the user named, or can create it; nothing
    remains.

    Raises OutputNotDelivered with the reason.
    """
    open_scratch(directory).close()


def open_scratch(directory: Path) -> BinaryIO:
    """Return a file without a name, on the disk of this directory.

    Raises OutputNotDelivered with the reason.
    """
    import tempfile  # most commands need none

    try:
        return cast(BinaryIO, tempfile.TemporaryFile(dir=_find_existing(directory)))
    except OSError as error:
        raise _unwritable(directory, error) from None


def expanded(name: str) -> Path:
    """Return a path with ~ replaced; the ~ of an unknown user is an ordinary name."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 - pathlib raises for such a name


def identities_of(path: Path) -> set[object]:
    """Return what is the same for all paths of a file: where links lead, and the file on disk."""
    found: set[object] = set()
    with suppress(OSError, ValueError, RuntimeError):
        found.add(path.resolve())
        status = path.stat()
        found.add((status.st_dev, status.st_ino))
    return found


def require_local(path: Path, option: str) -> None:
    """Raise UsageProblem for an address, such as s3://bucket/out: noxcli would make a directory
    `s3:`.
    """
    if path.parts and re.fullmatch(SCHEME, path.parts[0]) and not os.path.lexists(path.parts[0]):
        raise UsageProblem(
            f"{option} takes a path on this machine, not an address ({path.parts[0]}//…)",
            "write there, and copy the files afterwards",
        )


def check_target(target: Path, option: str) -> None:
    """Check, before anything is started, that the file which `option` names can be written at the
    end.

    Raises UsageProblem with the reason.
    """
    require_local(target, option)
    try:
        fits = _is_regular_or_missing(target)
        if fits:
            check_writable(target.parent)
    except OSError as error:
        raise UsageProblem(f"can't write {target}: {reason_of(error)}", f"check {option}") from None
    except OutputNotDelivered as error:
        raise UsageProblem(error.message, f"check {option}") from None
    if not fits:
        raise UsageProblem(f"can't write {target}: it is not a regular file", f"check {option}")


def _is_regular_or_missing(target: Path) -> bool:
    # If redirected, /dev/stdout leads to a regular file, and replacing would replace the link.
    if is_device(target):
        return False
    try:
        return stat.S_ISREG(target.stat().st_mode)
    except FileNotFoundError:
        return True


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Open a file next to `target` that replaces it when the block ends.

    A link there is replaced, not followed.

    Its directory is made. Raises OutputNotDelivered if writing fails, and what the block raises;
    either way no partial file remains.
    """
    try:
        with (
            SafeDir.open_named(target.parent, make=True) as place,
            place.replacing(target.name) as file,
        ):
            yield file
    except OSError as error:
        raise OutputNotDelivered(f"can't write {target}: {reason_of(error)}") from None


def save(target: Path, pieces: Iterable[bytes]) -> None:
    """Write the pieces to `target`, completely or not at all, in constant memory.

    Raises OutputNotDelivered if writing fails, and what `pieces` raises.
    """
    with replacing(target) as file:
        file.writelines(pieces)


def put_privately(target: Path, content: bytes) -> None:
    """Write a small file of noxcli's own, readable by its user only, and create its directory.
    Raises OSError.
    """
    with (
        SafeDir.open_named(target.parent, make=True, mode=0o700) as place,
        place.replacing(target.name, 0o600, durable=False) as file,
    ):
        file.write(content)


def users_directory(kind: str) -> Path | None:
    """Return the user's directory for noxcli's "config" or "state".

    None for a user without a home, as in containers. platformdirs knows each system's place.
    """
    import platformdirs  # not needed by --help

    try:
        path: Path = getattr(platformdirs, f"user_{kind}_path")("noxcli", appauthor=False)
    except RuntimeError:
        return None
    if not path.is_absolute():
        return None
    return path


def _find_existing(directory: Path) -> Path:
    """Return the directory, or the nearest existing one above.

    Raises OSError for an impossible path.
    """
    while True:
        try:
            directory.lstat()
        except FileNotFoundError:
            directory = directory.parent
        else:
            return directory


def _unwritable(directory: Path, error: OSError) -> OutputNotDelivered:
    return OutputNotDelivered(
        f"can't write to the directory {directory}: {reason_of(error)}", "check --output-dir"
    )


def reason_of(error: Exception) -> str:
    """Return the system's reason about a file, or why a path is not a file."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def require_readable(path: Path, found: object, known: str) -> None:
    """Raise UsageProblem for a file of a later version than `known`, a `noxcli.NAME/NUMBER`."""
    if not isinstance(found, str):
        return
    name, _, number = known.rpartition("/")
    version = re.fullmatch(rf"{re.escape(name)}/(\d{{1,9}})", found)
    if version is not None and int(version[1]) > int(number):
        raise UsageProblem(
            f"a newer noxcli wrote {path}: it has version {found}, "
            f"and this noxcli reads up to {known}",
            "upgrade noxcli",
        )
