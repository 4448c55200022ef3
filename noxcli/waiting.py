"""Where the main thread waits: for other threads, for time, and for local reads; always in short slices."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, Queue
from typing import TypeVar

from noxcli.errors import Unavailable

SLICE = 0.1  # seconds: how late a wait may notice that it is over
T = TypeVar("T")
# A call's value, or the error that it raised.
Result = tuple[T | None, BaseException | None]


def sleep(seconds: float) -> None:
    """Wait that long."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(SLICE, left))


def take(queue: "Queue[T]", seconds: float) -> T:
    """Return the queue's next item, which another thread puts there. Raises Empty if none comes within `seconds`."""
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        try:
            return queue.get(timeout=max(0.0, min(SLICE, left)))
        except Empty:
            if left <= SLICE:
                raise


def wait_for(event: threading.Event, seconds: float) -> bool:
    """Return whether the event is set, at the latest after `seconds`."""
    end = time.monotonic() + seconds
    while not event.wait(max(0.0, min(SLICE, left := end - time.monotonic()))):
        if left <= SLICE:
            return False
    return True


def start_thread(work: Callable[[], object]) -> threading.Thread:
    """Do the work in a daemon thread. Raises Unavailable where the system allows no more threads."""
    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        raise Unavailable("can't start a thread", "check the limit on processes (ulimit -u)", sent=False) from None
    return thread


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


def in_background(call: Callable[[], T]) -> "Queue[Result[T]]":
    """Call in a daemon thread, and return where its outcome arrives. Raises as `start_thread`."""
    outcomes: Queue[Result[T]] = Queue()
    start_thread(lambda: outcomes.put(result_of(call)))
    return outcomes


def run_apart(call: Callable[[], T]) -> T:
    """Return or raise the outcome of `call`, which may block: a thread makes it if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    return value_of(take(in_background(call), float("inf")))


def run_within(seconds: float, call: Callable[[], T]) -> T:
    """Return or raise the outcome of `call`, made by a thread.

    Raises Unavailable if it takes longer; the call then continues in the background.
    """
    if seconds <= 0:
        raise Unavailable("out of time before the request")
    try:
        outcome = take(in_background(call), seconds)
    except Empty:
        raise Unavailable(f"no answer within {seconds:.1f} s") from None
    return value_of(outcome)


def run_all_within(seconds: float, calls: Sequence[Callable[[], T]], at_once: int = 16) -> list[Result[T]]:
    """Return each call's value or error, in the order of the calls; an Unavailable for those not done in time."""
    answers: Queue[tuple[int, Result[T]]] = Queue()
    share_out(len(calls), at_once, lambda place: answers.put((place, result_of(calls[place]))))
    end = time.monotonic() + seconds
    results: list[Result[T]] = [(None, Unavailable(f"no answer within {seconds:.1f} s"))] * len(calls)
    with suppress(Empty):
        for _ in calls:
            place, outcome = take(answers, end - time.monotonic())
            results[place] = outcome
    return results


def share_out(count: int, at_once: int, work: Callable[[int], None]) -> list[threading.Thread]:
    """Do the work of each index from 0 on, in order, in at most that many daemon threads. Raises as `start_thread`."""
    indexes: Queue[int] = Queue()
    for index in range(count):
        indexes.put(index)

    def take_turns() -> None:
        with suppress(Empty):
            while True:
                work(indexes.get_nowait())

    threads: list[threading.Thread] = []
    try:
        for _ in range(min(at_once, count)):
            threads.append(start_thread(take_turns))
    except Unavailable:
        if not threads:
            raise  # otherwise, the others do its share
    return threads
