"""Patience: where a call is made, how long it may take, and when retries end."""

import random
import threading

import pytest

from noxcli.errors import LostContact, TimedOut, TimedOutBeforeStart, Unavailable
from noxcli.retry import ONE_LOOK, Patience
from noxcli.timing import Clock, Deadline
from tests.faults.fake import FakeClock

BUSY = Unavailable("busy", http_status=503)


def patience(clock: Clock, timeout: float | None = None, retry_for: float = 60.0) -> Patience:
    return Patience(clock, Deadline(clock, timeout), retry_for, lambda _: None)


@pytest.mark.parametrize(("timeout", "bounded", "here"), [(None, True, False), (9, False, True), (9, True, False)])
def test_only_a_call_that_limits_itself_stays_in_its_thread(timeout: float | None, bounded: bool, here: bool) -> None:
    thread = patience(FakeClock(), timeout).keep_trying(threading.current_thread, bounded=bounded)
    assert (thread is threading.current_thread()) is here


def test_a_call_ends_with_the_commands_limit_unless_told_otherwise() -> None:
    release = threading.Event()
    with pytest.raises(TimedOut):
        patience(Clock(), 0.05).keep_trying(release.wait)
    release.set()


def test_no_time_at_all_is_worth_one_look() -> None:
    assert patience(FakeClock(), 0).keep_trying(lambda: "seen") == "seen"
    assert patience(FakeClock(), 0).limit().seconds == ONE_LOOK
    assert patience(FakeClock(), 1).limit().seconds == 1
    assert patience(FakeClock()).limit().seconds is None


def test_the_commands_limit_comes_before_the_end_of_patience() -> None:
    clock = FakeClock()

    def slow() -> None:
        clock.sleep(5)
        raise BUSY

    with pytest.raises(TimedOut, match="out of time: busy"):
        patience(clock, 5, retry_for=0).keep_trying(slow)


@pytest.mark.parametrize(("moves", "tries"), [(True, 30), (False, 5)])
def test_patience_begins_anew_where_something_moved(moves: bool, tries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random.Random, "uniform", lambda _self, _low, high: high)
    clock, left = FakeClock(), iter(range(30))

    def call() -> str:
        if next(left, None) is None:
            return "done"
        raise BUSY

    trying = patience(clock, retry_for=6)
    if moves:
        assert trying.keep_trying(call, moved=lambda: True) == "done"
        assert clock.time == tries * 0.5
    else:
        with pytest.raises(Unavailable):
            trying.keep_trying(call)
        assert len(list(left)) == 30 - tries


def test_the_same_patience_may_be_told_elsewhere() -> None:
    here: list[str] = []
    there: list[str] = []
    clock = FakeClock()
    first = Patience(clock, Deadline(clock, None), 60, here.append, gave_up=LostContact)
    calls = iter([BUSY, None, BUSY, None])

    def call() -> None:
        error = next(calls)
        if error is not None:
            raise error

    first.saying(there.append).keep_trying(call)
    assert (len(here), len(there)) == (0, 1)
    first.keep_trying(call)
    assert (len(here), len(there)) == (1, 1)
    assert there[0].startswith("busy; retrying in ")


def test_out_of_time_is_what_the_command_calls_it() -> None:
    clock = FakeClock()
    early = Patience(clock, Deadline(clock, 1), 60, lambda _: None, out_of_time=TimedOutBeforeStart)
    error = early.out_of_time("the list")
    assert isinstance(error, TimedOutBeforeStart)
    assert error.message == "out of time: the list"
    assert early.clock is clock
