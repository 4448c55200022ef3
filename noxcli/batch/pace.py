"""One gate for all requests of a batch, so that a limit which one of them meets slows down all.

The rule, as networks have it: a refusal (429, 503, no connection) halves the rate and stops everybody for as long as
the server says, or a jittered while; then one request goes ahead and tries; once it is answered the others follow, and
the rate grows by a tenth each second, by one request per second at least. A request looks at the gate again after every
wait.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from noxcli.errors import Unavailable
from noxcli.timing import Backoff

SLOWEST = 0.5  # requests per second
GROWTH = 0.1
UNLIMITED = 1000.0  # a rate that has grown so far is no limit any more
FAILURES_IN_A_ROW = 5  # one broken answer is bad luck; so many are an outage
GATE_LOOK_EVERY = 0.5  # seconds
T = TypeVar("T")


class Closed(Exception):
    """The batch is not to send this any more; it was not sent."""


class Pace:
    """The gate; for many threads. Seconds and requests per second throughout."""

    def __init__(self, seed: int | None = None) -> None:
        self._gate = threading.Condition()
        self._rate: float | None = None
        self._not_before = self._last_cut = 0.0
        self._trying = False  # after a refusal: one request is on its way to find out
        self._tried_at: float | None = None
        self._answers: deque[float] = deque(maxlen=512)
        self._failures = 0
        self._silent_since: float | None = None
        self._backoff = Backoff(seed=seed)
        self._closed = False

    @property
    def held(self) -> float:
        """For how much longer nobody may send."""
        return max(0.0, self._not_before - time.monotonic()) if self._tried_at is None and self._trying else 0.0

    @property
    def rate(self) -> float | None:
        """How many requests per second are sent at most; None where no limit was met."""
        return self._rate

    @property
    def silent_for(self) -> float:
        """How long nothing was answered, from the first failure on."""
        since = self._silent_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self) -> None:
        """Let nobody through any more."""
        with self._gate:
            self._closed = True
            self._gate.notify_all()

    def send(self, call: Callable[[], T], still: Callable[[], bool] = lambda: True) -> T:
        """Return what `call` returns, called when it is its turn.

        Raises what it raises; Closed where the batch, or `still`, says before the turn that there is to be none.
        """
        turn = self._turn(still)
        failure: Unavailable | None = None
        try:
            return call()
        except Unavailable as error:
            failure = error
            raise
        finally:
            if failure is not None:
                self._failed(turn, failure)
            else:
                self._answered(turn)  # whatever else was raised came out of an answer

    def _turn(self, still: Callable[[], bool]) -> float:
        with self._gate:
            while True:
                if self._closed or not still():
                    raise Closed
                now = time.monotonic()
                wait = self._not_before - now
                if self._trying and self._tried_at is not None:
                    wait = GATE_LOOK_EVERY  # somebody else is finding out
                if wait <= 0:
                    break
                self._gate.wait(min(wait, GATE_LOOK_EVERY))
            if self._trying:
                self._tried_at = now
            elif self._rate is not None:
                self._not_before = max(self._not_before, now) + 1 / self._rate
            return now

    def _answered(self, turn: float) -> None:
        with self._gate:
            now = time.monotonic()
            self._answers.append(now)
            self._failures, self._silent_since = 0, None
            if turn < self._last_cut:
                return  # it was on its way before; it says nothing about now
            self._backoff.reset()
            if self._trying:
                self._trying, self._tried_at = False, None
                self._gate.notify_all()
            if self._rate is not None:
                self._rate += max(1.0, self._rate * GROWTH) / self._rate  # so much for each answer is GROWTH a second
                if self._rate >= UNLIMITED:
                    self._rate = None

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
                self._cut(now)
                self._not_before = now + self._backoff.next_delay(asked)
            else:
                self._not_before = max(self._not_before, now + asked)
            self._gate.notify_all()

    def _cut(self, now: float) -> None:
        if not self._trying:
            seen = self._rate if self._rate is not None else self._recent(now)
            self._rate = max(SLOWEST, seen / 2)
        self._trying, self._last_cut = True, now

    def _recent(self, now: float) -> float:
        return sum(at > now - 1 for at in self._answers)


class Gated:
    """The API's calls for files, for an output that lags, and those that find out why a run failed, behind the gate."""

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
                return None, error  # this address being down says nothing of those that the batch lives by

        data, error = self._pace.send(ask)
        if error is not None:
            raise error
        return data
