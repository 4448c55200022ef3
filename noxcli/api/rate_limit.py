"""The pace of all requests to one server: how many at a time and a second, as its answers have shown.

Each kind of request learns its own limit: a limit on starts does not slow down reads. As soon as two kinds meet one, it
is treated as one limit on everything. Until the first refusal, only a few requests are in flight, and one more after
every few answers. A refusal (429, 503) stops requests of its kind for as long as the server asks, or for a jittered
delay; then one tests the server, and the others follow. From then on they are evenly spaced: a little slower than what
was granted, slower after each refusal, and after a while slowly faster.

A start that is not answered may cost its row: each one after it follows a read, until a start is answered again.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from noxcli.api.error_mapping import is_of_json, retry_after_of
from noxcli.api.transport import Slot
from noxcli.errors import OVERLOADED, REFUSALS, NoSlotInTime, ReadFirst, RequestAborted, Unavailable
from noxcli.retry import FailureTracker
from noxcli.timing import Clock

LESS = 0.95  # the share of what was granted, or of the last rate, that remains after a refusal
STAY, GROWTH = 30.0, 0.02  # seconds at one rate, then requests a second that each answer adds
SLOWEST, UNLIMITED = 0.5, 1000.0  # requests a second
FIRST_ROOM, ANSWERS_A_PLACE, MAX_ROOM = (
    3,
    8,
    64,
)  # requests in flight at first, until one more is allowed, at most
CATCH_UP = 0.05  # seconds that a thread which wakes up late may make good
SHORT_DELAY, LONG_DELAY = (
    0.5,
    15.0,
)  # seconds: the first and the last ceiling of delays that the server did not request
FAILURES_IN_A_ROW = 5  # one broken answer is bad luck; this many are an outage
CHECK_EVERY = 0.5  # seconds until a waiting request checks again what only an answer can change


class Kind(StrEnum):
    """What a request is for; servers limit these apart, or all together.

    With files count data and events: whether they can be read says nothing about the calls that a verdict needs.
    """

    START = "start"
    READ = "read"
    FILE = "file"
    LIST = "list"

    @classmethod
    def of(cls, method: str, path: str) -> "Kind":
        """Return what a request is for."""
        if "/v1/file" in path or path.endswith(("/data", "/events")):
            return cls.FILE
        if path.endswith(("/runs", "/workflows", "/versions")):
            return cls.START if method == "POST" else cls.LIST
        return cls.READ


class KindLimit:
    """One limit. Seconds by one clock, requests a second; a request is known by when it was sent. Not thread-safe."""

    def __init__(self) -> None:
        self.rate: float | None = None  # None while no limit is known
        self.in_flight = 0
        self.stopped = False  # one request at a time tests the server
        self._granted: deque[float] = deque(maxlen=2048)  # requests that were served
        self._learns = False  # the rate, from this stop
        self._was_refused = False  # in an earlier stop
        self._stopped_at = self._went_on_at = self._not_before = 0.0
        self._cut_at = 0.0  # answers to requests from before say nothing about now
        self._room = float(FIRST_ROOM)
        self._test: float | None = None

    @property
    def has_limit(self) -> bool:
        """True if a limit is known, or will be once this stop ends."""
        return self.rate is not None or self._learns

    def wait(self, now: float) -> float:
        """Return the seconds until a request may be sent, if known."""
        full = (
            self._test is not None
            if self.stopped
            else self.rate is None and self.in_flight >= self._room
        )
        return CHECK_EVERY if full else self._not_before - now

    def sent(self, now: float) -> None:
        """Count a request that leaves now."""
        self.in_flight += 1
        if self.stopped:
            self._test = now
        elif self.rate is not None:
            self._not_before = max(self._not_before, now - CATCH_UP) + 1 / self.rate

    def served(self, sent_at: float, now: float) -> None:
        """Learn from a request that was served."""
        self._room = min(MAX_ROOM, self._room + 1 / ANSWERS_A_PLACE)
        if self.stopped and sent_at >= self._cut_at:  # the test is served
            if self._learns:
                granted = sum(
                    at > self._stopped_at - 1 for at in self._granted
                )  # in the second before the stop
                # The first refusal among few requests shows no rate: by it, a batch would crawl for minutes.
                if self.rate is not None or granted >= FIRST_ROOM or self._was_refused:
                    self.rate = max(SLOWEST, LESS * (granted if self.rate is None else self.rate))
                    self._not_before = sent_at + 1 / self.rate
                self._was_refused = True
            self.stopped = self._learns = False
            self._test, self._went_on_at = None, sent_at
        self._granted.append(sent_at)
        if self.rate is not None and not self.stopped and now > self._went_on_at + STAY:
            self.rate = self.rate + GROWTH if self.rate + GROWTH < UNLIMITED else None

    def stop(self, sent_at: float, now: float, requested: float, *, learns: bool) -> None:
        """Stop after a refusal or an outage; `requested` is the delay that the server requests, 0 if none."""
        if sent_at == self._test:
            self._test = None
        if sent_at < self._cut_at:
            self._not_before = max(self._not_before, now + requested)
            return
        if not self.stopped:
            self.stopped, self._stopped_at = True, now
        self._learns |= learns
        self._cut_at = now
        # The longer the server has refused, the longer the ceiling; short draws don't raise it.
        ceiling = min(LONG_DELAY, max(SHORT_DELAY, now - self._stopped_at))
        self._not_before = now + max(requested, random.uniform(0, ceiling))  # noqa: S311 - it keeps no secret

    def join(self, others: "Iterable[KindLimit]") -> None:
        """Learn one limit instead of those of other kinds as well, from this stop."""
        for other in others:
            self.in_flight += other.in_flight
            self._granted.extend(other._granted)
            self._not_before = max(self._not_before, other._not_before)
        self.rate = None


class RateLimiter:
    """The pace of one command; thread-safe."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._limits = {kind: KindLimit() for kind in Kind}
        self._starts_no_more = self._hurries = False
        self._failures = FailureTracker(Clock())
        self._start_failed_at: float | None = None  # since then, no start was answered
        self._start_allowed = False  # a read was answered since then

    @property
    def rate(self) -> float | None:
        """The maximum of requests a second, of the kind with the lowest; None if no limit is known."""
        return min(
            (limit.rate for limit in self._limits.values() if limit.rate is not None), default=None
        )

    @property
    def silent_for(self) -> float:
        """How many seconds nothing has answered: since the first of several failures, while this process was awake."""
        return self._failures.seconds if self._failures.in_a_row > 1 else 0.0

    def end_starts(self) -> None:
        """Send no more starts."""
        with self._change:
            self._starts_no_more = True
            self._change.notify_all()

    @property
    def start_failed(self) -> bool:
        """True if a start was not answered, and none that was sent since then was."""
        return self._start_failed_at is not None

    def note_failed_start(self) -> None:
        """A start was not answered: the next one raises ReadFirst."""
        with self._change:
            self._start_failed_at, self._start_allowed = time.monotonic(), False

    def allow_start(self) -> None:
        """A read was answered: one start may be sent."""
        with self._change:
            self._start_allowed = True

    def hurry(self) -> None:
        """Let everything else pass without waiting: the time is nearly up."""
        with self._change:
            self._hurries = True
            self._change.notify_all()

    @contextmanager
    def slot(self, method: str, path: str, until: float = float("inf")) -> Iterator[Slot]:
        """Wait for the turn of a request, which is sent in it, and learn from its outcome.

        Raises RequestAborted for a start that is no longer wanted, ReadFirst for one that a read must come before;
        NoSlotInTime at the moment `until`, by the monotonic clock.
        """
        kind = Kind.of(method, path)
        given, unreachable, lost = Slot(self._pass(kind, until)), False, False
        try:
            yield given
        except Unavailable as error:
            unreachable, lost = not error.sent, error.sent
            raise
        finally:
            if kind is Kind.START and (
                lost or (given.answer is not None and given.answer.status_code >= 500)
            ):
                self.note_failed_start()  # before another start gets this slot
            with self._change:
                self._note(kind, given, unreachable)
                self._change.notify_all()

    def _pass(self, kind: Kind, until: float) -> float:
        with self._change:
            while True:
                if self._starts_no_more and kind is Kind.START:
                    raise RequestAborted("the start was not sent: the command is ending")
                if self.start_failed and not self._start_allowed and kind is Kind.START:
                    raise ReadFirst("the start was not sent: the last one was not answered")
                now, limit = time.monotonic(), self._limits[kind]
                wait = 0.0 if self._hurries else limit.wait(now)
                if wait <= 0:
                    limit.sent(now)
                    self._start_allowed &= kind is not Kind.START
                    return now
                if now >= until:
                    raise NoSlotInTime(
                        "the request was not sent: the rate limit left no time for it"
                    )
                self._change.wait(min(wait, CHECK_EVERY, until - now))

    def _note(self, kind: Kind, given: Slot, unreachable: bool) -> None:
        """Learn from the outcome of a request."""
        now, at, answer, limit = time.monotonic(), given.at, given.answer, self._limits[kind]
        limit.in_flight -= 1
        status, headers = (None, {}) if answer is None else (answer.status_code, answer.headers)
        refused, answered = status in OVERLOADED, status is not None and status < 500
        if (
            answer is not None
            and status in REFUSALS
            and kind is not Kind.FILE
            and not is_of_json(answer)
        ):
            answered, unreachable = (
                False,
                True,
            )  # a gateway's page: what follows would fare no better
        if answered:
            self._failures.answered()  # 429 included: the server answers
            if kind is Kind.START and at >= (self._start_failed_at or 0.0):
                self._start_failed_at = None
        else:
            self._failures.failed()
        if answered and not refused:
            limit.served(at, now)
        elif (
            refused or unreachable or limit.stopped or self._failures.in_a_row >= FAILURES_IN_A_ROW
        ):
            limit.stop(at, now, retry_after_of(headers) or 0.0, learns=refused)
        others = {*self._limits.values()} - {limit}
        if limit.stopped and limit.has_limit and any(other.has_limit for other in others):
            limit.join(others)  # two kinds have met one: it is most likely one on all requests
            self._limits = dict.fromkeys(Kind, limit)
