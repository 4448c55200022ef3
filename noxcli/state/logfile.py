"""The log file for support: requests and their results, one JSON object per line.

It has ids, statuses, codes and times, but no key, input, output, file name, or text of the server, which may quote any
of them. A log that can't be opened is an error. One that can't be continued, for example on a full disk, makes no
command fail. A log without `end` means that its command was killed.
"""

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any, Self, assert_never

from noxcli import __version__
from noxcli.errors import UsageProblem
from noxcli.masking import Mask
from noxcli.models import Finished, Gap, Paused, Polled, Reconnecting, Run, RunEvent, Silent, Started, Update

LOG_VARIABLE = "NOXCLI_LOG_FILE"
# The status of an answer is our text, what follows is the server's.
QUOTED = r"(?s)( answered \d{3}\b).*"


class Level(StrEnum):
    """The level of a line."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def open_log(path: Path) -> int:
    """Open a file for appending; only a clearly named device may be one. Raises OSError."""
    from noxcli.place import is_device, open_regular  # loaded only with a log

    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    if is_device(path):
        return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe without a reader must not block us
    return open_regular(path, flags, 0o600)


class Logbook:
    """One command's log; without a file, every call except `open` does nothing."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.requests = 0
        self.mask = Mask()
        self._file: int | None = None
        self._writing = Lock()  # a thread that outlives its command must not write to a number that is another file's
        self._statuses: dict[str, str] = {}

    def open(self, named: str) -> None:
        """Append to the file from now on; a new one is readable by its owner only.

        Raises UsageProblem if it can't be written.
        """
        try:
            self._file = open_log(Path(named).expanduser())
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~nobody`
            from noxcli.files import reason_of

            raise UsageProblem(f"can't write the log {named}: {reason_of(error)}", "check --log-file") from None
        import platform  # loaded only with a log

        self.note("start", version=__version__, python=platform.python_version(), platform=platform.platform())

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def close(self) -> None:
        with self._writing:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def note(self, event: str, level: Level = Level.INFO, **fields: Any) -> None:
        """Write one line, whole or not at all: several commands may share the file."""
        if self._file is None:
            return
        from noxcli.encode import to_json

        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = to_json({"ts": now, "level": level, "event": event, "pid": os.getpid(), **self.mask.whole(fields)})
        with self._writing, suppress(OSError):
            if self._file is not None:
                os.write(self._file, f"{line}\n".encode())

    def note_run(self, run: Run, status: str | None = None) -> None:
        """Log the run's status, if it has changed."""
        status = status or run.status
        if self._statuses.get(run.id) != status:
            self._statuses[run.id] = status
            self.note("run", run_id=run.id, workflow_id=run.workflow_id, status=status)

    def seconds(self) -> float:
        """Return how long the command has been running, in seconds."""
        return round(time.monotonic() - self.began, 3)


class LogKeeper:
    """Logs a follower's updates; it gets the same bursts as the renderers."""

    def __init__(self, log: Logbook, run: Run) -> None:
        self._log = log
        self._run = run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, burst: Sequence[tuple[Update, Any]]) -> None:
        for update, _ in burst:
            if type(update) is RunEvent and update.type != "state":
                continue
            match update:
                case Started(run) | Polled(run) | Paused(run) | Finished(run):
                    self._log.note_run(run)
                case RunEvent(type="state", data={"status": str(status)}):
                    self._log.note_run(self._run, status)
                case RunEvent():
                    pass
                case Reconnecting(attempt, delay, reason):
                    self._log.note(
                        "reconnect", Level.WARNING, attempt=attempt, delay_s=round(delay, 3), reason=own_words(reason)
                    )
                case Silent(seconds):
                    self._log.note("silence", seconds=round(seconds, 3))
                case Gap(reason):
                    self._log.note("gap", Level.WARNING, reason=own_words(reason))
                case _:
                    assert_never(update)


def own_words(message: str) -> str:
    """Return the message without its quotes of a server's answer."""
    return re.sub(QUOTED, r"\1", message)
