"""The pace of all requests to one server: how many at a time and a second.

Each kind of request learns its own limit: a limit on starts does not slow down reads. As soon as
two kinds meet one, it is treated as one limit on everything. Until the first refusal, only a few
requests are in flight, and one more after every few answers. A refusal (429, 503) stops requests of
its kind for as long as the server asks, or for a jittered delay; then one tests the server, and the
others follow. From then on they are evenly spaced: a little slower than what was granted, slower
after each refusal, and after a while slowly faster.

A start that is not answered may cost its row: each one after it follows a read, until a start is
answered again.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum, StrEnum

import requests

from noxcli.api.error_mapping import is_of_json, retry_after_of
from noxcli.api.transport import Slot
from noxcli.errors import NoSlotInTime, ReadFirst, RequestAborted, Unavailable, facts_about
from noxcli.retry import FailureTracker, Pause
from noxcli.timing import Clock

LESS = 0.95  # the share of what was granted, or of the last rate, that remains after a refusal
STAY = 30.0  # seconds at one rate
GROWTH = 0.02  # requests a second that each answer adds after that
# Requests a second.
SLOWEST = 0.5
UNLIMITED = 1000.0
# Requests in flight: at first, and at most; and how many answers allow one more.
FIRST_ROOM = 3
MAX_ROOM = 64
ANSWERS_A_PLACE = 8
REMEMBERED = 2048  # requests that were served
CATCH_UP = 0.05  # seconds that a thread which wakes up late may make good
# Seconds: the first and the last ceiling of delays that the server did not request.
SHORT_DELAY = 0.5
LONG_DELAY = 15.0
FAILURES_IN_A_ROW = 5  # one broken answer is bad luck; this many are an outage
LEAST_TIME = 1.0  # seconds that a request has for its answer once it has waited for its turn
CHECK_EVERY = 0.5  # seconds until a waiting request checks again what only an answer can change


class Kind(StrEnum):
    """What a request is for; servers limit these apart, or all together.

    With files count data and events: whether they can be read says nothing about the calls that a
    verdict needs.
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
        if method == "POST":
            return cls.START if path.endswith("/runs") else cls.READ
        if path.endswith(("/runs", "/workflows", "/versions")):
            return cls.LIST
        return cls.READ


class KindLimit:
    """One limit; a request is known by when it was sent. Not thread-safe."""

    def __init__(self) -> None:
        self.rate: float | None = None  # None while no limit is known
        self.in_flight = 0
        self.stopped = False  # one request at a time tests the server
        self._granted: deque[float] = deque(maxlen=REMEMBERED)
        self._learns = False  # the rate, from this stop
        self._was_refused = False  # in an earlier stop
        self.stopped_at = 0.0
        self.stopped_by: int | None = None  # the status of the last refusal
        self.requested_until = 0.0  # the moment until which the server asks to wait
        self._went_on_at = 0.0
        self._not_before = 0.0
        self._cut_at = 0.0  # answers to requests from before say nothing about now
        self._room = float(FIRST_ROOM)
        self._test: float | None = None  # when the request was sent that tests the server

    @property
    def has_limit(self) -> bool:
        """True if a limit is known, or will be once this stop ends."""
        return self.rate is not None or self._learns

    def wait(self, now: float) -> float:
        """Return the seconds until a request may be sent, if known."""
        if self.stopped and self._test is not None:
            return CHECK_EVERY
        if not self.stopped and self.rate is None and self.in_flight >= self._room:
            return CHECK_EVERY
        return self._not_before - now

    def sent(self, now: float) -> None:
        """Count a request that leaves now."""
        self.in_flight += 1
        if self.stopped:
            self._test = now
        elif self.rate is not None:
            free_since = max(self._not_before, now - CATCH_UP)
            self._not_before = free_since + 1 / self.rate

    def served(self, sent_at: float, now: float) -> None:
        """Learn from a request that was served."""
        self._room = min(MAX_ROOM, self._room + 1 / ANSWERS_A_PLACE)
        if self.stopped and sent_at >= self._cut_at:
            self._go_on(sent_at)
        self._granted.append(sent_at)
        if self.rate is not None and not self.stopped and now > self._went_on_at + STAY:
            self.rate += GROWTH
            if self.rate >= UNLIMITED:
                self.rate = None

    def _go_on(self, sent_at: float) -> None:
        """End a stop: the request that tested the server was served."""
        if self._learns:
            self._learn_rate(sent_at)
            self._was_refused = True
        self.stopped = False
        self._learns = False
        self._test = None
        self._went_on_at = sent_at

    def _learn_rate(self, sent_at: float) -> None:
        """Set the rate below what was granted in the second before the stop, or below the last."""
        if self.rate is not None:
            rate = self.rate
        else:
            rate = len([at for at in self._granted if at > self.stopped_at - 1])
            # The first refusal among few requests shows no rate: by it, a batch would crawl for
            # minutes.
            if rate < FIRST_ROOM and not self._was_refused:
                return
        self.rate = max(SLOWEST, LESS * rate)
        self._not_before = sent_at + 1 / self.rate

    def stop(self, sent_at: float, now: float, requested: float, *, learns: bool) -> None:
        """Stop after a refusal or an outage.

        `requested` is the server's delay, 0 if none. What `learns` is followed by a lower rate.
        """
        if requested:
            self.requested_until = max(self.requested_until, now + requested)
        if sent_at == self._test:
            self._test = None
        if sent_at < self._cut_at:
            self._not_before = max(self._not_before, now + requested)
            return
        if not self.stopped:
            self.stopped = True
            self.stopped_at = now
        if learns:
            self._learns = True
        self._cut_at = now
        # The longer the server has refused, the longer the ceiling; short draws don't raise it.
        ceiling = min(LONG_DELAY, max(SHORT_DELAY, now - self.stopped_at))
        drawn = random.uniform(0, ceiling)  # noqa: S311 - it keeps no secret
        self._not_before = now + max(requested, drawn)

    def join(self, others: "Iterable[KindLimit]") -> None:
        """Learn one limit instead of those of other kinds as well, from this stop."""
        for other in others:
            self.in_flight += other.in_flight
            self._granted.extend(other._granted)
            self._not_before = max(self._not_before, other._not_before)
        self.rate = None


class Meaning(Enum):
    """What the outcome of a request says about those after it."""

    SERVED = "served"
    REFUSED = "refused"  # the server answers, and requests a pause
    OVERLOADED = "overloaded"  # it requests a pause instead of an answer
    UNREACHABLE = "unreachable"  # what follows would fare no better
    LOST = "lost"  # one is bad luck

    @property
    def is_answer(self) -> bool:
        return self in {Meaning.SERVED, Meaning.REFUSED}

    @property
    def is_refusal(self) -> bool:
        return self in {Meaning.REFUSED, Meaning.OVERLOADED}


def meaning_of(kind: Kind, answer: requests.Response) -> Meaning:
    """Return what an answer says about the requests after it."""
    facts = facts_about(answer.status_code)
    if answer.status_code >= 500:
        return Meaning.OVERLOADED if facts.slows_the_pace else Meaning.LOST
    if facts.slows_the_pace:
        return Meaning.REFUSED
    if facts.refuses_access and kind is not Kind.FILE and not is_of_json(answer):
        return Meaning.UNREACHABLE  # a gateway's page
    return Meaning.SERVED


class RateLimiter:
    """The pace of one command; thread-safe."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._limits = {kind: KindLimit() for kind in Kind}
        self._starts_no_more = False
        self._hurries = False
        self._failures = FailureTracker(Clock())
        self._longest_requested = 0.0
        self._start_failed_at: float | None = None  # since then, no start was answered
        self._start_allowed = False  # a read was answered since then

    @property
    def rate(self) -> float | None:
        """The lowest limit of a kind in requests a second; None if no limit is known."""
        rates = [limit.rate for limit in self._limits.values() if limit.rate is not None]
        return min(rates, default=None)

    @property
    def silent_for(self) -> float:
        """Seconds without an answer, since the first of several failures, of being awake."""
        if self._failures.in_a_row < 2:
            return 0.0
        return self._failures.seconds

    @property
    def longest_requested(self) -> float:
        """The longest wait that the server requested since its last answer."""
        return self._longest_requested if self._failures.in_a_row else 0.0

    @property
    def _requested_until(self) -> float:
        return max(limit.requested_until for limit in self._limits.values())

    @property
    def pause(self) -> Pause | None:
        """The longest pause of a kind of requests, None if none is stopped."""
        with self._change:
            stopped = [limit for limit in self._limits.values() if limit.stopped]
        if not stopped:
            return None
        first = min(stopped, key=lambda limit: limit.stopped_at)
        until = self._requested_until
        if until < time.monotonic():
            return Pause(first.stopped_by, first.stopped_at, None)
        return Pause(first.stopped_by, first.stopped_at, until)

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
            self._start_failed_at = time.monotonic()
            self._start_allowed = False

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

        Raises RequestAborted for a start that is no longer wanted, ReadFirst for one that a read
        must come before; NoSlotInTime at the moment `until`, by the monotonic clock.
        """
        kind = Kind.of(method, path)
        given = Slot(self._pass(kind, until))
        meaning = Meaning.LOST
        try:
            yield given
        except Unavailable as error:
            if not error.sent:
                meaning = Meaning.UNREACHABLE
            elif kind is Kind.START:
                self.note_failed_start()
            raise
        finally:
            if given.answer is not None:
                meaning = meaning_of(kind, given.answer)
                if kind is Kind.START and given.answer.status_code >= 500:
                    self.note_failed_start()  # before another start gets this slot
            with self._change:
                self._note(kind, given, meaning)
                self._change.notify_all()

    def _pass(self, kind: Kind, until: float) -> float:
        """Wait until a request may be sent, and return the moment. Raises as `slot`."""
        began = time.monotonic()
        with self._change:
            while True:
                if kind is Kind.START:
                    self._require_wanted_start()
                now = time.monotonic()
                limit = self._limits[kind]
                wait = 0.0 if self._hurries else limit.wait(now)
                has_waited = now > began + CATCH_UP and not self._hurries
                is_too_late = has_waited and now > until - LEAST_TIME
                if wait <= 0 and not is_too_late:
                    limit.sent(now)
                    if kind is Kind.START:
                        self._start_allowed = False  # a read allows one start alone
                    return now
                if is_too_late or now >= until:
                    what = "the request was not sent: the rate limit left no time for it"
                    raise NoSlotInTime(what)
                self._change.wait(min(wait, CHECK_EVERY, until - now))

    def _require_wanted_start(self) -> None:
        if self._starts_no_more:
            raise RequestAborted("the start was not sent: the command is ending")
        if self.start_failed and not self._start_allowed:
            raise ReadFirst("the start was not sent: the last one was not answered")

    def _note(self, kind: Kind, given: Slot, meaning: Meaning) -> None:
        """Let the pace of a kind follow the outcome of a request, whose turn was `given`."""
        now = time.monotonic()
        limit = self._limits[kind]
        limit.in_flight -= 1
        if meaning.is_answer:
            self._failures.answered()
            if kind is Kind.START:
                self._note_answered_start(given.at)
        else:
            self._failures.failed()
        is_outage = self._failures.in_a_row >= FAILURES_IN_A_ROW
        is_bad_luck = meaning is Meaning.LOST and not limit.stopped and not is_outage
        if meaning is Meaning.SERVED:
            limit.served(given.at, now)
        elif not is_bad_luck:
            delay = 0.0
            limit.stopped_by = None
            if given.answer is not None:
                limit.stopped_by = given.answer.status_code
                delay = retry_after_of(given.answer.headers) or 0.0
            # Without an outage, what an earlier one requested is over.
            self._longest_requested = max(self.longest_requested, delay)
            limit.stop(given.at, now, delay, learns=meaning.is_refusal)
        self._join_limits(limit)

    def _note_answered_start(self, sent_at: float) -> None:
        """End the caution after an unanswered start, unless this one was sent before it."""
        if self._start_failed_at is None or sent_at >= self._start_failed_at:
            self._start_failed_at = None

    def _join_limits(self, limit: KindLimit) -> None:
        """If two kinds have met a limit, it is most likely one on all requests: join theirs."""
        others = [other for other in set(self._limits.values()) if other is not limit]
        if limit.stopped and limit.has_limit and any(other.has_limit for other in others):
            limit.join(others)
            self._limits = dict.fromkeys(Kind, limit)
