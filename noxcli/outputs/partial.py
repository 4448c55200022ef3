"""The bytes of a file that is not complete yet, counted and hashed as they arrive."""

import tempfile
from contextlib import suppress
from typing import IO, Self

from noxcli.errors import Undelivered
from noxcli.files import new_digest, reason_of


class Part:
    """Writes to an open file; `what` names it in messages. Raises Undelivered if a write fails.

    Also raises Undelivered for more than `most` bytes.
    """

    def __init__(self, file: IO[bytes], what: str, most: int | None = None) -> None:
        self.what = what
        self.size = 0
        self._most = most
        self._file = file
        self._digest = new_digest()

    @classmethod
    def nameless(cls) -> Self:
        """Return a part in an unnamed temporary file, which disappears with the process."""
        try:
            return cls(tempfile.TemporaryFile(), "a temporary file")
        except OSError as error:
            raise Undelivered(f"can't make a temporary file: {reason_of(error)}", "set TMPDIR") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    @property
    def sha256(self) -> str:
        """The digest of all bytes so far."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Add bytes."""
        if self._most is not None and self.size + len(piece) > self._most:
            raise Undelivered(f"{self.what} has more than {self._most:,} bytes", "write it to a file: --output-dir DIR")
        try:
            self._file.write(piece)
        except OSError as error:
            raise self.refused(error) from None
        self._digest.update(piece)
        self.size += len(piece)

    def restart(self) -> None:
        """Drop the bytes so far."""
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise self.refused(error) from None
        self._digest = new_digest()
        self.size = 0

    def read_back(self) -> IO[bytes]:
        """Return the file, at its beginning."""
        try:
            self._file.flush()
            self._file.seek(0)
        except OSError as error:
            raise self.refused(error) from None
        return self._file

    def drop(self) -> None:
        """Release the bytes."""
        with suppress(OSError):  # closing tries again to write what a full disk has refused
            self._file.close()

    def refused(self, error: OSError) -> Undelivered:
        """Return the error for a write that failed."""
        return Undelivered(f"can't write {self.what}: {reason_of(error)}")
