"""What a gate decides.

It is one function of the stored answers, which returns a verdict or the answers that it needs next.
It reads the answers from the first round on each time, so that neither their order nor where a call
was cut matters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import fsum
from typing import Any, NamedTuple, Self

from noxcli.batchdir.header import PLACES
from noxcli.checks.row_class import SideVerdict
from noxcli.compare.significance import (
    CONFIRMED,
    ENOUGH_TO_CLEAR,
    LEVEL,
    LEVEL_WITH_SCORE,
    SCREENED,
    Interval,
    chance,
    counts_of,
    difference,
    needed_lead,
)
from noxcli.render.text import amount

BASE, NEW = SIDES = range(2)
JUDGES = range(2, 4)  # the sides that judge BASE's answers, and NEW's
PER_ROW = (len(SIDES) + len(JUDGES)) * PLACES
MAX_ROUNDS = 5
# The places of a row's answers on each side.
ROUNDS, SCREEN, SUSPECTS = range(1, 6), range(6, 10), range(10, 22)
RERUNS = (*SCREEN, *SUSPECTS)  # of a row that seems broken
BLOCK = 2 * CONFIRMED  # runs that decide on one row
# The chance, and the deviations below zero, from which another round may tell more.
GRAY = 0.3
GRAY_SCORE = 0.54


class AnswerKey(NamedTuple):
    """Which answer or judgement: of a row, from 1, on a side, for a purpose."""

    row: int
    side: int
    place: int

    @classmethod
    def of(cls, number: int) -> Self:
        """Return which answer has this number in the journal."""
        row, at = divmod(number - 1, PER_ROW)
        side, place = divmod(at, PLACES)
        return cls(row + 1, side, place + 1)

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return (self.row - 1) * PER_ROW + self.side * PLACES + self.place

    def named(self, row_id: str | None) -> str | None:
        """Return its id, if the row has one: no other answer has it."""
        if row_id is None:
            return None
        return f"{row_id}#{self.number - (self.row - 1) * PER_ROW}"

    @property
    def is_judgement(self) -> bool:
        return self.side in JUDGES

    @property
    def judgement(self) -> Self:
        """The judgement of this answer."""
        return self._replace(side=self.side + JUDGES.start)

    @property
    def answer(self) -> Self:
        """The answer that this judges."""
        return self._replace(side=self.side - JUDGES.start)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One stored answer with its score, and the number of runs that were started for it."""

    answer: SideVerdict
    score: float | None = None
    runs: int = 1
    holds_never: bool = False  # what --never forbids


class Color(StrEnum):
    """What all answers show at one time."""

    RED, GRAY, GREEN = "red", "gray", "green"


@dataclass(frozen=True, slots=True)
class Look:
    """NEW as a whole, after this number of rounds."""

    rounds: int
    broken: int
    fixed: int
    interval: Interval | None
    color: Color
    differences: Sequence[float] = ()  # of scores, for each pair; below zero if NEW is worse
    lower_is_better: bool = False

    def words(self) -> str:
        """Return how many answers broke and were fixed, and how far the score fell, if they did."""
        said = []
        of_score = self._words_of_score()
        if self.broken or self.fixed or not of_score:
            said.append(counts_of(self.broken, self.fixed, "answer"))
        if of_score:
            said.append(of_score)
        return ", and ".join(said)

    def _words_of_score(self) -> str:
        if self.interval is not None:
            worse_by = -self.interval.mean
            verb = "rose" if self.lower_is_better else "fell"
            return f"the score {verb} by {worse_by:.3g}" if worse_by > 0 else ""
        differing = [each for each in self.differences if each != 0]
        total = fsum(differing)
        if total >= 0:
            return ""
        scores = amount(len(differing), "score")
        verb = "differs" if len(differing) == 1 else "differ"
        return f"only {scores} {verb}, their sum is {self._as_given(total):.3g}"

    def _as_given(self, difference: float) -> float:
        """Return a difference as scores have it."""
        return -difference if self.lower_is_better else difference

    def document(self) -> dict[str, Any]:
        """Return its part of `noxcli.comparison/1`."""
        return {
            "broken": self.broken,
            "fixed": self.fixed,
            "chance": chance(self.broken, self.fixed),
            "score": None if self.interval is None else self._as_given(self.interval.mean),
            "finding": str(self.color),
        }


class SuspectState(StrEnum):
    """What is known of a row that seemed broken."""

    BROKEN = "broken"
    VARIES = "varies"  # chance explains it
    UNCONFIRMED = "not confirmed"
    NO_BASE = "never passes in BASE"  # where its run failed


IN_WORDS = {  # of one row, of several
    SuspectState.BROKEN: ("is broken", "are broken"),
    SuspectState.VARIES: ("varies", "vary"),
    SuspectState.UNCONFIRMED: ("is not confirmed", "are not confirmed"),
    SuspectState.NO_BASE: ("never passes in BASE", "never pass in BASE"),
}


@dataclass(slots=True)
class GateVerdict:
    """What the answers show; `suspects` are the rows that seemed broken."""

    looks: list[Look]
    suspects: dict[int, SuspectState] = field(default_factory=dict)
    forbidden: list[int] = field(default_factory=list)  # rows with an answer that --never forbids

    def rows(self, finding: SuspectState) -> list[int]:
        """Return the suspects of which that is known."""
        return [row for row, known in self.suspects.items() if known is finding]

    @property
    def is_worse(self) -> bool:
        """True if NEW is worse as a whole."""
        return self.looks[-1].color is Color.RED

    @property
    def is_red(self) -> bool:
        found = self.suspects.values()
        is_red_by_rows = SuspectState.BROKEN in found or SuspectState.UNCONFIRMED in found
        return self.is_worse or is_red_by_rows or bool(self.forbidden)

    @property
    def is_undecided(self) -> bool:
        """True if more rounds could have shown that NEW is worse."""
        return self.looks[-1].color is Color.GRAY and not self.is_red

    def words(self) -> str:
        """Return what is known of the rows that seemed broken: `1 row is broken, 2 vary`."""
        counts = {state: len(rows) for state in SuspectState if (rows := self.rows(state))}
        numbers = [
            amount(count, "row") if place == 0 else str(count)
            for place, count in enumerate(counts.values())
        ]
        known = (IN_WORDS[state][count > 1] for state, count in counts.items())
        return ", ".join(map(" ".join, zip(numbers, known, strict=True)))


class _Needed(Exception):
    """Answers that are not stored."""

    def __init__(self, places: Sequence[AnswerKey]) -> None:
        self.places = places


@dataclass(frozen=True, slots=True)
class GateRules:
    """The rules for a table with rows of these numbers.

    At most `most` runs, with scores or without.
    """

    rows: Sequence[int]
    max_runs: int
    scored: bool = False
    lower_is_better: bool = False  # of scores

    def decide(self, stored: Mapping[AnswerKey, StoredAnswer]) -> GateVerdict | Sequence[AnswerKey]:
        """Return the verdict, or which places to ask next, in their order."""
        try:
            return _Reading(self, stored).verdict()
        except _Needed as needed:
            return needed.places

    @property
    def round_runs(self) -> int:
        return 2 * len(self.rows)


class SameRules(GateRules):
    """The rules where both sides are one version, so that nothing can be worse."""

    def decide(self, stored: Mapping[AnswerKey, StoredAnswer]) -> GateVerdict | Sequence[AnswerKey]:
        """Return a green verdict once each row has an answer, before that which to ask."""
        wanted = [AnswerKey(row, BASE, 1) for row in self.rows]
        missing = [key for key in wanted if key not in stored]
        if missing:
            return missing
        verdict = GateVerdict([Look(1, 0, 0, None, Color.GREEN)])
        verdict.forbidden = [key.row for key in wanted if stored[key].holds_never]
        return verdict

    @property
    def round_runs(self) -> int:
        return len(self.rows)


def default_max_runs(rows: int) -> int:
    """Return how many runs a gate of `rows` rows may start by default."""
    return 12 * rows + 300


def min_max_runs(rows: int) -> int:
    """Return how many runs a gate of `rows` rows needs to decide on its suspects."""
    return 2 * rows + max(300, 2 * rows)


class _Reading:
    """One reading of all stored answers, from the first round on."""

    def __init__(self, gate: GateRules, stored: Mapping[AnswerKey, StoredAnswer]) -> None:
        self.gate, self.stored = gate, stored
        self.left = gate.max_runs
        self.level = LEVEL_WITH_SCORE if gate.scored else LEVEL

    def verdict(self) -> GateVerdict:
        """Raises _Needed."""
        verdict = GateVerdict([self._look(1)])
        verdict.forbidden = self._forbidden(1)
        if verdict.is_worse or verdict.forbidden:
            return verdict
        self._suspect(verdict.suspects)
        if verdict.is_red:
            return verdict
        for rounds in range(2, MAX_ROUNDS + 1):
            if verdict.looks[-1].color is not Color.GRAY or self.left < self.gate.round_runs:
                break
            verdict.looks.append(self._look(rounds))
            verdict.forbidden = self._forbidden(rounds)
            if verdict.forbidden:
                break
        return verdict

    def _forbidden(self, rounds: int) -> list[int]:
        """Return the rows with an answer of NEW in these rounds that --never forbids."""
        found = []
        for row in self.gate.rows:
            keys = [AnswerKey(row, NEW, place) for place in range(1, rounds + 1)]
            if any(self.stored[key].holds_never for key in keys):
                found.append(row)
        return found

    def _need(self, places: Iterable[AnswerKey]) -> None:
        """Count the runs of these places. Raises _Needed unless all have ended."""
        wanted = list(places)
        missing = [place for place in wanted if place not in self.stored]
        if missing:
            raise _Needed(missing)
        self.left -= sum(self.stored[place].runs for place in wanted)

    def _answers(self, row: int, side: int, places: Iterable[int]) -> list[SideVerdict]:
        return [self.stored[AnswerKey(row, side, place)].answer for place in places]

    def _pair(self, row: int, place: int) -> list[SideVerdict]:
        return [self.stored[AnswerKey(row, side, place)].answer for side in SIDES]

    # NEW as a whole.

    def _look(self, rounds: int) -> Look:
        """Ask the last round, and look at all."""
        places = range(1, rounds + 1)
        self._need(_keys(self.gate.rows, [rounds], SIDES))
        passes = []
        for row in self.gate.rows:
            for pair in self._complete_pairs(row, places):
                passes.append([each is SideVerdict.GOOD for each in pair])
        broken = passes.count([True, False])
        fixed = passes.count([False, True])
        colors = [_color_of_chance(chance(broken, fixed), self.level)]
        interval = None
        differences: list[float] = []
        if self.gate.scored:
            differences = self._differences(places)
            interval = Interval.of(differences, self.level)
            colors.append(_color_of_scores(interval, differences))
        color = next(each for each in Color if each in colors)
        lower = self.gate.lower_is_better
        return Look(rounds, broken, fixed, interval, color, differences, lower)

    def _differences(self, places: Iterable[int]) -> list[float]:
        """Return how much better NEW's score is, of each pair of these rounds that has both.

        If nothing has changed, the answers of a pair can change places: each of these is as likely
        above zero as below, and independent of the others.
        """
        found = []
        for place in places:
            for row in self.gate.rows:
                base, new = (self.stored[AnswerKey(row, side, place)].score for side in SIDES)
                if base is None or new is None:
                    continue
                if self.gate.lower_is_better:
                    base, new = new, base
                found.append(difference(base, new))
        return found

    # Single rows.

    def _suspect(self, found: dict[int, SuspectState]) -> None:
        """Re-run the rows that seem broken, until one is, or chance explains them all."""
        suspects = [row for row in self.gate.rows if self._seems_broken(row)]
        found.update(dict.fromkeys(suspects, SuspectState.UNCONFIRMED))
        screened = suspects[: max(0, (self.left - BLOCK) // SCREENED)]
        self._need(_keys(screened, SCREEN, [NEW]))
        passes = {row: self._answers(row, NEW, SCREEN).count(SideVerdict.GOOD) for row in screened}
        serious = []
        for row in sorted(screened, key=passes.__getitem__):
            if passes[row] >= ENOUGH_TO_CLEAR:
                found[row] = SuspectState.VARIES
            else:
                serious.append(row)
        lead = needed_lead(len(serious))
        while serious and self.left >= BLOCK:
            size = self.left // BLOCK
            explained = self._confirm(serious[:size], lead, found)
            if not explained:
                return
            serious = serious[size:]

    def _seems_broken(self, row: int) -> bool:
        base, new = self._pair(row, 1)
        if base is SideVerdict.GOOD:
            return new in (SideVerdict.BAD, SideVerdict.FAILED)
        return base is SideVerdict.FAILED and new is SideVerdict.BAD

    def _confirm(self, block: Sequence[int], lead: int, found: dict[int, SuspectState]) -> bool:
        """Ask both sides for as long as a row of the block can reach the lead.

        Where too few pairs have both answers, nothing could have been seen: it is not confirmed.
        Return whether chance explains all rows of the block.
        """
        for asked in range(SCREENED, CONFIRMED + 1, SCREENED):
            places = SUSPECTS[:asked]
            more = SUSPECTS[asked - SCREENED : asked]
            self._need(_keys(block, more, SIDES))
            rest = CONFIRMED - asked
            still = []
            for row in block:
                pairs = self._complete_pairs(row, places)
                if _lead_of(pairs) + rest >= lead or len(pairs) + rest < lead:
                    still.append(row)
                elif SideVerdict.GOOD in self._answers(row, BASE, (1, *places)):
                    found[row] = SuspectState.VARIES
                else:
                    found[row] = SuspectState.NO_BASE
            block = still
        for row in block:
            if _lead_of(self._complete_pairs(row, SUSPECTS)) >= lead:
                found[row] = SuspectState.BROKEN
        return not block

    def _complete_pairs(self, row: int, places: Iterable[int]) -> list[list[SideVerdict]]:
        pairs = [self._pair(row, place) for place in places]
        return [pair for pair in pairs if SideVerdict.NONE not in pair]


def _keys(rows: Iterable[int], places: Sequence[int], sides: Sequence[int]) -> Iterator[AnswerKey]:
    """Yield where the answers of sides to rows are, in the order in which they are asked."""
    for row in rows:
        for place in places:
            for side in sides:
                yield AnswerKey(row, side, place)


def _lead_of(pairs: Sequence[Sequence[SideVerdict]]) -> int:
    """Return how many more of these answers pass in BASE than in NEW."""
    base = [pair[BASE] for pair in pairs].count(SideVerdict.GOOD)
    new = [pair[NEW] for pair in pairs].count(SideVerdict.GOOD)
    return base - new


def _color_of_chance(share: float, level: float) -> Color:
    if share <= level:
        return Color.RED
    return Color.GRAY if share <= GRAY else Color.GREEN


def _color_of_scores(interval: Interval | None, differences: Sequence[float]) -> Color:
    """Return what scores show; so few that there is no interval are never red."""
    if interval is None:
        return Color.GRAY if fsum(differences) < 0 else Color.GREEN
    if interval.high < 0:
        return Color.RED
    return Color.GRAY if interval.mean + GRAY_SCORE * interval.error < 0 else Color.GREEN
