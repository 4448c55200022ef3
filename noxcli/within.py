"""A limit on a whole call, also where the library underneath only limits each read."""

import threading
from collections.abc import Callable
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

    def work() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except Empty:
        raise Unavailable(f"no answer within {seconds:.1f} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # without an error there is a value
