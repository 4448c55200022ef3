"""The rules of a gate, written a second time, from the text: what the answers of its places show.

Only this module knows the rules; what they are told, and who compares, is in `gate_oracle`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import comb, fsum, gamma, isclose, pi, sqrt

GOOD, BAD, FAILED, NONE = "good", "bad", "failed", "none"
RED, GRAY, GREEN = "red", "gray", "green"
BROKEN, VARIES, NO_BASE = "broken", "varies", "never passes in BASE"
UNCONFIRMED = "not confirmed"

ROUNDS = 5
SCREEN = range(6, 10)  # places of NEW alone
SUSPECTS = range(10, 22)
PER_SUSPECT = 24
LEVEL, LEVEL_WITH_SCORE = 0.0065, 0.0026  # of one look at all answers
GRAY_CHANCE = 0.3
GRAY_ERRORS = 0.54
FEWEST_SCORES = 7  # that differ
TOO_CLOSE = 0.02  # of an error
ERROR_OF_ROWS = 0.032  # by all suspects together

Place = tuple[int, int, int]  # row from 0, side, place from 1


@dataclass(frozen=True)
class Answer:
    """What one place has: its answer, a score, and how many runs were started for it."""

    what: str
    score: float | None = None
    runs: int = 1


class Undecided(Exception):
    """The rules need a place that has no answer."""


class Unclear(Exception):
    """Scores are so close to the border that rounding decides."""


@dataclass
class Look:
    """All answers of rounds, at one time."""

    broken: int
    fixed: int
    color: str


@dataclass
class Verdict:
    """What the rules decide."""

    looks: list[Look] = field(default_factory=list)
    suspects: dict[int, str] = field(default_factory=dict)

    @property
    def is_worse(self) -> bool:
        return self.looks[-1].color == RED

    @property
    def is_red(self) -> bool:
        found = self.suspects.values()
        return self.is_worse or BROKEN in found or UNCONFIRMED in found


def decide(
    rows: int, most: int, answer: Callable[[Place], Answer | None], *, is_scored: bool
) -> tuple[Verdict, set[Place]]:
    """Return the verdict, and which places it took. Raises Undecided."""
    reading = _Reading(rows, most, answer, is_scored)
    reading.decide()
    return reading.verdict, reading.asked


class _Reading:
    """The answers, in the order in which the rules ask for them."""

    def __init__(
        self, rows: int, most: int, answer: Callable[[Place], Answer | None], is_scored: bool
    ) -> None:
        self.rows = range(rows)
        self.left = most
        self.answer = answer
        self.is_scored = is_scored
        self.asked: set[Place] = set()
        self.verdict = Verdict()

    def decide(self) -> None:
        self.look()
        if self.verdict.is_worse:
            return
        self.try_suspects()
        if self.verdict.is_red:
            return
        while self.verdict.looks[-1].color == GRAY:
            is_affordable = self.left >= 2 * len(self.rows)
            if len(self.verdict.looks) == ROUNDS or not is_affordable:
                return
            self.look()

    def take(self, places: Iterable[Place]) -> None:
        """Ask for places. Raises Undecided if one has no answer."""
        for place in places:
            found = self.answer(place)
            if found is None:
                raise Undecided(f"row {place[0]}, side {place[1]}, place {place[2]} is not asked")
            self.left -= found.runs
            self.asked.add(place)

    def what(self, row: int, side: int, place: int) -> str:
        found = self.answer((row, side, place))
        assert found is not None
        return found.what

    # All answers together.

    def look(self) -> None:
        """Ask one more round, and look at all pairs so far."""
        number = len(self.verdict.looks) + 1
        for row in self.rows:
            self.take([(row, 0, number), (row, 1, number)])
        broken = 0
        fixed = 0
        for row in self.rows:
            for place in range(1, number + 1):
                base = self.what(row, 0, place)
                new = self.what(row, 1, place)
                if NONE in (base, new):
                    continue
                if base == GOOD and new != GOOD:
                    broken += 1
                if base != GOOD and new == GOOD:
                    fixed += 1
        colors = [self.color_of_counts(broken, fixed), self.color_of_scores(number)]
        color = next(each for each in (RED, GRAY, GREEN) if each in colors)
        self.verdict.looks.append(Look(broken, fixed, color))

    @property
    def level(self) -> float:
        return LEVEL_WITH_SCORE if self.is_scored else LEVEL

    def color_of_counts(self, broken: int, fixed: int) -> str:
        share = heads(broken + fixed, broken) / 2 ** (broken + fixed)
        if share <= self.level:
            return RED
        return GRAY if share <= GRAY_CHANCE else GREEN

    def color_of_scores(self, rounds: int) -> str:
        """Return what the pairs of all rounds show."""
        if not self.is_scored:
            return GREEN
        found = self.differences(rounds)
        different = [each for each in found if each != 0]
        if len(different) < FEWEST_SCORES:
            return GRAY if fsum(different) < 0 else GREEN
        mean = fsum(found) / len(found)
        squares = fsum((each - mean) ** 2 for each in found)
        error = sqrt(squares / (len(found) - 1) / len(found))
        high = mean + quantile(len(found) - 1, self.level) * error
        if abs(high) < TOO_CLOSE * error:
            raise Unclear(f"a mean of {mean} with an error of {error}")
        if high < 0:
            return RED
        return GRAY if mean + GRAY_ERRORS * error < 0 else GREEN

    def differences(self, rounds: int) -> list[float]:
        """Return how much higher NEW's scores are than BASE's, of each pair with both."""
        found = []
        for row in self.rows:
            for place in range(1, rounds + 1):
                base = self.score(row, 0, place)
                new = self.score(row, 1, place)
                if base is not None and new is not None:
                    found.append(0.0 if isclose(base, new, rel_tol=1e-9) else new - base)
        return found

    def score(self, row: int, side: int, place: int) -> float | None:
        found = self.answer((row, side, place))
        assert found is not None
        return found.score

    # Single rows.

    def try_suspects(self) -> None:
        """Ask again for the rows that seem broken, until one is, or all are cleared."""
        found = self.verdict.suspects
        suspects = [row for row in self.rows if self.seems_broken(row)]
        for row in suspects:
            found[row] = UNCONFIRMED
        affordable = max(0, (self.left - PER_SUSPECT) // len(SCREEN))
        serious = []
        screened = suspects[:affordable]
        for row in screened:
            self.take((row, 1, place) for place in SCREEN)
        for row in screened:
            if self.passes(row, 1, SCREEN) >= 3:
                found[row] = VARIES
            else:
                serious.append(row)
        serious.sort(key=lambda row: self.passes(row, 1, SCREEN))
        lead = least_lead(len(serious))
        explained = True
        while serious and self.left >= PER_SUSPECT and explained:
            size = self.left // PER_SUSPECT
            explained = self.confirm(serious[:size], lead)
            serious = serious[size:]

    def seems_broken(self, row: int) -> bool:
        pair = (self.what(row, 0, 1), self.what(row, 1, 1))
        return pair in {(GOOD, BAD), (GOOD, FAILED), (FAILED, BAD)}

    def passes(self, row: int, side: int, places: Sequence[int]) -> int:
        return [self.what(row, side, place) for place in places].count(GOOD)

    def confirm(self, block: list[int], lead: int) -> bool:
        """Ask both sides four times more, and again, for each row that can still be broken.

        Return whether chance explains all of them.
        """
        found = self.verdict.suspects
        for asked in (4, 8, 12):
            places = SUSPECTS[:asked]
            for row in block:
                for place in SUSPECTS[asked - 4 : asked]:
                    self.take([(row, 0, place), (row, 1, place)])
            still = []
            for row in block:
                lead_now, pairs = self.lead(row, places)
                can_be_reached = lead_now + 12 - asked >= lead
                could_be_seen = pairs + 12 - asked >= lead
                if can_be_reached or not could_be_seen:
                    still.append(row)
                elif self.what(row, 0, 1) == GOOD or self.passes(row, 0, places):
                    found[row] = VARIES
                else:
                    found[row] = NO_BASE
            block = still
        for row in block:
            if self.lead(row, SUSPECTS)[0] >= lead:
                found[row] = BROKEN
        return not block

    def lead(self, row: int, places: Sequence[int]) -> tuple[int, int]:
        """Return how many more pass in BASE, of the pairs with both answers, and how many these are."""
        lead = 0
        pairs = 0
        for place in places:
            base = self.what(row, 0, place)
            new = self.what(row, 1, place)
            if NONE in (base, new):
                continue
            pairs += 1
            lead += (base == GOOD) - (new == GOOD)
        return lead, pairs


def heads(tosses: int, least: int) -> int:
    """Return in how many ways a coin shows heads at least so often."""
    return sum(comb(tosses, count) for count in range(least, tosses + 1))


def least_lead(suspects: int) -> int:
    """Return by how many passes of twelve BASE has to lead, by the number of serious suspects."""
    for lead in range(1, 12):
        if suspects * heads(24, 12 + lead) <= ERROR_OF_ROWS * 2**24:
            return lead
    return 12


@cache
def quantile(freedom: int, level: float) -> float:
    """Return what Student's t exceeds at that level, by Simpson's rule."""
    scale = gamma((freedom + 1) / 2) / sqrt(freedom * pi) / gamma(freedom / 2)

    def density(at: float) -> float:
        return scale * float((1 + at * at / freedom) ** (-(freedom + 1) / 2))

    step = 0.001
    at = 0.0
    above = 0.5
    while above > level:
        middle = 4 * density(at + step / 2)
        above -= (density(at) + middle + density(at + step)) * step / 6
        at += step
    return at
