"""Requests to the probed server: within the allowed number and time, not too fast, and within its own rate limit."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from noxcli.api.failures import retry_after_of
from noxcli.api.http import Http
from noxcli.errors import NoxError
from noxcli.probe.frames import ENDED_STATUSES, Watched
from noxcli.probe.raw import RawAnswer, RawRequest, RawStream, raw_answer
from noxcli.timing import Deadline
from noxcli.waiting import sleep

APART = 0.1  # minimum seconds between two requests
LONGEST_ANSWER = 60.0  # seconds
LONGEST_REFUSAL = 30.0  # maximum seconds to wait after a 429
MOST_REFUSALS = 3  # in a row
CONFLICT = 409  # as an answer to a stop: the run has ended, or is being stopped
KEPT_SECONDS = 5.0  # for the stop of a run, or half of the time that there is
LEAST_FOR_STOP = 0.8  # seconds for that beyond the time
LEAST_FOR_A_RUN = 2  # requests: its start, and its stop
MORE_TIME = "needs more time: raise --timeout"
EVENT_HEADERS = {"Accept": "text/event-stream", "Cache-Control": "no-store", "Accept-Encoding": "identity"}


class Spent(Exception):
    """No request is allowed any more: the text says what would allow more."""


class Asker:
    """Sends each request once, and again only after a 429. `sent` is the number of all requests of the command.

    Raises Spent and Unavailable.
    """

    def __init__(self, http: Http, deadline: Deadline, most: int, sent: Callable[[], int]) -> None:
        self.refusals: list[RawAnswer] = []
        self._http, self._deadline, self._most, self._sent = http, deadline, most, sent
        self._kept_requests, self._kept_seconds = 0, 0.0
        self._last = float("-inf")

    def left(self) -> float:
        """Return the seconds for requests other than the stop of a run."""
        return max(0.0, self._deadline.left() - self._kept_seconds)

    @contextmanager
    def kept_for_stop(self) -> Iterator[None]:
        """Keep one request, and some time, for the stop of a run that is started within. Raises Spent."""
        if self._sent() + LEAST_FOR_A_RUN > self._most:
            raise Spent("needs more requests: raise --max-requests")
        self._kept_requests, self._kept_seconds = 1, min(KEPT_SECONDS, self._deadline.left() / 2)
        try:
            yield
        finally:
            self._kept_requests, self._kept_seconds = 0, 0.0

    def get(self, *parts: str, params: Mapping[str, str] | None = None) -> RawAnswer:
        """Read a JSON document."""
        return self.send(RawRequest("GET", ("v1", *parts), params or {}))

    def post(self, *parts: str, body: Mapping[str, Any] | None = None) -> RawAnswer:
        """Send a POST, which is repeated only after a 429."""
        content = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self.send(RawRequest("POST", ("v1", *parts), headers=headers, body=content))

    def stop(self, workflow_id: str, run_id: str) -> bool:
        """Stop one of the probe's own runs with what was kept for it; false if the run may go on."""
        stop = RawRequest("POST", ("v1", "runs", run_id, "stop"))
        read = RawRequest("GET", ("v1", "workflows", workflow_id, "runs", run_id))
        self._kept_requests, self._kept_seconds = 0, 0.0
        try:
            answer = raw_answer(self._http, stop, self._seconds_to_stop())
            if answer.ok or answer.status == CONFLICT:
                return True
            # It may have ended by itself in the meantime.
            self._allow()
            record = raw_answer(self._http, read, self._seconds_to_stop()).object
            return record.get("status") in ENDED_STATUSES or bool(record.get("finished_at"))
        except (NoxError, Spent):
            return False

    def send(self, request: RawRequest) -> RawAnswer:
        """Send any request."""
        for _ in range(MOST_REFUSALS):
            self._allow()
            answer = raw_answer(self._http, request, min(LONGEST_ANSWER, self.left()))
            if answer.status != 429:
                break
            self._wait_out(answer)
        return answer

    def watch(self, run_id: str, how: str, cursor: str | None = None) -> Watched:
        """Open a run's event stream; returns when its headers have arrived, or the stream has failed."""
        params = {} if cursor is None else {"etag": cursor}
        request = RawRequest("GET", ("v1", "runs", run_id, "events"), params, EVENT_HEADERS)
        for _ in range(MOST_REFUSALS):
            self._allow()
            watched = Watched(RawStream(self._http, request), how, self.left)
            while watched.head is None and not watched.ended and self.left():
                watched.look(min(1.0, self.left()))
            if watched.error is not None:
                raise watched.error
            if watched.head is None or watched.status != 429:
                break
            watched.close()
            self._wait_out(watched.head)
        return watched

    def pause(self, seconds: float) -> None:
        """Let that much time pass, or what is left of it."""
        sleep(min(seconds, self.left()))

    def _seconds_to_stop(self) -> float:
        return max(LEAST_FOR_STOP, self._deadline.left(KEPT_SECONDS))

    def _allow(self) -> None:
        if self._sent() + self._kept_requests >= self._most:
            raise Spent("needs more requests: raise --max-requests")
        self.pause(max(0.0, self._last + APART - time.monotonic()))
        if not self.left():
            raise Spent(MORE_TIME)
        self._last = time.monotonic()

    def _wait_out(self, answer: RawAnswer) -> None:
        self.refusals.append(answer)
        asked = retry_after_of(answer.headers)
        self.pause(min(LONGEST_REFUSAL, 1.0 if asked is None else asked))
