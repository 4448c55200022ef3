"""Parallel downloads, watched from the main thread, where signals and limits are exact."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from queue import Empty, Queue
from typing import Protocol, TypeVar

from noxcli.errors import Unavailable, Undelivered
from noxcli.fixed import fixed
from noxcli.outputs.download import Transfer
from noxcli.retry import Patience
from noxcli.waiting import Result, result_of, share_out, take

DOWNLOADS_AT_ONCE = 4
SHOW_EVERY = 0.1  # seconds
FAREWELL = 1.0  # seconds for a download to notice that it was canceled
T = TypeVar("T")
Message = str | tuple[int, object, BaseException | None]


class Watch(Protocol):
    """A display of downloads, updated ten times a second."""

    def show(self, transfers: Sequence[Transfer]) -> None: ...
    def say(self, line: str) -> None: ...


@fixed
class SilentWatch:
    """Shows no progress; messages go to `say`."""

    say: Callable[[str], None]

    def show(self, transfers: Sequence[Transfer]) -> None:
        pass


Watching = Callable[[], AbstractContextManager[Watch]]


def silent() -> AbstractContextManager[Watch]:
    return nullcontext(SilentWatch(lambda _: None))


def run_transfers(
    jobs: Sequence[tuple[Transfer, Callable[[Patience], T]]], patience: Patience, watching: Watching = silent
) -> list[Result[T]]:
    """Return each job's value or error, in the order of the jobs.

    Raises what the command's limit raises; then, and after a signal, the downloads are canceled. Raises Undelivered if
    the system allows no more threads.
    """
    told: Queue[Message] = Queue()
    quiet = patience.saying(told.put)  # written by the main thread, between two pictures

    def work(place: int) -> None:
        transfer, call = jobs[place]
        if not transfer.cancelled.is_set():
            told.put((place, *result_of(lambda: call(quiet))))
            transfer.finished = True

    transfers = [transfer for transfer, _ in jobs]
    try:
        threads = share_out(len(jobs), DOWNLOADS_AT_ONCE, work)
    except Unavailable as error:
        raise Undelivered(error.message, error.hint) from None
    try:
        with watching() as watch:
            return _collect(told, len(jobs), patience, transfers, watch)
    finally:
        _give_up(transfers, threads)


def _collect(
    told: "Queue[Message]", count: int, patience: Patience, transfers: Sequence[Transfer], watch: Watch
) -> list[Result[T]]:
    results: dict[int, Result[T]] = {}
    limit, shown = patience.limit(), time.monotonic()
    while len(results) < count:
        news: Message | None = None
        with suppress(Empty):
            news = take(told, SHOW_EVERY)
        if isinstance(news, str):
            watch.say(news)
        elif news is not None:
            place, value, error = news
            results[place] = (value, error)  # type: ignore[assignment]
        elif limit.passed:
            raise patience.out_of_time("the download was not finished")
        if time.monotonic() - shown >= SHOW_EVERY:
            shown = time.monotonic()
            watch.show(transfers)
    return [results[place] for place in range(count)]


def _give_up(transfers: Sequence[Transfer], threads: Sequence[threading.Thread]) -> None:
    for transfer in transfers:
        transfer.cancelled.set()
    end = time.monotonic() + FAREWELL
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
