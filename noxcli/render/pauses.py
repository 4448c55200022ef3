"""What is said on stderr while requests wait for the server."""

import time
from datetime import datetime, timedelta

from noxcli.render.terminal import Terminal
from noxcli.retry import SAY_EVERY, Pause

# Seconds.
SHORT_PAUSE = 3.0  # until the end of a Retry-After
SAID_AFTER = 4.5


class PauseNotes:
    """Says once and then every minute for what requests wait, since when and until when."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._say_at = 0.0  # not before this moment

    def check(self, pause: Pause | None) -> None:
        """Say it if it is time to; None is the end of a pause."""
        now = time.monotonic()
        if pause is None:
            self._say_at = 0.0
            return
        is_short = pause.until is None or pause.until < now + SHORT_PAUSE
        if now < self._say_at or (is_short and now < pause.since + SAID_AFTER):
            return
        self._say_at = now + SAY_EVERY
        what = "no whole answer from the server"
        if pause.status is not None:
            what = f"the server answers {pause.status}"
        until = "there is one"
        if pause.until is not None:
            until = f"{time_of(pause.until)} (Retry-After)"
        elif pause.status is not None:
            until = "it accepts requests"
        since = time_of(pause.since)
        self._terminal.note(f"{time_of(now)} {what}: waiting since {since}, until {until}")


def time_of(moment: float) -> str:
    """Return the local time of a moment of `time.monotonic`."""
    off = timedelta(seconds=moment - time.monotonic())
    return f"{datetime.now() + off:%H:%M:%S}"
