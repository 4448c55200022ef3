"""How fast a batch may send requests, as far as the server's answers have shown.

Until the first refusal (429, 503), only a few requests are in flight at a time, and one more after every few answers,
since that many are refused at once at a limit. A refusal stops all requests for as long as the server asks, or for a
jittered delay; then a single request is sent, and once it is answered the others follow.

If the server says how long to wait, what it grants after that wait is its limit: requests follow as fast as before the
first refusal until the second, and are counted. Otherwise the limit is what was granted in the second before the
refusal. From then on, requests are evenly spaced, a little below the limit, since a refusal costs more than that. The
rate stays there for many times as long as the last refusal stopped the batch, then grows faster and faster, to find out
whether the limit has risen. It returns to near the limit quickly. If no request succeeds at all, the rate is halved.

If answers say how many requests remain (`X-RateLimit-Remaining`), no more than that are in flight, and the last one
counts as a refusal.
"""

import math
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

SLOWEST = 0.5  # requests per second
UNLIMITED = 1000.0  # a rate that has grown this far is no longer a limit
BELOW = 0.985  # the share of the limit to request
NEAR = 0.93  # from this share of the limit on, the rate does not grow for a while
RETURN = 0.15  # a second, until then
GROWTH = 0.03  # a second, for each second that the rate has been growing
# The rate stays near the limit for this many times as long as the last refusal stopped the batch. Seconds: the shortest
# such stop to reckon with, and the longest stay.
STAY, SHORTEST_STOP, LONGEST_STAY = 20.0, 0.25, 60.0
TOO_SOON = 0.5  # seconds: a refusal this soon after the last wait means that the rate is far too high
# Seconds: after two refusals this soon, the rate is too high by an unknown part. A limit that counts by the second may
# have granted two seconds' requests.
QUITE_SOON = 2.0
NO_LIMIT = 10  # times as many requests as before the first refusal: that was no limit
CATCH_UP = 0.05  # seconds
FIRST_ROOM, ANSWERS_A_PLACE = 3, 8  # requests in flight at first, and answers until one more is allowed
MOST_ROOM = 64  # no longer a limit
NONE_LEFT_FOR = 0.3  # seconds: the reset has whole seconds, and may be much nearer
SHORT_DELAY, LONG_DELAY = 0.5, 15.0  # seconds: the first and the last ceiling of delays that the server did not ask for
LOOK_AGAIN = 0.5  # seconds until a request checks again what only an answer can change


class Allowance:
    """What the server allows; seconds by one clock and requests per second throughout. Not thread-safe.

    A request is known by the time at which it was sent, its turn.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.rate: float | None = None
        self._not_before = self._none_left_until = 0.0
        self._on_way, self._room = 0, float(FIRST_ROOM)
        self._crowded = False  # a request waits for the place of one in flight
        self._left = MOST_ROOM  # requests that the server still allows
        self._most_left: int | None = None
        self._answers: deque[float] = deque(maxlen=2048)
        self._trying = False  # after a refusal: a single request in flight tests the server
        self._tried_at: float | None = None
        self._cut_at = 0.0  # when requests last were stopped: answers to earlier ones say nothing about now
        self._refused_at = self._resumed_at = 0.0  # when the last wait began and ended
        self._granted = 0  # answers since then
        self._burst: float | None = None  # while the limit is counted: what was granted before the first refusal
        self._met: float | None = None  # the rate at which the limit was met
        self._late, self._met_at_most = 0.0, math.inf  # what each late answer adds to that rate
        self._soon = False  # the last refusal came soon after a wait
        self._stay_until = 0.0
        self._growing_since: float | None = None  # after the last wait
        self._seed = seed

    @property
    def limited(self) -> bool:
        """True once a limit was met."""
        return self.rate is not None or self._burst is not None

    @cached_property
    def _random(self) -> "random.Random":
        import random  # needed only after a refusal

        return random.Random(self._seed)  # noqa: S311 - it spreads retries, and keeps no secret

    def wait(self, now: float) -> float:
        """Return how long a request must wait, as far as known."""
        if self._trying and self._tried_at is not None:
            return LOOK_AGAIN  # another request is testing the server
        if self.rate is None and self._on_way >= min(self._room, self._left):
            self._crowded = True
            return LOOK_AGAIN
        return max(self._not_before, self._none_left_until) - now

    def sent(self, now: float) -> None:
        """Count a request that leaves now."""
        self._on_way += 1
        if self._trying:
            self._tried_at = now
        elif self.rate is not None:
            # A thread that wakes up late may catch up a little, or else the rate would never be reached.
            self._not_before = max(self._not_before, now - CATCH_UP) + 1 / self.rate

    def returned(self) -> bool:
        """Count a request that is no longer in flight; return whether another waits for its place."""
        self._on_way -= 1
        crowded, self._crowded = self._crowded, False
        return crowded

    def is_test(self, turn: float) -> bool:
        """True for the single request that tests the server after a refusal."""
        return turn == self._tried_at

    def answered(self, turn: float, now: float) -> bool:
        """Learn from a request that was served; return whether that ends a stop."""
        self._answers.append(now)
        if self._burst is None or self._granted > self._burst:
            self._room = min(MOST_ROOM, self._room + 1 / ANSWERS_A_PLACE)
        if turn < self._cut_at:
            self._count_late()
            return False
        self._granted += 1
        resumes = self._trying
        if resumes:
            self._resume(turn)
        if self.rate is not None:
            self._grow(self.rate, now)
        elif self._burst is not None and self._granted > NO_LIMIT * self._burst:
            self._burst = None
        return resumes

    def refused(self, turn: float, now: float, asked: float) -> None:
        """Learn from a refusal; `asked` is the wait that the server asks for, 0 for none."""
        if turn < self._cut_at:
            self._refused_at = now
        elif not self._trying:
            self._meet(now, asked)
        self._stop(turn, now, asked)

    def failed(self, turn: float, now: float, asked: float) -> None:
        """Learn from an outage, or from a test that failed."""
        if turn >= self._cut_at and not self._trying:
            self.rate, self._met, self._burst = max(SLOWEST, (self.rate or self._recent(now)) / 2), None, None
        self._stop(turn, now, asked)

    def note_left(self, left: int, reset: float, now: float) -> None:
        """Learn how many requests the server still allows, and in how many seconds it allows more."""
        self._left = max(1, left)
        self._most_left = max(self._most_left or 0, left + 1)
        if left or self._trying:
            return
        if self.rate is None:
            self._meet(now, 0.0)
            self._cut(now)
            self._not_before = now + min(reset, NONE_LEFT_FOR)
        else:
            self._none_left_until = now + 1 / self.rate

    def _stop(self, turn: float, now: float, asked: float) -> None:
        if turn == self._tried_at:
            self._tried_at = None
        if turn < self._cut_at:
            self._not_before = max(self._not_before, now + asked)
            return
        self._cut(now)
        # The longer the server has refused, the longer the ceiling; short draws don't raise it.
        ceiling = min(LONG_DELAY, max(SHORT_DELAY, now - self._refused_at))
        self._not_before = now + max(asked, self._random.uniform(0, ceiling))

    def _cut(self, now: float) -> None:
        if not self._trying:
            self._granted, self._refused_at = 0, now
        self._trying, self._cut_at = True, now

    def _resume(self, turn: float) -> None:
        self._trying, self._tried_at = False, None
        self._resumed_at, self._late, self._growing_since = turn, 0.0, None
        stopped = max(SHORTEST_STOP, turn - self._refused_at)
        self._stay_until = turn + min(LONGEST_STAY, STAY * stopped)
        if self.rate is not None:
            self._not_before = turn + 1 / self.rate

    def _grow(self, rate: float, now: float) -> None:
        if self._met is not None and rate < NEAR * self._met:
            self.rate = rate + RETURN
            return
        if self._met is not None and now < self._stay_until:
            return
        if self._growing_since is None:
            self._growing_since = now
        self.rate = rate + GROWTH * (now - self._growing_since)  # for each answer: that share of the rate each second
        if self.rate >= UNLIMITED:
            self.rate = self._met = None

    def _count_late(self) -> None:
        """Count an answer to a request from before the refusal that showed the limit."""
        if self._burst is not None:
            self._burst += self._late
        elif self.rate is not None and self._met is not None:
            more = min(self._late, self._met_at_most - self._met)
            self.rate, self._met = self.rate + BELOW * more, self._met + more

    def _meet(self, now: float, asked: float) -> None:
        """Find the limit that a refusal shows."""
        stopped, going = self._resumed_at - self._refused_at, now - self._resumed_at
        if self.rate is not None:
            met, rate = self._sustained(self.rate, now, stopped)
        elif self._burst is not None and going < QUITE_SOON + stopped:
            met, rate = self._counted(self._burst, stopped)
        else:
            met = rate = min(self._recent(now), self._most_left or math.inf)
            self._late, self._met_at_most = 1.0, self._most_left or math.inf
            if asked and self._burst is None:
                self._burst, self._room = met, max(FIRST_ROOM, self._room / 2)
                return
        self._met, self.rate, self._burst = max(SLOWEST, met), max(SLOWEST, BELOW * rate), None

    def _counted(self, burst: float, stopped: float) -> tuple[float, float]:
        """Return the limit, and a rate that the server surely grants, from what it granted after a wait."""
        granted = max(1, self._granted) / stopped
        self._late, self._met_at_most = 1 / stopped, burst
        # Before the first refusal, a fixed window may have granted the requests of two windows, but not more.
        # A server that grants even less still counts earlier requests.
        if granted < burst / 2:
            return burst, burst / 2
        return min(burst, granted), min(burst, granted)

    def _sustained(self, rate: float, now: float, stopped: float) -> tuple[float, float]:
        """Return the limit, and a rate that the server surely grants, from a rate that it granted for a while."""
        going = now - self._resumed_at
        # Of a bucket, empty at the last refusal and now, that is what it was filled with.
        filled = self._granted / (stopped + going)
        lately = min(going, QUITE_SOON) if self._growing_since is not None else going
        granted = min(rate, self._recent(now, lately) / lately) if lately else rate
        again, self._soon = self._soon and going < QUITE_SOON, going < QUITE_SOON
        if going < TOO_SOON:
            # The fewer requests it granted, the less that shows.
            return granted, max(rate * (1 - min(0.5, self._granted / 8)), min(rate, filled))
        return granted, (granted + filled) / 2 if again else granted

    def _recent(self, now: float, seconds: float = 1.0) -> float:
        """Return how many requests were served within the last seconds, at least one."""
        return float(max(1, sum(at > now - seconds for at in self._answers)))
