"""Signals become one exception at a moment where nothing is torn; the second one leaves at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HANDLED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SHOW_CURSOR = "\x1b[?25h"


class Interrupted(BaseException):
    """A signal asked the command to end. Not an Exception: no library on the way may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Signals:
    """Raises Interrupted in the main thread, later where `held()` asks for it."""

    def __init__(self) -> None:
        self.pending: int | None = None
        self._holds = 0
        self._first: int | None = None

    def install(self) -> None:
        """Take over the signals; one that was ignored at the start (`nohup`, `&`) stays ignored."""
        for number in HANDLED:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._take)

    def release(self) -> None:
        """Give the signals back, for a command that has its own way with them."""
        for number in HANDLED:
            if signal.getsignal(number) == self._take:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put a signal off until the block has ended."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self.pending is not None and not self._holds:
            number, self.pending = self.pending, None
            raise Interrupted(number)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self._first is not None:
            if sys.stderr.isatty():
                os.write(2, SHOW_CURSOR.encode())
            os._exit(128 + self._first)
        self._first = number
        if self._holds:
            self.pending = number
            return
        raise Interrupted(number)
