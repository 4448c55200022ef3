"""Who passes, and the class of a row that two sides answered.

These are the rules of `compare` and of `gate`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain
from statistics import median
from typing import NamedTuple

from noxcli.errors import ExitCode
from noxcli.reports.failure_groups import ResultLine, brief_reason_in, run_in
from noxcli.reports.row_pair import Confirmed, RowPair, encoded_outputs

# A slower row takes this many times as long, and this many seconds longer.
SLOWER_BY = 1.25
SLOWER_SECONDS = 1.0


class RowClass(StrEnum):
    """The class of a row, in the order in which rows are listed."""

    BROKEN = "broken"
    UNCLEAR = "unclear"  # of a gate: it broke, but was not re-run
    CHANGED = "changed"
    SLOWER = "slower"
    FIXED = "fixed"
    NEW = "new"
    REMOVED = "removed"
    MISSING = "missing"
    FAILS = "fails"  # of one version alone
    VARIES = "varies"
    SAME = "same"


class SideVerdict(StrEnum):
    """What one side says of a row."""

    GOOD = "good"
    BAD = "bad"
    FAILED = "failed"  # its run failed: in NEW, that is bad
    NONE = "none"  # nothing was seen that can be judged
    ABSENT = "absent"  # its table does not have the row


ANSWERS: Mapping[int, SideVerdict] = {
    ExitCode.OK: SideVerdict.GOOD,
    ExitCode.NOT_AS_ASSERTED: SideVerdict.BAD,
    ExitCode.RUN_FAILED: SideVerdict.FAILED,
}


@dataclass(frozen=True, slots=True)
class PassRule:
    """How often each row is run, and how many of these repetitions must pass."""

    repeat: int = 1
    needed: int = 1
    of_gate: bool = False  # which needs an answer on both sides
    of_one_version: bool = False  # both sides are the same answers

    def answer(self, codes: Sequence[int]) -> SideVerdict:
        """Return what the codes of a row's lines say.

        They say nothing while those without an answer could still decide.
        """
        if ExitCode.NOT_FINISHED in codes:
            return SideVerdict.NONE
        found = [ANSWERS.get(code, SideVerdict.NONE) for code in codes]
        good = found.count(SideVerdict.GOOD)
        if good >= self.needed:
            return SideVerdict.GOOD
        if good + found.count(SideVerdict.NONE) >= self.needed:
            return SideVerdict.NONE
        if SideVerdict.BAD in found or SideVerdict.NONE in found:
            return SideVerdict.BAD
        return SideVerdict.FAILED


class Classification(NamedTuple):
    """The class of a row.

    `unjudged` if there is no answer to judge, so that the comparison ends with 8.
    """

    change: RowClass
    reason: str = ""
    unjudged: bool = False


class PairSide:
    """What one side has of a row: a line for each repetition.

    Without lines, its table lacks the row.
    """

    def __init__(self, lines: Sequence[ResultLine], rule: PassRule) -> None:
        self.lines = lines
        self.answer = SideVerdict.ABSENT
        if lines:
            self.answer = rule.answer([line["result"]["exit_code"] for line in lines])
        self.seconds = _median_seconds(lines)

    def why_none(self) -> str:
        """Return why there is nothing to judge."""
        results = [line["result"] for line in self.lines if answer_of(line) is SideVerdict.NONE]
        return brief_reason_in(results[0]) or ExitCode(results[0]["exit_code"]).words

    @cached_property
    def answered(self) -> list[ResultLine]:
        """The lines that have an answer."""
        return [line for line in self.lines if answer_of(line) is not SideVerdict.NONE]

    @cached_property
    def outputs(self) -> list[str]:
        """The outputs of its answers, each as a text that differs if they do."""
        return [encoded_outputs(line) for line in self.answered]


def answer_of(line: ResultLine) -> SideVerdict:
    """Return what one judged line says."""
    return ANSWERS.get(line["result"]["exit_code"], SideVerdict.NONE)


def classified_pair(
    lines: Sequence[Sequence[ResultLine]],
    rule: PassRule,
    other_input: str | None = None,
    confirmed: Confirmed | None = None,
) -> RowPair:
    """Return a row of both sides with its class, which the first `rule.repeat` lines decide.

    `other_input` names an input that differs, so that the two answers are not to one question.
    `confirmed` is of a row that seemed broken in a gate.
    """
    base_lines, new_lines = lines
    base = PairSide(base_lines[: rule.repeat], rule)
    new = PairSide(new_lines[: rule.repeat], rule)
    is_slower = other_input is None and _is_slower(base.seconds, new.seconds)
    if confirmed is not None and confirmed.change is not None:
        found = Classification(RowClass(confirmed.change))
    elif rule.of_one_version:
        found = _classify_alone(new)
    else:
        found = _classify(base, new, rule, other_input, is_slower=is_slower)
    return RowPair(
        lines=lines,
        base=base.lines,
        new=new.lines,
        repeat=rule.repeat,
        answers=(base.answer, new.answer),
        change=found.change,
        reason=found.reason,
        unjudged=found.unjudged,
        seconds=(base.seconds, new.seconds),
        is_slower=is_slower,
        outputs=(len(set(base.outputs)), len(set(new.outputs))),
        shown=_shown_lines(base, new),
        other_input=other_input,
        confirmed=confirmed,
    )


def _classify(
    base: PairSide, new: PairSide, rule: PassRule, other_input: str | None, *, is_slower: bool
) -> Classification:
    """Return the class of a row, by the table in docs/compare.md."""
    if new.answer is SideVerdict.ABSENT:
        return Classification(RowClass.REMOVED, "not in NEW")
    if new.answer is SideVerdict.NONE:
        return Classification(
            RowClass.MISSING, f"no answer in NEW ({new.why_none()})", unjudged=True
        )
    if other_input is not None:
        return Classification(RowClass.NEW, f"another input than in BASE: {other_input}")
    is_good = new.answer is SideVerdict.GOOD
    if base.answer is SideVerdict.ABSENT:
        return Classification(RowClass.NEW, "not in BASE")
    if base.answer is SideVerdict.NONE:
        unjudged = rule.of_gate or not is_good
        return Classification(RowClass.NEW, f"no answer in BASE ({base.why_none()})", unjudged)
    if base.answer is SideVerdict.FAILED and new.answer is SideVerdict.BAD:
        return Classification(RowClass.NEW, "no answer in BASE (failed)", unjudged=True)
    if base.answer is SideVerdict.FAILED and not is_good:
        return Classification(RowClass.SAME, "still fails")
    if base.answer is SideVerdict.GOOD and not is_good:
        return Classification(RowClass.BROKEN)
    if is_good and base.answer is not SideVerdict.GOOD:
        return Classification(RowClass.FIXED)
    if len(set(base.outputs)) > 1:
        return Classification(RowClass.VARIES)
    if set(base.outputs) != set(new.outputs):
        return Classification(RowClass.CHANGED)
    return Classification(RowClass.SLOWER if is_slower else RowClass.SAME)


def _classify_alone(side: PairSide) -> Classification:
    """Return the class of a row of one version."""
    if side.answer is SideVerdict.NONE:
        return Classification(RowClass.MISSING, f"no answer ({side.why_none()})", unjudged=True)
    if side.answer is SideVerdict.GOOD:
        return Classification(RowClass.SAME)
    return Classification(RowClass.FAILS)


def _shown_lines(base: PairSide, new: PairSide) -> tuple[ResultLine | None, ResultLine | None]:
    """Return the lines whose outputs show best what differs: the first repetitions that differ."""
    before = next(chain(base.answered, base.lines), None)
    after = next(iter(new.lines), None)
    if len(new.lines) > 1:
        first_outputs = next(iter(base.outputs), None)
        for line, outputs in zip(new.answered, new.outputs, strict=True):
            if outputs != first_outputs:
                after = line
                break
    return before, after


def _is_slower(base: float | None, new: float | None) -> bool:
    if base is None or new is None:
        return False
    return new > SLOWER_BY * base and new - base > SLOWER_SECONDS


def _median_seconds(lines: Sequence[ResultLine]) -> float | None:
    """Return the median time of the repetitions, None if no time is known."""
    times = [run_in(line["result"]).get("duration_s") for line in lines]
    known = [seconds for seconds in times if seconds is not None]
    return median(known) if known else None
