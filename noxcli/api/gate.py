"""The gate that requests to one server pass: how many at a time and a second, as its answers have shown.

Each kind of request learns its own limit: a limit on starts does not slow down reads. As soon as two kinds meet one, it
is taken for one limit on everything. Until the first refusal, only a few requests are in flight, and one more after
every few answers. A refusal (429, 503) stops requests of its kind for as long as the server asks, or for a jittered
delay; then one tests the server, and the others follow. From then on they are evenly spaced: a little slower than what
was granted, after a while slowly faster (additive increase), and slower after each refusal (multiplicative decrease).
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from noxcli.errors import GateClosed
from noxcli.timing import Clock, Outage

BELOW = 0.95  # the share of what was granted that is requested
# Seconds from a stop to the next refusal: below these, the rate is far too high, or a little.
TOO_SOON, SOON = 0.75, 2.0
# The share of the rate that remains after a refusal that comes soon, and at least after one that comes too soon.
LESS, LEAST = 0.95, 0.7
STAY, GROWTH = 30.0, 0.02  # seconds at one rate, then requests a second that each answer adds
SLOWEST, UNLIMITED = 0.5, 1000.0  # requests a second
FIRST_ROOM, ANSWERS_A_PLACE, MOST_ROOM = 3, 8, 64  # requests in flight at first, until one more is allowed, at most
CATCH_UP = 0.05  # seconds that a thread which wakes up late may make good
SHORT_DELAY, LONG_DELAY = 0.5, 15.0  # seconds: the first and the last ceiling of delays that the server did not ask for
NONE_LEFT_FOR = 0.3  # seconds: a reset has whole seconds, and may be much nearer
FAILURES_IN_A_ROW = 5  # one broken answer is bad luck; this many are an outage
LOOK_EVERY = 0.5  # seconds until a waiting request checks again what only an answer can change
REFUSALS = frozenset({429, 503})


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


class Lane:
    """One limit. Seconds by one clock, requests a second; a request is known by when it was sent. Not thread-safe."""

    def __init__(self, chance: random.Random) -> None:
        self.rate: float | None = None  # None while no limit is known
        self.in_flight = 0
        self.granted: deque[float] = deque(maxlen=2048)  # requests that were served
        self.stopped = False  # one request at a time tests the server
        self.learns = False  # from this stop
        self.cut_at = 0.0  # answers to requests from before say nothing about now
        self.stopped_at = self.went_on_at = 0.0  # when the last stop, and the one before, began and ended
        self.not_before = 0.0
        self._chance = chance
        self._room, self._left = float(FIRST_ROOM), MOST_ROOM
        self._test: float | None = None

    @property
    def met(self) -> bool:
        """True if a limit is known, or will be once this stop ends."""
        return self.rate is not None or (self.stopped and self.learns)

    def wait(self, now: float) -> float:
        """Return the seconds until a request may be sent, as far as known."""
        if self.stopped and self._test is not None:
            return LOOK_EVERY
        if self.rate is None and self.in_flight >= min(self._room, self._left):
            return LOOK_EVERY
        return self.not_before - now

    def sent(self, now: float) -> None:
        """Count a request that leaves now."""
        self.in_flight += 1
        if self.stopped:
            self._test = now
        elif self.rate is not None:
            self.not_before = max(self.not_before, now - CATCH_UP) + 1 / self.rate

    def served(self, turn: float, now: float) -> None:
        """Learn from a request that was served."""
        self._room = min(MOST_ROOM, self._room + 1 / ANSWERS_A_PLACE)
        if self.stopped and turn >= self.cut_at:
            self._go_on(turn)
        self.granted.append(turn)
        if self.rate is not None and not self.stopped and now > self.went_on_at + STAY:
            self.rate += GROWTH
            if self.rate >= UNLIMITED:
                self.rate = None

    def stop(self, turn: float, now: float, asked: float, *, learns: bool) -> None:
        """Stop after a refusal or an outage; `asked` is how long the server asks for, 0 if it does not."""
        if turn == self._test:
            self._test = None
        if turn < self.cut_at:
            self.not_before = max(self.not_before, now + asked)
            return
        if not self.stopped:
            self.stopped, self.stopped_at = True, now
        self.learns |= learns
        self.cut_at = now
        # The longer the server has refused, the longer the ceiling; short draws don't raise it.
        ceiling = min(LONG_DELAY, max(SHORT_DELAY, now - self.stopped_at))
        self.not_before = now + max(asked, self._chance.uniform(0, ceiling))

    def note_left(self, now: float, left: int, reset: float) -> None:
        """Learn how many requests the server still allows, and in how many seconds it allows more."""
        self._left = max(1, left)
        if not left and not self.stopped and self.rate is None:
            self.stop(now, now, min(reset, NONE_LEFT_FOR), learns=True)

    def _go_on(self, turn: float) -> None:
        """End a stop: the test that was sent at that time is served."""
        if self.learns:
            going = self.stopped_at - self.went_on_at
            if self.rate is None:
                rate = BELOW * self._granted_since(self.stopped_at - 1.0)
            elif going < TOO_SOON:
                rate = BELOW * self._granted_since(self.went_on_at) / (turn - self.went_on_at)
                rate = min(self.rate * LESS, max(self.rate * LEAST, rate))
            else:
                rate = self.rate * (LESS if going < SOON else BELOW)
            self.rate = max(SLOWEST, rate)
            self.not_before = turn + 1 / self.rate
        self.stopped = self.learns = False
        self._test, self.went_on_at = None, turn

    def _granted_since(self, then: float) -> float:
        return float(max(1, sum(at > then for at in self.granted)))


class Turn:
    """One request that passes the gate, and what became of it."""

    def __init__(self, sent_at: float) -> None:
        self.sent_at = sent_at
        self.status: int | None = None  # None: no answer
        self.unreachable = False  # no byte of the request has left
        self.retry_after = 0.0  # seconds
        self.left: tuple[int, float] | None = (
            None  # requests that the server still allows, seconds until there are more
        )


class Gate:
    """The gate; thread-safe."""

    def __init__(self, seed: int | None = None) -> None:
        self._change = threading.Condition()
        self._chance = random.Random(seed)  # noqa: S311 - it spreads retries, and keeps no secret
        self._lanes = {kind: Lane(self._chance) for kind in Kind}
        self._starts_no_more = False
        self._hurries = False
        self._outage = Outage(Clock(), float("inf"))

    @property
    def rate(self) -> float | None:
        """The maximum of requests a second, of the kind with the lowest; None if no limit is known."""
        return min((lane.rate for lane in self._lanes.values() if lane.rate is not None), default=None)

    @property
    def silent_for(self) -> float:
        """How many seconds nothing has answered: since the first of several failures, while this process was awake."""
        return self._outage.seconds if self._outage.failures > 1 else 0.0

    def end_starts(self) -> None:
        """Send no more starts."""
        with self._change:
            self._starts_no_more = True
            self._change.notify_all()

    def hurry(self) -> None:
        """Let everything else pass at once: the time is nearly up."""
        with self._change:
            self._hurries = True
            self._change.notify_all()

    @contextmanager
    def turn(self, kind: Kind) -> Iterator[Turn]:
        """Wait for the turn of a request, which the block sends; it notes the answer in the turn.

        Raises GateClosed before that for a start that is no longer wanted.
        """
        turn = Turn(self._pass(kind))
        try:
            yield turn
        finally:
            self._note(kind, turn)

    def _pass(self, kind: Kind) -> float:
        with self._change:
            while True:
                if self._starts_no_more and kind is Kind.START:
                    raise GateClosed("the start was not sent: the command is ending")
                now, lane = time.monotonic(), self._lanes[kind]
                wait = 0.0 if self._hurries else lane.wait(now)
                if wait <= 0:
                    lane.sent(now)
                    return now
                self._change.wait(min(wait, LOOK_EVERY))

    def _note(self, kind: Kind, turn: Turn) -> None:
        with self._change:
            now, lane = time.monotonic(), self._lanes[kind]
            lane.in_flight -= 1
            if turn.status is not None and turn.status < 500 and turn.status not in REFUSALS:
                self._outage.answered()
                lane.served(turn.sent_at, now)
            else:
                self._outage.failed()
                outage = turn.unreachable or self._outage.failures >= FAILURES_IN_A_ROW or lane.stopped
                if turn.status in REFUSALS or outage:
                    lane.stop(turn.sent_at, now, turn.retry_after, learns=turn.status in REFUSALS)
            if turn.left is not None:
                lane.note_left(now, *turn.left)
            if lane.stopped and lane.learns:
                self._join(lane)
            self._change.notify_all()

    def _join(self, lane: Lane) -> None:
        """Make one limit of two that are met: it is most likely one on all requests."""
        other = next((each for each in self._lanes.values() if each is not lane and each.met), None)
        if other is None:
            return
        one = Lane(self._chance)
        one.in_flight = lane.in_flight + other.in_flight
        one.granted.extend(sorted([*lane.granted, *other.granted]))
        one.stopped = one.learns = True
        one.stopped_at, one.cut_at = lane.stopped_at, lane.cut_at
        one.not_before = max(lane.not_before, other.not_before)
        self._lanes = dict.fromkeys(Kind, one)
