"""Starting once: when the request is sent again, and what noxcli says if it is unknown whether a run exists."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from noxcli.errors import Interruption, NoxError, StartUnknown, TimedOutBeforeStart, Unavailable
from noxcli.models import Attempt, Run
from noxcli.retry import Patience
from noxcli.runs.candidates import MOST, OLD_ENOUGH, Comparison
from noxcli.runs.start import StartAttempt, StartRequest, start_run
from noxcli.signals import Interrupted
from noxcli.timing import Deadline
from tests.faults.fake import FakeClock, as_api

NOW = datetime(2026, 5, 1, 12, 0, 0, 500_000, UTC)
INPUT = {"Question": "why"}
LOST = Unavailable("connection reset", http_status=502, request_id="req-1")
COMPARISON = Comparison([])
UNSENT = Unavailable("connection refused", sent=False)
DECLINED = [Unavailable("x", declined=True, http_status=status) for status in (429, 503)]


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
    now: datetime | None = None
    sent: int = 0

    def create_run(
        self,
        workflow_id: str,
        input: Mapping[str, Any],
        *,
        version_id: str | None = None,
        callback_url: str | None = None,
        attempt: Attempt | None = None,
    ) -> Run:
        assert (workflow_id, input, version_id, callback_url) == ("w", INPUT, None, None)
        self.sent += 1
        answer = self.answers.pop(0)
        if not isinstance(answer, Unavailable) or answer.sent:
            assert attempt is not None
            attempt.leave()
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

    def attempt(self, known: str = "") -> StartAttempt:
        return StartAttempt(as_api(self), StartRequest("w", INPUT, COMPARISON), known.split().__contains__)


def started(
    server: Server,
    attempt: StartAttempt | None = None,
    *,
    timeout: float | None = None,
    retry_for: float = 60,
    clock: FakeClock | None = None,
) -> Run:
    clock, noted = clock or StillClock(), list[Run]()
    deadline = Deadline(clock, timeout)
    patience = Patience(clock, deadline, retry_for, lambda _: None, out_of_time=TimedOutBeforeStart)
    mine = start_run(attempt or server.attempt(), patience=patience, deadline=deadline, note=noted.append)
    assert noted == [mine]
    return mine


@pytest.mark.parametrize("timeout", [None, 100])
def test_a_start_is_sent_once_and_noted(timeout: float | None) -> None:
    mine = run("mine")
    server = Server([mine])
    attempt = server.attempt()
    assert started(server, attempt, timeout=timeout) is mine
    assert (server.sent, attempt.left, attempt.run) == (1, True, mine)


@pytest.mark.parametrize("harmless", [UNSENT, *DECLINED])
def test_it_is_sent_again_where_nothing_can_have_started(harmless: Unavailable) -> None:
    mine = run("mine")
    server = Server([harmless, harmless, mine])
    assert started(server) is mine
    assert server.sent == 3
    server = Server([harmless] * 99)
    attempt = server.attempt()
    with pytest.raises(Unavailable) as caught:
        started(server, attempt, retry_for=2)
    assert caught.value is harmless
    assert not attempt.left


def test_anything_else_leaves_doubt_and_is_never_sent_again() -> None:
    server = Server([Unavailable("odd", http_status=502, request_id="req-1"), run("mine")])
    attempt = server.attempt()
    with pytest.raises(StartUnknown) as caught:
        started(server, attempt)
    assert (server.sent, attempt.left) == (1, True)
    assert (caught.value.http_status, caught.value.request_id) == (502, "req-1")
    what = "the start was sent, but its outcome is unknown: odd; found no run with this input"
    assert caught.value.message == what
    assert caught.value.hint == "check before you start again: noxcli runs w"
    assert caught.value.candidates == []


def test_without_the_servers_date_no_run_is_too_old() -> None:
    assert started(Server([run("mine", timedelta(days=-9))])).id == "mine"


# Candidates.


def test_candidates_have_the_same_input_and_are_no_older() -> None:
    minute, moment = timedelta(seconds=60), timedelta(microseconds=1)
    runs = [
        run("now"),
        run("later", 5 * minute),
        run("slow clock", -minute),
        run("too old", -minute - moment),
        run("other", input={"Question": "what"}),
        run("old and other", -9 * minute, input=None),
        run("another-start"),
        run("untimed", None),
        run("oddly timed", "yesterday"),
        run("never", "0001-01-01T00:00:00Z"),
    ]
    server = Server([LOST], runs)
    with pytest.raises(StartUnknown) as caught:
        started(server, server.attempt(known="another-start"))
    expected = ["now", "later", "slow clock", "untimed", "oddly timed"]
    assert [candidate["id"] for candidate in caught.value.candidates] == expected
    assert caught.value.candidates[0] == {"id": "now", "status": "running", "created_at": NOW.isoformat()}
    assert "runs with the same input: now (running), later (running)" in caught.value.message


def test_only_so_many_candidates_are_listed_and_fewer_named() -> None:
    with pytest.raises(StartUnknown) as caught:
        started(Server([LOST], [run(f"run-{n}") for n in range(MOST + 50)]))
    assert len(caught.value.candidates) == MOST
    assert caught.value.message.endswith(f"run-4 (running) and {MOST - 5} more")


def test_the_list_is_read_back_to_the_start_in_either_order() -> None:
    read: list[str] = []

    class Read(list[Run]):
        def __iter__(self) -> Iterator[Run]:
            for one in super().__iter__():
                read.append(one.id)
                yield one

    old = [run(f"old-{n}", timedelta(seconds=-100 - n)) for n in range(OLD_ENOUGH + 50)]
    for listed, count in ((Read([run("mine"), *old]), OLD_ENOUGH + 1), (Read([*reversed(old), run("mine")]), 251)):
        read.clear()
        with pytest.raises(StartUnknown) as caught:
            started(Server([LOST], listed))
        assert ([one["id"] for one in caught.value.candidates], len(read)) == (["mine"], count)


@pytest.mark.parametrize("timeout", [None, 0.1])
def test_a_list_that_can_not_be_read_changes_nothing(timeout: float | None) -> None:
    with pytest.raises(StartUnknown, match="the run list can't be read") as caught:
        started(Server([LOST], Unavailable("busy")), timeout=timeout)
    assert caught.value.candidates == []


def test_the_list_is_read_although_the_time_is_up() -> None:
    server, clock = Server([LOST], [run("mine")]), StillClock()
    attempt = server.attempt()

    def leave_late() -> None:
        StartAttempt.leave(attempt)
        clock.sleep(5)

    attempt.leave = leave_late  # type: ignore[method-assign]
    with pytest.raises(StartUnknown) as caught:
        started(server, attempt, timeout=5, clock=clock)
    assert [candidate["id"] for candidate in caught.value.candidates] == ["mine"]


# Signals.


class InterruptingClock(StillClock):
    """A signal arrives in the first wait."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        raise Interrupted(2)


@pytest.mark.parametrize("harmless", [UNSENT, *DECLINED])
def test_a_signal_between_tries_leaves_no_doubt(harmless: Unavailable) -> None:
    server = Server([harmless])
    attempt = server.attempt()
    with pytest.raises(Interrupted):
        started(server, attempt, clock=InterruptingClock())
    assert not attempt.left


def test_a_signal_while_candidates_are_read_leaves_doubt() -> None:
    class Interrupting(Server):
        def list_runs(self, workflow_id: str | None = None) -> Iterable[Run]:
            if signals:
                raise signals.pop()
            return super().list_runs(workflow_id)

    signals = [Interrupted(15)]
    with pytest.raises(Interruption) as caught:
        started(Interrupting([LOST], [run("mine")]))
    assert [candidate["id"] for candidate in caught.value.candidates] == ["mine"]
    assert int(caught.value.exit_code) == 143
    assert caught.value.message.startswith("interrupted by SIGTERM during the start, whose outcome is unknown; ")


def test_a_start_that_was_called_off_never_leaves() -> None:
    server = Server([run("mine")])
    attempt = server.attempt()
    assert attempt.call_off()
    with pytest.raises(NoxError, match="called off"):
        attempt.send()
    assert (attempt.left, attempt.may_be_repeated) == (False, False)
