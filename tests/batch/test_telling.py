"""Results on their way out: few are written one by one, many together, and none before it is on disk."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from noxcli.batch.journal import Flushed, Journal, JournalTrouble
from noxcli.batch.plan import RowResult
from noxcli.batch.rows import Row
from noxcli.batch.telling import SAID_APART, Telling
from noxcli.errors import ExitCode, NoxError, ReaderGone
from noxcli.runs.likeness import Likeness
from noxcli.timing import Clock


@dataclass
class Listener:
    """Records what it gets, and in which order; `full` and `gone` mean that the disk, or stdout, accepts no more."""

    steps: list[str] = field(default_factory=list)
    full: bool = False
    gone: bool = False

    def keep(self, told: Sequence[RowResult]) -> None:
        if self.full:
            raise JournalTrouble("the disk is full")
        self.steps.append(f"keep {','.join(str(one.row.number) for one in told)}")

    def tell(self, told: Sequence[RowResult]) -> None:
        if self.gone:
            raise ReaderGone("stdout was closed")
        self.steps += [f"tell {one.row.number}" for one in told]


RESULT = {
    "run": {"id": "r", "workflow_id": "w", "status": "completed", "duration_s": 1.0, "confirmed": True},
    "error": None,
    "retry_safe": False,
}


def result(number: int) -> RowResult:
    return RowResult(Row(number, number, 0), RESULT, ExitCode.OK)


@dataclass
class Told:
    """A batch's results, and what became of them."""

    telling: Telling
    listener: Listener
    journal: Journal
    ends: list[NoxError | None]

    def finished(self) -> int:
        return self.journal.past().finished


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[..., Told]]:
    with Journal(tmp_path, Clock()) as journal:

        def begin(*, ordered: bool = False) -> Told:
            listener, ends = Listener(), list[NoxError | None]()
            telling = Telling(journal, listener, ordered=ordered, on_end=ends.append)
            for number in range(1, 5):
                journal.intend(number, None, number, Likeness("", ""), None)
                telling.expect(number)
            return Told(telling, listener, journal, ends)

        yield begin


def test_the_first_result_is_told_at_once_and_those_just_after_it_together(told: Callable[..., Told]) -> None:
    this = told()
    this.telling.take(result(1))
    this.telling.say_due()
    assert this.listener.steps == ["keep 1", "tell 1"]
    for number in (2, 3):
        this.telling.take(result(number))
        this.telling.say_due()
    assert this.listener.steps[2:] == []
    assert 0 < this.telling.until_due(1.0) <= SAID_APART
    time.sleep(SAID_APART)
    this.telling.say_due()
    assert this.listener.steps[2:] == ["keep 2,3", "tell 2", "tell 3"]
    assert this.finished() == 3
    assert this.telling.until_due(1.0) == 1.0


def test_in_order_a_result_waits_for_the_rows_before_it(told: Callable[..., Told]) -> None:
    this = told(ordered=True)
    this.telling.take(result(2))
    this.telling.say_all()
    assert (this.listener.steps, this.telling.awaited) == ([], 4)
    this.telling.pass_over(1)
    this.telling.say_all()
    assert this.listener.steps == ["keep 2", "tell 2"]
    this.telling.take(result(4))
    this.telling.say_rest()
    assert this.listener.steps[2:] == ["keep 4", "tell 4"]


def test_what_the_disk_does_not_keep_is_neither_told_nor_finished(told: Callable[..., Told]) -> None:
    this = told()
    this.listener.full = True
    this.telling.take(result(1))
    this.telling.say_all()
    assert (this.listener.steps, this.finished()) == ([], 0)
    assert isinstance(this.ends[0], JournalTrouble)


def test_what_stdout_does_not_take_is_kept_and_not_finished(told: Callable[..., Told]) -> None:
    this = told()
    this.listener.gone = True
    this.telling.take(result(1))
    this.telling.say_all()
    this.telling.take(result(2))
    this.telling.say_all()
    assert (this.listener.steps, this.finished(), this.ends) == (["keep 1"], 0, [None])
    assert isinstance(this.telling.unprinted, ReaderGone)


def test_one_flush_serves_all_that_wait_for_the_disk() -> None:
    flushed, lock, seen = Flushed(), threading.Lock(), {"written": 0, "flushes": 0, "at_once": 0}

    def flush() -> int:
        with lock:
            seen["flushes"] += 1
            seen["at_once"] += 1
            assert seen["at_once"] == 1
            upto = seen["written"]
        time.sleep(0.02)
        with lock:
            seen["at_once"] -= 1
        return upto

    def write() -> None:
        with lock:
            seen["written"] += 1
            mine = seen["written"]
        flushed.reach(mine, flush)
        assert flushed._count >= mine

    threads = [threading.Thread(target=write) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert (flushed._count, seen["flushes"] <= 10) == (30, True)


def test_a_flush_that_fails_fails_for_each_that_waits() -> None:
    flushed, failures = Flushed(), list[OSError]()

    def flush() -> int:
        time.sleep(0.02)
        raise OSError("no space")

    def reach() -> None:
        try:
            flushed.reach(1, flush)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=reach) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(failures) == 5
    flushed.reach(1, lambda: 1)
