"""The bytes of a file that is not complete yet, counted and hashed as they arrive."""

import tempfile
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from types import TracebackType
from typing import IO, Self

from noxcli.errors import Undelivered
from noxcli.files import new_digest, reason_of

HASHED_AHEAD = 4  # batches that may queue for the hashing thread
BATCH = 256 * 1024  # bytes; passing every small piece on to the thread would cost more than hashing it
ROOM = 2 * BATCH
ASIDE_FROM = 8 * 1024 * 1024  # bytes; for less, starting a thread costs more than it saves


class Digest:
    """The SHA-256 of bytes as they arrive. For many bytes, a thread computes it while the caller reads and writes."""

    def __init__(self) -> None:
        self._digest = new_digest()
        self._fed = 0
        self._batch: list[bytes | memoryview] = []
        self._batched = 0  # bytes
        self._batches: SimpleQueue[list[bytes | memoryview] | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()  # new memory would cost as much as reading into it
        self._room = Semaphore(HASHED_AHEAD)  # for batches in the queue
        self._thread: Thread | None = None

    def buffer(self) -> memoryview:
        """Return memory for ROOM bytes, which is used again after `update` with a part of it."""
        try:
            return self._free.get_nowait()
        except Empty:
            return memoryview(bytearray(ROOM))

    def update(self, piece: bytes | memoryview) -> None:
        self._fed += len(piece)
        if self._fed < ASIDE_FROM:
            self._hash(piece)
            return
        if self._thread is None:
            self._thread = Thread(target=self._hash_batches, daemon=True)
            self._thread.start()
        self._batch.append(piece)
        self._batched += len(piece)
        if self._batched >= BATCH:
            self._pass_on()

    def hexdigest(self) -> str:
        """Return the digest of all so far; more may follow."""
        self.finish()
        return self._digest.hexdigest()

    def finish(self) -> None:
        """Let the thread end after the bytes so far, and release the memory: a caller may keep many finished parts."""
        if self._thread is not None:
            self._pass_on()
            self._batches.put(None)
            self._thread.join()
            self._thread = None
        self._free = SimpleQueue()

    def _pass_on(self) -> None:
        self._room.acquire()
        self._batches.put(self._batch)
        self._batch, self._batched = [], 0

    def _hash(self, piece: bytes | memoryview) -> None:
        self._digest.update(piece)
        if isinstance(piece, memoryview):
            self._free.put(memoryview(piece.obj))

    def _hash_batches(self) -> None:
        while (batch := self._batches.get()) is not None:
            for piece in batch:
                self._hash(piece)
            self._room.release()


class Part:
    """Writes to an open file; `what` names it in messages. Raises Undelivered if a write fails.

    Also raises Undelivered for more than `most` bytes.
    """

    def __init__(self, file: IO[bytes], what: str, most: int | None = None) -> None:
        self.what = what
        self.size = 0
        self._most = most
        self._file = file
        self._digest = Digest()
        self._buffer: memoryview | None = None
        self._filled = 0  # bytes of the buffer, which are not written yet

    @classmethod
    def nameless(cls) -> Self:
        """Return a part in an unnamed temporary file, which disappears with the process."""
        try:
            return cls(tempfile.TemporaryFile(), "a temporary file")
        except OSError as error:
            raise Undelivered(f"can't make a temporary file: {reason_of(error)}", "set TMPDIR") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    @property
    def sha256(self) -> str:
        self._pour()
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        self._pour()
        self._count(len(piece))
        self._store(piece)

    def room(self) -> memoryview:
        """Return memory to read into, at least BATCH bytes; call `took` afterwards."""
        if self._buffer is None:
            self._buffer = self._digest.buffer()
        return self._buffer[self._filled :]

    def took(self, count: int) -> None:
        """Add the first bytes of the room."""
        self._count(count)
        self._filled += count
        if self._filled >= BATCH:
            self._pour()

    def _count(self, more: int) -> None:
        if self._most is not None and self.size + more > self._most:
            raise Undelivered(
                f"{self.what} has more than {self._most >> 20} MiB", "write it to a file: --output-dir DIR"
            )
        self.size += more

    def _pour(self) -> None:
        if self._buffer is not None and self._filled:
            piece, self._buffer, self._filled = self._buffer[: self._filled], None, 0
            self._store(piece)

    def _store(self, piece: bytes | memoryview) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise self.refused(error) from None
        self._digest.update(piece)

    def restart(self) -> None:
        """Drop the bytes so far."""
        self._buffer, self._filled = None, 0
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise self.refused(error) from None
        self._digest.finish()
        self._digest = Digest()
        self.size = 0

    def read_back(self) -> IO[bytes]:
        """Return the file, at its beginning."""
        self._pour()
        try:
            self._file.flush()
            self._file.seek(0)
        except OSError as error:
            raise self.refused(error) from None
        return self._file

    def drop(self) -> None:
        """Release the bytes."""
        self._digest.finish()
        with suppress(OSError):  # closing tries again to write what a full disk has refused
            self._file.close()

    def refused(self, error: OSError) -> Undelivered:
        return Undelivered(f"can't write {self.what}: {reason_of(error)}")
