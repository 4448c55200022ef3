"""What a comparison compared: its two sides, the checks, and what was left out or may differ; and whether it did."""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum
from statistics import fmean
from typing import Any

from noxcli.batchdir.header import command_to_continue
from noxcli.checks.row_class import PassRule, RowClass, SideVerdict, answer_of
from noxcli.compare.side import Side
from noxcli.compare.significance import Interval, chance, chance_of, counts_of, difference
from noxcli.errors import HAD_RUN, ExitCode, UsageProblem
from noxcli.outputs.values import HOLDERS, as_text, by_name, find_remote
from noxcli.render.text import amount, in_prose
from noxcli.reports.comparison_facts import WORSE
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.row_pair import RowPair, run_ids_of
from noxcli.timing import within

SHARES = {"median_s": 0.5, "p95_s": 0.95}
RETRY = "repeat the command to retry"
LEVEL = 0.01  # of what is worse as a whole, and of each side of the interval of a score


class SideTotals:
    """The rows of one side, how many pass, their scores, and how long their runs took."""

    def __init__(self) -> None:
        self.rows = self.passed = self._answers = self._good = 0
        self._seconds = array("d")  # of each run
        self._scores = array("d")

    def count(self, lines: Sequence[ResultLine], answers: Sequence[str]) -> None:
        """Count a row, which the first of its answers classes, and what its lines say; none if the side lacks it."""
        self.rows += bool(answers)
        self.passed += answers[:1] == [SideVerdict.GOOD]
        self._answers += len(answers)
        self._good += answers.count(SideVerdict.GOOD)
        for line in lines:
            if (seconds := (line["result"]["run"] or {}).get("duration_s")) is not None:
                self._seconds.append(seconds)
            if line.get("score") is not None:
                self._scores.append(line["score"])

    @property
    def score(self) -> float | None:
        """The mean score, None without any."""
        return fsum(self._scores) / len(self._scores) if self._scores else None

    def document(self) -> dict[str, Any]:
        took = sorted(self._seconds)
        at = {name: within(took, share) if took else None for name, share in SHARES.items()}
        rate = round(self._good / self._answers, 4) if self.rows else None
        return {
            "rows": self.rows,
            "passed": self.passed,
            "pass_rate": rate,
            **at,
            "score": self.score,
        }


class Groups:
    """The rows of one or two sides by the values of a column (--by)."""

    def __init__(self, column: str | None) -> None:
        self._column, self._totals = column, dict[str, dict[str, SideTotals]]()

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
        value = {**(row["input"] or {}), **(row["columns"] or {})}.get(self._column)
        of_value = self._totals.setdefault("" if value is None else as_text(value), {})
        of_value.setdefault(side, SideTotals()).count(lines, answers)

    def document(self) -> list[dict[str, Any]]:
        """Return its part of `noxcli.comparison/1`, the most frequent value first."""
        ordered = sorted(
            self._totals.items(), key=lambda each: -max(totals.rows for totals in each[1].values())
        )
        return [
            {
                "column": self._column,
                "value": value,
                **{side: totals.document() for side, totals in sides.items()},
            }
            for value, sides in ordered
        ]


@dataclass(eq=False, repr=False)  # without slots: it keeps its score
class ComparisonSummary:
    """What was compared, if known; `counted` has the rows that a note is about."""

    base: Side
    new: Side
    rule: PassRule
    checks: Sequence[str]
    by: str  # the same `id`, `input` or `row` makes a pair
    constants: list[str]  # that differ
    groups: Groups
    totals: dict[str, SideTotals] = field(
        default_factory=lambda: {"base": SideTotals(), "new": SideTotals()}
    )
    counted: Counter[str] = field(default_factory=Counter)
    scores: list[tuple[float, float]] = field(
        default_factory=list
    )  # of pairs, the means of BASE and NEW
    lacking: dict[str, Counter[int]] = field(
        default_factory=lambda: {"base": Counter(), "new": Counter()}
    )

    def count(self, pair: RowPair, read: Sequence[str]) -> None:
        """Count a pair; `read` are the columns that checks read."""
        base, new = pair.answers
        for name, lines, answer in zip(self.totals, pair.lines, pair.answers, strict=True):
            answers = list(map(answer_of, lines)) if self.rule.of_gate or not lines else [answer]
            self.totals[name].count(lines, answers)
            self.groups.add((pair.new or pair.base)[0], name, lines, answers)
        partners = bool(pair.base and pair.new) and pair.other_input is None
        both = partners and SideVerdict.NONE not in pair.answers
        self.counted["partners"] += partners
        self.counted["other input"] += pair.other_input is not None
        self.counted["answered"] += both
        self.counted["good"] += both and SideVerdict.GOOD in pair.answers
        self.counted["still fail"] += pair.reason == "still fails"
        self.counted["unjudged"] += pair.unjudged
        self.counted["slower"] += pair.is_slower
        if pair.change == RowClass.MISSING:
            self._lacks("new", pair.new)
        elif pair.other_input is None and (base == SideVerdict.NONE or pair.unjudged):
            self._lacks("base", pair.base)
        if both:
            scores = _scores(pair, of_gate=self.rule.of_gate)
            if all(scores):
                self.scores.append((fmean(scores[0]), fmean(scores[1])))
            self.counted["without a score"] += not all(scores)
            self.counted["less often"] += pair.passed[1] < pair.passed[0]
            self.counted["more often"] += pair.passed[1] > pair.passed[0]
        again = [any(line.get("asked", 1) > 1 for line in lines) for lines in (pair.base, pair.new)]
        self.counted["rerun in BASE"] += again[0] and not self.rule.of_gate
        self.counted["asked again"] += again[1] and new == SideVerdict.GOOD
        self.counted["unread files"] += pair.change == RowClass.CHANGED and _has_unread_files(pair)
        columns = [_columns(lines, read) for lines in (pair.base, pair.new)] if partners else []
        self._count_runs(pair)
        self.counted["other columns"] += None not in columns and columns[:1] != columns[1:]

    def _count_runs(self, pair: RowPair) -> None:
        """Count the runs of NEW, and those that BASE does not have."""
        of_base, of_new = (run_ids_of(lines) for lines in (pair.base, pair.new))
        for run_id in of_new:
            if run_id is None:
                continue
            self.counted["runs"] += 1
            if run_id not in of_base:
                self.counted["other runs"] += 1

    def require_other_runs(self) -> None:
        """Raise UsageProblem if NEW has runs, and only those of BASE."""
        if self.counted["runs"] and not self.counted["other runs"]:
            raise UsageProblem(
                f"NEW {self.new.named} has no run that BASE {self.base.named} lacks, so nothing can differ",
                "compare another batch",
            )

    def _lacks(self, name: str, lines: Sequence[ResultLine]) -> None:
        """Count the lines of a side that are no answer to judge, by code."""
        none = [line for line in lines if answer_of(line) in (SideVerdict.NONE, SideVerdict.FAILED)]
        self.lacking[name].update(
            [line["result"]["exit_code"] for line in none] or [ExitCode.NOT_FINISHED]
        )

    def resume_hints(self) -> str:
        """Return how each side gets the answers that it lacks."""
        if self.rule.of_gate:
            return f"{RETRY}, or add --allow-missing"
        ways = []
        for side in (self.base, self.new):
            codes, header = self.lacking[side.name.lower()], side.header
            left = sum(count for code, count in codes.items() if code not in HAD_RUN)
            if not codes:
                continue
            if command := command_to_continue(
                header.command, codes, left, outdated=side.source.is_outdated
            ):
                version = (
                    ""
                    if header.version_id
                    else ", and --version-id V if the workflow has another version now"
                )
                ways.append(f"finish {side.name} with: {command}{version}")
        return "; ".join(
            [*ways, "or add --allow-missing" if ways else "add --allow-missing to accept that"]
        )

    def require_partners(self, *, allow_missing: bool, runs: str) -> None:
        """Raise UsageProblem if no row of NEW can be compared with one of BASE; `runs` are those of a gate."""
        hint = self.new_alone or RETRY
        there = f"{self.row_counts} ({runs})" if runs else self.row_counts
        if not self.counted["partners"]:
            what = "id and the input" if self.counted["other input"] else self.by
            raise UsageProblem(
                f"{there}, but no row of {self.new.named} has the {what} of a row of {self.base.named}",
                hint,
            )
        if allow_missing and not self.counted["answered"]:
            raise UsageProblem(
                f"{there}, but no row has an answer on both sides, so nothing was compared", hint
            )

    @property
    def row_counts(self) -> str:
        """How many rows each side has."""
        return in_prose(
            [f"{side.name} has {amount(side.rows, 'row')}" for side in (self.base, self.new)]
        )

    @property
    def new_alone(self) -> str:
        """How to judge NEW without BASE, which a gate does not do."""
        return (
            ""
            if self.rule.of_gate
            else f"to judge NEW alone: noxcli results {self.new.named} --assert …"
        )

    @property
    def nothing_could_break(self) -> bool:
        """True if each pair has both answers, none of which passes."""
        return 0 < self.counted["answered"] == self.counted["partners"] and not self.counted["good"]

    def chance(self) -> dict[str, Any]:
        """Return how often chance does what happened to the rows."""
        less, more = self.counted["less often"], self.counted["more often"]
        return {"less_often": less, "more_often": more, "share": chance(less, more)}

    @cached_property
    def score(self) -> dict[str, Any] | None:
        """How the mean score differs, once all pairs were counted; None without scores."""
        if not self.scores:
            return None
        found = Interval.of([difference(base, new) for base, new in self.scores], LEVEL)
        return {
            "base": fmean(base for base, _ in self.scores),
            "new": fmean(new for _, new in self.scores),
            "low": None if found is None else found.low,
            "high": None if found is None else found.high,
            "rows": len(self.scores),
            "without": self.counted["without a score"],
        }

    def why_worse(self) -> str | None:
        """Return why NEW is worse as a whole, None if chance may explain it, or BASE was chosen by its answers."""
        less, more, share = self.chance().values()
        if self.counted["rerun in BASE"]:
            return None
        if share <= LEVEL and less > more:
            return f"{WORSE}: {self._less_and_more()}"
        is_lower = self.score is not None and (self.score["high"] or 0) < 0
        return f"{WORSE}: {self._means()}" if is_lower else None

    def _less_and_more(self) -> str:
        less, more = self.counted["less often"], self.counted["more often"]
        if self.rule.repeat == 1:
            return counts_of(less, more, "row")
        return f"{amount(less, 'row')} {'passes' if less == 1 else 'pass'} less often and {more} more often"

    def _means(self) -> str:
        """Return how the mean score differs, empty without scores."""
        if (score := self.score) is None:
            return ""
        low, high, without = score["low"], score["high"], score["without"]
        rows = f"{amount(score['rows'], 'row')}{f'; {without} without a score' if without else ''}"
        bounds = (
            "too few scores differ to tell"
            if low is None
            else f"98 % interval {low:+.3g} to {high:+.3g}"
        )
        change = f"score {score['base']:.3g}, now {score['new']:.3g}: {score['new'] - score['base']:+.3g}"
        return f"{change} ({bounds}, {rows})".replace("-", "\N{MINUS SIGN}")

    def notes(self) -> Iterator[str]:
        """Yield what to know about the result."""
        less, more = self.counted["less often"], self.counted["more often"]
        if less and not self.rule.of_gate:  # which says that of its answers
            yield f"{self._less_and_more()}: {chance_of(less, more)}"
        if means := self._means():
            yield means
        sides = (self.base, self.new)
        parts = [side.header.omitted_rows(side.rows) for side in sides]
        if parts[0] and parts[0] == parts[1]:
            yield f"BASE and NEW have {parts[0]}"
        else:
            yield from (
                f"{side.name} has {part}" for side, part in zip(sides, parts, strict=True) if part
            )
        for what, words in NOTES.items():
            if count := self.counted[what]:
                yield words.format(rows=amount(count, "row"))
        if self.constants:
            yield f"an input that all rows share differs: {in_prose(list(map(repr, self.constants)))}"

    def document(self) -> dict[str, Any]:
        """Return its part of `noxcli.comparison/1`."""
        return {
            "by": self.by,
            "questions": list(self.checks),
            "repeat": self.rule.repeat,
            "pass_each": self.rule.needed,
            "constants": list(self.constants),
            **{name.replace(" ", "_"): self.counted[name] for name in ("unjudged", *NOTES)},
        }

    def side_document(self, side: Side) -> dict[str, Any]:
        header = side.header
        return {
            "source": side.named,
            "kind": side.source.kind,
            "workflow_id": header.workflow_id,
            "workflow_name": side.workflow_name,
            "version_id": header.version_id,
            "version_name": header.version_name or None,
            "record_version_ids": sorted(side.record_versions),
            "table": header.source,
            "began_at": side.began_at and side.began_at.isoformat(),
            "ended_at": side.ended_at and side.ended_at.isoformat(),
            **self.totals[side.name.lower()].document(),
        }


NOTES = {
    "left out of BASE": "{rows} of NEW, left out of BASE by --limit or --only, were not compared",
    "left out of NEW": "{rows} of BASE, left out of NEW by --limit or --only, were not compared",
    "other columns": "{rows} with other kept columns in BASE; those of NEW judge both answers",
    "rerun in BASE": "{rows} of BASE were re-run, so that NEW can't be found worse as a whole",
    "asked again": "{rows} of NEW passed only after a re-run",
    "still fail": "{rows} failed in both BASE and NEW",
    "unread files": "{rows} that changed with files of which only the addresses are known (--output-dir)",
}


def require_comparable(base: Side, new: Side) -> None:
    """Raise UsageProblem for sides that have nothing to do with each other, or are the same."""
    if base.header.shard != new.header.shard:
        raise UsageProblem(
            f"BASE is shard {base.header.shard} of a batch, and NEW is shard {new.header.shard}",
            "compare the same shard of both batches",
        )
    if base.repeat != new.repeat:
        counts = f"BASE has {amount(base.repeat, 'repetition')} of each row, and NEW {new.repeat}"
        raise UsageProblem(counts, "run both with the same --repeat")


def _scores(pair: RowPair, *, of_gate: bool) -> list[list[float]]:
    """Return the scores of both sides; in a gate those of rounds in which both have one, as its looks read them."""
    scored = [[line for line in lines if line.get("score") is not None] for lines in pair.lines]
    if of_gate:
        base, new = ({line["place"] for line in lines} for lines in scored)
        scored = [[line for line in lines if line["place"] in base & new] for lines in scored]
    return [[line["score"] for line in lines] for lines in scored]


def _has_unread_files(pair: RowPair) -> bool:
    """True if outputs have files that were not downloaded, so that their content was not compared."""
    for line in (*pair.base, *pair.new):
        for value in by_name(line["result"]["output"]).values():
            if not isinstance(value, HOLDERS):
                continue
            if any(not remote.is_text for remote in find_remote(value)):
                return True
    return False


def _columns(lines: Sequence[ResultLine], read: Sequence[str]) -> list[Any] | None:
    """Return the kept columns that are read, None of a row that was not started."""
    columns = next((line["columns"] for line in lines if line["columns"] is not None), None)
    return None if columns is None else [columns.get(name) for name in read]
