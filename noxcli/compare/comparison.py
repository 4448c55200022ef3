"""Two sides, row by row.

Rows are paired, judged by NEW's row, counted, and read again where they are shown.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from typing import Any

from noxcli.checks.batch_summary import enough_of
from noxcli.checks.row_checker import RowChecker
from noxcli.checks.row_class import PassRule, RowClass, classified_pair
from noxcli.compare.side import Side, differing_constants
from noxcli.compare.summary import ComparisonSummary
from noxcli.compare.totals import Groups
from noxcli.errors import NoxError, UsageProblem
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.row_pair import Confirmed, RowPair, counted
from noxcli.rows.columns import EXPECT
from noxcli.signals import SIGNALS

COMPARISON_SCHEMA = "noxcli.comparison/1"
RowKey = str | int
Matched = tuple[int | None, int | None]  # a row of BASE, and one of NEW


class Comparison(ExitStack):
    """The rows of both sides in pairs: the number of each class, and those that differ in order.

    The files stay open until its end.
    """

    def __init__(
        self,
        base: Side,
        new: Side,
        checker: RowChecker,
        each: int | None = None,
        suspects: Mapping[int, Confirmed] | None = None,
        *,
        of_one_version: bool = False,
    ) -> None:
        """Pair, judge and count all rows; the `suspects` of a gate are by row, as its pairs.

        Raises UsageProblem if nothing fits together, or it is not clear what does.
        """
        super().__init__()
        self.base = base
        self.new = new
        self._checker = checker
        self._suspects = suspects or {}
        rule = PassRule(
            base.repeat,
            enough_of(base.repeat, each),
            of_gate=suspects is not None,
            of_one_version=of_one_version,
        )
        by = "input"
        if rule.of_gate:
            by = "row"
        elif base.has_ids and new.has_ids:  # of some rows
            by = "id"
        checks = checker.check_names(own=new.expects)
        differ = differing_constants(base, new)
        self.compared = ComparisonSummary(base, new, rule, checks, by, differ, Groups(checker.by))
        self._reads = [self.enter_context(side.source.open_to_read()) for side in (base, new)]
        self._matched: dict[RowClass, list[Matched]] = {change: [] for change in RowClass}
        self._classify_all()
        if not of_one_version:
            self.compared.require_other_runs()
        self.counts = Counter({change: len(rows) for change, rows in self._matched.items()})

    def _classify_all(self) -> None:
        read = [*self._checker.columns, EXPECT]
        for matched in pair_rows(self.base, self.new, self.compared.constants, by=self.compared.by):
            SIGNALS.check()
            limited = self._limited_side(matched)
            if limited is not None:
                self.compared.leave_out(limited)
                continue
            pair = self._pair(matched)
            self.compared.count(pair, read)
            self._matched[RowClass(pair.change)].append(matched)
        for rows in self._matched.values():
            rows.sort(key=_place)

    def _limited_side(self, matched: Matched) -> Side | None:
        """Return the side that may lack the row because of --limit or --only."""
        for side, row in zip((self.base, self.new), matched, strict=True):
            if row is None and side.source.is_limited:
                return side
        return None

    def pairs(self, *, same: bool = False) -> Iterator[RowPair]:
        """Yield the pairs that differ, the worst first.

        Those that are the `same` follow, if requested.
        """
        for change, rows in self._matched.items():
            if same or change is not RowClass.SAME:
                yield from map(self._pair, rows)

    @property
    def listed(self) -> int:
        """The number of pairs that are not the same."""
        return self.counts.total() - self.counts[RowClass.SAME]

    def summary_line(self) -> str:
        """Return the number of rows of each class."""
        classes = [
            counted(change, self.counts[change]) for change in RowClass if self.counts[change]
        ]
        return ", ".join(classes) or "no rows"

    def _pair(self, matched: Matched) -> RowPair:
        """Return a pair of rows, of which NEW's judges both."""
        base = self._read(self.base, matched[0])
        new = self._read(self.new, matched[1])
        other = _other_input(base, new, self.compared.constants) if base and new else None
        table = new[0] if new else None
        for line in new:
            if line["columns"] is not None:
                table = line
                break
        suspect = self._suspects.get((base or new)[0]["row"])
        judged = (self._judged(base, table), self._judged(new, table))
        pair = classified_pair(judged, self.compared.rule, other, suspect)
        if suspect is not None:
            further = []
            for read, numbers in zip(self._reads, suspect.numbers, strict=True):
                lines = [read(number) for number in numbers]
                further.append(self._judged(lines, table))
            pair.further = further
        return pair

    def _judged(self, lines: Sequence[ResultLine], table: ResultLine | None) -> list[ResultLine]:
        return [self._checker.judged(line, table) for line in lines]

    def _read(self, side: Side, row: int | None) -> list[ResultLine]:
        if row is None:
            return []
        return side.read_row(row, self._reads[0 if side is self.base else 1])

    def totals(self, ending: NoxError | None, more: Mapping[str, Any]) -> dict[str, Any]:
        """Return `noxcli.comparison/1` without its rows, and with `more`."""
        sides = {
            side.name.lower(): self.compared.side_document(side) for side in (self.base, self.new)
        }
        return {
            "schema": COMPARISON_SCHEMA,
            "ok": ending is None,
            "exit_code": 0 if ending is None else int(ending.exit_code),
            "reason": None if ending is None else ending.message,
            **sides,
            "compared": self.compared.document(),
            "classes": {str(change): self.counts[change] for change in RowClass},
            "slower": self.compared.counts.slower,  # of any class
            "groups": self.compared.groups.document(),
            "chance": self.compared.chance(),
            "score": self.compared.score,
            **more,
        }


def _place(matched: Matched) -> int:
    """Return the number of a pair's row, in BASE if it is there."""
    base, new = matched
    return base or new or 0


def _other_input(base: list[ResultLine], new: list[ResultLine], constants: list[str]) -> str | None:
    """Return the first input that differs, None if none does or it is not known."""
    before = _inputs_in(base)
    after = _inputs_in(new)
    if before is None or after is None:
        return None
    for key in {**after, **before}:
        if key not in constants and before.get(key) != after.get(key):
            return key
    return None


def _inputs_in(lines: list[ResultLine]) -> Mapping[str, Any] | None:
    """Return the inputs of a row, None if no line knows them."""
    for line in lines:
        if line["input"] is not None:
            given: Mapping[str, Any] = line["input"]
            return given
    return None


def pair_rows(base: Side, new: Side, differ: list[str], *, by: str) -> Iterator[Matched]:
    """Yield each row of both sides once, paired by `row`, `id` or `input`.

    `differ` are constants that do not count. A row that never started has neither an id nor inputs:
    it may be any row that its own side seems to lack, and is paired with one of those. Raises
    UsageProblem for an id of several rows of a side.
    """
    if by == "row":  # of one table
        for row in base.row_numbers():
            yield row, row
        return
    by_id = by == "id"
    if by_id:
        _require_own_ids(base)
        _require_own_ids(new)
    waiting, unnamed_in_base = _rows_by_key(base, differ, by_id=by_id)
    alone_in_new: list[int] = []
    unnamed_in_new: list[int] = []
    for row in new.row_numbers():
        key = _key_of(new, row, differ, by_id=by_id)
        partners = waiting.get(key)
        if key is None:
            unnamed_in_new.append(row)
        elif partners is None:
            alone_in_new.append(row)
        elif isinstance(partners, int):
            del waiting[key]
            yield partners, row
        else:
            yield partners.pop(0), row
            if not partners:
                del waiting[key]
    alone_in_base: list[int] = []
    for rows in waiting.values():
        alone_in_base += [rows] if isinstance(rows, int) else rows
    alone_in_base.sort()
    many = len(alone_in_base)
    few = len(alone_in_new)
    yield from zip_longest(alone_in_base, unnamed_in_new[:many])
    yield from zip_longest(unnamed_in_base[:few], alone_in_new)
    yield from zip_longest(unnamed_in_base[few:], unnamed_in_new[many:])


def _require_own_ids(side: Side) -> None:
    """Raise UsageProblem for an id of several rows."""
    ids = Counter(filter(None, map(side.id_of, side.row_numbers())))
    for own_id, rows in ids.items():
        if rows > 1:
            raise UsageProblem(
                f"{side.name} {side.named} has {rows} rows with the id {own_id!r}", "keep one"
            )


def _rows_by_key(
    side: Side, without: list[str], *, by_id: bool
) -> tuple[dict[RowKey | None, int | list[int]], list[int]]:
    """Return the rows of a side by what pairs them, and those that have nothing of it.

    Several rows of one key are in a list.
    """
    found: dict[RowKey | None, int | list[int]] = {}
    unnamed: list[int] = []
    for row in side.row_numbers():
        SIGNALS.check()
        key = _key_of(side, row, without, by_id=by_id)
        known = found.get(key)
        if key is None:
            unnamed.append(row)
        elif known is None:
            found[key] = row  # a list for each would take twice the memory
        elif isinstance(known, int):
            found[key] = [known, row]
        else:
            known.append(row)
    return found, unnamed


def _key_of(side: Side, row: int, without: list[str], *, by_id: bool) -> RowKey | None:
    """Return what pairs a row: its id, or the digest of its inputs.

    A row that was never started has neither.
    """
    own_id = side.id_of(row) if by_id else None
    return side.inputs_of_row(row, without) if own_id is None else own_id
