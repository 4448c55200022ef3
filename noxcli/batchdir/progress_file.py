"""How far the batch of a directory is, for other commands: a file that a running batch replaces
every few seconds.
"""

import fcntl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from noxcli.batchdir.append_file import open_batch_file
from noxcli.codec import decode_json, to_json
from noxcli.files import HOLDER_NAME, JOURNAL_NAME, PROGRESS_NAME
from noxcli.safe_dir import SafeDir, read_named
from noxcli.timing import show_seconds

PROGRESS_SCHEMA = "noxcli.progress/1"
MAX_PROGRESS = 64 * 1024  # bytes


class LongRow(NamedTuple):
    """A row that is running: for how many seconds, and in which node, if that is known."""

    row: int
    id: str | None
    run_id: str
    seconds: float
    node: str | None

    def words(self) -> str:
        """Return `row 3 (porto) for 5m12s in 'Write'`."""
        name = f"row {self.row}"
        if self.id is not None:
            name += f" ({self.id})"
        where = f" in {self.node!r}" if self.node is not None else ""
        return f"{name} for {show_seconds(self.seconds)}{where}"


def write_progress(place: SafeDir, facts: Mapping[str, Any]) -> None:
    """Replace the file, if the disk takes it: no batch ends for its progress."""
    with suppress(OSError), place.replacing(PROGRESS_NAME, durable=False) as file:
        document = {"schema": PROGRESS_SCHEMA, **facts}
        file.write(f"{to_json(document)}\n".encode())


def read_progress(directory: Path) -> dict[str, Any] | None:
    """Return what a batch wrote last, None if it can't be read, or another edition wrote it."""
    with suppress(OSError, ValueError):
        document = decode_json(read_named(directory / PROGRESS_NAME, MAX_PROGRESS))
        if isinstance(document, dict) and document.get("schema") == PROGRESS_SCHEMA:
            return document
    return None


def holder_of(directory: Path) -> str | None:
    """Return which process has the directory, as `process 42 on a-host`; None if none has it."""
    try:
        holder = read_named(directory / HOLDER_NAME, MAX_PROGRESS).decode(errors="replace")
        with open_batch_file(directory / JOURNAL_NAME) as journal:
            # Only where a process says that it has it: a batch that begins must not meet this lock.
            fcntl.flock(journal.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder
    except OSError:
        return None
    return None
