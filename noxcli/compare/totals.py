"""The rows of a side, and of the values of a column.

How many pass, their scores, and how long they took.
"""

from array import array
from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any

from noxcli.checks.row_class import SideVerdict
from noxcli.outputs.values import as_text
from noxcli.reports.failure_groups import ResultLine, run_in
from noxcli.timing import within


class SideTotals:
    """The rows of one side, how many pass, their scores, and how long their runs took."""

    def __init__(self) -> None:
        self.rows = 0
        self.passed = 0
        self._answers = 0
        self._good = 0
        self._seconds = array("d")  # of each run
        self._scores = array("d")

    def count(self, lines: Sequence[ResultLine], answers: Sequence[str]) -> None:
        """Count a row, which the first of its answers classes, and what its lines say.

        Without answers, the side lacks the row.
        """
        if answers:
            self.rows += 1
            if answers[0] == SideVerdict.GOOD:
                self.passed += 1
        self._answers += len(answers)
        self._good += answers.count(SideVerdict.GOOD)
        for line in lines:
            run = run_in(line["result"])
            if run.get("duration_s") is not None:
                self._seconds.append(run["duration_s"])
            if line.get("score") is not None:
                self._scores.append(line["score"])

    @property
    def score(self) -> float | None:
        """The mean score, None without any."""
        if not self._scores:
            return None
        return fsum(self._scores) / len(self._scores)

    def document(self) -> dict[str, Any]:
        took = sorted(self._seconds)
        median = within(took, 0.5) if took else None
        most = within(took, 0.95) if took else None
        rate = round(self._good / self._answers, 4) if self.rows else None
        return {
            "rows": self.rows,
            "passed": self.passed,
            "pass_rate": rate,
            "median_s": median,
            "p95_s": most,
            "score": self.score,
        }


class Groups:
    """The rows of one or two sides by the values of a column (--by)."""

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._totals: dict[str, dict[str, SideTotals]] = {}  # by value and side

    def add(
        self,
        row: ResultLine,
        side: str,
        lines: Sequence[ResultLine],
        answers: Sequence[str],
    ) -> None:
        """Count a side's lines of a row, if there is a column."""
        if self._column is None:
            return
        cells = {**(row["input"] or {}), **(row["columns"] or {})}
        value = cells.get(self._column)
        name = "" if value is None else as_text(value)
        of_value = self._totals.setdefault(name, {})
        of_value.setdefault(side, SideTotals()).count(lines, answers)

    def document(self) -> list[dict[str, Any]]:
        """Return its part of `noxcli.comparison/1`, the most frequent value first."""
        groups = []
        for value in sorted(self._totals, key=self._frequency, reverse=True):
            sides = self._totals[value]
            groups.append({"column": self._column, "value": value, **_documents(sides)})
        return groups

    def _frequency(self, value: str) -> int:
        return max(totals.rows for totals in self._totals[value].values())


def _documents(sides: Mapping[str, SideTotals]) -> dict[str, Any]:
    return {side: totals.document() for side, totals in sides.items()}
