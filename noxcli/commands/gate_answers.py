"""The rows of a gate, and its answers: judged by this call's checks, with the runs that were started for each."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from noxcli.batchdir.header import PLACES, SIDES
from noxcli.batchdir.journal_state import STARTED, JournalState
from noxcli.checks.batch_summary import BatchSummary
from noxcli.compare.gate_rules import (
    BASE,
    NEW,
    ROUNDS,
    SCREEN,
    SUSPECTS,
    AnswerKey,
    GateRules,
    GateVerdict,
    StoredAnswer,
    SuspectState,
)
from noxcli.errors import UsageProblem
from noxcli.inputs.parse import Inputs
from noxcli.render import Facts
from noxcli.reports.row_pair import Confirmed, RowClass, SideVerdict, answer_of
from noxcli.rows.columns import Row
from noxcli.rows.reader import RowReader

PER_ROW = len(SIDES) * PLACES
NEW_INPUT = "--new-input"
TRIES = 2  # in one call, for an answer that has no result
CHANGES = {
    SuspectState.BROKEN: RowClass.BROKEN,
    SuspectState.UNCONFIRMED: RowClass.BROKEN,
    SuspectState.VARIES: RowClass.VARIES,
    SuspectState.NO_BASE: None,
}
AGAIN = (SUSPECTS, (*SCREEN, *SUSPECTS))  # the places in which a suspect was re-run, by side


class GateRows(RowReader):
    """A table whose rows NEW gets with other inputs; `own` are those that replace what the row or the line says."""

    own = Inputs()

    def require_apart(self) -> None:
        """Raise UsageProblem if a column has an input of NEW's own, once all rows were read."""
        for name in self.own.values:
            if name in map(self._columns.named, self.names):
                raise UsageProblem(f"{NEW_INPUT} names {name!r}, which is a column of {self.source}", "remove one")

    def _repeated(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            sides = (row, replace(row, inputs=_overridden(row.inputs, self.own), side=1))
            for place in range(1, PLACES + 1):
                for side, of_side in enumerate(sides):
                    number = number_of(row.number, side, place)
                    own_id = None if row.id is None else f"{row.id}#{number - (row.number - 1) * PER_ROW}"
                    yield replace(of_side, number=number, id=own_id, of=row.number)


@dataclass(slots=True, eq=False, repr=False)
class GateAnswers(BatchSummary):
    """The answers by their numbers in the journal."""

    rules: GateRules = field(default_factory=lambda: GateRules((), 0))
    runs: Counter[int] = field(default_factory=Counter)  # also of earlier calls
    _tries: Counter[int] = field(default_factory=Counter)  # in this call
    _kinds: dict[int, SideVerdict] = field(default_factory=dict)
    _scores: dict[int, float | None] = field(default_factory=dict)
    _checked: set[int] = field(default_factory=set)  # rows that a check is about
    _followed: set[int] = field(default_factory=set)  # whose runs an earlier call has started

    def remember(self, journaled: JournalState) -> None:
        """Count the runs of earlier calls."""
        self.runs.update(journaled.starts)
        self._followed = {number for number in journaled.pending if journaled.state(number) == STARTED}

    def count(
        self,
        line: Mapping[str, Any],
        paste: Callable[[str], str] = str,
        *,
        before: bool = False,
        interrupted: bool = False,
    ) -> None:
        BatchSummary.count(self, line, paste, before=before, interrupted=interrupted)
        number = number_of(line["row"], SIDES.index(line["side"]), line["place"])
        self._scores[number] = line.get("score")
        self._kinds[number] = answer_of(line)
        if line["result"].get("assertions"):
            self._checked.add(line["row"])
        if not before:
            self._tries[number] += 1
            self.runs[number] += not line["result"]["retry_safe"] and number not in self._followed
            self._followed.discard(number)

    def how_far(self, running: int, doubtful: int, note: str, seconds: float) -> Facts:
        share, text, pace = BatchSummary.how_far(self, running, doubtful, note, seconds)
        text = text.replace(" row", " run").replace("completed", "passed")
        return share, text, pace.replace("rows/", "runs/")

    def decide(self) -> GateVerdict | Sequence[AnswerKey]:
        """Return the verdict, or the answers to get next: a retry where there is no result."""
        spent = self.runs.total() >= self.rules.max_runs
        return self.rules.decide(
            {
                answer_key(number): StoredAnswer(kind, self._scores.get(number), self.runs[number])
                for number, kind in self._kinds.items()
                if kind is not SideVerdict.NONE or spent or self._tries[number] >= TRIES
            }
        )

    def classing(self, row: int, side: int) -> int:
        """Return the number of the answer that classes a row: that of its first round that has a result."""
        rounds = [number_of(row, side, place) for place in ROUNDS]
        return next((number for number in rounds if self._kind(number) is not SideVerdict.NONE), rounds[0])

    def confirmed(self, verdict: GateVerdict) -> dict[int, Confirmed]:
        """Return what was found of the rows that seemed broken, by their numbers; a row that broke later varies."""
        found = {row: self._confirmed(row, state) for row, state in verdict.suspects.items()}
        if len(verdict.looks) == 1 and verdict.is_worse:
            return found
        for row in self.rules.rows:
            base, new = (self._kind(self.classing(row, side)) for side in (BASE, NEW))
            if row not in found and base is SideVerdict.GOOD and new in (SideVerdict.BAD, SideVerdict.FAILED):
                found[row] = self._confirmed(row, SuspectState.VARIES)
        return found

    @property
    def rows_with_a_check(self) -> int:
        """The number of rows that can fail, all of them with --score alone."""
        return len(self._checked) or len(self.rules.rows)

    def pass_rate(self) -> float:
        """Return the share of all answers of rounds that pass."""
        rounds = [kind for number, kind in self._kinds.items() if answer_key(number).place in ROUNDS]
        known = [kind is SideVerdict.GOOD for kind in rounds if kind is not SideVerdict.NONE]
        return sum(known) / len(known) if known else 0.0

    def _kind(self, number: int) -> SideVerdict:
        return self._kinds.get(number, SideVerdict.NONE)

    def _confirmed(self, row: int, state: SuspectState) -> Confirmed:
        kinds = [[self._kind(number_of(row, side, place)) for place in AGAIN[side]] for side in (BASE, NEW)]
        known = [[kind for kind in each if kind is not SideVerdict.NONE] for each in kinds]
        base, new = ((each.count(SideVerdict.GOOD), len(each)) for each in known)
        return Confirmed(str(state), CHANGES[state], base, new)


def answer_key(number: int) -> AnswerKey:
    """Return which answer has a number in the journal."""
    row, at = divmod(number - 1, PER_ROW)
    side, place = divmod(at, PLACES)
    return AnswerKey(row + 1, side, place + 1)


def number_of(row: int, side: int, place: int) -> int:
    """Return the number of an answer in the journal."""
    return ((row - 1) * len(SIDES) + side) * PLACES + place


def _overridden(inputs: Inputs, own: Inputs) -> Inputs:
    """Return the inputs with NEW's own in their place."""
    values = {**inputs.values, **own.values}
    return Inputs(values, (inputs.texts - own.values.keys()) | own.texts, inputs.secret - own.values.keys())
