"""What this user started, and how far it was read: ids, host, times and a position, never a value.

A run has two small files in the state directory: what is known from its start, written once, and its cursor, which is
overwritten in place by one write per burst, so that even a killed process leaves a whole one. Nothing here ever fails
a command: what can't be written or read is as if it had never been there.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from noxcli.files import put_privately
from noxcli.models import PLAIN_ID, Run, RunEvent

VARIABLE = "NOXCLI_STATE_DIR"
CURSOR_SIZE = 512
KEPT = 500  # runs
PRUNE_AT = 600


@dataclass(frozen=True, slots=True)
class Entry:
    """A run as it was when it was started."""

    run_id: str
    workflow_id: str
    host: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run of one workflow, as far as it helps to find another in the server's list.

    `sent_at` is when its start was sent, by the server's clock.
    """

    run_id: str
    created_at: str | None
    sent_at: str | None
    input_digest: str


class Journal:
    """The journal in the state directory; several noxcli may use it at once, since no two write one file."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @property
    def directory(self) -> Path:
        """Where the files are; platformdirs knows each system's place."""
        if self._environ.get(VARIABLE):
            return Path(self._environ[VARIABLE])
        from platformdirs import user_state_path  # loaded where the journal is used, not by --help

        return user_state_path("noxcli", appauthor=False)

    def begin(
        self,
        run: Run,
        host: str,
        input: Mapping[str, Any],
        input_digest: str | None = None,
        sent_at: datetime | None = None,
    ) -> None:
        """Note a run that was just started; `sent_at` is the server's time then."""
        from hashlib import sha256  # loads OpenSSL, which commands that start nothing can do without

        entry = {
            "run_id": run.id,
            "workflow_id": run.workflow_id,
            "host": host,
            "created_at": run.created_at,
            "input_sha256": sha256(json.dumps(input, sort_keys=True).encode()).hexdigest(),
            "input_digest": input_digest,
            "sent_at": sent_at.isoformat() if sent_at is not None else None,
        }
        if not PLAIN_ID.fullmatch(run.id):
            return
        with suppress(OSError):
            put_privately(self.directory / f"{run.id}.json", json.dumps(entry).encode())
            self._prune()

    def last(self, host: str) -> Entry | None:
        """Return the run that was started last at this host."""
        for path in self._newest_first():
            with suppress(OSError, ValueError, KeyError, TypeError):
                noted = json.loads(path.read_text(encoding="utf-8"))
                if noted["host"] == host:
                    return Entry(str(noted["run_id"]), str(noted["workflow_id"]), host)
        return None

    def earlier(self, host: str, workflow_id: str) -> Iterator[Earlier]:
        """Yield the runs of a workflow whose inputs can be compared."""
        for path in self._newest_first():
            with suppress(OSError, ValueError, KeyError, TypeError):
                noted = json.loads(path.read_text(encoding="utf-8"))
                if (noted["host"], noted["workflow_id"]) == (host, workflow_id) and noted.get("input_digest"):
                    yield Earlier(
                        str(noted["run_id"]), noted["created_at"], noted.get("sent_at"), str(noted["input_digest"])
                    )

    def cursor(self, run_id: str) -> str | None:
        """Return the position up to which the run's events were handed on, where it is known."""
        if not PLAIN_ID.fullmatch(run_id):
            return None
        with suppress(OSError, ValueError):
            noted = json.loads((self.directory / f"{run_id}.cursor").read_bytes()[:CURSOR_SIZE])
            return noted if isinstance(noted, str) and noted else None
        return None

    def keep_cursor(self, run_id: str) -> "CursorKeeper":
        """Return what keeps the run's cursor up to date while its events are shown."""
        return CursorKeeper(self.directory / f"{run_id}.cursor" if PLAIN_ID.fullmatch(run_id) else None)

    def _newest_first(self) -> list[Path]:
        with suppress(OSError):
            return sorted(self.directory.glob("*.json"), key=_age)
        return []

    def _prune(self) -> None:
        entries = self._newest_first()
        if len(entries) >= PRUNE_AT:
            for path in entries[KEPT:]:
                path.unlink(missing_ok=True)
                path.with_suffix(".cursor").unlink(missing_ok=True)


class CursorKeeper:
    """Writes down the last event's position after each burst; to be shown bursts last, when stdout has them."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: int | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            with suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def show(self, burst: Sequence[tuple[Any, Any]]) -> None:
        if self._file is None:
            return
        for update, _ in reversed(burst):
            if isinstance(update, RunEvent) and update.redis_id is not None:
                record = json.dumps(update.redis_id).encode().ljust(CURSOR_SIZE)
                if len(record) == CURSOR_SIZE:
                    with suppress(OSError):
                        os.pwrite(self._file, record, 0)
                return


def _age(path: Path) -> tuple[int, str]:
    try:
        return -path.stat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name
