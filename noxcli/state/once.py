"""The memory of `run --once`: a small journal for each key, which is also its lock.

An intent is on disk before the start is sent, and the run's id after it, so that a kill between the two does not hide
the start. The file is never removed: with it, the next call finds the run.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from noxcli.errors import ConfigProblem
from noxcli.files import new_digest, reason_of
from noxcli.fixed import fixed
from noxcli.models import PLAIN_ID
from noxcli.place import Place

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LARGEST_MEMORY = 1024 * 1024  # largest file to read, in bytes


@fixed
class Memory:
    """The record of an earlier call with the key: the run's id, or None if only its intent is known."""

    run_id: str | None
    fingerprint: str  # of its inputs
    input_digest: str
    input_shape: str
    at: str  # when the start was sent, by our clock
    server_at: str | None


class OnceFile:
    """The file of one key, open and, once `take` has returned true, locked until the block ends."""

    def __init__(self, directory: Path, address: tuple[str, str, str]) -> None:
        """Open the file for host, workflow and key. Raises ConfigProblem if it can't be opened."""
        digest = new_digest()
        digest.update(json.dumps(address).encode())
        name = f"{digest.hexdigest()[:32]}.jsonl"
        self.path = directory / "once" / name
        if fcntl is None:
            raise ConfigProblem("--once needs file locks, which this system lacks", "drop --once")
        try:
            with Place.named(self.path.parent, make=True, mode=0o700) as place:
                self._file = place.opened(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise self._trouble(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def take(self) -> bool:
        """Return whether this process has the lock now. Raises ConfigProblem if there are no locks."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._trouble(error) from None
        return True

    def read(self) -> Memory | None:
        """Return what is known about the first call; an incomplete line is ignored. Raises ConfigProblem."""
        try:
            content = os.pread(self._file, LARGEST_MEMORY, 0)
        except OSError as error:
            raise self._trouble(error) from None
        memory: Memory | None = None
        for raw in content.splitlines():
            with suppress(ValueError, RecursionError, KeyError, TypeError):
                memory = _after(memory, json.loads(raw))
        return memory

    def write(self, step: Mapping[str, Any]) -> None:
        """Add a line, and flush it to disk. Raises ConfigProblem."""
        try:
            # After an incomplete line, begin a new one.
            os.write(self._file, b"\n" + json.dumps(step).encode() + b"\n")
            os.fsync(self._file)
        except OSError as error:
            raise self._trouble(error) from None

    def _trouble(self, error: OSError) -> ConfigProblem:
        return ConfigProblem(
            f"can't use {self.path} for --once: {reason_of(error)}", "set NOXCLI_STATE_DIR to a directory of yours"
        )


def _after(memory: Memory | None, line: Any) -> Memory | None:
    """Return what is known after a line. Raises KeyError, TypeError and ValueError for a line of another form."""
    match line["step"]:
        case "intent":
            server_at = line.get("server_at")
            texts = (line["fingerprint"], line["input_digest"], line["input_shape"], line["at"], server_at or "")
            if not all(isinstance(text, str) for text in texts):
                raise ValueError("not an intent")
            fingerprint, digest, shape, at, _ = texts
            return Memory(None, fingerprint, digest, shape, at, server_at)
        case "started" if memory is not None and PLAIN_ID.fullmatch(line["run_id"]):
            return replace(memory, run_id=line["run_id"])
        case "withdrawn":
            return None
    return memory
