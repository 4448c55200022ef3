"""One gate for all requests of a batch, so that a limit which one of them meets slows down all.

A refusal (429, 503) stops all requests for as long as the server asks, or for a jittered delay; then a single request
is sent, and once it is answered the others follow, a little slower than the rate that was granted before. From there,
the rate returns quickly to near the limit, then grows slowly, more slowly each time that it meets the limit at the same
place, and grows faster only well beyond it. If no request succeeds at all, the rate is halved.

Until the first refusal, only a few requests are in flight at a time, and one more after every few answers, since that
many are refused at once at a limit. If answers say how many requests remain (`X-RateLimit-Remaining`), no more than
that are in flight, and the last one counts as a refusal. A request checks the gate again after every wait.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from noxcli.errors import Unavailable
from noxcli.timing import Backoff

SLOWEST = 0.5  # requests per second
GROWTH = 0.1  # a second; one request per second at least
NEAR, BEYOND = 0.93, 1.1  # between these shares of the rate at the limit, growth is slow
SLOW_GROWTH, SLOWEST_GROWTH = 0.005, 0.0005  # a second
ALIKE = 0.1  # two limits that differ by at most this share are one
BELOW = 0.98  # the share of the granted rate to request after a refusal
TOO_SOON = 0.5  # seconds: a refusal this soon after the last wait means that the rate is far too high
# Seconds: after two refusals this soon, the rate is too high by an unknown part. A limit that counts by the second may
# have granted two seconds' requests.
QUITE_SOON = 2.0
CATCH_UP = 0.1  # seconds
FIRST_ROOM, ANSWERS_A_PLACE = 3, 8  # requests in flight at first, and answers until one more is allowed
MOST_ROOM = 64  # no longer a limit
NONE_LEFT_FOR = 0.3  # seconds: the reset has whole seconds, and may be much nearer
UNLIMITED = 1000.0  # a rate that has grown this far is no longer a limit
FAILURES_IN_A_ROW = 5  # one broken answer is bad luck; this many are an outage
GATE_LOOK_EVERY = 0.5  # seconds
T = TypeVar("T")


class Closed(Exception):
    """The batch no longer sends this request; it was not sent."""


class Pace:
    """The gate; thread-safe. Seconds and requests per second throughout."""

    def __init__(self, seed: int | None = None) -> None:
        self._gate = threading.Condition()
        self._rate: float | None = None
        self._not_before = self._last_cut = 0.0
        self._met: float | None = None  # the rate at which the limit was met
        self._slow = SLOW_GROWTH
        self._granted = 0  # answers since the last cut
        self._on_way, self._room, self._crowded = 0, float(FIRST_ROOM), False
        self._left = MOST_ROOM  # requests that the server still allows
        self._begun_anew = 0.0  # when the wait after the last refusal ended
        self._soon = False  # the last refusal came soon after a wait
        self._late = False  # answers are still arriving for requests from before the first refusal
        self._trying = False  # after a refusal: a single request in flight tests the server
        self._tried_at: float | None = None
        self._answers: deque[float] = deque(maxlen=512)
        self._failures = 0
        self._silent_since: float | None = None
        self._backoff = Backoff(seed=seed)
        self._closed = False

    @property
    def held(self) -> float:
        """The remaining seconds without any request."""
        return max(0.0, self._not_before - time.monotonic()) if self._tried_at is None and self._trying else 0.0

    @property
    def rate(self) -> float | None:
        """The maximum of requests per second; None if no limit was met."""
        return self._rate

    @property
    def silent_for(self) -> float:
        """How long nothing has answered, since the first failure."""
        since = self._silent_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self) -> None:
        """Stop all further requests."""
        with self._gate:
            self._closed = True
            self._gate.notify_all()

    def send(self, call: Callable[[], T], still: Callable[[], bool] = lambda: True) -> T:
        """Return the result of `call`, made when it is its turn.

        Raises what it raises; Closed if the batch, or `still`, cancels it before its turn.
        """
        turn = self._turn(still)
        failure: Unavailable | None = None
        try:
            return call()
        except Unavailable as error:
            failure = error
            raise
        finally:
            self._back()
            if failure is not None:
                self._failed(turn, failure)
            else:
                self._answered(turn)  # any other exception came from an answer

    def note_left(self, left: int, reset: float) -> None:
        """Read from an answer how many requests the server still allows, and in how many seconds it allows more."""
        with self._gate:
            now, self._left = time.monotonic(), max(1, left)
            if left or self._trying:
                return
            if self._rate is None:
                self._cut(now)
                self._not_before = now + min(reset, NONE_LEFT_FOR)
            else:
                self._not_before = max(self._not_before, now) + 1 / self._rate

    def _turn(self, still: Callable[[], bool]) -> float:
        with self._gate:
            while True:
                if self._closed or not still():
                    raise Closed
                now = time.monotonic()
                wait = self._wait(now)
                if wait <= 0:
                    break
                self._gate.wait(min(wait, GATE_LOOK_EVERY))
            self._on_way += 1
            if self._trying:
                self._tried_at = now
            elif self._rate is not None:
                # A thread that wakes up late may catch up a little, or else the rate would never be reached.
                self._not_before = max(self._not_before, now - CATCH_UP) + 1 / self._rate
            return now

    def _wait(self, now: float) -> float:
        """Return how long a request must wait, as far as known."""
        if self._trying and self._tried_at is not None:
            return GATE_LOOK_EVERY  # another request is testing the server
        if self._rate is None and self._on_way >= min(self._room, self._left):
            self._crowded = True
            return GATE_LOOK_EVERY
        return self._not_before - now

    def _back(self) -> None:
        with self._gate:
            self._on_way -= 1
            if self._crowded:
                self._crowded = False
                self._gate.notify_all()

    def _answered(self, turn: float) -> None:
        with self._gate:
            now = time.monotonic()
            self._answers.append(now)
            self._granted += 1
            self._room = min(MOST_ROOM, self._room + 1 / ANSWERS_A_PLACE)
            self._failures, self._silent_since = 0, None
            if turn < self._last_cut:
                self._count_late()
                return  # it was in flight before, so it says nothing about now
            self._backoff.reset()
            if self._trying:
                self._trying, self._tried_at = False, None
                self._begun_anew, self._late = turn, False
                self._gate.notify_all()
            if self._rate is not None:
                self._rate += self._growth(self._rate) / self._rate  # so much for each answer is that a second
                if self._rate >= UNLIMITED:
                    self._rate = self._met = None

    def _count_late(self) -> None:
        if self._late and self._rate is not None and self._met is not None:
            self._rate, self._met = self._rate + 1, self._met + 1

    def _growth(self, rate: float) -> float:
        if self._met is not None and NEAR * self._met <= rate < BEYOND * self._met:
            return self._slow * rate
        return max(1.0, GROWTH * rate)

    def _failed(self, turn: float, error: Unavailable) -> None:
        with self._gate:
            now = time.monotonic()
            self._failures += 1
            if self._silent_since is None:
                self._silent_since = now
            refused = error.overloaded
            tried = self._trying and turn == self._tried_at
            if tried:
                self._tried_at = None
            if not (refused or tried or self._failures >= FAILURES_IN_A_ROW):
                return
            asked = error.retry_after or 0.0
            if turn >= self._last_cut:
                self._cut(now, refused=refused)
                self._not_before = now + self._backoff.next_delay(asked)
            else:
                self._not_before = max(self._not_before, now + asked)
            self._gate.notify_all()

    def _cut(self, now: float, *, refused: bool = True) -> None:
        """Slow down, and remember the rate at the limit; a retry has not met it."""
        if not self._trying:
            if refused:
                self._note_limit(now)
            else:
                self._rate, self._met = max(SLOWEST, (self._rate or self._recent(now)) / 2), None
            self._granted = 0
        self._trying, self._last_cut = True, now

    def _note_limit(self, now: float) -> None:
        seen, before = self._recent(now), self._rate
        if before is not None:
            seen = self._seen_since_cut(now, before)
        again = self._met is not None and abs(seen - self._met) <= ALIKE * self._met
        self._slow = max(SLOWEST_GROWTH, self._slow / 2) if again else SLOW_GROWTH
        self._met = max(SLOWEST, seen)
        self._rate = max(SLOWEST, seen if before is None else BELOW * seen)
        self._late = before is None

    def _seen_since_cut(self, now: float, rate: float) -> float:
        going = now - self._begun_anew
        # Of a bucket, empty at the last refusal and now, that is what it was filled with.
        filled = self._granted / (now - self._last_cut)
        if going < TOO_SOON:
            return max(rate / 2, min(rate, filled))
        granted, again, self._soon = self._granted / going, self._soon and going < QUITE_SOON, going < QUITE_SOON
        return min(rate, (granted + filled) / 2 if again else granted)

    def _recent(self, now: float) -> float:
        return float(sum(at > now - 1 for at in self._answers))


class Gated:
    """The API's calls for files, for a late output, and for the reason of a failure, through the gate."""

    def __init__(self, api: Any, pace: Pace) -> None:
        self._api = api
        self._pace = pace

    def upload(self, *args: Any, **kwargs: Any) -> Any:
        return self._pace.send(lambda: self._api.upload(*args, **kwargs))

    def download(self, *args: Any, **kwargs: Any) -> Any:
        return self._pace.send(lambda: self._api.download(*args, **kwargs))

    def get_run(self, *args: Any, **kwargs: Any) -> Any:
        return self._pace.send(lambda: self._api.get_run(*args, **kwargs))

    def get_workflow(self, *args: Any, **kwargs: Any) -> Any:
        return self._pace.send(lambda: self._api.get_workflow(*args, **kwargs))

    def open_events(self, *args: Any, **kwargs: Any) -> Any:
        return self._pace.send(lambda: self._api.open_events(*args, **kwargs))

    def run_data(self, *args: Any, **kwargs: Any) -> Any:
        def ask() -> tuple[Any, Unavailable | None]:
            try:
                return self._api.run_data(*args, **kwargs), None
            except Unavailable as error:
                if error.http_status in {None, 429}:
                    raise
                return None, error  # an outage of this address says nothing about the calls that the batch depends on

        data, error = self._pace.send(ask)
        if error is not None:
            raise error
        return data
