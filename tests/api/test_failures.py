"""What the headers of answers say about a request limit."""

from datetime import UTC, datetime

import pytest

from noxcli.api.failures import requests_left

NOW = "Wed, 25 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("remaining", "reset", "expected"),
    [
        ("3", "2", (3, 2.0)),
        ("0", str(int(datetime(2026, 11, 25, 12, 0, 30, tzinfo=UTC).timestamp())), (0, 30.0)),
        ("0", str(int(datetime(2026, 11, 25, 11, 0, 0, tzinfo=UTC).timestamp())), (0, 0.0)),
        ("", "2", None),
        ("many", "2", None),
        ("-1", "2", None),
        ("3", "", None),
        ("9" * 5000, "9", (999_999_999, 9.0)),
    ],
)
def test_what_is_left_of_a_limit_is_read_in_its_usual_forms(
    remaining: str, reset: str, expected: tuple[int, float] | None
) -> None:
    headers = {"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset, "Date": NOW}
    assert requests_left(headers) == expected
