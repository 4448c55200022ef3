"""The answers of a gate: judged by this call's checks, with the runs that were started for each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from noxcli.batchdir.header import SIDES as NAMES
from noxcli.batchdir.journal_state import JournalState
from noxcli.checks.batch_summary import STUCK_AFTER, BatchSummary
from noxcli.checks.row_checker import (
    RowChecker,
    is_of_other_version,
    of_version,
    version_in,
    with_judgement,
)
from noxcli.checks.row_class import RowClass, SideVerdict, answer_of
from noxcli.errors import COMPLETED, ExitCode, OutputNotDelivered
from noxcli.gate.judge import Judge
from noxcli.gate.rules import (
    BASE,
    JUDGES,
    NEW,
    RERUNS,
    ROUNDS,
    SIDES,
    AnswerKey,
    GateRules,
    GateVerdict,
    StoredAnswer,
    SuspectState,
)
from noxcli.masking import Mask
from noxcli.models import word_for
from noxcli.render import Facts
from noxcli.render.text import amount
from noxcli.reports.failure_groups import run_in
from noxcli.reports.row_pair import Confirmed
from noxcli.rows.columns import Row
from noxcli.runs.resolve import SHOWN_CANDIDATES

TRIES = 2  # in one call, for an answer that has no result
TRIES_OF_SUSPECT = 4
# How a run ends for which the call that started it was killed, or which that call stopped.
LEFT_BY_KILLS = frozenset({ExitCode.START_UNKNOWN, ExitCode.RUN_STOPPED})
FETCHES = 2  # in one call, of an output that could not be fetched or written
MAX_OTHER = 5  # answers of a side that are of another version, before one that is of its own
CLASSES = {
    SuspectState.VARIES: RowClass.VARIES,
    SuspectState.NO_BASE: None,
}  # other suspects are broken


@dataclass(slots=True, eq=False, repr=False)
class GateAnswers(BatchSummary):
    """The answers by their places."""

    UNIT = "run"
    BAD = "not passed"
    rules: GateRules = field(default_factory=lambda: GateRules((), 0))
    checker: RowChecker = field(default_factory=lambda: RowChecker((), None, Mask()))
    forbidden: dict[AnswerKey, str] = field(default_factory=dict)  # by --never, and how
    judge: Judge | None = None
    judgements: BatchSummary = field(default_factory=BatchSummary)
    runs: Counter[AnswerKey] = field(default_factory=Counter)  # also of earlier calls
    # Starts whose outcome is not known, with their candidates.
    unknown_starts: list[str] = field(default_factory=list)
    versions: Sequence[str | None] = (None, None)  # of both sides, and twice of the judge
    # That records of a side's runs name, in place of its own.
    other_versions: dict[int, list[str]] = field(
        default_factory=lambda: {side: [] for side in (*SIDES, *JUDGES)}
    )
    # Why the output of a completed run could not be fetched or written.
    undelivered: dict[AnswerKey, str] = field(default_factory=dict)
    _agreed: set[int] = field(default_factory=set)  # sides with a record that names their version
    _stored: dict[AnswerKey, StoredAnswer] = field(default_factory=dict)
    # With a judge: the lines of completed answers that are not judged.
    _unjudged: dict[AnswerKey, Mapping[str, Any]] = field(default_factory=dict)
    _tries: Counter[AnswerKey] = field(default_factory=Counter)  # in this call
    _checked: set[int] = field(default_factory=set)  # rows that a check is about
    _fetches: Counter[AnswerKey] = field(default_factory=Counter)  # that failed, in this call
    # The runs that an earlier call has started and not seen ending; None without a known id.
    _followed: dict[AnswerKey, str | None] = field(default_factory=dict)

    def remember(self, journaled: JournalState) -> None:
        """Count the runs of earlier calls.

        What they have retried already is asked once in this call.
        """
        self.runs.update(
            {AnswerKey.of(number): count for number, count in journaled.starts.items()}
        )
        self._tries.update(key for key, count in self.runs.items() if count > 1)
        self.has_started = bool(self.runs.total())
        for number, sent in journaled.pending.items():
            self._followed[AnswerKey.of(number)] = sent.run_id

    def forget(self) -> None:
        """Count no run of earlier calls: the gate starts over."""
        self.runs.clear()
        self._tries.clear()
        self._followed.clear()
        self.undelivered.clear()
        self.has_started = False

    def count(
        self,
        line: Mapping[str, Any],
        *,
        before: bool = False,
        **more: Any,
    ) -> None:
        key = AnswerKey(line["row"], NAMES.index(line["side"]), line["place"])
        is_of_other = self._note_version(line, key.side)
        line = of_version(line, self.versions[key.side])
        if key.is_judgement:
            self._count_judgement(key, line, before=before, **more)
        else:
            BatchSummary.count(self, line, before=before, **more)
        if line["result"]["exit_code"] == ExitCode.START_UNKNOWN:
            found = _candidates_in(line["result"]["error"])
            start = f"a start of row {key.row} in {name_of_side(key.side)}"
            self.unknown_starts.append(f"{start} has no known outcome, and is retried: {found}")
        if not before:
            is_of_earlier_call = key in self._followed
            is_cut = line["result"]["exit_code"] in LEFT_BY_KILLS
            if not (is_of_earlier_call and is_cut):  # what a kill has cut is no try
                self._tries[key] += 1
            if self._is_new_run(key, line):
                self.runs[key] += 1
            self._followed.pop(key, None)
        if is_of_other:
            self._tries[key] = TRIES_OF_SUSPECT  # another run would be of that version as well
        self.undelivered.pop(key, None)
        if line["result"]["exit_code"] == ExitCode.UNDELIVERED:
            self.undelivered[key] = line["result"]["error"]["message"]
            self._followed[key] = line["result"]["run"]["id"]
            self._fetches[key] += 1
        if key.is_judgement:
            self._take_judgement(key, line)
            return
        self._note_forbidden(key, line)
        if self.judge is not None and line["result"]["exit_code"] == ExitCode.OK:
            self._unjudged[key] = line
            self._stored.pop(key, None)  # an earlier run of it, without a result
        else:
            self._store(key, line)

    def _note_forbidden(self, key: AnswerKey, line: Mapping[str, Any]) -> None:
        """Note what --never forbids in a completed answer."""
        self.forbidden.pop(key, None)
        if line["result"]["exit_code"] in COMPLETED and key.place in ROUNDS:
            why = self.checker.forbidden_in(line)
            if why is not None:
                self.forbidden[key] = why

    def _store(self, key: AnswerKey, line: Mapping[str, Any]) -> None:
        self._stored[key] = StoredAnswer(
            answer_of(line), line.get("score"), self.runs[key], holds_never=key in self.forbidden
        )
        if key.row not in self._checked and self.checker.can_fail(line):
            self._checked.add(key.row)

    def _count_judgement(
        self, key: AnswerKey, line: Mapping[str, Any], *more: Any, **how: Any
    ) -> None:
        """Count a judgement apart, and start no more if the first ones all failed the same way."""
        self.judgements.count({**line, "row": key.number}, *more, **how)
        if self.judgements.stuck is not None:
            self.why_end = (
                f"the first {STUCK_AFTER} judgements failed the same way: {self.judgements.stuck}"
            )

    def _take_judgement(self, key: AnswerKey, judgement: Mapping[str, Any]) -> None:
        """Judge the answer by its judgement, if that has a result."""
        line = self._unjudged.get(key.answer)
        if line is None or judgement["result"]["exit_code"] != ExitCode.OK:
            return
        del self._unjudged[key.answer]
        self._store(key.answer, self.checker.judged(with_judgement(line, judgement)))

    def note_begun(self, row: Row) -> None:
        if row.side in JUDGES:
            self.judgements.note_begun(replace(row, of=row.number))
        else:
            BatchSummary.note_begun(self, row)

    @property
    def codes_so_far(self) -> Counter[int]:
        """The number of answers and judgements with each code, also of earlier calls."""
        return self.before + self.codes + self.judgements.codes_so_far

    def how_far(self, running: int, doubtful: int, note: str, seconds: float) -> Facts:
        """Return how far the gate is, with the number of judgements."""
        if self.judge is not None:
            judged = amount(self.judgements.done, "judgement")
            note = f"{judged}, {note}" if note else judged
        return BatchSummary.how_far(self, running, doubtful, note, seconds)

    @property
    def all_ended(self) -> Counter[int]:
        """The number of runs of this call with each code, of answers and judgements."""
        return self.codes + self.judgements.codes

    @property
    def answers_started(self) -> int:
        """The number of runs for answers, also of earlier calls."""
        return sum(count for key, count in self.runs.items() if not key.is_judgement)

    @property
    def judgements_started(self) -> int:
        """The number of runs of the judge, also of earlier calls."""
        return self.runs.total() - self.answers_started

    def _is_new_run(self, key: AnswerKey, line: Mapping[str, Any]) -> bool:
        """Return whether this call has started the run; one that was stopped is started again."""
        if line["result"]["retry_safe"]:
            return False
        if key not in self._followed:
            return True
        run = run_in(line["result"])
        return run.get("id") != self._followed[key]

    def _note_version(self, line: Mapping[str, Any], side: int) -> bool:
        """Note which version a record names; return whether that is another one than its side's."""
        named = version_in(line)
        is_of_other = is_of_other_version(line, self.versions[side])
        if is_of_other and named is not None:
            self.other_versions[side].append(named)
        elif named is not None:
            self._agreed.add(side)
        self.why_end = self.why_end or self.other_version()
        return is_of_other

    def other_version(self) -> str | None:
        """Return which side's runs are of another version, if that is sure; None if it is not."""
        for side, others in self.other_versions.items():
            if len(others) >= MAX_OTHER and side not in self._agreed:
                what = f"{len(others)} runs of {name_of_side(side)} are of another version"
                return f"{what}: their records name {others[-1]}, not {self.versions[side]}"
        return None

    def decide(self) -> GateVerdict | Sequence[AnswerKey]:
        """Return the verdict, or the answers to get next: a retry where there is no result.

        What --max-runs leaves no run for has no result.
        """
        ended = self._ended()
        while True:
            found = self.rules.decide(ended)
            if isinstance(found, GateVerdict):
                return found
            judgements = [key.judgement for key in found if key in self._unjudged]
            allowed = self._allowed(judgements, self.judgements_started)
            if not allowed:
                answers = [key for key in found if key not in self._unjudged]
                allowed = self._allowed(answers, self.answers_started)
            if allowed:
                return allowed
            for key in found:
                ended[key] = self._none(key)

    def _ended(self) -> dict[AnswerKey, StoredAnswer]:
        """Return the answers that have a result, or are not re-run in this call."""
        ended = {}
        for key, each in self._stored.items():
            if each.answer is not SideVerdict.NONE or self._is_given_up(key):
                ended[key] = each
        for key in self._unjudged:
            if self._is_given_up(key.judgement):
                ended[key] = self._none(key)
        return ended

    def _none(self, key: AnswerKey) -> StoredAnswer:
        """Return an answer without a result, of which --never may still hold."""
        runs = self.runs[key]
        return StoredAnswer(SideVerdict.NONE, runs=runs, holds_never=key in self.forbidden)

    def _is_given_up(self, key: AnswerKey) -> bool:
        """Return whether an answer or judgement without a result is not re-run in this call."""
        if key in self.undelivered:
            return False
        most = TRIES_OF_SUSPECT if key.place in RERUNS else TRIES
        return self._tries[key] >= most

    def _allowed(self, wanted: Sequence[AnswerKey], started: int) -> list[AnswerKey]:
        """Return those that --max-runs has a run for, or that have one."""
        left = self.rules.max_runs - started
        allowed = []
        for key in wanted:
            if key in self._followed:
                allowed.append(key)
            elif left > 0:
                allowed.append(key)
                left -= 1
        return allowed

    @property
    def judgement_at(self) -> int | None:
        """How far the number of a judgement is above that of its answer; None without a judge."""
        return None if self.judge is None else AnswerKey(1, JUDGES.start, 1).number - 1

    def line_to_judge(self, judgement: AnswerKey) -> Mapping[str, Any] | None:
        """Return the line of the answer that is to be judged, None if there is none."""
        return self._unjudged.get(judgement.answer)

    def may_judge(self, answer: AnswerKey) -> bool:
        """Return whether an answer that has arrived is judged now."""
        return answer in self._unjudged and self.judgements_started < self.rules.max_runs

    def require_delivered(self) -> None:
        """Raise OutputNotDelivered for an output that was fetched twice, and is not here."""
        for key, why in self.undelivered.items():
            if self._fetches[key] >= FETCHES:
                what = "judgement" if key.is_judgement else "answer"
                raise OutputNotDelivered(
                    f"the {what} of row {key.row} in {name_of_side(key.side)} is not here: {why}"
                )

    def counting(self, row: int, side: int, verdict: GateVerdict) -> list[AnswerKey]:
        """Return a row's answers of rounds that have a result, or one that has none.

        The first one classes the row.
        """
        rounds = [AnswerKey(row, side, place) for place in ROUNDS[: len(verdict.looks)]]
        return [key for key in rounds if self._answer(key) is not SideVerdict.NONE] or rounds[:1]

    def confirmed(self, verdict: GateVerdict) -> dict[int, Confirmed]:
        """Return what was found of the rows that seemed broken; a row that broke later varies."""
        found = {}
        for row in self.rules.rows:
            base, new = self._first_answers(row, verdict)
            if base is SideVerdict.GOOD and new in (SideVerdict.BAD, SideVerdict.FAILED):
                found[row] = self._confirmed(row, *self._explained(verdict))
        for row, state in verdict.suspects.items():
            change = CLASSES.get(state, RowClass.BROKEN)
            found[row] = self._confirmed(row, str(state), change)
        for row in verdict.forbidden:
            found[row] = self._confirmed(row, self._why_forbidden(row), RowClass.BROKEN)
        return found

    def _explained(self, verdict: GateVerdict) -> tuple[str, RowClass]:
        """Return what a row is that broke in a round, and was not re-run."""
        if len(verdict.looks) == 1 and (verdict.is_worse or verdict.forbidden):
            return str(RowClass.UNCLEAR), RowClass.UNCLEAR
        return str(SuspectState.VARIES), RowClass.VARIES

    def _why_forbidden(self, row: int) -> str:
        found = [self.forbidden.get(AnswerKey(row, side, 1)) for side in (NEW, BASE)]
        for place in ROUNDS:
            found.append(self.forbidden.get(AnswerKey(row, NEW, place)))
        return next(each for each in found if each is not None)

    def _first_answers(self, row: int, verdict: GateVerdict) -> list[SideVerdict]:
        """Return the answers of both sides that class a row."""
        return [self._answer(self.counting(row, side, verdict)[0]) for side in SIDES]

    def rows_on_neither(self, verdict: GateVerdict) -> int:
        """Return how many rows have an answer on both sides, and none that passes."""
        passing = {key.row for key, each in self._stored.items() if each.answer is SideVerdict.GOOD}
        return len([row for row in self.rows_answered(verdict) if row not in passing])

    def _is_answered(self, row: int, verdict: GateVerdict) -> bool:
        """True if a row has an answer on both sides."""
        return SideVerdict.NONE not in self._first_answers(row, verdict)

    def lost(self, side: int) -> int:
        """Return how many runs of a side ended without a result."""
        count = 0
        for key, runs in self.runs.items():
            if key.side != side:
                continue
            count += runs
            if self._has_result(key):
                count -= 1
        return max(0, count)

    def _has_result(self, key: AnswerKey) -> bool:
        if key.is_judgement:
            return self._answer(key.answer) is not SideVerdict.NONE
        return key in self._unjudged or self._answer(key) is not SideVerdict.NONE

    @property
    def has_checks(self) -> bool:
        """True if rows can pass or fail, and not only get a score."""
        return self.checker.has_assertions or bool(self._checked)

    def rows_answered(self, verdict: GateVerdict) -> list[int]:
        """Return the rows that have an answer on both sides."""
        return [row for row in self.rules.rows if self._is_answered(row, verdict)]

    def rows_judged(self, verdict: GateVerdict) -> list[int]:
        """Return those of them that can fail; with --score alone all can."""
        answered = self.rows_answered(verdict)
        if not self.has_checks:
            return answered
        return [row for row in answered if row in self._checked]

    def pass_rate(self, verdict: GateVerdict) -> float:
        """Return the share of all answers of rounds that pass."""
        rounds = ROUNDS[: len(verdict.looks)]
        found = [each.answer for key, each in self._stored.items() if key.place in rounds]
        return found.count(SideVerdict.GOOD) / max(1, len(found) - found.count(SideVerdict.NONE))

    def _answer(self, key: AnswerKey) -> SideVerdict:
        return self._stored[key].answer if key in self._stored else SideVerdict.NONE

    def _confirmed(self, row: int, found: str, change: RowClass | None) -> Confirmed:
        base = self._passes_again(row, BASE)
        new = self._passes_again(row, NEW)
        numbers = (self._numbers_of(row, BASE), self._numbers_of(row, NEW))
        return Confirmed(found, change, base, new, numbers)

    def _numbers_of(self, row: int, side: int) -> list[int]:
        """Return the numbers of the answers to a suspect that are stored."""
        keys = [AnswerKey(row, side, place) for place in RERUNS]
        return [key.number for key in keys if key in self._stored]

    def _passes_again(self, row: int, side: int) -> tuple[int, int]:
        """Return how many answers of a suspect's re-runs pass, and how many there are."""
        answers = [self._answer(AnswerKey(row, side, place)) for place in RERUNS]
        return answers.count(SideVerdict.GOOD), len(answers) - answers.count(SideVerdict.NONE)


def name_of_side(side: int) -> str:
    """Return the name of a side in messages."""
    if side in JUDGES:
        return f"the judge of {NAMES[side - JUDGES.start].upper()}"
    return NAMES[side].upper()


def _candidates_in(error: Mapping[str, Any]) -> str:
    """Return which runs may be those of a start whose outcome is not known."""
    candidates = error["candidates"]
    if not candidates:
        return "no run with its input is listed"
    named = [f"{each['id']} ({word_for(each['status'])})" for each in candidates[:SHOWN_CANDIDATES]]
    more = len(candidates) - len(named)
    others = f" and {more} more" if more else ""
    return f"runs with the same input: {', '.join(named)}{others}"
