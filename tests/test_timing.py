"""Durations, limits, server times, back-off and outages, on a clock that only the test advances."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from noxcli.errors import UsageProblem
from noxcli.timing import Deadline, parse_duration, parse_time, show_seconds
from tests.faults.fake import FakeClock

# Durations.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("90", 90.0),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("10min", 600.0),
        ("1h30m", 5400.0),
        ("1d2h3min4.5s", 93784.5),
        ("0.5s", 0.5),
        ("10m", 600.0),
        ("1.5h", 5400.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        (" 5s ", 5.0),
        ("007", 7.0),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "-1", "+1", "1 s", "1S", "1h30", "30m1h", "1m1m", "1m1min", "1h 30m",
     "1,5", "1.", ".5", "1e3", "inf", "nan", "0x10", "soon",
     "1_000", "1s\n2s", "٣s", "9" * 400],
)  # fmt: skip
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(UsageProblem, match="is not a valid duration") as caught:
        parse_duration(text)
    assert "30s" in str(caught.value.hint)


# Limits.


def test_a_deadline_restarts_in_full_or_once_as_told() -> None:
    clock = FakeClock()
    deadline = Deadline(clock, 10)
    clock.sleep(20)
    deadline.restart()
    assert deadline.remaining() == 10
    deadline.restart(2)
    assert deadline.remaining() == 2
    clock.sleep(5)
    deadline.restart()
    assert deadline.remaining() == 10


# Server times.


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00.123456+00:00", datetime(2024, 1, 1, 0, 0, 0, 123456, UTC)),
        ("2024-01-01T02:00:00+02:00", datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))),
        ("2024-01-01 00:00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("2024-13-01T00:00:00Z", None),
        ("1704067200", None),
        (None, None),
    ],
)
def test_a_server_time_is_aware_or_unknown(text: str | None, moment: datetime | None) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (3.24, "3.2s"),
        (59.94, "59.9s"),
        (59.95, "1m00s"),
        (64.4, "1m04s"),
        (3599.4, "59m59s"),
        (3599.6, "1h00m"),
        (7500, "2h05m"),
        (200_000, "55h33m"),
    ],
)
def test_seconds_are_shown_short(seconds: float, text: str) -> None:
    assert show_seconds(seconds) == text
