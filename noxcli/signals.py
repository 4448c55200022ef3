"""Signals become one exception at a moment where nothing is torn; the second one leaves at once."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from noxcli.errors import Unavailable

HANDLED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SHOW_CURSOR = "\x1b[?25h"
LONGEST_HOLD = 5.0
LOOK_EVERY = 0.1
T = TypeVar("T")


class Interrupted(BaseException):
    """A signal asked the command to end. Not an Exception: no library on the way may swallow it."""

    def __init__(self, number: int, *, unanswered: bool = False) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.unanswered = unanswered  # True: it cut off a call whose effect is not known


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

    def hold_on(self) -> None:
        """Put signals off for good: what is left to do is short. A second one still leaves at once."""
        self._holds += 1

    def take_pending(self) -> int | None:
        """Return the signal that was put off, for a command that sees to it within `held()` itself."""
        number, self.pending = self.pending, None
        return number

    def finish_first(self, call: Callable[[], T], within: float, hold: float = LONGEST_HOLD) -> T:
        """Return what `call` returns; a signal that comes meanwhile waits for its end, `hold` seconds at most.

        To be used within `held()`. Raises Interrupted, marked `unanswered`, where that time runs out; Unavailable
        where the call takes longer than `within` seconds.
        """
        from queue import Empty

        from noxcli.threads import in_background, value_of

        began = time.monotonic()
        answers = in_background(call)
        since: float | None = None
        while True:
            try:
                outcome = answers.get(timeout=max(0.0, min(LOOK_EVERY, began + within - time.monotonic())))
            except Empty:
                if time.monotonic() - began >= within:
                    raise Unavailable(f"no answer within {within:.1f} s") from None
                if self.pending is None:
                    continue
                since = since or time.monotonic()
                if time.monotonic() - since >= hold:
                    number, self.pending = self.pending, None
                    raise Interrupted(number, unanswered=True) from None
                continue
            return value_of(outcome)

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
