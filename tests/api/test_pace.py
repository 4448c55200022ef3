"""The pace that the requests of a batch pass: which limits it finds, and how close it keeps to them."""

import math
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import pytest
import requests

from noxcli.api.rate_limit import FAILURES_IN_A_ROW, Kind, KindLimit, RateLimiter
from noxcli.errors import NoSlotInTime, ReadFirst, RequestAborted, Unavailable, facts_about
from tests.process import until

LATENCY, LATE = 0.01, 0.001  # seconds: until an answer, and until a waiting thread wakes up
PARALLEL = 32
AT_ONCE = 0.0  # a moment that has passed: only what has not to wait is sent


@pytest.fixture(autouse=True)
def _same_delays() -> None:
    random.seed(1)


class Limited:
    """A server with a limit of one of three kinds, by the clock of a test."""

    def __init__(self, form: str, rate: int, size: int = 0, opens: float = 0.3) -> None:
        self._form, self.rate, self._size = form, rate, float(size or rate)
        self._recent: deque[float] = deque()
        self._tokens, self._since = self._size, 0.0
        self._window, self._taken, self._opens = -1, 0, opens

    def serves(self, now: float) -> bool:
        if self._form == "sliding":
            while self._recent and self._recent[0] <= now - 1:
                self._recent.popleft()
            served = len(self._recent) < self.rate
            if served:
                self._recent.append(now)
        elif self._form == "fixed":
            window = math.floor(now - self._opens)
            self._window, self._taken = window, self._taken if window == self._window else 0
            served = self._taken < self.rate
            self._taken += served
        else:
            self._tokens = min(self._size, self._tokens + (now - self._since) * self.rate)
            self._since = now
            served = self._tokens >= 1
            self._tokens -= served
        return served


def played(server: Limited, seconds: float, retry_after: float = 0.0) -> tuple[int, int]:
    """Let many threads send requests for that long; return how many were served, and how many refused."""
    limit, now, served, refused = KindLimit(), 0.0, 0, 0
    answers: deque[tuple[float, float, bool]] = deque()
    while now < seconds:
        if answers and answers[0][0] <= now:
            _, turn, was_served = answers.popleft()
            limit.in_flight -= 1
            if was_served:
                limit.served(turn, now)
            else:
                limit.stop(turn, now, retry_after, learns=True)
        elif limit.in_flight < PARALLEL and limit.wait(now) <= 0:
            limit.sent(now)
            was_served = server.serves(now + LATENCY / 2)
            served, refused = served + was_served, refused + (not was_served)
            answers.append((now + LATENCY, now, was_served))
        else:
            now += LATE
    return served, refused


def test_a_late_refusal_does_not_undo_a_test_of_the_server() -> None:
    limit = KindLimit()
    for at in (9.0, 9.1):
        limit.sent(at)
    limit.stop(9.1, 10.0, 0.0, learns=True)
    limit.sent(12.0)
    assert limit.wait(12.1) > 0, "one request tests the server"
    limit.stop(9.0, 12.1, 0.0, learns=True)  # the answer to a request from before the stop
    limit.served(12.0, 12.2)
    assert not limit.stopped


def test_the_first_refusal_among_few_requests_shows_no_rate() -> None:
    """Else a batch whose first read gets a 429 would crawl for minutes."""
    limit, rates = KindLimit(), list[bool]()
    for at in (0.0, 10.0):
        limit.sent(at)
        limit.stop(at, at + 0.1, 0.2, learns=True)
        limit.sent(at + 5)
        limit.served(at + 5, at + 5.1)
        rates.append(limit.rate is not None)
    assert rates == [False, True]


@pytest.mark.parametrize("form", ["fixed", "sliding", "bucket"])
@pytest.mark.parametrize("retry_after", [0.0, 1.0])
@pytest.mark.parametrize("rate", [10, 20])
def test_most_of_a_limit_is_used_and_few_requests_refused(
    form: str, retry_after: float, rate: int
) -> None:
    served, refused = played(Limited(form, rate), 40.0, retry_after)
    assert served >= 0.9 * rate * 40
    assert refused <= 0.05 * served


REQUESTS = {
    Kind.START: ("POST", "/v1/workflows/w/runs"),
    Kind.READ: ("GET", "/v1/runs/r"),
    Kind.FILE: ("GET", "/v1/file/f"),
}


def ask(
    pace: RateLimiter,
    kind: Kind,
    status: int,
    headers: Mapping[str, str] | None = None,
    limit: float = math.inf,
) -> None:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers or {})
    with pace.slot(*REQUESTS[kind], limit) as turn:
        turn.answer = response


def miss(pace: RateLimiter, kind: Kind) -> None:
    with pytest.raises(Unavailable), pace.slot(*REQUESTS[kind]):
        raise Unavailable("no connection", sent=False)


def test_a_limit_on_starts_does_not_slow_down_reads() -> None:
    pace = RateLimiter()
    ask(pace, Kind.START, 429, {"Retry-After": "60"})
    for _ in range(100):
        ask(pace, Kind.READ, 200, limit=AT_ONCE)
    assert pace.rate is None


def test_a_limit_on_everything_is_found_as_one() -> None:
    pace = RateLimiter()
    ask(pace, Kind.START, 429, {"Retry-After": "1"})
    ask(pace, Kind.READ, 429)
    began = time.monotonic()
    ask(pace, Kind.FILE, 200)
    assert time.monotonic() - began > 0.6, "which no refusal has shown for files"


def test_a_request_gives_up_its_turn_in_time() -> None:
    pace, began = RateLimiter(), time.monotonic()
    ask(pace, Kind.READ, 429, {"Retry-After": "60"})
    with pytest.raises(NoSlotInTime):
        ask(pace, Kind.READ, 200, limit=began + 0.2)
    assert 0.2 <= time.monotonic() - began < 5


def test_an_outage_is_no_limit() -> None:
    pace = RateLimiter()
    for _ in range(3):
        miss(pace, Kind.READ)
    ask(pace, Kind.READ, 200)
    assert (pace.rate, pace.silent_for) == (None, 0.0)


def test_one_broken_answer_is_bad_luck_and_five_are_an_outage() -> None:
    pace = RateLimiter()
    for _ in range(FAILURES_IN_A_ROW):
        ask(pace, Kind.READ, 502, {"Retry-After": "60"}, AT_ONCE)
    with pytest.raises(NoSlotInTime):
        ask(pace, Kind.READ, 502, limit=AT_ONCE)
    assert pace.silent_for > 0


def test_a_refusal_by_content_is_an_answer() -> None:
    pace = RateLimiter()
    for _ in range(FAILURES_IN_A_ROW):
        ask(pace, Kind.READ, 404, {"Content-Type": "application/json"})
    assert (pace.rate, pace.silent_for) == (None, 0.0)


def test_a_gateways_page_is_no_answer() -> None:
    pace = RateLimiter()
    for _ in range(2):
        ask(pace, Kind.START, 404, {"Content-Type": "text/plain"})
        time.sleep(0.01)
    assert pace.rate is None
    assert pace.silent_for > 0


def lose(pace: RateLimiter, kind: Kind) -> None:
    with pytest.raises(Unavailable), pace.slot(*REQUESTS[kind]):
        raise Unavailable("the connection was dropped")


TEXT, JSON = {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("kind", "status", "form", "is_silent", "stops"),
    [
        (Kind.READ, 200, JSON, False, False),
        (Kind.READ, 400, TEXT, False, False),
        (Kind.READ, 404, JSON, False, False),
        (Kind.READ, 429, JSON, False, True),
        (Kind.READ, 429, TEXT, False, True),
        (Kind.READ, 500, JSON, True, False),
        (Kind.READ, 502, TEXT, True, False),
        (Kind.READ, 503, JSON, True, True),
        (Kind.READ, 503, TEXT, True, True),
        (Kind.READ, 504, TEXT, True, False),
        *((Kind.READ, status, TEXT, True, True) for status in (401, 403, 404, 410)),
        *((Kind.FILE, status, TEXT, False, False) for status in (401, 403, 404, 410)),
        (Kind.FILE, 503, TEXT, True, True),
    ],
)
def test_an_answer_is_silence_or_a_reason_to_stop_or_both(
    kind: Kind, status: int, form: dict[str, str], *, is_silent: bool, stops: bool
) -> None:
    pace = RateLimiter()
    ask(pace, kind, status, form)
    if stops:
        with pytest.raises(NoSlotInTime):
            ask(pace, kind, status, form, AT_ONCE)
    else:
        ask(pace, kind, status, form, AT_ONCE)
    pace.hurry()
    ask(pace, kind, status, form)
    time.sleep(0.01)
    assert (pace.silent_for > 0) == is_silent


def test_what_is_sent_again_slows_the_pace() -> None:
    known = [facts_about(status) for status in range(100, 600)]
    assert all(facts.slows_the_pace for facts in known if facts.is_sent_again)
    assert not any(facts.is_repeated for facts in known if facts.refuses_access)


def test_a_lost_answer_is_silence_and_no_reason_to_stop() -> None:
    pace = RateLimiter()
    lose(pace, Kind.READ)
    time.sleep(0.01)
    assert pace.silent_for == 0.0, "one lost answer is bad luck"
    lose(pace, Kind.READ)
    time.sleep(0.01)
    assert pace.silent_for > 0
    ask(pace, Kind.READ, 200, limit=AT_ONCE)


@pytest.mark.parametrize("status", [500, 502, 503, 504, None])
def test_after_an_unanswered_start_no_start_leaves_unread(status: int | None) -> None:
    pace = RateLimiter()
    if status is None:
        lose(pace, Kind.START)
    else:
        ask(pace, Kind.START, status)
    pace.hurry()
    with pytest.raises(ReadFirst):
        ask(pace, Kind.START, 200)


@pytest.mark.parametrize("status", [200, 400, 404, 429])
def test_after_an_answered_start_the_next_one_leaves(status: int) -> None:
    pace = RateLimiter()
    ask(pace, Kind.START, status, JSON)
    pace.hurry()
    ask(pace, Kind.START, 200, JSON)


def test_an_answered_read_lets_one_start_leave_alone() -> None:
    pace = RateLimiter()
    lose(pace, Kind.START)
    pace.allow_start()
    with pace.slot(*REQUESTS[Kind.START]), pytest.raises(ReadFirst):
        ask(pace, Kind.START, 200)
    with pytest.raises(ReadFirst):
        ask(pace, Kind.START, 200)


def test_a_late_refusal_still_gets_the_pause_it_asks_for() -> None:
    limit = KindLimit()
    for at in (9.0, 9.1):
        limit.sent(at)
    limit.stop(9.1, 10.0, 0.0, learns=True)
    limit.stop(9.0, 10.1, 60.0, learns=True)
    assert limit.wait(15.0) > 50


def test_a_pace_never_falls_below_one_request_in_two_seconds() -> None:
    limit = KindLimit()
    for at in range(0, 40_000, 200):
        limit.sent(at)
        limit.stop(at, at + 0.1, 0.0, learns=True)
        limit.sent(at + 100.0)
        limit.served(at + 100.0, at + 100.1)
    assert limit.rate == 0.5


def test_slots_of_a_quiet_minute_are_not_made_up_for() -> None:
    limit, left = KindLimit(), 0
    limit.rate = 10.0
    limit.sent(0.0)
    while limit.wait(60.0) <= 0:
        limit.sent(60.0)
        left += 1
    assert left <= 2


def threads(count: int, work: Callable[[], None]) -> Iterator[None]:
    running = [threading.Thread(target=work) for _ in range(count)]
    for thread in running:
        thread.start()
    yield
    for thread in running:
        thread.join(10)
        assert not thread.is_alive()


def test_after_an_outage_one_goes_ahead() -> None:
    pace, sent = RateLimiter(), Counter[str]()
    miss(pace, Kind.START)

    def send() -> None:
        sent["now"] += 1
        assert sent["now"] == 1
        sent["all"] += 1
        sent["now"] -= 1
        raise Unavailable("no connection", sent=False)

    def work() -> None:
        with suppress(RequestAborted, Unavailable), pace.slot(*REQUESTS[Kind.START]):
            send()

    for _ in threads(8, work):
        until(lambda: sent["all"])
        assert sent["all"] <= 3
        pace.end_starts()


def test_what_is_closed_is_not_sent_and_the_rest_passes_at_once() -> None:
    pace, ended = RateLimiter(), list[str]()
    for kind in (Kind.START, Kind.READ):
        ask(pace, kind, 429, {"Retry-After": "60"})

    def work() -> None:
        try:
            ask(pace, Kind.START, 200)
        except RequestAborted:
            ended.append("closed")

    for _ in threads(1, work):
        pace.end_starts()
    assert ended == ["closed"]
    pace.hurry()
    ask(pace, Kind.READ, 200)
    with pytest.raises(RequestAborted):
        ask(pace, Kind.START, 200)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/api/backend/v1/workflows/w/runs", Kind.START),
        ("GET", "/v1/workflows/w/runs", Kind.LIST),
        ("GET", "/v1/workflows/w/runs/r", Kind.READ),
        ("GET", "/v1/workflows", Kind.LIST),
        ("POST", "/v1/runs/r/stop", Kind.READ),
        ("GET", "/v1/file/f", Kind.FILE),
        ("POST", "/v1/file", Kind.FILE),
        ("GET", "/v1/runs/r/data", Kind.FILE),
    ],
)
def test_a_request_is_of_one_kind(method: str, path: str, kind: Kind) -> None:
    assert Kind.of(method, path) is kind
