"""A limit on a whole call, also where the library underneath only limits each read."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from noxcli.errors import Unavailable

T = TypeVar("T")


def run_within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns or raise what it raises.

    Raises Unavailable when it takes longer; the call is left to end on its own in a daemon thread.
    """
    if seconds <= 0:
        raise Unavailable("no time is left to ask")
    answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    threading.Thread(target=lambda: answers.put(outcome_of(call)), daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except Empty:
        raise Unavailable(f"no answer within {seconds:.1f} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # without an error there is a value


def outcome_of(call: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """Return the value or the error, for another thread to take up."""
    try:
        return call(), None
    except BaseException as error:
        return None, error


def run_all_within(
    seconds: float, calls: Sequence[Callable[[], T]], at_once: int = 16
) -> list[tuple[T | None, BaseException | None]]:
    """Return each call's value or error, in the order of the calls; those not done in time have an Unavailable."""
    waiting: SimpleQueue[int] = SimpleQueue()
    answers: SimpleQueue[tuple[int, T | None, BaseException | None]] = SimpleQueue()
    for place in range(len(calls)):
        waiting.put(place)

    def work() -> None:
        with suppress(Empty):
            while True:
                place = waiting.get_nowait()
                answers.put((place, *outcome_of(calls[place])))

    for _ in range(min(at_once, len(calls))):
        threading.Thread(target=work, daemon=True).start()
    end = time.monotonic() + seconds
    results: list[tuple[T | None, BaseException | None]]
    results = [(None, Unavailable(f"no answer within {seconds:.1f} s"))] * len(calls)
    for _ in calls:
        try:
            place, value, error = answers.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            break
        results[place] = (value, error)
    return results
