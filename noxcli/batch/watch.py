"""The choice of runs to watch: a limited number of event streams, which say when to read the record."""

import threading
from collections.abc import Callable

from noxcli.batch.bell import Audible, Bell
from noxcli.batch.lookout import Lookout
from noxcli.fixed import fixed

DEAF_AFTER = 3  # consecutive streams that were not available


@fixed
class Listening:
    """A run's event stream is open, or not available."""

    number: int
    line: Audible | None


@fixed
class Rang:
    """A run's event stream announced an end, or broke."""

    number: int


class StreamWatch:
    """The streams of one lookout's runs. `open_line` opens one, which is passed to `hear` once it is open."""

    def __init__(self, lookout: Lookout, open_line: Callable[[int], None], bring: Callable[[Rang], None]) -> None:
        self._lookout = lookout
        self._open_line = open_line
        self._bell = Bell(lambda number: bring(Rang(number)))
        self._unheard = 0  # consecutive streams that were not available
        self._lock = threading.Lock()
        self._unhung: dict[int, Audible] = {}  # open streams that were not passed to `hear` yet
        self._closed = False

    def listen(self, number: int, most: int) -> bool:
        """Open the run's stream if that is worth it; `most` are open at a time."""
        worth = self._unheard < DEAF_AFTER and self._lookout.worth_listening(most)
        if worth:
            self._lookout.heard.add(number)
            self._open_line(number)
        return worth

    def opened(self, number: int, line: Audible | None) -> Listening:
        """Return the news of a stream, in the thread that opened it; close one that nothing waits for any more."""
        with self._lock:
            if line is not None and not self._closed:
                self._unhung[number] = line
                return Listening(number, line)
        if line is not None:
            line.close()
        return Listening(number, None)

    def hear(self, news: Listening | Rang, *, goes_on: bool) -> None:
        """Handle a stream that is open, not available, or over; `goes_on` says whether the run is still of interest."""
        line = news.line if isinstance(news, Listening) else None
        if isinstance(news, Listening):
            self._unheard = self._unheard + 1 if line is None else 0
            with self._lock:
                self._unhung.pop(news.number, None)
        if line is None:
            if goes_on:
                self._lookout.rang(news.number)
        elif goes_on:
            self._bell.hang(news.number, line)
        else:
            line.close()

    def let_be(self, number: int) -> None:
        """Stop following the run."""
        if number in self._lookout.heard:
            self._bell.take_down(number)
        self._lookout.forget(number)

    def close(self) -> None:
        """Close all streams, also those that are still being opened."""
        with self._lock:
            self._closed = True
            for line in self._unhung.values():
                line.close()
        self._bell.close()
