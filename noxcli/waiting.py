"""Where the main thread waits: in slices, and after each it raises a signal that has arrived."""

import os
import select
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, Queue, SimpleQueue  # noqa: TID251 - for threads that no signal reaches
from typing import IO, Any, BinaryIO, Generic, TypeVar

from noxcli.errors import Unavailable
from noxcli.signals import SIGNALS

SLICE = 0.1  # seconds: how late a wait may see a signal
MIN_PAUSE = 1.0  # seconds: no load delays a wait of one slice for so long
MAX_HOLD = 5.0  # seconds that a signal waits for an answer which must not be lost
PIECE = 4096  # bytes that a writable pipe takes in one write (PIPE_BUF of pipe(7))
T = TypeVar("T")
# A call's value, or the error that it raised.
Result = tuple[T | None, BaseException | None]


class Awake:
    """The time that this process has lost: stopped (Ctrl-Z, SIGSTOP), or in a container or a
    machine that was frozen.

    It shows in a wait of the main thread that takes much longer than it was meant to.
    """

    lost = 0.0  # seconds


def sleep(seconds: float) -> None:
    """Wait that long. Raises Interrupted."""
    for within in _slices(seconds):
        time.sleep(within)  # noqa: TID251 - in slices
    SIGNALS.check()


def next_item(queue: "Queue[T]", seconds: float) -> T:
    """Return the queue's next item, which another thread puts there.

    Raises Empty if none comes within `seconds`, and Interrupted.
    """
    for within in _slices(seconds):
        with suppress(Empty):
            return queue.get(timeout=within)
    raise Empty


def wait_for(event: threading.Event, seconds: float) -> bool:
    """Return whether the event is set, at the latest after `seconds`. Raises Interrupted."""
    return any(event.wait(within) for within in _slices(seconds))


def _slices(seconds: float) -> Iterator[float]:
    """Yield how long to wait now, until the `seconds` are over. Raises Interrupted."""
    end = time.monotonic() + seconds
    while True:
        SIGNALS.check()
        began = time.monotonic()
        within = max(0.0, min(SLICE, end - began))
        try:
            yield within
        finally:  # also if what it waits for has come
            over = time.monotonic() - began - within
            if over > MIN_PAUSE and threading.current_thread() is threading.main_thread():
                Awake.lost += over
        if end - began <= SLICE:
            return


def write(file: BinaryIO, data: bytes, waited: Callable[[float], None]) -> None:
    """Write and flush.

    `waited` gets the seconds that each piece has taken, and may raise. Raises OSError.
    """
    if not may_block(file):
        file.write(data)
        file.flush()
        return
    rest = memoryview(data)
    while rest:
        began = time.monotonic()
        if await_reader(file):
            with suppress(BlockingIOError):  # another process was faster
                rest = rest[os.write(file.fileno(), rest[:PIECE]) :]
        waited(time.monotonic() - began)


def await_reader(file: IO[Any]) -> bool:
    """Wait for a slice at most, and return whether a write of a PIECE does not block."""
    return bool(select.select([], [file], [], SLICE)[1])


def may_block(file: IO[Any]) -> bool:
    """True for a pipe, a terminal or another thing with a reader that may not read."""
    try:
        return not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError):
        return False  # it is in memory, or closed


def start_thread(work: Callable[[], object]) -> threading.Thread:
    """Do the work in a daemon thread.

    Raises Unavailable where the system allows no more threads.
    """
    thread = threading.Thread(target=work, daemon=True)
    with _thread_limit():
        thread.start()
    return thread


@contextmanager
def _thread_limit() -> Iterator[None]:
    try:
        yield
    except RuntimeError:
        raise Unavailable(
            "can't start a thread", "check the limit on processes (ulimit -u)", sent=False
        ) from None


def result_of(
    call: Callable[[], T], note: Callable[[Result[T]], None] = lambda _: None
) -> Result[T]:
    """Return the value or the error, for another thread; `note` gets it as well."""
    try:
        result: Result[T] = call(), None
    except BaseException as error:
        result = None, error
    note(result)
    return result


def value_of(outcome: Result[T]) -> T:
    """Return the value or raise the error."""
    value, error = outcome
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # without an error there is a value


def run_apart(
    call: Callable[[], T],
    remaining: Callable[[], float] = lambda: float("inf"),
    abort: Callable[[], bool] | None = None,
    whose: Callable[[], str] = lambda: "the server",
    waiting: Callable[[], None] = lambda: None,
) -> T:
    """Return or raise the outcome of `call`, which may block, made by a thread if this is the main
    one.

    Another thread makes it itself: signals don't concern it, and a request has limits of its own.
    `remaining` says for how many more seconds to wait; it is called in each slice. A signal ends
    the wait. But one must not lose the answer to a request with an effect: with `abort`, which
    keeps it from being sent and returns whether it still could, a signal waits for the answer, at
    most MAX_HOLD, and is raised by the next wait. `whose` names who does not answer, and `waiting`
    is called in each slice as well.

    Raises Unavailable once no time is left; a call that was not aborted then continues in the
    background.
    """
    most = remaining()
    if most <= 0:
        raise Unavailable("timed out before sending the request", sent=False)
    if threading.current_thread() is not threading.main_thread():
        return call()
    outcomes: Queue[Result[T]] = Queue()
    with _thread_limit():  # directly: a start has a short call path
        threading.Thread(target=result_of, args=(call, outcomes.put), daemon=True).start()
    held_until = float("inf")
    while (within := min(remaining(), SLICE)) > 0:
        with suppress(Empty):
            if abort is None:
                return value_of(next_item(outcomes, within))
            return value_of(outcomes.get(timeout=within))
        waiting()
        if abort is not None and SIGNALS.is_due:
            held_until = min(held_until, time.monotonic() + MAX_HOLD)
            if abort() or time.monotonic() >= held_until:
                break
    SIGNALS.check()
    if abort is not None and abort():
        raise Unavailable(f"no connection to {whose()} within {most:.1f} s", sent=False)
    raise Unavailable(f"no answer from {whose()} within {most:.1f} s", sent=True)


class Workers(Generic[T]):
    """Threads that make calls, started on demand.

    As daemons, they never keep a process from ending.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._started = 0
        self.busy = 0
        # Many threads wait: a Queue takes more of their time.
        self._calls: SimpleQueue[Callable[[], T]] = SimpleQueue()
        self._outcomes: Queue[Result[T]] = Queue()

    def call(self, work: Callable[[], T]) -> None:
        """Call it as soon as a thread is free.

        Raises Unavailable where the system allows not even one.
        """
        self._calls.put(work)
        self.busy += 1
        if self._started < min(self.busy, self._most):
            try:
                start_thread(self._work)
                self._started += 1
            except Unavailable:
                if not self._started:
                    raise  # otherwise, the others do its work

    def next_outcomes(self, within: float) -> Iterator[Result[T]]:
        """Yield what calls returned or raised, if one does so within that many seconds."""
        with suppress(Empty):
            outcome = next_item(self._outcomes, within)
            while True:
                self.busy -= 1
                yield outcome
                outcome = self._outcomes.get_nowait()

    def all_outcomes(self, within: float) -> Iterator[Result[T]]:
        """Yield what calls return or raise in that many seconds, until none remains."""
        end = time.monotonic() + within
        while self.busy and (remaining := end - time.monotonic()) > 0:
            yield from self.next_outcomes(remaining)

    def _work(self) -> None:
        while True:
            self._outcomes.put(result_of(self._calls.get()))


def run_all_within(
    seconds: float, calls: Sequence[Callable[[], T]], at_once: int = 16
) -> list[Result[T]]:
    """Return each call's value or error, in the order of the calls.

    It is an Unavailable for those not done in time, and not `sent` for those that had not even
    begun.
    """
    never = Unavailable("out of time before the request", sent=False)
    late = Unavailable(f"no answer within {seconds:.1f} s")
    results: list[Result[T]] = [(None, never)] * len(calls)
    workers = Workers[None](at_once)

    def call(place: int) -> None:
        results[place] = None, late
        results[place] = result_of(calls[place])

    for place in range(len(calls)):
        workers.call(partial(call, place))
    for _ in workers.all_outcomes(seconds):
        pass
    return results.copy()
