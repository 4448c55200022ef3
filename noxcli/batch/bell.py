"""One thread that watches the event streams of many runs, and reports which runs may have ended."""

import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

HEARD_AT_MOST = 256
CLOSED_WITHIN = 1.0  # seconds


class Audible(Protocol):
    """The part of a stream that the bell needs."""

    def fileno(self) -> int: ...
    def may_have_ended(self) -> bool: ...
    def close(self) -> None: ...


class Bell:
    """Calls `ring` once with a row's number, from its own thread, when the row's stream announces an end or breaks."""

    def __init__(self, ring: Callable[[int], None]) -> None:
        self._ring = ring
        self._changes: deque[tuple[int, Audible | None]] = deque()
        self._lines: dict[int, Audible] = {}
        self._waker: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def hang(self, number: int, line: Audible) -> None:
        """Watch a row's stream from now on; close it after it rang."""
        self._change(number, line)

    def take_down(self, number: int) -> None:
        """Stop watching that row."""
        self._change(number, None)

    def close(self) -> None:
        """Stop watching all rows."""
        if self._waker is not None and self._thread is not None:
            self._waker.close()
            self._thread.join(CLOSED_WITHIN)  # a daemon: a hanging stream must not delay the end of the process

    def _change(self, number: int, line: Audible | None) -> None:
        self._changes.append((number, line))
        if self._waker is None:
            sleeper, self._waker = socket.socketpair()
            self._waker.setblocking(False)
            self._thread = threading.Thread(target=self._listen, args=[sleeper], daemon=True)
            self._thread.start()
        with suppress(BlockingIOError):  # it will wake up anyway
            self._waker.send(b"!")

    def _listen(self, sleeper: socket.socket) -> None:
        with sleeper, selectors.DefaultSelector() as selector:
            selector.register(sleeper, selectors.EVENT_READ)
            while self._serve(selector, sleeper):
                while self._changes:
                    self._take_in(selector, *self._changes.popleft())
            while self._changes:
                self._take_in(selector, *self._changes.popleft())
            for number in list(self._lines):
                self._drop(selector, number)

    def _serve(self, selector: selectors.BaseSelector, sleeper: socket.socket) -> bool:
        """Wait for data, and read it; False if the bell was closed."""
        open_still = True
        for key, _ in selector.select():
            if key.data is None:
                open_still = bool(sleeper.recv(4096))
            elif self._lines[key.data].may_have_ended():
                self._drop(selector, key.data)
                self._ring(key.data)
        return open_still

    def _take_in(self, selector: selectors.BaseSelector, number: int, line: Audible | None) -> None:
        if line is None:
            self._drop(selector, number)
        elif line.may_have_ended():  # bytes that arrived with the head are no longer in the socket
            line.close()
            self._ring(number)
        else:
            self._drop(selector, number)
            self._lines[number] = line
            selector.register(line, selectors.EVENT_READ, number)

    def _drop(self, selector: selectors.BaseSelector, number: int) -> None:
        line = self._lines.pop(number, None)
        if line is not None:
            selector.unregister(line)
            line.close()
