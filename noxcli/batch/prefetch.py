"""Rows read by a separate thread, so that a slow pipe blocks nothing else."""

from collections.abc import Iterator
from functools import partial
from queue import Empty, Queue

from noxcli.batch.rows import Row
from noxcli.waiting import start_thread

AHEAD = 64  # rows to read in advance


class Prefetch:
    """An iterator of rows that never blocks."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self.exhausted = False
        self._queue: Queue[Row | BaseException | None] = Queue(AHEAD)
        start_thread(partial(self._read, rows))

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
