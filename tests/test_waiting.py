"""Waiting for other threads, for time and for reads that may block."""

import threading
import time
from queue import Empty, Queue

import pytest

from noxcli import waiting
from noxcli.errors import Unavailable
from noxcli.timing import Clock, Deadline
from noxcli.waiting import next_item, run_all_within, run_apart


def test_nothing_is_lost_or_overtaken() -> None:
    queue: Queue[tuple[int, int]] = Queue()

    def send(sender: int) -> None:
        for number in range(2000):
            queue.put((sender, number))

    threads = [threading.Thread(target=send, args=[sender]) for sender in range(4)]
    for thread in threads:
        thread.start()
    received = [next_item(queue, 5) for _ in range(4 * 2000)]
    for sender in range(4):
        assert [number for one, number in received if one == sender] == list(range(2000))
    with pytest.raises(Empty):
        next_item(queue, -1)


def test_a_wait_longer_than_its_slices_takes_its_whole_time() -> None:
    began = time.monotonic()
    with pytest.raises(Empty):
        next_item(Queue(), 0.25)
    assert not waiting.wait_for(threading.Event(), 0.25)
    waiting.sleep(0.25)
    assert 0.75 <= time.monotonic() - began < 5


def test_a_call_that_takes_too_long_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        run_apart(lambda: time.sleep(1), Deadline(Clock(), 0.1).remaining)
    with pytest.raises(Unavailable):
        run_apart(lambda: None, lambda: 0.0)


def test_a_thread_makes_its_calls_itself() -> None:
    (found, _), *_ = run_all_within(
        5, [lambda: (threading.current_thread(), run_apart(threading.current_thread))]
    )
    assert found is not None
    assert found[0] is found[1]


def no_threads(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    start, left = threading.Thread.start, iter(range(after))

    def refuse(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


def test_one_thread_does_the_work_of_those_that_cannot_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_threads(monkeypatch, after=1)
    assert run_all_within(5, [lambda: 1, lambda: 2, lambda: 3]) == [(1, None), (2, None), (3, None)]
