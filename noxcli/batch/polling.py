"""When to read which run: seldom while nothing is known, often from the shortest time on."""

import time
from collections import deque

FIRST_LOOK, FIRST_APART = 0.2, 0.05  # seconds until the first read, and between reads, while no run has ended
SHORTEST = 0.02  # seconds between two reads of one run
# Of the median time of runs between two reads, from the shortest time on; while no run has ended, of the time so far.
SHARE = 0.05
REMEMBERED = 32


class PollSchedule:
    """Runs, by numbers, when each is read next, and how long the last ones took; seconds throughout."""

    def __init__(self, longest: float) -> None:
        """`longest` is between two reads of one run."""
        self._durations: deque[float] = deque(maxlen=REMEMBERED)
        self._longest = longest
        self._due: dict[int, float] = {}

    def note(self, seconds: float) -> None:
        """Add the duration of a run that has ended."""
        self._durations.append(seconds)

    def until_next(self, taken: float) -> float:
        """Return the seconds until the next read of a run that has taken this long."""
        if not self._durations:
            return max(FIRST_APART, SHARE * taken) if taken else FIRST_LOOK
        ordered = sorted(self._durations)
        if taken < ordered[0]:
            return ordered[0] - taken
        # A run that takes much longer than others is read less and less often.
        return max(SHORTEST, SHARE * max(ordered[len(ordered) // 2], taken / 2))

    def add(self, number: int, taken: float | None = None, limit: float | None = None) -> None:
        """Schedule the next read of a run that has taken this long; immediately if that is not known.

        It is read once it has taken `limit`.
        """
        wait = 0.0 if taken is None else self.until_next(taken)
        left = self._longest if taken is None or limit is None else limit - taken
        self._due[number] = time.monotonic() + min(wait, self._longest, left)

    def drop(self, number: int) -> None:
        """No longer read that run."""
        self._due.pop(number, None)

    def has(self, number: int) -> bool:
        """True if the run is scheduled; false if it is being read now, or never will be."""
        return number in self._due

    def pop_due(self) -> list[int]:
        """Return the runs to read now; each must be added again, or has ended."""
        now = time.monotonic()
        taken = sorted((number for number, due in self._due.items() if due <= now), key=self._due.__getitem__)
        for number in taken:
            del self._due[number]
        return taken

    def until_due(self, most: float) -> float:
        """Return the seconds until the next read, at most `most`."""
        if not self._due:
            return most
        return min(most, max(0.0, min(self._due.values()) - time.monotonic()))
