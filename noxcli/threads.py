"""Waiting for other threads, and a limit on a whole call, for libraries that only limit each read."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from noxcli.errors import Unavailable

T = TypeVar("T")
# A call's value, or the error that it raised.
Result = tuple[T | None, BaseException | None]


class Inbox(Generic[T]):
    """What other threads send to one that waits for it with a limit, whatever signals arrive in the meantime.

    With Python 3.11 and 3.12, a SimpleQueue waits without a limit once a signal's handler has outlasted it; the lock of
    a Queue may stay locked after a handler that raises.
    """

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._silence = threading.Lock()  # locked, except between a `put` and the next wait
        self._silence.acquire()

    def put(self, item: T) -> None:
        """Add an item; from any thread."""
        self._items.put(item)
        if self._silence.locked():
            with suppress(RuntimeError):  # another thread was faster
                self._silence.release()

    def get(self, timeout: float) -> T:
        """Return the oldest item; from one thread. Raises Empty if there is none within `timeout` seconds."""
        end = time.monotonic() + timeout
        while True:
            try:
                return self._items.get_nowait()
            except Empty:
                left = end - time.monotonic()
                if left <= 0 or not self._silence.acquire(timeout=left):
                    raise


def result_of(call: Callable[[], T]) -> Result[T]:
    """Return the value or the error, for another thread."""
    try:
        return call(), None
    except BaseException as error:
        return None, error


def value_of(outcome: Result[T]) -> T:
    """Return the value or raise the error."""
    value, error = outcome
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # without an error there is a value


def in_background(call: Callable[[], T]) -> Inbox[Result[T]]:
    """Call in a daemon thread, and return where its outcome arrives."""
    outcomes: Inbox[Result[T]] = Inbox()
    threading.Thread(target=lambda: outcomes.put(result_of(call)), daemon=True).start()
    return outcomes


def share_out(count: int, at_once: int, work: Callable[[int], None]) -> list[threading.Thread]:
    """Do the work of each index from 0 on, in order, in that many daemon threads."""
    waiting: SimpleQueue[int] = SimpleQueue()
    for place in range(count):
        waiting.put(place)

    def take_turns() -> None:
        with suppress(Empty):
            while True:
                work(waiting.get_nowait())

    threads = [threading.Thread(target=take_turns, daemon=True) for _ in range(min(at_once, count))]
    for thread in threads:
        thread.start()
    return threads


def run_within(seconds: float, call: Callable[[], T]) -> T:
    """Return or raise the outcome of `call`.

    Raises Unavailable if it takes longer; the call then continues in the background.
    """
    if seconds <= 0:
        raise Unavailable("out of time before the request")
    try:
        outcome = in_background(call).get(timeout=seconds)
    except Empty:
        raise Unavailable(f"no answer within {seconds:.1f} s") from None
    return value_of(outcome)


def run_all_within(seconds: float, calls: Sequence[Callable[[], T]], at_once: int = 16) -> list[Result[T]]:
    """Return each call's value or error, in the order of the calls; an Unavailable for those not done in time."""
    answers: Inbox[tuple[int, Result[T]]] = Inbox()
    share_out(len(calls), at_once, lambda place: answers.put((place, result_of(calls[place]))))
    end = time.monotonic() + seconds
    results: list[Result[T]] = [(None, Unavailable(f"no answer within {seconds:.1f} s"))] * len(calls)
    for _ in calls:
        try:
            place, outcome = answers.get(timeout=end - time.monotonic())
        except Empty:
            break
        results[place] = outcome
    return results
