"""The pairs of a comparison, counted by what a note or its ending says of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from noxcli.checks.row_class import RowClass, SideVerdict
from noxcli.outputs.values import HOLDERS, by_name, find_remote
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.row_pair import RowPair, run_ids_of


@dataclass(slots=True, eq=False, repr=False)
class PairCounts:
    """How many pairs there are of each kind; one pair may be of several."""

    partners: int = 0  # with a row on both sides, that asks the same
    # By the first input that differs, rows of both sides that do not ask the same.
    other_inputs: Counter[str] = field(default_factory=Counter)
    answered: int = 0  # partners with an answer on both sides
    good: int = 0  # of these, one at least passes
    less_often: int = 0  # of these, fewer repetitions pass in NEW
    more_often: int = 0
    without_score: int = 0  # of these, a side has none
    unjudged: int = 0
    slower: int = 0
    still_fail: int = 0
    rerun_in_base: int = 0
    asked_again: int = 0  # that pass in NEW only after a re-run
    unread_files: int = 0
    other_columns: int = 0
    left_out_of_base: int = 0  # by --limit or --only
    left_out_of_new: int = 0
    runs: int = 0  # of NEW
    other_runs: int = 0  # of NEW, that BASE does not have

    def count(self, pair: RowPair, read: Sequence[str], *, of_gate: bool) -> None:
        """Count a pair; `read` are the columns that checks read."""
        if pair.other_input is not None:
            self.other_inputs[pair.other_input] += 1
        if pair.unjudged:
            self.unjudged += 1
        if pair.is_slower:
            self.slower += 1
        if pair.reason == "still fails":
            self.still_fail += 1
        if is_answered(pair):
            self._count_answered(pair)
        if has_partners(pair):
            self.partners += 1
            base = _columns(pair.base, read)
            new = _columns(pair.new, read)
            if base is not None and new is not None and base != new:
                self.other_columns += 1
        if _was_rerun(pair.base) and not of_gate:
            self.rerun_in_base += 1
        if _was_rerun(pair.new) and pair.answers[1] == SideVerdict.GOOD:
            self.asked_again += 1
        if pair.change == RowClass.CHANGED and _has_unread_files(pair):
            self.unread_files += 1
        self._count_runs(pair)

    def _count_answered(self, pair: RowPair) -> None:
        self.answered += 1
        if SideVerdict.GOOD in pair.answers:
            self.good += 1
        base, new = pair.passed
        if new < base:
            self.less_often += 1
        if new > base:
            self.more_often += 1

    def _count_runs(self, pair: RowPair) -> None:
        of_base = run_ids_of(pair.base)
        for run_id in run_ids_of(pair.new):
            if run_id is None:
                continue
            self.runs += 1
            if run_id not in of_base:
                self.other_runs += 1


def has_partners(pair: RowPair) -> bool:
    """True if both sides have the row, and asked the same."""
    return bool(pair.base and pair.new) and pair.other_input is None


def is_answered(pair: RowPair) -> bool:
    """True if both sides have an answer to the same question."""
    return has_partners(pair) and SideVerdict.NONE not in pair.answers


def _was_rerun(lines: Sequence[ResultLine]) -> bool:
    return any(line.get("asked", 1) > 1 for line in lines)


def _has_unread_files(pair: RowPair) -> bool:
    """True if outputs have files that were not downloaded, so that only addresses differ."""
    for line in (*pair.base, *pair.new):
        for value in by_name(line["result"]["output"]).values():
            if not isinstance(value, HOLDERS):
                continue
            if any(not remote.is_text for remote in find_remote(value)):
                return True
    return False


def _columns(lines: Sequence[ResultLine], read: Sequence[str]) -> list[Any] | None:
    """Return the kept columns that are read, None of a row that was not started."""
    for line in lines:
        columns = line["columns"]
        if columns is not None:
            return [columns.get(name) for name in read]
    return None
