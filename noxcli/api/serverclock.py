"""The server's clock, as its Date headers tell it; ours may be wrong, and may jump."""

import time
from datetime import datetime, timedelta

import requests

from noxcli.api.failures import parse_date


class ServerClock:
    """The time of the last Date header, and what has passed since; for many threads.

    It is behind by up to a second and by the answer's way here, and never ahead.
    """

    def __init__(self) -> None:
        self._seen: tuple[datetime, float] | None = None

    def note(self, response: requests.Response) -> None:
        """Take the time from an answer that has just come."""
        moment = parse_date(response.headers.get("Date"))
        if moment is not None:
            self._seen = moment, time.monotonic()

    def now(self) -> datetime | None:
        """Return the server's time, None if no answer has told it yet."""
        if self._seen is None:
            return None
        moment, at = self._seen
        return moment + timedelta(seconds=time.monotonic() - at)
