"""Two sides, row by row: which rows are a pair, judged by NEW's row, counted, and read again where it is shown."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import groupby, zip_longest
from typing import Any

from noxcli.batchdir.results_file import NUMBER_BITS
from noxcli.checks.batch_summary import enough_of
from noxcli.checks.row_checker import RowChecker, without_verdict
from noxcli.checks.row_class import NOT_HERE, PassRule, RowClass, classified_pair
from noxcli.compare.side import Side, differing_constants
from noxcli.compare.summary import ComparisonSummary, Groups, require_comparable
from noxcli.errors import NoxError, UsageProblem
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.row_pair import Confirmed, RowPair, counted
from noxcli.rows.columns import EXPECT
from noxcli.signals import SIGNALS

COMPARISON_SCHEMA = "noxcli.comparison/1"
CHANGES = list(RowClass)
Matched = tuple[int | None, int | None]  # a row of BASE, and one of NEW
NO_ROW = -1  # a side that has no row


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
    ) -> None:
        """Pair, judge and count all rows; the `suspects` of a gate are by row, as its pairs.

        Raises UsageProblem if nothing fits together, or it is not clear what does.
        """
        super().__init__()
        require_comparable(base, new)
        self.base, self.new, self._checker = base, new, checker
        differ = differing_constants(base, new)
        rule = PassRule(base.repeat, enough_of(base.repeat, each), of_gate=suspects is not None)
        have_ids = base.has_ids and new.has_ids  # some rows of each
        by = "row" if rule.of_gate else "id" if have_ids else "input"
        self.compared = ComparisonSummary(
            base, new, rule, checker.check_names(own=new.expects), by, differ, Groups(checker.by)
        )
        self.counts: Counter[RowClass] = Counter()
        self._suspects = suspects or {}
        self.keeps_verdicts = (
            not self.compared.checks and base.asserted == new.asserted
        )  # those that were printed
        self._gaps = [
            None if side.source.header else NOT_HERE for side in (base, new)
        ]  # a table has all rows
        self._reads = [self.enter_context(side.source.open_to_read()) for side in (base, new)]
        self._rows = array("q")  # two for each pair: its row in BASE, and the one in NEW
        self._ranks = array(
            "Q"
        )  # of each pair: the place of its class, above the number of its row
        self._classify_all()

    def _classify_all(self) -> None:
        read = [*self._checker.columns, EXPECT]
        for matched in pair_rows(self.base, self.new, self.compared.constants, by=self.compared.by):
            SIGNALS.check()
            pair_of = zip((self.base, self.new), matched, strict=True)
            if left_out := [
                side.name for side, row in pair_of if row is None and side.source.is_limited
            ]:
                self.compared.counted[f"left out of {left_out[0]}"] += 1  # by --limit or --only
                continue
            pair = self._pair(matched)
            change = RowClass(pair.change)
            self.counts[change] += 1
            self.compared.count(pair, read)
            self._ranks.append(CHANGES.index(change) << NUMBER_BITS | pair.row)
            self._rows.extend(NO_ROW if row is None else row for row in matched)
        self._order = array("Q", sorted(range(len(self._ranks)), key=self._ranks.__getitem__))

    def pairs(self, *, same: bool = False) -> Iterator[RowPair]:
        """Return the pairs that differ, the worst first; and then those that are the `same`, if requested."""
        return map(self._at, self._order[: None if same else self.listed])

    def _at(self, place: int) -> RowPair:
        base, new = self._rows[2 * place : 2 * place + 2]
        return self._pair((None if base == NO_ROW else base, None if new == NO_ROW else new))

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
        sides = zip((self.base, self.new), self._reads, matched, strict=True)
        base, new = ([] if row is None else side.read_row(row, read) for side, read, row in sides)
        if not self.keeps_verdicts:
            base, new = (list(map(without_verdict, lines)) for lines in (base, new))
        other = _other_input(base, new, self.compared.constants) if base and new else None
        table = next((line for line in new if line["columns"] is not None), new[0] if new else None)
        suspect = self._suspects.get((base or new)[0]["row"])
        judged = [[self._checker.judged(line, table) for line in lines] for lines in (base, new)]
        return classified_pair(judged, self.compared.rule, self._gaps, other, suspect)

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
            "slower": self.compared.counted["slower"],  # of any class
            "groups": self.compared.groups.document(),
            "chance": self.compared.chance(),
            "score": self.compared.score,
            **more,
        }


def _other_input(base: list[ResultLine], new: list[ResultLine], constants: list[str]) -> str | None:
    """Return the first input that differs, None if none does or it is not known."""
    before, after = (
        next((line["input"] for line in lines if line["input"] is not None), None)
        for lines in (base, new)
    )
    if before is None or after is None or before == after:
        return None
    keys = [
        key
        for key in {**after, **before}
        if key not in constants and before.get(key) != after.get(key)
    ]
    return keys[0] if keys else None


def pair_rows(base: Side, new: Side, differ: list[str], *, by: str) -> Iterator[Matched]:
    """Yield each row of both sides once, paired by `row`, `id` or `input`; `differ` are constants that do not count.

    A row that never started has neither an id nor inputs: it may be any row that its own side seems to lack, and is
    paired with one of those. Raises UsageProblem for an id of several rows of a side.
    """
    if by == "row":  # of one table
        yield from ((row, row) for row in range(base.rows))
        return
    sides, by_id = (base, new), by == "id"
    keys: list[int] = []  # of each row: what pairs it, above its side, above its number there
    for at, side in enumerate(sides):
        shared = side.constants()
        without = sum(shared.get(name, 0) for name in differ)
        found = (side.key(row, without, by_id=by_id) for row in range(side.rows))
        keys.extend((key << 1 | at) << NUMBER_BITS | row for row, key in enumerate(found))
    keys.sort()
    alone: list[list[int]] = [[], []]
    unnamed: list[list[int]] = [[], []]
    for key, group in groupby(keys, lambda each: each >> NUMBER_BITS + 1):
        SIGNALS.check()
        rows: list[list[int]] = [[], []]
        for each in group:
            rows[each >> NUMBER_BITS & 1].append(each & (1 << NUMBER_BITS) - 1)
        if not key:
            unnamed = rows
            continue
        for side, several in zip(sides, rows, strict=True):
            if by_id and len(several) > 1 and side.has_id(several[0]):
                _refuse_id(side, several)
        for one, other in zip_longest(*rows):
            if one is not None and other is not None:
                yield one, other
            else:
                alone[one is None].append(other if one is None else one)
    yield from zip_longest(sorted(alone[0]), unnamed[1][: len(alone[0])])
    yield from (
        (one, other) for other, one in zip_longest(sorted(alone[1]), unnamed[0][: len(alone[1])])
    )
    yield from zip_longest(unnamed[0][len(alone[1]) :], unnamed[1][len(alone[0]) :])


def _refuse_id(side: Side, rows: list[int]) -> None:
    with side.source.open_to_read() as read:
        own_id = next(line["id"] for line in side.read_row(rows[0], read) if line["id"] is not None)
    raise UsageProblem(
        f"{side.name} {side.named} has {len(rows)} rows with the id {own_id!r}", "keep one"
    )
