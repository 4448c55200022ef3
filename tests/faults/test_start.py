"""Starting once: when the request is sent again, and what noxcli says if it is unknown whether a run exists."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from noxcli.errors import Interruption, NoxError, Refused, StartUnknown, TimedOutBeforeStart, Unavailable
from noxcli.models import Run
from noxcli.retry import Patience
from noxcli.runs.doubt import SETTLING, KnownStarts
from noxcli.runs.likeness import Comparison
from noxcli.runs.start import MOST_CANDIDATES, Wanted, start_run
from noxcli.signals import Interrupted
from noxcli.timing import Deadline
from tests.faults.fake import FakeClock

NOW = datetime(2026, 5, 1, 12, 0, 0, 500_000, UTC)
INPUT = {"Question": "why"}
LOST = Unavailable("connection reset", http_status=502, request_id="req-1")
COMPARISON = Comparison([])
UNSENT = Unavailable("connection refused", sent=False)


class StillClock(FakeClock):
    def now(self) -> datetime:
        return NOW


def run(name: str, created: timedelta | str | None = timedelta(), *, input: object = INPUT) -> Run:
    """A run in the list, created that long after the start was sent."""
    at = (NOW + created).isoformat() if isinstance(created, timedelta) else created
    return Run(name, "w", "running", created_at=at, input=input)


@dataclass
class Server:
    """Answers the start with the given answers, in order, and then lists these runs."""

    answers: list[Run | BaseException]
    runs: list[Run] | NoxError = field(default_factory=list)
    known: KnownStarts = field(default_factory=KnownStarts)
    now: datetime | None = None
    sent: int = 0
    threads: set[threading.Thread] = field(default_factory=set)

    def send(self) -> Run:
        self.sent += 1
        self.threads.add(threading.current_thread())
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def server_now(self) -> datetime | None:
        return self.now

    def list_runs(self, workflow_id: str | None = None) -> Iterable[Run]:
        assert workflow_id == "w"
        if isinstance(self.runs, NoxError):
            raise self.runs
        return self.runs


def started(
    server: Server, *, timeout: float | None = None, retry_for: float = 60, clock: FakeClock | None = None
) -> Run:
    clock = clock or StillClock()
    deadline = Deadline(clock, timeout)
    patience = Patience(clock, deadline, retry_for, lambda _: None, out_of_time=TimedOutBeforeStart)
    wanted = Wanted("w", COMPARISON.of(INPUT), COMPARISON, lambda _: server.known)
    return start_run(server, server.send, wanted, patience=patience, deadline=deadline)


@pytest.mark.parametrize("timeout", [None, 100])
def test_it_is_sent_once_and_by_the_thread_that_signals_reach(timeout: float | None) -> None:
    mine = run("mine")
    server = Server([mine])
    assert started(server, timeout=timeout) is mine
    assert (server.sent, server.threads) == (1, {threading.current_thread()})


@pytest.mark.parametrize("harmless", [UNSENT, Unavailable("x", declined=True, http_status=503)])
def test_it_is_sent_again_where_nothing_can_have_been_started(harmless: Unavailable) -> None:
    mine = run("mine")
    server = Server([harmless, harmless, mine])
    assert started(server) is mine
    assert server.sent == 3
    with pytest.raises(Unavailable) as caught:
        started(Server([harmless] * 99), retry_for=2)
    assert caught.value is harmless


@pytest.mark.parametrize("status", [None, 200, 408, 500, 502, 503, 504])
def test_anything_else_leaves_doubt_and_is_never_sent_again(status: int | None) -> None:
    server = Server([Unavailable("odd", http_status=status, request_id="req-1"), run("mine")])
    with pytest.raises(StartUnknown) as caught:
        started(server)
    assert server.sent == 1
    assert (caught.value.http_status, caught.value.request_id) == (status, "req-1")
    assert caught.value.message == "the start was sent, but its outcome is unknown: odd"
    assert caught.value.hint == "check the runs before you start again (noxcli runs w): found no run with this input"
    assert caught.value.candidates == []


def test_doubt_after_a_harmless_failure_is_doubt() -> None:
    server = Server([UNSENT, LOST, run("mine")])
    with pytest.raises(StartUnknown):
        started(server)
    assert server.sent == 2


def test_a_refusal_is_passed_on() -> None:
    refusal = Refused("422")
    with pytest.raises(Refused) as caught:
        started(Server([refusal]))
    assert caught.value is refusal


def test_candidates_have_the_same_input_and_are_no_older_than_the_start() -> None:
    seconds = timedelta(seconds=1)
    runs = [
        run("now"),
        run("later", 5 * seconds),
        run("whole seconds", -2 * seconds),
        run("too old", -2 * seconds - timedelta(microseconds=1)),
        run("other", input={"Question": "what"}),
        run("old and other", -9 * seconds, input=None),
        run("untimed", None),
        run("oddly timed", "yesterday"),
    ]
    with pytest.raises(StartUnknown) as caught:
        started(Server([LOST], runs))
    expected = ["later", "now", "whole seconds", "untimed", "oddly timed"]
    assert [candidate["id"] for candidate in caught.value.candidates] == expected
    assert caught.value.candidates[1] == {"id": "now", "status": "running", "created_at": NOW.isoformat()}
    assert "later (running) has the same input, now (running)" in str(caught.value.hint)


def test_only_so_many_runs_are_looked_at() -> None:
    with pytest.raises(StartUnknown) as caught:
        started(Server([LOST], [run(f"run {n}") for n in range(MOST_CANDIDATES + 50)]))
    assert len(caught.value.candidates) == MOST_CANDIDATES == 200


def test_a_list_that_can_not_be_had_changes_nothing() -> None:
    with pytest.raises(StartUnknown) as caught:
        started(Server([LOST], Unavailable("busy")))
    assert caught.value.candidates == []


def test_there_is_time_for_a_look_even_where_there_is_none() -> None:
    with pytest.raises(StartUnknown) as caught:
        started(Server([LOST], [run("mine")]), timeout=0)
    assert [candidate["id"] for candidate in caught.value.candidates] == ["mine"]


# A gateway's answer, and a list that proves something.

LOST_BY_GATEWAY = Unavailable("503", http_status=503)
BEFORE = run("before", timedelta(seconds=-90), input={"Question": "what"})


def proving(*answers: Run | BaseException) -> Server:
    """A server whose list has none of our runs, and one that we know."""
    known = KnownStarts(digests={"before": COMPARISON.of(BEFORE.input).digest})
    known.note("before", BEFORE.created_at, NOW - timedelta(seconds=91), None)
    return Server(list(answers), [BEFORE], known, NOW)


def test_after_proof_it_is_sent_again() -> None:
    mine, clock = run("mine"), StillClock()
    assert started(proving(LOST_BY_GATEWAY, LOST_BY_GATEWAY, mine), clock=clock) is mine
    assert clock.time >= 2 * SETTLING, "each time the list was given time"


def test_without_the_time_to_settle_there_is_no_proof() -> None:
    server = proving(LOST_BY_GATEWAY, run("mine"))
    with pytest.raises(StartUnknown):
        started(server, timeout=SETTLING - 0.5)
    assert server.sent == 1


def test_where_all_was_proven_the_trouble_is_temporary() -> None:
    with pytest.raises(Unavailable) as caught:
        started(proving(*[LOST_BY_GATEWAY] * 99), retry_for=2)
    assert caught.value is LOST_BY_GATEWAY


def test_a_lost_answer_after_proof_is_doubt() -> None:
    with pytest.raises(StartUnknown):
        started(proving(LOST_BY_GATEWAY, Unavailable("reset"), run("mine")))


class InterruptingClock(StillClock):
    """A signal arrives in one of the waits."""

    def __init__(self, wait: int) -> None:
        super().__init__()
        self._waits = wait

    def sleep(self, seconds: float) -> None:
        self._waits -= 1
        if not self._waits:
            raise Interrupted(2)
        super().sleep(seconds)


def test_a_signal_before_the_proof_leaves_doubt_and_none_after_it() -> None:
    with pytest.raises(Interruption):
        started(proving(LOST_BY_GATEWAY), clock=InterruptingClock(1))
    with pytest.raises(Interrupted):
        started(proving(LOST_BY_GATEWAY), clock=InterruptingClock(2))


# Signals.


def test_a_signal_that_cut_the_answer_off_leaves_doubt() -> None:
    with pytest.raises(Interruption) as caught:
        started(Server([Interrupted(15, unanswered=True)], [run("mine")]))
    error = caught.value
    assert (int(error.exit_code), error.leaves_doubt) == (143, True)
    assert error.message == "interrupted by SIGTERM during the start, whose outcome is unknown"
    assert [candidate["id"] for candidate in error.candidates] == ["mine"]
    assert "mine (running) has the same input" in str(error.hint)


def test_a_signal_between_tries_leaves_none() -> None:
    signal = Interrupted(2)
    with pytest.raises(Interrupted) as caught:
        started(Server([signal]))
    assert caught.value is signal


def interrupted_by(error: BaseException) -> Interrupted:
    """A signal that arrived while the first was handled."""
    try:
        try:
            raise error
        finally:
            raise Interrupted(2)
    except Interrupted as signal:
        return signal


def test_a_signal_on_top_of_a_lost_answer_leaves_doubt() -> None:
    with pytest.raises(Interruption):
        started(Server([interrupted_by(LOST)]))


@pytest.mark.parametrize("harmless", [UNSENT, Unavailable("x", declined=True), ValueError("no answer at all")])
def test_a_signal_on_top_of_a_harmless_failure_leaves_none(harmless: BaseException) -> None:
    with pytest.raises(Interrupted):
        started(Server([interrupted_by(harmless)]))
