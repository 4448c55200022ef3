"""One gate for all requests of a batch, so that a limit which one of them meets slows down all.

How fast it sends requests is in `allowance.py`. A request checks the gate again after every wait.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from noxcli.batch.allowance import Allowance
from noxcli.errors import Unavailable

FAILURES_IN_A_ROW = 5  # one broken answer is bad luck; this many are an outage
GATE_LOOK_EVERY = 0.5  # seconds
T = TypeVar("T")


class Closed(Exception):
    """The batch no longer sends this request; it was not sent."""


class Pace:
    """The gate; thread-safe. Seconds and requests per second throughout."""

    def __init__(self, seed: int | None = None) -> None:
        self._gate = threading.Condition()
        self._allowance = Allowance(seed)
        self._failures = 0
        self._silent_since: float | None = None
        self._closed = False

    @property
    def rate(self) -> float | None:
        """The maximum of requests per second; None if it is not known."""
        return self._allowance.rate

    @property
    def limited(self) -> bool:
        """True once the server has limited requests."""
        return self._allowance.limited

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
            self._note(turn, failure)  # any other exception came from an answer

    def note_left(self, left: int, reset: float) -> None:
        """Read from an answer how many requests the server still allows, and in how many seconds it allows more."""
        with self._gate:
            self._allowance.note_left(left, reset, time.monotonic())

    def _turn(self, still: Callable[[], bool]) -> float:
        with self._gate:
            while True:
                if self._closed or not still():
                    raise Closed
                now = time.monotonic()
                wait = self._allowance.wait(now)
                if wait <= 0:
                    self._allowance.sent(now)
                    return now
                self._gate.wait(min(wait, GATE_LOOK_EVERY))

    def _note(self, turn: float, failure: Unavailable | None) -> None:
        with self._gate:
            now, allowance = time.monotonic(), self._allowance
            look_again = allowance.returned()
            if failure is None:
                self._failures, self._silent_since = 0, None
                look_again |= allowance.answered(turn, now)
            else:
                self._failures += 1
                self._silent_since = self._silent_since or now
                look_again |= self._note_failure(turn, now, failure)
            if look_again:
                self._gate.notify_all()

    def _note_failure(self, turn: float, now: float, failure: Unavailable) -> bool:
        asked = failure.retry_after or 0.0
        if failure.overloaded:
            self._allowance.refused(turn, now, asked)
        elif self._failures >= FAILURES_IN_A_ROW or self._allowance.is_test(turn):
            self._allowance.failed(turn, now, asked)
        else:
            return False
        return True


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
