"""What chance does between two versions that are equally good.

Sign tests, intervals of scores, what a green is worth. All of it assumes that answers are
independent of each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import comb, fsum, isclose, sqrt
from statistics import NormalDist, stdev

from noxcli.render.text import amount

MIN_SHARE = 0.01  # that is reported exactly
MIN_DIFFERENT = 7  # scores that differ, for an interval
SCREENED = 4  # answers of NEW that may clear a suspect
CONFIRMED = 12  # answers of each side that may break it
ENOUGH_TO_CLEAR = 3  # of the screened ones
LEVEL, LEVEL_WITH_SCORE = 0.0065, 0.0026  # of one test of the answers of a gate
# The deviations in which a loss is seen in 8 of 10 gates, by the number of rounds; measured.
SEEN_AFTER = (3.33, 2.35, 1.97, 1.79, 1.70)
# The same with --score, of losses and of scores.
SEEN_WITH_SCORE = (3.64, 2.57, 2.15, 1.95, 1.85)


@cache
def chance(broken: int, fixed: int) -> float:
    """Return how often chance breaks that number or more of all that break or are fixed.

    McNemar's exact, one-sided.
    """
    return ways_to_toss(broken + fixed, broken) / (1 << (broken + fixed))


def counts_of(broken: int, fixed: int, noun: str) -> str:
    """Return `16 rows broke and 1 was fixed`."""
    return f"{amount(broken, noun)} broke and {fixed} {'was' if fixed == 1 else 'were'} fixed"


def chance_of(broken: int, fixed: int) -> str:
    """Return how often chance does that."""
    share = chance(broken, fixed)
    often = f"{100 * share:.0f}" if share >= MIN_SHARE else "less than 1"
    these = f"{broken} or more of these {broken + fixed}"
    return f"an unchanged workflow breaks {these} in {often} of 100 comparisons"


def ways_to_toss(tosses: int, least: int) -> int:
    """Return in how many of the 2 ** `tosses` ways a coin shows heads at least that often."""
    term = total = 1
    for tails in range(tosses - least):
        term = term * (tosses - tails) // (tails + 1)
        total += term
    return total if least <= tosses else 0


@cache
def needed_lead(suspects: int) -> int:
    """Return how many more of twelve answers must pass in BASE than in NEW.

    In versions that are equally good, one of these `suspects` reaches that in at most 32 of 1,000
    gates: the likeliest case is that half of all answers pass, and then BASE's passes and NEW's
    failures are the heads of a coin.
    """
    leads = range(1, CONFIRMED + 1)
    tosses = 2 * CONFIRMED
    return next(
        (
            lead
            for lead in leads
            if 1000 * suspects * ways_to_toss(tosses, CONFIRMED + lead) <= 32 << tosses
        ),
        CONFIRMED,
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean difference of scores, NEW minus BASE, with its bounds at the requested level."""

    low: float
    mean: float
    high: float
    error: float  # the standard error of the mean

    @classmethod
    def of(cls, differences: Sequence[float], level: float) -> "Interval | None":
        """Return the interval of these differences, None if too few of them are not zero."""
        rows = len(differences)
        if sum(each != 0 for each in differences) < MIN_DIFFERENT:
            return None
        mean = fsum(differences) / rows
        error = sqrt(fsum((each - mean) ** 2 for each in differences) / (rows - 1) / rows)
        reach = quantile(rows - 1, level) * error
        return cls(mean - reach, mean, mean + reach, error)


def difference(base: float, new: float) -> float:
    """Return how much higher a score is in NEW.

    Scores that are equal but for rounding do not differ.
    """
    return 0.0 if isclose(base, new, rel_tol=1e-9) else new - base


def quantile(freedom: int, level: float) -> float:
    """Return the quantile of Student's t that is exceeded at that level.

    Its error is .005 at most from 6 on.
    """
    z, v = NormalDist().inv_cdf(1 - level), freedom
    y = z * z
    terms = (
        (y + 1) / (4 * v),
        ((5 * y + 16) * y + 3) / (96 * v**2),
        (((3 * y + 19) * y + 17) * y - 15) / (384 * v**3),
        ((((79 * y + 776) * y + 1482) * y - 1920) * y - 945) / (92160 * v**4),
    )
    return z * (1 + sum(terms))


def loss_seen(rows: int, passing: float, rounds: int, *, scored: bool = False) -> float | None:
    """Return which loss everywhere a gate sees in 8 of 10 cases, None if it can't see any.

    `passing` is the rate of all answers, `rounds` how many the budget allows.
    """
    if not rows:
        return None
    reach = SEEN_WITH_SCORE[rounds - 1] if scored else SEEN_AFTER[rounds - 1]
    a, u = reach**2, 2 * passing - 1
    loss = (a * u + sqrt(a * a * u * u + 8 * rows * a * passing * (1 - passing))) / (2 * rows)
    return loss if loss < passing else None


def fall_seen(differences: Sequence[float], rows: int, rounds: int) -> float | None:
    """Return which fall of the mean score a gate sees in 8 of 10 cases, None without scores.

    `differences` are those of all pairs of answers.
    """
    if len(differences) < 2 or not any(differences):
        return None
    return SEEN_WITH_SCORE[rounds - 1] * stdev(differences) / sqrt(rows)


def row_seen(rows: int, passing: float, now: float = 0.1) -> float:
    """Return in which share of gates a row is broken that passed so often, and passes `now`."""
    cleared = rows * passing * (1 - passing) * _at_most(SCREENED, passing, ENOUGH_TO_CLEAR - 1)
    lead = needed_lead(round(1 + cleared))
    led = sum(
        _exactly(CONFIRMED, passing, base) * _at_most(CONFIRMED, now, base - lead)
        for base in range(CONFIRMED + 1)
    )
    return passing * (1 - now) * _at_most(SCREENED, now, ENOUGH_TO_CLEAR - 1) * led


def _exactly(tosses: int, share: float, count: int) -> float:
    return float(comb(tosses, count) * share**count * (1 - share) ** (tosses - count))


def _at_most(tosses: int, share: float, most: int) -> float:
    return sum(_exactly(tosses, share, count) for count in range(most + 1))
