"""Waiting for other threads."""

import os
import signal
import threading
import time
from queue import Empty

import pytest

from noxcli.threads import Inbox


def test_a_limit_holds_though_a_signal_outlasts_it() -> None:
    inbox: Inbox[str] = Inbox()
    before = signal.signal(signal.SIGUSR1, lambda *_: time.sleep(0.3))
    kill = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    rescue = threading.Timer(5, inbox.put, ["late"])
    kill.start()
    rescue.start()
    try:
        with pytest.raises(Empty):
            inbox.get(timeout=0.1)
    finally:
        rescue.cancel()
        kill.join()
        signal.signal(signal.SIGUSR1, before)


def test_nothing_is_lost_or_overtaken() -> None:
    inbox: Inbox[tuple[int, int]] = Inbox()

    def send(sender: int) -> None:
        for number in range(2000):
            inbox.put((sender, number))

    threads = [threading.Thread(target=send, args=[sender]) for sender in range(4)]
    for thread in threads:
        thread.start()
    received = [inbox.get(timeout=5) for _ in range(4 * 2000)]
    for sender in range(4):
        assert [number for one, number in received if one == sender] == list(range(2000))
    with pytest.raises(Empty):
        inbox.get(timeout=-1)


def test_an_item_ends_the_wait_at_once() -> None:
    inbox: Inbox[str] = Inbox()
    inbox.put("first")
    assert inbox.get(timeout=0) == "first"
    threading.Timer(0.1, inbox.put, ["second"]).start()
    began = time.monotonic()
    assert inbox.get(timeout=60) == "second"
    assert time.monotonic() - began < 10
