"""When a batch, or a wait for many, reads which run."""

from itertools import pairwise

import pytest

from noxcli.batch.in_flight import FIRST_APART, MIN_APART, PollSchedule
from noxcli.batch.worker import duration_of
from noxcli.models import Run
from tests.conftest import Turning


def looks(schedule: PollSchedule, most: float) -> list[float]:
    """When a run is read, in seconds after its start."""
    moments = [schedule.until_next(0.0)]
    while moments[-1] < most:
        moments.append(moments[-1] + schedule.until_next(moments[-1]))
    return moments


def test_while_nothing_is_known_reads_are_rarer_and_rarer() -> None:
    moments = looks(PollSchedule(100.0), 100.0)
    assert moments[0] == FIRST_APART
    apart = [max(FIRST_APART, 0.05 * earlier) for earlier in moments[:-1]]
    assert [later - earlier for earlier, later in pairwise(moments)] == pytest.approx(apart)


def test_runs_are_read_from_the_shortest_time_on() -> None:
    schedule = PollSchedule(100.0)
    for seconds in (4.0, 10.0, 12.0):
        schedule.note(seconds)
    assert looks(schedule, 6.0)[:4] == pytest.approx([4.0, 4.5, 5.0, 5.5])


@pytest.mark.parametrize(("measured", "taken"), [(1.996, 2.0), (2.1, 2.0), (0.5, 0.5), (9.0, 9.0)])
def test_an_exact_record_says_how_long_a_run_took(measured: float, taken: float) -> None:
    began, ended = "2026-05-01T10:00:00.250", "2026-05-01T10:00:02.250"
    assert (
        duration_of(Run("r", "w", "completed", created_at=began, finished_at=ended), measured)
        == taken
    )
    assert (
        duration_of(
            Run("r", "w", "completed", created_at=began[:-4], finished_at=ended[:-4]), measured
        )
        == measured
    )


def test_a_run_that_takes_far_longer_is_read_less_and_less() -> None:
    schedule = PollSchedule(100.0)
    schedule.note(0.2)
    assert schedule.until_next(0.0) == 0.2
    assert schedule.until_next(0.3) == MIN_APART
    assert schedule.until_next(60.0) == pytest.approx(1.5)


def test_a_run_is_read_at_least_every_poll_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.batch.in_flight.time", clock := Turning())
    schedule = PollSchedule(5.0)
    schedule.note(60.0)
    schedule.add(1, 0.0)
    assert (schedule.until_due(9.0), schedule.pop_due()) == (5.0, [])
    clock.now_is += 5.0
    assert (schedule.pop_due(), schedule.has(1)) == ([1], False)


def test_what_is_dropped_is_not_read() -> None:
    schedule = PollSchedule(5.0)
    schedule.add(1)
    schedule.add(2)
    schedule.drop(1)
    assert schedule.pop_due() == [2]
