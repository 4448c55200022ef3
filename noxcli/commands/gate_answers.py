"""The rows of a gate, and its answers: judged by this call's checks, with the runs that were started for each."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from noxcli.batchdir.header import PLACES, SIDES
from noxcli.batchdir.journal_state import JournalState
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
from noxcli.errors import ExitCode, UsageProblem
from noxcli.inputs.parse import Inputs
from noxcli.render import Facts
from noxcli.reports.row_pair import Confirmed, RowClass, SideVerdict, answer_of
from noxcli.rows.columns import Row
from noxcli.rows.reader import RowReader

PER_ROW = len(SIDES) * PLACES
NEW_INPUT = "--new-input"
TRIES = 2  # in one call, for an answer that has no result
CLASSES = {
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

    def repeated(self, rows: Iterable[Row] | None = None) -> Iterator[Row]:
        for row in self.rows() if rows is None else rows:
            sides = (row, replace(row, inputs=with_own(row.inputs, self.own), side=NEW))
            for place in range(1, PLACES + 1):
                for side, of_side in enumerate(sides):
                    number = number_of(AnswerKey(row.number, side, place))
                    own_id = None if row.id is None else f"{row.id}#{number - (row.number - 1) * PER_ROW}"
                    yield replace(of_side, number=number, id=own_id, of=row.number)


@dataclass(slots=True, eq=False, repr=False)
class GateAnswers(BatchSummary):
    """The answers by their places."""

    rules: GateRules = field(default_factory=lambda: GateRules((), 0))
    runs: Counter[AnswerKey] = field(default_factory=Counter)  # also of earlier calls
    unknown_starts: list[str] = field(default_factory=list)  # starts whose outcome is not known, with their candidates
    _stored: dict[AnswerKey, StoredAnswer] = field(default_factory=dict)
    _tries: Counter[AnswerKey] = field(default_factory=Counter)  # in this call
    _checked: set[int] = field(default_factory=set)  # rows that a check is about
    _followed: set[AnswerKey] = field(default_factory=set)  # that an earlier call has started

    def remember(self, journaled: JournalState) -> None:
        """Count the runs of earlier calls; what they have retried already is asked once in this call."""
        self.runs.update({answer_key(number): count for number, count in journaled.starts.items()})
        self._tries.update(key for key, count in self.runs.items() if count > 1)
        self._followed = {*map(answer_key, journaled.pending)}

    def count(
        self,
        line: Mapping[str, Any],
        paste: Callable[[str], str] = str,
        *,
        before: bool = False,
        interrupted: bool = False,
    ) -> None:
        BatchSummary.count(self, line, paste, before=before, interrupted=interrupted)
        key = AnswerKey(line["row"], SIDES.index(line["side"]), line["place"])
        if line["result"].get("assertions"):
            self._checked.add(key.row)
        if line["result"]["exit_code"] == ExitCode.START_UNKNOWN:
            found, _, _ = line["result"]["error"]["hint"].partition("; ")  # what follows is about batches
            start = f"a start of row {key.row} in {line['side'].upper()}"
            self.unknown_starts.append(f"{start} has no known outcome, and is retried: {found}")
        if not before:
            self._tries[key] += 1
            self.runs[key] += not line["result"]["retry_safe"] and key not in self._followed
            self._followed.discard(key)
        self._stored[key] = StoredAnswer(answer_of(line), line.get("score"), self.runs[key])

    def how_far(self, running: int, doubtful: int, note: str, seconds: float) -> Facts:
        share, text, pace = BatchSummary.how_far(self, running, doubtful, note, seconds)
        text = text.replace(" row", " run").replace("completed", "passed")
        return share, text, pace.replace("rows/", "runs/")

    def decide(self) -> GateVerdict | Sequence[AnswerKey]:
        """Return the verdict, or the answers to get next: a retry where there is no result."""
        spent = self.runs.total() >= self.rules.max_runs
        return self.rules.decide(
            {
                key: each
                for key, each in self._stored.items()
                if each.answer is not SideVerdict.NONE or spent or self._tries[key] >= TRIES
            }
        )

    def classing(self, row: int, side: int) -> AnswerKey:
        """Return which answer classes a row: that of its first round that has a result."""
        rounds = [AnswerKey(row, side, place) for place in ROUNDS]
        return next((key for key in rounds if self._answer(key) is not SideVerdict.NONE), rounds[0])

    def confirmed(self, verdict: GateVerdict) -> dict[int, Confirmed]:
        """Return what was found of the rows that seemed broken; a row that broke later varies."""
        found = dict(verdict.suspects)
        if len(verdict.looks) > 1 or not verdict.is_worse:
            for row in self.rules.rows:
                base, new = (self._answer(self.classing(row, side)) for side in (BASE, NEW))
                if base is SideVerdict.GOOD and new in (SideVerdict.BAD, SideVerdict.FAILED):
                    found.setdefault(row, SuspectState.VARIES)
        return {row: self._confirmed(row, state) for row, state in found.items()}

    @property
    def rows_with_a_check(self) -> int:
        """The number of rows that can fail, all of them with --score alone."""
        return len(self._checked) or len(self.rules.rows)

    def pass_rate(self) -> float:
        """Return the share of all answers of rounds that pass."""
        known = [
            each.answer is SideVerdict.GOOD
            for key, each in self._stored.items()
            if key.place in ROUNDS and each.answer is not SideVerdict.NONE
        ]
        return sum(known) / len(known) if known else 0.0

    def _answer(self, key: AnswerKey) -> SideVerdict:
        return self._stored[key].answer if key in self._stored else SideVerdict.NONE

    def _confirmed(self, row: int, state: SuspectState) -> Confirmed:
        again = [[self._answer(AnswerKey(row, side, place)) for place in AGAIN[side]] for side in (BASE, NEW)]
        base, new = ((each.count(SideVerdict.GOOD), len(each) - each.count(SideVerdict.NONE)) for each in again)
        return Confirmed(str(state), CLASSES[state], base, new)


def answer_key(number: int) -> AnswerKey:
    """Return which answer has a number in the journal."""
    row, at = divmod(number - 1, PER_ROW)
    side, place = divmod(at, PLACES)
    return AnswerKey(row + 1, side, place + 1)


def number_of(key: AnswerKey) -> int:
    """Return the number of an answer in the journal."""
    return ((key.row - 1) * len(SIDES) + key.side) * PLACES + key.place


def with_own(inputs: Inputs, own: Inputs) -> Inputs:
    """Return the inputs with NEW's own in their place."""
    values = {**inputs.values, **own.values}
    return Inputs(values, (inputs.texts - own.values.keys()) | own.texts, inputs.secret - own.values.keys())
