"""Many runs started elsewhere: each is read when its stream or the list of runs shows its end, or in turn.

Streams and lists only say when to read the record, which alone has the verdict.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Generic, TypeVar

from noxcli.batch.bell import Audible
from noxcli.batch.lookout import Lookout
from noxcli.batch.pace import Pace
from noxcli.batch.watch import Listening, Rang, StreamWatch
from noxcli.batch.workers import Workers
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.waiting import Result, result_of

# Connections: one for each stream, at most two for each thread (it reads the reason of a failure from a stream).
MOST_HEARD, LOOKERS = 31, 16
HEARD_AGAIN_AFTER = 5.0  # seconds that a stream must last before it is reopened
LISTED_EVERY = 0.5  # seconds between two reads of the list, at least three times the duration of one
MOST_PAUSE = 60.0  # seconds until a list that did not help is read again
TRUSTED_FOR = 10.0  # seconds without a read of the record for a run that is running according to the list
A_PAGE = 100
WAIT_TICK = 0.1  # seconds
T = TypeVar("T")


@fixed
class WaitSources(Generic[T]):
    """The sources about the runs, by their indexes.

    `look` reads a record, `listen` opens a stream; None for no streams. `listed` returns the list of all runs, `over`
    says whether a run in it has ended.
    """

    look: Callable[[int], T]
    listen: Callable[[int], Audible] | None
    listed: Callable[[], Iterable[Run]]
    over: Callable[[Run], bool]


@fixed
class _Read(Generic[T]):
    number: int
    result: Result[T]


@fixed
class _Listed:
    """What the list says about our runs: whether each has ended. `depth` is how far it was read for the last."""

    over: dict[str, bool]
    depth: int
    took: float


class ManyRuns(Generic[T]):
    """The runs to wait for; seconds throughout. Use it from one thread, and close it."""

    def __init__(self, sources: WaitSources[T], poll_interval: float, pace: Pace | None = None) -> None:
        self._sources = sources
        self._pace = pace or Pace()
        self._lookout = Lookout(poll_interval, 1, shortest=poll_interval)
        self._workers: Workers[_Read[T] | _Listed | Listening | Rang] = Workers(LOOKERS)
        self._watch = StreamWatch(self._lookout, self._open_line, self._workers.bring)
        self._going: dict[int, str] = {}  # run ids, empty if not known yet
        self._places: dict[str, int] = {}
        self._unheard: deque[int] = deque()  # runs that still need a stream
        self._read_at: dict[int, float] = {}  # when the record was read
        self._heard_since: dict[int, float] = {}
        self._list_at = 0.0
        self._list_pause = LISTED_EVERY
        self._list_depth = 0  # the number of runs up to the last of ours

    def add(self, number: int) -> None:
        """Wait for one more run, which is read first."""
        self._going[number] = ""
        self._lookout.follow(number, found=True)

    def go_on(self, number: int, run_id: str | None) -> None:
        """Schedule another read of a run that has not ended; its id is None if it could not be read."""
        self._read_at[number] = time.monotonic()
        if run_id is not None and not self._going[number]:
            self._going[number], self._places[run_id] = run_id, number
            self._unheard.append(number)
        self._lookout.look_again(number, 0.0)

    def let_be(self, number: int) -> None:
        """Stop waiting for that run."""
        self._watch.let_be(number)
        self._places.pop(self._going.pop(number), None)
        self._read_at.pop(number, None)
        self._heard_since.pop(number, None)

    def looks(self, within: float) -> Iterator[tuple[int, Result[T]]]:
        """Yield the reads of at most that many seconds, and return after some; the caller keeps or drops each run."""
        for number in self._lookout.take_due():
            self._workers.call(partial(self._look, number))
        self._listen_to_more()
        self._read_list()
        outcome = self._workers.next_outcome(self._lookout.until_due(min(WAIT_TICK, within)))
        while outcome is not None:
            news, error = outcome
            if error is not None:
                raise error
            if isinstance(news, _Read):
                if news.number in self._going:
                    yield news.number, news.result
            elif isinstance(news, _Listed):
                self._take_list(news)
            elif news is not None:
                self._hear(news)
            outcome = self._workers.next_outcome(0)

    def close(self) -> None:
        """Close everything that is open, without waiting for calls in flight."""
        self._pace.close()
        self._watch.close()

    def _look(self, number: int) -> _Read[T]:
        return _Read(number, result_of(lambda: self._pace.send(lambda: self._sources.look(number))))

    # Streams.

    def _listen_to_more(self) -> None:
        while self._sources.listen is not None and self._unheard and not self._pace.limited:
            number = self._unheard[0]
            if number in self._going and not self._watch.listen(number, MOST_HEARD):
                return
            self._unheard.popleft()

    def _open_line(self, number: int) -> None:
        listen = self._sources.listen
        assert listen is not None

        def opened() -> Listening:
            line, _ = result_of(lambda: self._pace.send(lambda: listen(number)))
            return self._watch.opened(number, line)

        self._workers.call(opened)
        self._heard_since[number] = time.monotonic()

    def _hear(self, news: Listening | Rang) -> None:
        goes_on = news.number in self._going
        self._watch.hear(news, goes_on=goes_on)
        lasted = time.monotonic() - self._heard_since.get(news.number, float("inf"))
        if isinstance(news, Rang) and goes_on and lasted >= HEARD_AGAIN_AFTER:
            self._unheard.append(news.number)

    # The list.

    def _read_list(self) -> None:
        unheard = len(self._places) - len(self._lookout.heard)
        # A few runs can be read one by one; runs that wait for a stream count like many.
        few = 0 if len(self._lookout.heard) >= MOST_HEARD else LOOKERS
        if unheard <= few or time.monotonic() < self._list_at:
            return
        self._list_at = float("inf")  # until it has arrived
        wanted = frozenset(self._places)
        # Others' runs may be among them, up to a limit.
        most = max(self._list_depth, 2 * len(wanted)) + 2 * A_PAGE
        self._workers.call(partial(self._list, wanted, most))

    def _list(self, wanted: frozenset[str], most: int) -> _Listed:
        began, over, depth = time.monotonic(), dict[str, bool](), 0

        def read() -> None:
            nonlocal depth
            for place, run in enumerate(islice(self._sources.listed(), most), 1):
                if run.id in wanted:
                    over[run.id], depth = self._sources.over(run), place
                    if len(over) == len(wanted):
                        return

        _, error = result_of(lambda: self._pace.send(read))
        return _Listed({} if error is not None else over, depth, time.monotonic() - began)

    def _take_list(self, news: _Listed) -> None:
        """Read runs that are reported to have ended, and less often those that are reported to be running."""
        now = time.monotonic()
        for run_id, is_over in news.over.items():
            number = self._places.get(run_id)
            if number is None:
                continue
            if is_over:
                self._lookout.may_have_ended(number)
            elif now - self._read_at[number] < TRUSTED_FOR:
                self._lookout.put_off(number)
        helps = len(news.over) >= len(self._places) / 2
        self._list_depth = news.depth
        self._list_pause = LISTED_EVERY if helps else min(MOST_PAUSE, 2 * self._list_pause)
        self._list_at = now + max(self._list_pause, 3 * news.took)
