"""A signal as a fact that waits look at; the second one ends the process."""

import os
import signal
import sys
import threading
from types import FrameType

HANDLED = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
SHOW_CURSOR = "\x1b[?25h"


class Interrupted(BaseException):
    """A signal asked the command to end. Not an Exception, so that no library swallows it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Signals:
    """The signal that asked this process to end.

    Its handler only notes it: `waiting.py` calls `check` at each wait of the main thread, and none
    is longer than a slice. So nothing is torn, and nothing has to be protected from it.
    """

    first: int | None = None  # the one that has arrived
    _taken = False

    def install(self) -> None:
        """Handle the signals; one that was ignored at the start (`nohup`, `&`) stays ignored."""
        for number in HANDLED:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._arrive)

    def release(self) -> None:
        """Restore the signals, for a command that handles them itself."""
        for number in HANDLED:
            if signal.getsignal(number) != self._arrive:
                continue
            if number == signal.SIGINT:
                signal.signal(number, signal.default_int_handler)
            else:
                signal.signal(number, signal.SIG_DFL)

    @property
    def is_due(self) -> bool:
        """True in the main thread once a signal has arrived, until the command acts on it."""
        if self.first is None or self._taken:
            return False
        return threading.current_thread() is threading.main_thread()

    def check(self) -> None:
        """Raise Interrupted, once, for a signal that is due."""
        if self.first is not None and self.is_due:
            self._taken = True
            raise Interrupted(self.first)

    def disregard(self) -> None:
        """Raise nothing for a first signal from now on, since little is left to do."""
        self._taken = True

    def _arrive(self, number: int, _: FrameType | None) -> None:
        if self.first is not None:
            if sys.stderr.isatty():  # noqa: TID251 - nothing else can write now
                os.write(2, SHOW_CURSOR.encode())
            os._exit(128 + self.first)
        self.first = number


SIGNALS = Signals()  # those of this process
