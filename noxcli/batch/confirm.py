"""Rows that seem broken: what chance alone does, in which rounds they are asked again, and what follows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import comb

from noxcli.errors import UsageProblem
from noxcli.reports.comparison import Answer, Confirmed, Standing

LEAST_ASKS = 4  # as many good answers of NEW clear a row
MOST_ASKS = 1000
PERCENT = 5  # of the comparisons of an unchanged workflow in which chance may break a row
NO_ANSWER = "{side} did not answer each time"
TOO_MANY_RUNS = "--max-runs {most:,} has no room for {runs:,} more runs"


@dataclass(frozen=True, slots=True)
class Round:
    """One batch: these rows, so many times each, in one version; `number` counts those of its side from 1."""

    side: str
    number: int
    names: Sequence[str]
    asks: int

    @property
    def runs(self) -> int:
        return len(self.names) * self.asks


@dataclass(frozen=True, slots=True)
class Stored:
    """What a batch has so far: the answers by row, its runs, and the asks to be sent once more, by number and id."""

    answers: Mapping[str, Sequence[Answer]]
    runs: int
    again: Sequence[tuple[int, str | None]]

    @property
    def is_whole(self) -> bool:
        """True if each ask has an answer."""
        return all(answers and Answer.NONE not in answers for answers in self.answers.values())


@dataclass(slots=True)
class Confirmation:
    """Which of the suspects are broken, after up to so many asks in each version; `runs` is their number so far."""

    suspects: Sequence[str]
    asks: int
    lead: int
    most: int  # runs
    runs: int = 0
    _good: dict[str, dict[str, list[bool]]] = field(default_factory=dict)
    _undecided: dict[str, str] = field(default_factory=dict)  # why

    @classmethod
    def of(cls, suspects: Sequence[str], asks: int, most: int) -> "Confirmation":
        """Raises UsageProblem if so few asks could break no row."""
        lead = lead_to_break(asks, len(suspects))
        if lead is None:
            raise UsageProblem(
                f"--confirm {asks} is too few to tell which of {len(suspects):,} rows that seem broken are",
                f"write --confirm {least_asks(len(suspects))} or more",
            )
        return cls(suspects, asks, lead, most, _good={name: {"base": [], "new": []} for name in suspects})

    def decide(self, ask: Callable[[Round], Stored]) -> Mapping[str, Confirmed]:
        """Ask in up to three rounds, as far as the runs may be started, and return what is known of each suspect."""
        for side, number, asks in (
            ("new", 1, LEAST_ASKS),
            ("new", 2, self.asks - LEAST_ASKS),
            ("base", 1, self.asks),
        ):
            names = [name for name in self.suspects if self._standing(name) is None]
            if names and asks:
                self._take(Round(side, number, names, asks), ask)
        return {name: self._confirmed(name) for name in self.suspects}

    def counts(self) -> dict[str, int]:
        """Return the numbers that `--dry-run` prints: of runs in each round, and in all, if no row is cleared early."""
        suspects = len(self.suspects)
        first, rest, base = (count * suspects for count in (LEAST_ASKS, self.asks - LEAST_ASKS, self.asks))
        rounds = {"first": first, "then_new": rest, "then_base": base, "runs": first + rest + base}
        return {"suspects": suspects, "asks": self.asks, "lead": self.lead, **rounds, "max_runs": self.most}

    def has_room_for(self, runs: int) -> bool:
        """True if so many more runs may be started."""
        return self.runs + runs <= self.most

    def _take(self, round_: Round, ask: Callable[[Round], Stored]) -> None:
        if not self.has_room_for(round_.runs):
            self._undecided |= dict.fromkeys(round_.names, TOO_MANY_RUNS.format(most=self.most, runs=round_.runs))
            return
        asked = ask(round_)
        self.runs += asked.runs
        for name in round_.names:
            known = [answer for answer in asked.answers[name] if answer is not Answer.NONE]
            self._good[name][round_.side] += [answer is Answer.GOOD for answer in known]
            if len(known) < round_.asks:
                self._undecided[name] = NO_ANSWER.format(side=round_.side.upper())

    def _standing(self, name: str) -> Standing | None:
        """Return what is known of a row, None as long as asking it can still break it."""
        base, new = self._good[name]["base"], self._good[name]["new"]
        if name in self._undecided:
            return Standing.UNDECIDED
        if (len(new) == LEAST_ASKS and all(new)) or self.asks - sum(new) < self.lead:
            return Standing.VARIES
        if len(base) < self.asks:
            return None
        return Standing.BROKEN if sum(base) - sum(new) >= self.lead else Standing.VARIES

    def _confirmed(self, name: str) -> Confirmed:
        standing, good = self._standing(name), self._good[name]
        assert standing is not None
        base, new = ((sum(good[side]), len(good[side])) for side in ("base", "new"))
        return Confirmed(standing, base, new, self._undecided.get(name))


def heads(throws: int, least: int) -> int:
    """Return in how many of the 2 ** `throws` ways a coin shows heads at least that often."""
    return sum(comb(throws, count) for count in range(max(0, least), throws + 1))


def lead_to_break(asks: int, suspects: int) -> int | None:
    """Return how many more good answers BASE needs than NEW, of as many asks each, None if no lead is enough.

    In versions that are equally good, one of the suspects reaches the lead in at most 5 of 100 comparisons. The lead is
    likeliest where half of all answers are good: BASE's good ones and NEW's others are then the heads of a coin. It
    assumes that answers are independent.
    """
    leads = range(1, asks + 1)
    return next(
        (lead for lead in leads if 100 * suspects * heads(2 * asks, asks + lead) <= PERCENT << 2 * asks),
        None,
    )


def least_asks(suspects: int) -> int | None:
    """Return the least number of asks with which a row can break, None if that would be more than any."""
    return next((asks for asks in range(LEAST_ASKS, MOST_ASKS + 1) if lead_to_break(asks, suspects)), None)


def share_of_chance(broken: int, fixed: int) -> float:
    """Return how often chance breaks so many rows or more, of all that break or are fixed: a one-sided sign test."""
    rows = broken + fixed
    return heads(rows, broken) / (1 << rows)
