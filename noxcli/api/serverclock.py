"""The server's clock, from its Date headers; ours may be wrong, and may jump."""

import time
from datetime import datetime, timedelta

import requests

from noxcli.api.failures import parse_date


class ServerClock:
    """The time of the last Date header plus the time since then; thread-safe.

    It is late by up to a second plus the answer's travel time, and never early.
    """

    def __init__(self) -> None:
        self._seen: tuple[datetime, float] | None = None

    def note(self, response: requests.Response) -> None:
        """Take the time from an answer that has just arrived."""
        moment = parse_date(response.headers.get("Date"))
        if moment is not None:
            self._seen = moment, time.monotonic()

    def now(self) -> datetime | None:
        """Return the server's time, None before the first answer with a time."""
        if self._seen is None:
            return None
        moment, at = self._seen
        return moment + timedelta(seconds=time.monotonic() - at)
