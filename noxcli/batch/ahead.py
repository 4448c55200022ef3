"""Rows read by a separate thread, so that a slow pipe blocks nothing else."""

import threading
from collections.abc import Iterator
from queue import Empty, Queue

from noxcli.batch.rows import Row

AHEAD = 64  # rows to read in advance


class Ahead:
    """An iterator of rows that never blocks."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self.exhausted = False
        self._queue: Queue[Row | BaseException | None] = Queue(AHEAD)
        threading.Thread(target=self._read, args=[rows], daemon=True).start()

    def next(self) -> Row | None:
        """Return the next row, None if none is ready or the rows are `exhausted`. Raises what reading raises."""
        if self.exhausted:
            return None
        try:
            row = self._queue.get_nowait()
        except Empty:
            return None
        if isinstance(row, BaseException):
            raise row
        self.exhausted = row is None
        return row

    def _read(self, rows: Iterator[Row]) -> None:
        try:
            for row in rows:
                self._queue.put(row)
        except BaseException as error:
            self._queue.put(error)
        else:
            self._queue.put(None)
