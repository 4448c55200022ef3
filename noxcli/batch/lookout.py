"""When to read which row's run: as soon as its stream announces an end, or when runs usually end."""

import heapq
import time
from collections import deque

from noxcli.models import Run
from noxcli.timing import seconds_between

FIRST_GUESS, SHORTEST = 0.2, 0.05  # seconds: while the duration of rows is unknown, and between two reads
FIRST_DOUBT = 0.4  # seconds after which a silent stream is no longer trusted, if nothing is known
# The share of a run's time that may pass without its stream; seconds if nothing is known: 256 rows start in less.
DEAF_SHARE, FIRST_DEAF = 0.25, 0.5
LOOKS_GROW = 0.1  # the share of a run's time so far until the next read, if nothing better is known
BETWEEN = 0.04  # the minimum share between two reads
SHARES = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)  # the shares of earlier rows that had ended at the times of reads
REMEMBERED = 32
# From this many starts a second on, the third request, which opens a stream, costs more time than it saves.
MOST_LISTENED_TO = 60.0


class Usual:
    """The durations of the last rows, in seconds, and what they mean for the next ones."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=REMEMBERED)

    def note(self, run: Run, measured: float) -> None:
        """Add an ended run; `measured` is the time until it was read, used if the record is vague."""
        exact = "." in (run.created_at or "") and "." in (run.finished_at or "")
        told = seconds_between(run.created_at, run.finished_at) if exact else None
        self._last.append(told if told is not None and measured / 2 < told < measured else measured)

    @property
    def middle(self) -> float | None:
        """The median time of the rows; None before the first."""
        return sorted(self._last)[len(self._last) // 2] if self._last else None

    def until_doubt(self, taken: float) -> float:
        """Return the seconds after which the silence of a run that has taken this long means nothing."""
        middle = self.middle
        if middle is None:
            return taken or FIRST_DOUBT
        return max(SHORTEST, 2 * middle - taken, taken / 2)

    def until_next_look(self, taken: float) -> float:
        """Return the seconds until the next read of a run that has taken this long."""
        last = sorted(self._last)
        apart = max(SHORTEST, BETWEEN * taken) if taken else 0.0
        for share in SHARES if last else ():
            moment = last[round(share * (len(last) - 1))]
            if moment >= taken + apart:
                return moment - taken
        return max(SHORTEST, LOOKS_GROW * taken) if taken else FIRST_GUESS


class Lookout:
    """Which rows' runs to read now. `longest` is the longest time between two reads, in seconds."""

    def __init__(self, longest: float, max_parallel: int, *, shortest: float = 0.0) -> None:
        """`shortest` is the shortest time between two reads, unless a run is reported to have ended."""
        self._longest, self._shortest = longest, shortest
        self._max_parallel = max_parallel
        self._usual = Usual()
        self._due: list[tuple[float, int]] = []
        self._next: dict[int, float] = {}  # the row's entry among those above that counts
        self._ended: dict[int, float] = {}  # when its stream announced an end that its record did not have yet
        self.heard: set[int] = set()  # rows whose streams are open, or being opened

    def worth_listening(self, most: int) -> bool:
        """True if one more stream should be opened."""
        middle = self._usual.middle
        return len(self.heard) < most and (middle is None or self._max_parallel <= MOST_LISTENED_TO * middle)

    @property
    def deaf_for(self) -> float:
        """How many seconds after its start a run's stream may be opened: long before it can announce an end."""
        middle = self._usual.middle
        return FIRST_DEAF if middle is None else DEAF_SHARE * middle

    def follow(self, number: int, began: float | None = None, *, found: bool = False) -> None:
        """Schedule the first read of a run that began at that time by `time.monotonic`, or now, or was `found`."""
        since = 0.0 if began is None else time.monotonic() - began
        self._look_in(number, 0.0 if found else self._until_look(number, 0.0) - since)

    def unheard(self, number: int) -> None:
        """Read a run without its stream, which is not opened after all."""
        self.heard.discard(number)
        if number in self._next:  # otherwise it is being read now, or has ended
            self.follow(number)

    def look_again(self, number: int, taken: float) -> None:
        """Schedule another read of a run that has not ended, after that many seconds."""
        if number in self._ended:
            self._look_in(number, max(SHORTEST, time.monotonic() - self._ended[number]))
        elif number in self.heard:
            self._look_in(number, self._longest)
        else:
            self._look_in(number, max(self._shortest, self._usual.until_next_look(taken)))

    def rang(self, number: int) -> None:
        """Read a run as soon as possible, since its stream is over."""
        self.heard.discard(number)
        self._ended.pop(number, None)
        self.may_have_ended(number)

    def may_have_ended(self, number: int) -> None:
        """Read a run as soon as possible, since it was reported to have ended; the first report counts."""
        if number in self._ended:
            return
        self._ended[number] = time.monotonic()
        if number in self._next:  # otherwise it is being read now
            self._look_in(number, 0.0)

    def put_off(self, number: int) -> None:
        """Schedule the next regular read, since a run is reported to be running."""
        if number in self._next and number not in self._ended:
            self._look_in(number, self._longest)

    def ended(self, run: Run, taken: float) -> None:
        """Learn from a run that has ended; its end was read `taken` seconds after it began."""
        self._usual.note(run, taken)

    def forget(self, number: int) -> None:
        """Stop reading that row."""
        self._next.pop(number, None)
        self._ended.pop(number, None)
        self.heard.discard(number)

    def take_due(self) -> list[int]:
        """Return the rows to read now; each must be returned by `look_again` or `forget`."""
        now, taken = time.monotonic(), []
        while self._due and self._due[0][0] <= now:
            due, number = heapq.heappop(self._due)
            if self._next.get(number) == due:
                del self._next[number]
                taken.append(number)
        return taken

    def waits(self, number: int) -> bool:
        """True if the row's run is scheduled for a read; false if it is being read now, or never will be."""
        return number in self._next

    def until_due(self, most: float) -> float:
        """Return the seconds until the next read, at most `most`."""
        return min(most, max(0.0, self._due[0][0] - time.monotonic())) if self._due else most

    def _until_look(self, number: int, taken: float) -> float:
        return self._usual.until_doubt(taken) if number in self.heard else self._usual.until_next_look(taken)

    def _look_in(self, number: int, seconds: float) -> None:
        due = time.monotonic() + min(seconds, self._longest)
        self._next[number] = due
        heapq.heappush(self._due, (due, number))
