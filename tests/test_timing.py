"""Durations, limits, server times, back-off and patience, on a clock that only the test advances."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from noxcli.errors import LostContact, NoxError, TimedOut, TimedOutBeforeStart, Unavailable, UsageProblem
from noxcli.retry import Patience
from noxcli.timing import (
    Backoff,
    Clock,
    Deadline,
    Outage,
    parse_duration,
    parse_time,
    seconds_between,
    show_seconds,
)


class FrozenClock(Clock):
    """Time passes only during a sleep."""

    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


# Durations.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("90", 90.0),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("0.5s", 0.5),
        ("10m", 600.0),
        ("1.5h", 5400.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        (" 5s ", 5.0),
        ("007", 7.0),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "-1", "+1", "1 s", "1S", "1min", "1h30m", "1,5", "1.", ".5", "1e3", "inf", "nan", "0x10", "soon",
     "1_000", "1s\n2s", "٣s"],
)  # fmt: skip
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(UsageProblem, match="is not a valid duration") as caught:
        parse_duration(text)
    assert "30s" in (caught.value.hint or "")


def test_a_duration_that_is_no_number_of_seconds_is_refused() -> None:
    with pytest.raises(UsageProblem):
        parse_duration("9" * 400)


# Limits.


def test_a_deadline_counts_down_and_stays_at_zero() -> None:
    clock = FrozenClock()
    deadline = Deadline(clock, 10)
    assert (deadline.left(), deadline.left(3), deadline.passed) == (10, 3, False)
    clock.sleep(9)
    assert (deadline.left(), deadline.left(3), deadline.passed) == (1, 1, False)
    clock.sleep(5)
    assert (deadline.left(), deadline.left(3), deadline.passed) == (0, 0, True)


def test_without_a_limit_a_deadline_never_passes() -> None:
    clock = FrozenClock()
    deadline = Deadline(clock, None)
    clock.sleep(1e9)
    deadline.restart()
    assert (deadline.left(), deadline.left(3), deadline.passed) == (float("inf"), 3, False)


def test_a_limit_of_nothing_has_passed_at_once() -> None:
    assert Deadline(FrozenClock(), 0).passed


def test_a_deadline_restarts_in_full_or_once_as_told() -> None:
    clock = FrozenClock()
    deadline = Deadline(clock, 10)
    clock.sleep(20)
    deadline.restart()
    assert deadline.left() == 10
    deadline.restart(2)
    assert deadline.left() == 2
    clock.sleep(5)
    deadline.restart()
    assert deadline.left() == 10


def test_the_real_clock_ticks_forward() -> None:
    clock = Clock()
    before = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() > before
    assert clock.now().tzinfo is UTC


# Server times.


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00.123456+00:00", datetime(2024, 1, 1, 0, 0, 0, 123456, UTC)),
        ("2024-01-01T02:00:00+02:00", datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))),
        ("2024-01-01 00:00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("2024-13-01T00:00:00Z", None),
        ("1704067200", None),
        (None, None),
    ],
)
def test_a_server_time_is_aware_or_unknown(text: str | None, moment: datetime | None) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("2024-01-01T00:00:00Z", "2024-01-01T00:01:00.5Z", 60.5),
        ("2024-01-01T00:00:00", "2024-01-01T02:00:01+02:00", 1.0),
        ("2024-01-01T00:00:00Z", None, None),
        (None, "2024-01-01T00:00:00Z", None),
        ("odd", "2024-01-01T00:00:00Z", None),
    ],
)
def test_seconds_between_two_server_times(start: str | None, end: str | None, seconds: float | None) -> None:
    assert seconds_between(start, end) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (3.24, "3.2s"),
        (59.94, "59.9s"),
        (59.95, "1m00s"),
        (64.4, "1m04s"),
        (3599.4, "59m59s"),
        (3599.6, "1h00m"),
        (7500, "2h05m"),
        (200_000, "55h33m"),
    ],
)
def test_seconds_are_shown_short(seconds: float, text: str) -> None:
    assert show_seconds(seconds) == text


# Back-off.


def test_the_ceiling_doubles_up_to_its_limit_and_falls_back() -> None:
    backoff = Backoff(base=1.0, ceiling=8.0, seed=1)
    for ceiling in (1, 2, 4, 8, 8, 8):
        assert 0 <= backoff.next_delay() <= ceiling
    assert backoff.failures == 6
    backoff.reset()
    assert 0 <= backoff.next_delay() <= 1


def test_delays_are_spread_over_the_whole_range() -> None:
    delays = [Backoff(base=1.0, seed=seed).next_delay() for seed in range(200)]
    assert min(delays) < 0.1
    assert max(delays) > 0.9
    assert max(Backoff(base=1.0, ceiling=8.0, seed=seed).next_delay() for seed in range(200)) <= 1


def test_the_server_may_ask_for_more_and_never_for_less() -> None:
    backoff = Backoff(base=1.0, ceiling=2.0, seed=1)
    assert backoff.next_delay(30.0) == 30.0
    assert all(backoff.next_delay(0.0) <= 2 for _ in range(20))
    assert all(backoff.next_delay(at_least=1.9) >= 1.9 for _ in range(20))


def test_a_thousand_failures_are_no_overflow() -> None:
    backoff = Backoff()
    assert all(0 <= backoff.next_delay() <= 15 for _ in range(2000))


# Patience.


class Flaky:
    """Fails that many times, then answers."""

    def __init__(self, *failures: NoxError) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def patient(
    clock: Clock, retry_for: float = 60.0, limit: float | None = None, **kinds: type[NoxError]
) -> tuple[Patience, list[str]]:
    said: list[str] = []
    return Patience(clock, Deadline(clock, limit), retry_for, said.append, **kinds), said


def test_what_works_is_not_tried_again() -> None:
    clock, call = FrozenClock(), Flaky()
    patience, said = patient(clock)
    assert patience.keep_trying(call) == "answer"
    assert (call.calls, clock.slept, said) == (1, [], [])


def test_trouble_is_told_and_tried_again() -> None:
    clock, call = FrozenClock(), Flaky(Unavailable("busy"), Unavailable("busy", retry_after=7.0))
    patience, said = patient(clock)
    assert patience.keep_trying(call) == "answer"
    assert call.calls == 3
    assert clock.slept[0] <= 0.5
    assert clock.slept[1] == 7.0
    assert said[1] == "busy; retrying in 7.0s"


def test_patience_ends_with_the_last_trouble() -> None:
    clock, call = FrozenClock(), Flaky(*(Unavailable(f"busy {n}", retry_after=20.0) for n in range(9)))
    patience, _ = patient(clock, retry_for=60)
    with pytest.raises(Unavailable, match="busy 3"):
        patience.keep_trying(call)
    assert clock.slept == [20.0, 20.0, 20.0]


def test_no_patience_is_one_try() -> None:
    clock, call = FrozenClock(), Flaky(Unavailable("busy"))
    patience, said = patient(clock, retry_for=0)
    with pytest.raises(Unavailable):
        patience.keep_trying(call)
    assert (call.calls, clock.slept, said) == (1, [], [])


def test_a_retry_after_beyond_patience_ends_with_it() -> None:
    clock, call = FrozenClock(), Flaky(*[Unavailable("busy", retry_after=3600.0)] * 3)
    patience, said = patient(clock, retry_for=60)
    with pytest.raises(Unavailable):
        patience.keep_trying(call)
    assert (call.calls, clock.slept, said) == (2, [60.0], ["busy; retrying in 1m00s"])


def test_each_call_has_the_whole_patience() -> None:
    clock = FrozenClock()
    patience, _ = patient(clock, retry_for=60)
    for _ in range(3):
        assert patience.keep_trying(Flaky(Unavailable("busy", retry_after=50.0))) == "answer"


def test_giving_up_keeps_the_facts() -> None:
    trouble = Unavailable("busy", "a hint", http_status=503, request_id="r-1")
    patience, _ = patient(FrozenClock(), retry_for=0, gave_up=LostContact)
    with pytest.raises(LostContact) as caught:
        patience.keep_trying(Flaky(trouble))
    error = caught.value
    assert (error.message, error.hint, error.http_status, error.request_id) == ("busy", "a hint", 503, "r-1")


@pytest.mark.parametrize("kind", [TimedOut, TimedOutBeforeStart])
def test_the_commands_own_limit_ends_it_on_time(kind: type[NoxError]) -> None:
    clock, call = FrozenClock(), Flaky(Unavailable("busy", retry_after=20.0))
    patience, _ = patient(clock, limit=5, out_of_time=kind)
    with pytest.raises(kind, match="out of time: busy"):
        patience.keep_trying(call)
    assert (call.calls, clock.time) == (1, 105.0)


def test_what_is_not_worth_it_is_raised_at_once() -> None:
    clock, call = FrozenClock(), Flaky(Unavailable("sent", sent=True))
    patience, _ = patient(clock)
    with pytest.raises(Unavailable):
        patience.keep_trying(call, worth=lambda error: not error.sent)
    assert (call.calls, clock.slept) == (1, [])


def test_other_failures_are_not_tried_again() -> None:
    clock, call = FrozenClock(), Flaky(UsageProblem("wrong"))
    patience, _ = patient(clock)
    with pytest.raises(UsageProblem):
        patience.keep_trying(call)
    assert (call.calls, clock.slept) == (1, [])


class Stopped(Clock):
    """A clock whose process was stopped in the meantime."""

    def __init__(self) -> None:
        self.time = self.stopped = 0.0

    def monotonic(self) -> float:
        return self.time

    def awake(self) -> float:
        return self.time - self.stopped


def test_one_failure_alone_is_no_outage() -> None:
    clock = Stopped()
    outage = Outage(clock, 10)
    clock.time = 100
    outage.failed()
    assert (outage.is_too_long, outage.left) == (False, 10)
    clock.time = 111
    assert [outage.is_too_long] == [False]
    outage.failed()
    assert outage.is_too_long
    outage.answered()
    assert (outage.is_too_long, outage.left) == (False, 10)


def test_an_outage_does_not_grow_while_the_process_is_stopped() -> None:
    clock = Stopped()
    outage = Outage(clock, 10)
    outage.failed()
    clock.time, clock.stopped = 100, 95
    outage.failed()
    assert (outage.is_too_long, outage.left) == (False, 5)


def test_no_patience_ends_with_the_first_failure() -> None:
    outage = Outage(Clock(), 0)
    assert [outage.is_too_long] == [False]
    outage.failed()
    assert outage.is_too_long
    assert outage.for_an_attempt == float("inf")


def test_an_attempt_gets_a_few_seconds_of_any_patience() -> None:
    clock = Stopped()
    outage = Outage(clock, 20)
    assert outage.for_an_attempt == 20
    outage.failed()
    clock.time = 19
    assert outage.for_an_attempt == 5
