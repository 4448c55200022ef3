"""Time: a clock that tests can replace, limits, and the form of durations."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from noxcli.errors import UsageProblem
from noxcli.waiting import Awake, sleep

AMOUNT = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
PART = rf"{AMOUNT}(ms|min|[dhms])"
MAX_DURATION = 1e9  # seconds, about thirty years: some system calls take no more
WESTERNMOST = 12 * 3600.0  # seconds by which the clocks of the last zone are behind UTC
READ_TIMEOUT = 30.0  # seconds without a byte of an answer
UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "ms": 0.001}


class Clock:
    """The real clock. Seconds throughout."""

    def monotonic(self) -> float:
        return time.monotonic()

    def awake(self) -> float:
        """Return a monotonic time that stands still while this process is stopped."""
        return self.monotonic() - Awake.lost

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        sleep(seconds)


class Deadline:
    """A moment after which a command gives up; None means never."""

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self.seconds = seconds
        self.clock = clock
        self._end: float | None = None
        if seconds is not None:
            self._end = clock.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return self.remaining() <= 0

    def remaining(self, most: float = float("inf")) -> float:
        """Return the remaining seconds, at most `most`, never below zero."""
        if self._end is None:
            return most
        return max(0.0, min(most, self._end - self.clock.monotonic()))

    def restart(self, seconds: float | None = None) -> None:
        """Start counting again, once with `seconds` if given."""
        if self.seconds is None:
            return
        if seconds is None:
            seconds = self.seconds
        self._end = self.clock.monotonic() + seconds


def parse_duration(text: str) -> float:
    """Return seconds for `90`, `500ms`, `30s`, `10m` or `10min`, `2h`, `1d`, or several of them,
    the longest first.

    Raises UsageProblem for anything else.
    """
    text = text.strip()
    parts = re.findall(PART, text)
    lengths = [UNITS[unit] for _, unit in parts]
    if re.fullmatch(AMOUNT, text):
        seconds = float(text)
    elif re.fullmatch(f"(?:{PART})+", text) and lengths == sorted({*lengths}, reverse=True):
        seconds = sum(float(amount) * UNITS[unit] for amount, unit in parts)
    else:
        raise UsageProblem(f"{text!r} is not a valid duration", "write 90, 30s, 10m, 2h or 1h30m")
    return min(seconds, MAX_DURATION)


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the moment that a user means: a duration before now, or an ISO 8601 time, which is in
    UTC unless it says otherwise.

    Raises UsageProblem for anything else: a number alone may be seconds, a year or a day.
    """
    text = text.strip()
    moment = None
    if not text.isdecimal():
        moment = parse_time(text)
        with suppress(UsageProblem):
            moment = now - timedelta(seconds=parse_duration(text))
    if moment is None:
        raise UsageProblem(
            f"{text!r} is not a valid time", "write 7d, 12h, 2026-01-31 or 2026-01-31T08:00Z"
        )
    return moment


def parse_time(text: str | None) -> datetime | None:
    """Return a server's ISO 8601 time as an aware datetime; naive ones count as UTC.

    None for anything odd.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment


def latest_moment(text: str | None) -> float | None:
    """Return the latest moment that a server's time can mean, in seconds since 1970.

    Without a zone, it may be any. None for anything odd.
    """
    moment = parse_time(text)
    if moment is None or text is None:
        return None
    latest = moment.timestamp()
    if datetime.fromisoformat(text).tzinfo is None:
        latest += WESTERNMOST
    return latest


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Return the seconds between two server times, or None if one is missing or odd."""
    began = parse_time(start)
    ended = parse_time(end)
    if began is None or ended is None:
        return None
    return round((ended - began).total_seconds(), 3)


def within(ordered: Sequence[float], share: float) -> float:
    """Return the duration within which this share of them was over.

    They are in order, the shortest first.
    """
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def show_seconds(seconds: float) -> str:
    """Return a short human form: `3.2s`, `1m04s`, `2h05m`."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    return f"{minutes // 60}h{minutes % 60:02}m"
