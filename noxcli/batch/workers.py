"""The threads of a batch: a few for calls that wait on the network, and one that reads rows ahead."""

from collections.abc import Callable, Iterator
from functools import partial
from queue import Empty, Queue
from typing import Generic, TypeVar

from noxcli.batch.rows import Row
from noxcli.errors import Unavailable
from noxcli.waiting import Result, result_of, start_thread, take

AHEAD = 64  # rows to read in advance
T = TypeVar("T")


class Workers(Generic[T]):
    """Threads are started on demand; as daemons, they never keep a process from ending."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._started = self.busy = 0
        self._calls: Queue[Callable[[], T]] = Queue()
        self._outcomes: Queue[Result[T]] = Queue()

    def call(self, work: Callable[[], T]) -> None:
        """Call it as soon as a thread is free."""
        self._calls.put(work)
        self.busy += 1
        if self._started < min(self.busy, self._most):
            self._start_one()

    def next_outcome(self, within: float) -> Result[T] | None:
        """Return a call's value or error, None if nothing arrived in that many seconds."""
        try:
            outcome = take(self._outcomes, within)
        except Empty:
            return None
        self.busy -= 1
        return outcome

    def _start_one(self) -> None:
        try:
            start_thread(self._work)
        except Unavailable:
            if not self._started:
                raise  # otherwise, the others do its work
        else:
            self._started += 1

    def _work(self) -> None:
        while True:
            self._outcomes.put(result_of(self._calls.get()))


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
