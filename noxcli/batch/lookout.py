"""When to look at which row's run: as soon as its stream tells an end, or when runs usually end."""

import heapq
import time
from collections import deque

from noxcli.models import Run
from noxcli.timing import seconds_between

FIRST_GUESS, SHORTEST = 0.2, 0.05  # seconds: where nothing is known of how long rows take, and between two looks
FIRST_DOUBT = 0.4  # seconds after which a silent stream is not believed any more, where nothing is known
LOOKS_GROW = 0.1  # the next look comes after so much of the time that the run has taken, where nothing tells better
BETWEEN = 0.04  # as much of it is between two looks at least
SHARES = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)  # of the rows before that had ended at the time of a look
REMEMBERED = 32
# From so many starts a second on, a third request for each, which opens a stream, costs more time than it saves.
MOST_LISTENED_TO = 60.0


class Usual:
    """How long the last rows took, in seconds, and what that says of the next ones."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=REMEMBERED)

    def note(self, run: Run, measured: float) -> None:
        """Take a run that has ended; `measured` counts until somebody looked, and is used where the record is vague."""
        exact = "." in (run.created_at or "") and "." in (run.finished_at or "")
        told = seconds_between(run.created_at, run.finished_at) if exact else None
        self._last.append(told if told is not None and measured / 2 < told < measured else measured)

    @property
    def middle(self) -> float | None:
        """The time that half of the rows took; None before the first."""
        return sorted(self._last)[len(self._last) // 2] if self._last else None

    def until_doubt(self, taken: float) -> float:
        """Return the seconds after which the silence of a run that has taken so long means nothing any more."""
        middle = self.middle
        if middle is None:
            return taken or FIRST_DOUBT
        return max(SHORTEST, 2 * middle - taken, taken / 2)

    def until_next_look(self, taken: float) -> float:
        """Return the seconds to wait before a run that has taken so long is to be looked at."""
        last = sorted(self._last)
        apart = max(SHORTEST, BETWEEN * taken) if taken else 0.0
        for share in SHARES if last else ():
            moment = last[round(share * (len(last) - 1))]
            if moment >= taken + apart:
                return moment - taken
        return max(SHORTEST, LOOKS_GROW * taken) if taken else FIRST_GUESS


class Lookout:
    """Which rows' runs are to be looked at now. `longest` is the longest time between two looks, in seconds."""

    def __init__(self, longest: float, max_parallel: int, *, shortest: float = 0.0) -> None:
        """`shortest` is the least time between two looks, unless a run is said to have ended."""
        self._longest, self._shortest = longest, shortest
        self._max_parallel = max_parallel
        self._usual = Usual()
        self._due: list[tuple[float, int]] = []
        self._next: dict[int, float] = {}  # the row's entry among those above that counts
        self._ended: dict[int, float] = {}  # when its stream told an end that its record did not tell yet
        self.heard: set[int] = set()  # rows whose streams are open, or being opened

    def worth_listening(self, most: int, most_untried: int) -> bool:
        """True where one more stream is to be opened."""
        middle = self._usual.middle
        if middle is None:
            return len(self.heard) < most_untried
        return len(self.heard) < most and self._max_parallel <= MOST_LISTENED_TO * middle

    def follow(self, number: int, *, found: bool = False) -> None:
        """Look at a run that has just been started, or was `found`."""
        self._look_in(number, 0.0 if found else self._until_look(number, 0.0))

    def look_again(self, number: int, taken: float) -> None:
        """Look once more at a run that has not ended, after so many seconds."""
        if number in self._ended:
            self._look_in(number, max(SHORTEST, time.monotonic() - self._ended[number]))
        elif number in self.heard:
            self._look_in(number, self._longest)
        else:
            self._look_in(number, max(self._shortest, self._usual.until_next_look(taken)))

    def rang(self, number: int) -> None:
        """Look at a run as soon as possible, for its stream is over."""
        self.heard.discard(number)
        self._ended.pop(number, None)
        self.may_have_ended(number)

    def may_have_ended(self, number: int) -> None:
        """Look at a run as soon as possible, for somebody has said that it ended; the first time counts."""
        if number in self._ended:
            return
        self._ended[number] = time.monotonic()
        if number in self._next:  # otherwise somebody is looking now
            self._look_in(number, 0.0)

    def put_off(self, number: int) -> None:
        """Take a run for looked at that goes on, as somebody has said."""
        if number in self._next and number not in self._ended:
            self._look_in(number, self._longest)

    def ended(self, run: Run, taken: float) -> None:
        """Learn from a run that has ended, some of those seconds ago."""
        self._usual.note(run, taken)

    def forget(self, number: int) -> None:
        """Look at that row no more."""
        self._next.pop(number, None)
        self._ended.pop(number, None)
        self.heard.discard(number)

    def take_due(self) -> list[int]:
        """Return the rows to look at now; each has to be handed back by `look_again` or `forget`."""
        now, taken = time.monotonic(), []
        while self._due and self._due[0][0] <= now:
            due, number = heapq.heappop(self._due)
            if self._next.get(number) == due:
                del self._next[number]
                taken.append(number)
        return taken

    def waits(self, number: int) -> bool:
        """True where the row's run is going to be looked at; false where somebody is at it, or nobody will be."""
        return number in self._next

    def until_due(self, most: float) -> float:
        """Return the seconds until the next look, `most` at most."""
        return min(most, max(0.0, self._due[0][0] - time.monotonic())) if self._due else most

    def _until_look(self, number: int, taken: float) -> float:
        return self._usual.until_doubt(taken) if number in self.heard else self._usual.until_next_look(taken)

    def _look_in(self, number: int, seconds: float) -> None:
        due = time.monotonic() + min(seconds, self._longest)
        self._next[number] = due
        heapq.heappush(self._due, (due, number))
