"""Signals as one exception at a safe moment; the second signal exits at once."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from noxcli.errors import NoxError, Unavailable

HANDLED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SHOW_CURSOR = "\x1b[?25h"
LONGEST_HOLD = 5.0
LOOK_EVERY = 0.1
AGAIN_AFTER = 0.01
T = TypeVar("T")


class Interrupted(BaseException):
    """A signal asked the command to end. Not an Exception, so that no library swallows it."""

    def __init__(self, number: int, *, unanswered: bool = False) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.unanswered = unanswered  # True: it interrupted a call whose effect is unknown


class Signals:
    """Raises Interrupted in the main thread, or after a block of `held()`."""

    def __init__(self) -> None:
        self.pending: int | None = None
        self._holds = 0
        self.first: int | None = None  # the one that has arrived

    def install(self) -> None:
        """Handle the signals; one that was ignored at the start (`nohup`, `&`) stays ignored."""
        sys.unraisablehook = self._repeat
        for number in HANDLED:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._take)

    def release(self) -> None:
        """Restore the signals, for a command that handles them itself."""
        for number in HANDLED:
            if signal.getsignal(number) == self._take:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Defer a signal until the block has ended."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if self.pending is not None and not self._holds:
                number, self.pending = self.pending, None
                raise Interrupted(number)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Raise Interrupted for an unexpected error after a signal: Python may have replaced the signal's exception.

        It does so where a lock is released that the signal kept from being taken, or in a failed import.
        """
        try:
            yield
        except NoxError:
            raise
        except Exception as error:  # nothing ends here: it becomes the signal, or goes on
            if self.first is None:
                raise
            raise Interrupted(self.first) from error

    def hold_on(self) -> None:
        """Defer signals permanently, since little is left to do. A second one still exits at once."""
        self._holds += 1

    def take_pending(self) -> int | None:
        """Return the deferred signal, for a command that handles it itself within `held()`."""
        number, self.pending = self.pending, None
        return number

    def finish_first(self, call: Callable[[], T], within: float, hold: float = LONGEST_HOLD) -> T:
        """Return the result of `call`; a signal in the meantime waits for it, at most `hold` seconds.

        For use within `held()`. Raises Interrupted, marked `unanswered`, if that time runs out; Unavailable if the call
        takes longer than `within` seconds.
        """
        from queue import Empty

        from noxcli.waiting import in_background, value_of

        began = time.monotonic()
        answers = in_background(call)
        since: float | None = None
        while True:
            try:
                outcome = answers.get(timeout=min(LOOK_EVERY, began + within - time.monotonic()))
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

    def _repeat(self, dropped: "sys.UnraisableHookArgs") -> None:
        """Repeat a signal whose exception Python dropped, as it does in the callback of a weak reference."""
        if not isinstance(dropped.exc_value, Interrupted):
            sys.__unraisablehook__(dropped)
            return
        self.first = None
        _send_again(dropped.exc_value.number)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.first is not None:
            if sys.stderr.isatty():
                os.write(2, SHOW_CURSOR.encode())
            os._exit(128 + self.first)
        if _is_in_set_name(frame):
            _send_again(number)
            return
        self.first = number
        if self._holds:
            self.pending = number
            return
        raise Interrupted(number)


def _is_in_set_name(frame: FrameType | None) -> bool:
    """True while Python 3.11 makes a class: it turns what is raised there into a RuntimeError."""
    while frame is not None:
        if frame.f_code.co_name == "__set_name__":
            return True
        frame = frame.f_back
    return False


def _send_again(number: int) -> None:
    again = threading.Timer(AGAIN_AFTER, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
