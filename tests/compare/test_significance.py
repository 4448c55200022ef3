"""The numbers that a comparison and a gate are judged by."""

import pytest

from noxcli.compare.significance import (
    Interval,
    chance,
    difference,
    loss_seen,
    needed_lead,
    quantile,
    row_seen,
)

ONES = [-1, -2, 0, -1, -1, -3, -1, -2, 0, -1]
SERIOUS = (1, 2, 3, 4, 8, 13, 52, 100, 289)
ONE_LARGE = [-5, *[0] * 9, *[-1] * 6]


@pytest.mark.parametrize(
    ("broken", "fixed", "share"),
    [
        (6, 0, 0.0156),
        (7, 0, 0.0078),
        (9, 0, 0.00195),
        (9, 1, 0.0107),
        (13, 3, 0.0106),
        (16, 5, 0.0133),
        (16, 9, 0.1148),
        (0, 3, 1),
        (0, 0, 1),
    ],
)
def test_chance_of_a_sign_test(broken: int, fixed: int, share: float) -> None:
    assert chance(broken, fixed) == pytest.approx(share, abs=5e-5)


@pytest.mark.parametrize(
    ("level", "fixed", "least"),
    [
        (0.01, (0, 1, 2, 3, 5, 10), (7, 10, 12, 14, 17, 25)),
        (0.0065, (0, 1, 2, 3, 5, 10, 20), (8, 10, 12, 14, 18, 26, 41)),
        (0.0026, (0, 1, 2, 3, 5, 10, 20), (9, 12, 14, 16, 20, 28, 43)),
    ],
)
def test_least_rows_that_make_new_worse(
    level: float, fixed: tuple[int, ...], least: tuple[int, ...]
) -> None:
    found = [next(rows for rows in range(1, 99) if chance(rows, each) <= level) for each in fixed]
    assert found == [*least]


def test_ten_thousand_pairs_have_a_chance_too() -> None:
    assert 0 < chance(5200, 5000) < 0.03


@pytest.mark.parametrize(
    ("freedom", "value"), [(6, 3.1422), (9, 2.8214), (29, 2.4620), (99, 2.3646)]
)
def test_quantiles_of_students_t(freedom: int, value: float) -> None:
    assert quantile(freedom, 0.01) == pytest.approx(value, abs=5e-5)


@pytest.mark.parametrize(
    ("differences", "level", "bounds"),
    [
        (ONES, 0.01, (-2.0199, -1.2, -0.3801)),
        (ONE_LARGE, 0.01, (-1.5008, -0.6875, 0.1258)),
        ([-90, *[-1] * 9], 0.01, (-35.0103, -9.9, 15.2103)),
        ([*[-0.5] * 20, *[0.25] * 10], 0.01, (-0.4116, -0.25, -0.0884)),
        (ONES, 0.0026, (-2.2647, -1.2, -0.1353)),
        ([*[-4] * 8, *[0] * 32], 0.0026, (-1.5586, -0.8, -0.0414)),
        ([*[-4] * 9, *[0] * 31], 0.0026, (-1.6919, -0.9, -0.1081)),
        ([*[-4] * 12, *[0] * 68], 0.0026, (-1.0619, -0.6, -0.1381)),
    ],
)
def test_intervals_of_scores(
    differences: list[float], level: float, bounds: tuple[float, ...]
) -> None:
    found = Interval.of(differences, level)
    assert found is not None
    assert (found.low, found.mean, found.high) == pytest.approx(bounds, abs=5e-5)


def test_few_scores_that_differ_have_no_interval() -> None:
    assert Interval.of([-1] * 6 + [0] * 50, 0.01) is None
    assert Interval.of([-1] * 7 + [0] * 50, 0.01) is not None


def test_rounding_is_no_difference_of_scores() -> None:
    assert difference(0.1 + 0.2, 0.3) == 0
    assert difference(7.9, 7.4) == pytest.approx(-0.5)


def test_leads_for_more_and_more_suspects() -> None:
    assert [needed_lead(rows) for rows in SERIOUS] == [5, 6, 7, 7, 7, 8, 9, 9, 10]


@pytest.mark.parametrize(
    ("rows", "passing", "rounds", "points"),
    [(100, 0.95, 5, 6.7), (30, 0.95, 5, 14.8), (300, 0.85, 5, 5.3), (100, 0.95, 1, 16.4)],
)
def test_loss_that_a_green_gate_would_have_seen(
    rows: int, passing: float, rounds: int, points: float
) -> None:
    loss = loss_seen(rows, passing, rounds)
    assert loss is not None
    assert 100 * loss == pytest.approx(points, abs=0.05)


def test_few_rows_see_no_loss_everywhere() -> None:
    assert loss_seen(2, 0.95, 1) is None
    assert loss_seen(0, 0, 5) is None


def test_a_score_takes_a_share_of_the_error_from_the_loss() -> None:
    plain, scored = (loss_seen(100, 0.95, 5, scored=scored) for scored in (False, True))
    assert plain is not None
    assert scored is not None
    assert scored > plain


@pytest.mark.parametrize(
    ("rows", "passing", "shares"),
    [(30, 0.95, (22, 58, 84)), (100, 0.85, (9, 38, 73)), (300, 0.85, (6, 28, 69))],
)
def test_one_row_that_turned_bad(rows: int, passing: float, shares: tuple[int, ...]) -> None:
    found = [100 * row_seen(rows, passing, now) for now in (0.5, 0.3, 0.1)]
    assert found == pytest.approx(shares, abs=4)  # as simulated, to 4 of 100
