"""How fast a batch sends requests to servers with limits of several kinds, by a clock of the test's own."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from noxcli.batch.allowance import FIRST_ROOM, LONGEST_STAY, UNLIMITED, Allowance

LATENCY, LATE = 0.01, 0.001  # seconds: until an answer, and until a waiting thread wakes up
PARALLEL = 32


class Window:
    """A fixed window of a second, as of Kong or Envoy; `allowed` requests in each, which may change with time."""

    def __init__(self, allowed: Callable[[float], int], opens: float = 0.0) -> None:
        self._allowed = allowed
        self._opens = opens  # within each second
        self._window, self._taken = -1, 0

    def serves(self, now: float) -> bool:
        window = math.floor(now - self._opens)
        if window != self._window:
            self._window, self._taken = window, 0
        served = self._taken < self._allowed(now)
        self._taken += served
        return served

    def left(self, now: float) -> int:
        return self._allowed(now) - self._taken


class Bucket:
    """A token bucket, as of the API gateway of AWS, or of nginx with `burst` and `nodelay`."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size = rate, size
        self._tokens, self._since = size, 0.0

    def serves(self, now: float) -> bool:
        self._tokens = min(self._size, self._tokens + (now - self._since) * self._rate)
        self._since = now
        served = self._tokens >= 1
        self._tokens -= served
        return served


class Sliding(Window):
    """A sliding window, as of Kong's advanced plugin or Cloudflare: what counts is also a part of the window before."""

    def __init__(self, allowed: int) -> None:
        super().__init__(lambda _: allowed)
        self._before = 0.0

    def serves(self, now: float) -> bool:
        window, part = math.floor(now), now - math.floor(now)
        if window != self._window:
            self._before = self._taken if window == self._window + 1 else 0
            self._window, self._taken = window, 0
        served = self._before * (1 - part) + self._taken < self._allowed(now)
        self._taken += served
        return served


@dataclass
class Seen:
    """Times of requests, and of answers; the rates after each."""

    sent: list[float] = field(default_factory=list)
    granted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    rates: list[tuple[float, float | None]] = field(default_factory=list)

    def share(self, ideal: float) -> float:
        return len(self.granted) / ideal

    def refusals(self, after: float = 0.0) -> list[float]:
        """Return when refusals began: those of requests that were in flight together count as one."""
        starts: list[float] = []
        for at in self.refused:
            if at >= after and (not starts or at - starts[-1] > 0.3):
                starts.append(at)
        return starts


class _Due(NamedTuple):
    """A request that is answered at that time."""

    at: float
    turn: float
    served: bool
    left: int | None


def played(
    allowance: Allowance, server: Window | Bucket, seconds: float, *, asked: float = 0.0, headers: bool = False
) -> Seen:
    """Send as many requests as the allowance permits, for that many seconds."""
    seen, on_way, now, look_at = Seen(), deque[_Due](), 0.0, 0.0
    while now <= seconds:
        if on_way and on_way[0].at <= look_at:
            now, turn, served, left = on_way.popleft()
            if headers and left is not None:
                allowance.note_left(left, 1.0, now)
            allowance.returned()
            if served:
                seen.granted.append(now)
                allowance.answered(turn, now)
            else:
                seen.refused.append(now)
                allowance.refused(turn, now, asked)
            seen.rates.append((now, allowance.rate))
        else:
            now = look_at
        while (wait := allowance.wait(now)) <= 0 and len(on_way) < PARALLEL:
            allowance.sent(now)
            seen.sent.append(now)
            served = server.serves(now)
            on_way.append(_Due(now + LATENCY, now, served, server.left(now) if isinstance(server, Window) else None))
        look_at = now + max(wait, LATENCY) + LATE
    return seen


def window(allowed: int, opens: float = 0.0) -> Window:
    return Window(lambda _: allowed, opens)


# When windows open, as a share of a second after the first request.
OPENINGS = [step / 8 for step in range(8)]
CROSSED = [0.02, 0.025, 0.03, 0.035, 0.04]  # while the first requests are being sent


@pytest.mark.parametrize("opens", OPENINGS)
def test_what_is_granted_after_a_retry_after_is_taken_for_the_limit(opens: float) -> None:
    """The second refusal shows the limit, and there is no third for as long as the rate stays below it."""
    seen = played(Allowance(seed=1), window(20, opens), 20, asked=1.0)
    assert len(seen.refusals()) == 2, seen.refusals()
    assert len(seen.refused) <= 0.03 * len(seen.sent)
    assert seen.share(20 * 20) >= 0.93
    assert 0.96 * 20 < next(rate for at, rate in seen.rates if at > 5 and rate) < 20


@pytest.mark.parametrize("asked", [1.0, 7.0])
def test_nothing_is_sent_sooner_than_the_server_asks(asked: float) -> None:
    seen = played(Allowance(seed=1), window(20, 0.4), 60, asked=asked)
    for refused in seen.refused:
        early = [at for at in seen.sent if refused < at < refused + asked]
        assert not early, (refused, early)


@pytest.mark.parametrize("opens", OPENINGS)
def test_a_window_without_a_retry_after_is_used_too(opens: float) -> None:
    seen = played(Allowance(seed=1), window(20, opens), 20)
    assert seen.share(20 * 20) >= 0.9
    assert len(seen.refused) <= 0.035 * len(seen.sent)


@pytest.mark.parametrize("opens", [*OPENINGS, *CROSSED])
def test_the_requests_of_two_windows_are_not_taken_for_one(opens: float) -> None:
    """The answers say how many remain, so the first second's burst over two windows is seen through."""
    seen = played(Allowance(seed=1), window(20, opens), 20, asked=1.0, headers=True)
    assert seen.share(20 * 20) >= 0.92
    assert len(seen.refused) <= 0.01 * len(seen.sent)


@pytest.mark.parametrize("asked", [0.0, 1.0])
def test_a_bucket_is_used_fully(asked: float) -> None:
    seen = played(Allowance(seed=1), Bucket(20, 20), 60, asked=asked)
    assert seen.share(20 * 60) >= 0.97
    assert len(seen.refused) <= 0.015 * len(seen.sent)


def test_a_sliding_window_is_not_underrated_for_long() -> None:
    """After the wait it still counts earlier requests, so what it grants then is less than its limit."""
    seen = played(Allowance(seed=1), Sliding(20), 60, asked=1.0)
    assert seen.share(20 * 60) >= 0.8
    assert len(seen.refused) <= 0.02 * len(seen.sent)


def test_a_pause_is_not_caught_up_with() -> None:
    """A window would refuse what comes on top of its requests."""
    allowance = Allowance(seed=1)
    played(allowance, window(20, 0.5), 5, asked=1.0)
    now, sent = 20.0, 0
    while allowance.wait(now) <= 0:
        allowance.sent(now)
        sent += 1
    assert sent <= 2


def test_no_request_follows_at_once_when_none_is_left() -> None:
    allowance = Allowance(seed=1)
    played(allowance, window(20, 0.5), 5, asked=1.0)
    assert allowance.rate is not None
    assert allowance.wait(20.0) <= 0
    allowance.note_left(0, 1.0, 20.0)
    assert allowance.wait(20.0) >= 0.99 / allowance.rate


def test_a_small_bucket_is_found_from_below() -> None:
    """The size of a bucket says nothing about its rate (nginx: `rate=20r/s burst=5`)."""
    seen = played(Allowance(seed=1), Bucket(20, 5), 60)
    assert seen.share(20 * 60) >= 0.6
    assert len(seen.refused) <= 0.02 * len(seen.sent)


@pytest.mark.parametrize("asked", [0.0, 1.0])
def test_a_limit_that_changes_is_followed(asked: float) -> None:
    seen = played(Allowance(seed=1), Window(lambda now: 5 if 30 <= now < 60 else 20, 0.3), 120, asked=asked)
    during = [at for at in seen.granted if 35 <= at < 60]
    later = [at for at in seen.granted if 100 <= at < 120]
    assert len(during) >= 0.75 * 5 * 25, "it comes down within seconds"
    assert len(later) >= 0.85 * 20 * 20, "and finds the way back"


def test_one_refusal_is_no_limit() -> None:
    allowance, now = Allowance(seed=1), 0.0
    for number in range(2000):
        now = max(now, now + allowance.wait(now))
        allowance.sent(now)
        allowance.returned()
        if number == 50:
            allowance.refused(now, now, 1.0)
            assert (allowance.limited, allowance.rate) == (True, None)
        else:
            allowance.answered(now, now)
        now += 0.001
    assert (allowance.limited, allowance.rate) == (False, None)


def test_a_limit_that_is_gone_is_forgotten() -> None:
    seen = played(Allowance(seed=1), Window(lambda now: 20 if now < 10 else 10**6), 10 + LONGEST_STAY + 60, asked=1.0)
    fastest = max(rate for _, rate in seen.rates if rate is not None)
    assert fastest > UNLIMITED / 2
    assert seen.rates[-1][1] is None


def test_short_delays_do_not_make_the_next_one_long() -> None:
    """A random delay may be short; what raises the ceiling is how long the server has refused."""
    for seed in range(20):
        seen = played(Allowance(seed=seed), window(20, 0.5), 5)
        resumed = min(at for at in seen.granted if at > seen.refused[0] + 0.1)
        assert resumed < 3, (seed, resumed)


def test_a_refusal_of_the_first_requests_after_a_wait_shows_little() -> None:
    """A random wait may be so short that a bucket has got a single request's token, whatever its rate."""
    allowance = Allowance(seed=1)
    end = played(allowance, Bucket(20, 20), 10).rates[-1]
    now, before = end[0], end[1]
    assert before is not None
    allowance.refused(now, now, 0.0)  # the requests in flight came back
    now += allowance.wait(now)
    allowance.sent(now)
    allowance.answered(now, now + LATENCY)
    allowance.refused(now + 2 * LATENCY, now + 3 * LATENCY, 0.0)
    assert allowance.rate is not None
    assert allowance.rate > 0.8 * before


def test_few_are_in_flight_while_the_limit_is_counted() -> None:
    allowance = Allowance(seed=1)
    seen = played(allowance, window(20, 0.5), 5, asked=1.0)
    first, second = seen.refusals()[:2]
    assert sum(first <= at < first + 0.3 for at in seen.refused) > FIRST_ROOM
    assert sum(second <= at < second + 0.3 for at in seen.refused) <= FIRST_ROOM
