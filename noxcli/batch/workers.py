"""A limited number of threads for calls that wait on the network; their results arrive in one queue."""

from collections.abc import Callable
from queue import Empty, Queue
from typing import Generic, TypeVar

from noxcli.errors import Unavailable
from noxcli.waiting import Result, result_of, start_thread, take

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
