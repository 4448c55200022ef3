"""Retries: where a call is made, how long it may take, and when retries end."""

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from noxcli.errors import (
    LostContact,
    NotFound,
    NoxError,
    TimedOut,
    TimedOutBeforeStart,
    Unavailable,
    UsageProblem,
)
from noxcli.retry import ONE_ATTEMPT, FailureTracker, RetryPolicy
from noxcli.timing import Clock, Deadline
from tests.api.test_client import connect
from tests.faults.fake import FakeClock
from tests.rawserver import Request, Turn, json_answer, raw_server, stay_silent


class Flaky:
    """Fails that many times, then answers."""

    def __init__(self, *failures: NoxError) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self, _within: float = 0) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def busy(retry_after: float | None = None, times: int = 1) -> list[Unavailable]:
    return [Unavailable("busy", retry_after=retry_after)] * times


def patient(
    clock: Clock, retry_for: float = 60.0, limit: float | None = None, **kinds: Any
) -> tuple[RetryPolicy, list[str]]:
    said: list[str] = []
    return RetryPolicy(
        Deadline(clock, limit), retry_for, lambda reason: said.append(str(reason)), **kinds
    ), said


def test_trouble_is_told_and_tried_again() -> None:
    clock, call = FakeClock(), Flaky(*busy(), *busy(7.0))
    retries, said = patient(clock)
    assert retries.keep_trying(call) == "answer"
    assert call.calls == 3
    assert 7.0 <= clock.time <= 7.5
    assert said == ["busy; retrying for up to 60s"], "once for one reason"


def test_the_hint_is_told_too() -> None:
    retries, said = patient(FakeClock())
    retries.keep_trying(Flaky(Unavailable("busy", "is it up?")))
    assert said == ["busy; is it up?; retrying for up to 60s"]


@pytest.mark.parametrize(
    ("failures", "retry_for", "calls", "seconds"),
    [
        ([], 60, 1, 0),
        (busy(20, times=9), 60, 4, 60),
        (busy(3600, times=3), 60, 1, 0),
        (busy(), 0, 1, 0),
        ([UsageProblem("wrong")], 60, 1, 0),
    ],
    ids=[
        "no trouble",
        "until retries end",
        "a long Retry-After",
        "no retries",
        "no trouble that may pass",
    ],
)
def test_a_call_is_repeated_while_retries_last(
    failures: list[NoxError], retry_for: float, calls: int, seconds: float
) -> None:
    clock, call = FakeClock(), Flaky(*failures)
    retries, _ = patient(clock, retry_for)
    if failures:
        with pytest.raises(type(failures[0])):
            retries.keep_trying(call)
    else:
        assert retries.keep_trying(call) == "answer"
    assert (call.calls, clock.time) == (calls, seconds)


def test_each_call_is_retried_as_long() -> None:
    retries, _ = patient(FakeClock())
    for _ in range(3):
        assert retries.keep_trying(Flaky(*busy(50.0))) == "answer"


def test_giving_up_keeps_the_facts() -> None:
    trouble = Unavailable("busy", "a hint", http_status=503, request_id="r-1")
    retries, _ = patient(FakeClock(), retry_for=0, gave_up=LostContact)
    with pytest.raises(LostContact) as caught:
        retries.keep_trying(Flaky(trouble))
    error = caught.value
    assert (error.message, str(error.hint), error.http_status, error.request_id) == (
        "busy",
        "a hint",
        503,
        "r-1",
    )


@pytest.mark.parametrize("kind", [TimedOut, TimedOutBeforeStart])
def test_the_commands_own_limit_ends_it_on_time(kind: type[NoxError]) -> None:
    clock, call = FakeClock(), Flaky(*busy(5.0))
    retries, _ = patient(clock, limit=5, out_of_time=kind)
    with pytest.raises(kind, match="out of time: busy"):
        retries.keep_trying(call)
    assert (call.calls, clock.time) == (1, 5)


def test_a_wait_beyond_the_limit_ends_it_at_once() -> None:
    clock, call = (
        FakeClock(),
        Flaky(Unavailable("busy", "the server asks to wait 1h00m", retry_after=3600)),
    )
    retries, _ = patient(clock, limit=5)
    with pytest.raises(TimedOut, match="out of time: busy; the server asks to wait 1h00m"):
        retries.keep_trying(call)
    assert (call.calls, clock.time) == (1, 0)


def test_a_run_is_waited_for_as_long_as_the_server_asks() -> None:
    clock, call = FakeClock(), Flaky(*busy(3600))
    retries, said = patient(clock, gave_up=LostContact)
    assert retries.keep_trying(call) == "answer"
    assert (call.calls, clock.time) == (2, 3600)
    assert said[0] == "busy; retrying for up to 3600s"
    assert said[1] == "busy; waiting for 1m00s, retrying for up to 3540s more"
    assert len(said) == 60, "it says so every minute"


def test_the_commands_limit_comes_before_the_end_of_retries() -> None:
    clock = FakeClock()

    def slow(_within: float) -> None:
        clock.sleep(5)
        raise Unavailable("busy")

    with pytest.raises(TimedOut, match="out of time: busy"):
        patient(clock, retry_for=0, limit=5)[0].keep_trying(slow)


def test_what_is_not_worth_it_is_raised_at_once() -> None:
    call = Flaky(Unavailable("sent", sent=True))
    with pytest.raises(Unavailable):
        patient(FakeClock())[0].keep_trying(call, worth=lambda error, _: not error.sent)
    assert call.calls == 1


def more_pages(request: Request) -> bytes:
    time.sleep(0.02)
    return json_answer({"items": [{"id": request.target, "status": "running"}], "pages": 1000})


@pytest.mark.parametrize(
    "turn", [lambda _: stay_silent, more_pages], ids=["silence", "pages without an end"]
)
def test_a_call_of_any_length_ends_with_the_commands_limit(turn: Callable[[Request], Turn]) -> None:
    began = time.monotonic()
    with raw_server(by_request=turn) as server, connect(server) as api, pytest.raises(TimedOut):
        patient(Clock(), limit=0.2)[0].keep_trying(
            lambda within: list(api.within(within).list_runs())
        )
    assert 0.2 <= time.monotonic() - began < 2


def test_no_time_at_all_is_worth_one_look() -> None:
    assert patient(FakeClock(), limit=0)[0].keep_trying(lambda _: "seen") == "seen"
    limits = [patient(FakeClock(), limit=limit)[0].limit().seconds for limit in (0, 1, None)]
    assert limits == [ONE_ATTEMPT, 1, None]


@pytest.mark.parametrize(("moved", "calls"), [(lambda: True, 31), (lambda: False, 5)])
def test_the_time_begins_anew_where_something_moved(
    moved: Callable[[], bool], calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)
    call = Flaky(*busy(times=30))
    ended: Any = None
    try:
        ended = patient(FakeClock(), retry_for=6)[0].keep_trying(call, moved=moved)
    except Unavailable as error:
        ended = error.message
    assert (call.calls, ended) == (calls, "answer" if moved() else "busy")


# Back-off.


def test_the_server_may_ask_for_more_and_never_for_less() -> None:
    failures = FailureTracker(Clock())
    for asked in (30.0, *[14.9] * 20):
        failures.failed()
        assert asked <= failures.delay(asked) <= max(asked, 15.0)


# Failures in a row.


def test_one_failure_alone_is_no_outage() -> None:
    clock = FakeClock()
    failures = FailureTracker(clock, 10)
    clock.time = 100
    failures.failed()
    assert (failures.is_too_long, failures.remaining) == (False, 10)
    clock.time = 111
    assert [failures.is_too_long] == [False]
    failures.failed()
    assert failures.is_too_long
    failures.answered()
    assert (failures.is_too_long, failures.remaining) == (False, 10)


def test_no_retries_end_with_the_first_failure() -> None:
    failures = FailureTracker(Clock(), 0)
    assert [failures.is_too_long] == [False]
    failures.failed()
    assert failures.is_too_long
    assert failures.for_an_attempt == float("inf")


# Refusals.


def refusal(status: int = 404) -> NotFound:
    return NotFound("no such run", http_status=status)


def test_refusals_long_apart_do_not_add_up() -> None:
    clock = FakeClock()
    failures = FailureTracker(clock, 60)
    for clock.time in (0.0, 1.0):
        assert not failures.is_lost(refusal())
    failures.got_answer()
    clock.time = 3600.0
    assert not failures.is_lost(refusal())


def test_refusals_of_different_kinds_do_not_add_up() -> None:
    clock = FakeClock()
    failures = FailureTracker(clock, 60)
    for clock.time in (0.0, 1.0):
        assert not failures.is_lost(refusal(404))
    clock.time = 12.0
    assert not failures.is_lost(refusal(403))


def test_a_refusal_that_lasts_is_believed_whatever_moved() -> None:
    call = Flaky(*[refusal()] * 100)
    with pytest.raises(NotFound):
        patient(FakeClock())[0].keep_trying(call, known=True, moved=lambda: True)
    assert call.calls < 20


def test_each_attempt_has_time_for_an_answer() -> None:
    given: list[float] = []

    def call(within: float) -> None:
        given.append(within)
        raise Unavailable("busy")

    with pytest.raises(Unavailable):
        patient(FakeClock(), retry_for=2)[0].keep_trying(call)
    assert len(given) > 1
    assert min(given) >= 5
