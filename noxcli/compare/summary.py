"""What a comparison compared: its sides, the checks, what was left out or may differ.

And whether it did.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

from noxcli.batchdir.header import BatchHeader, command_to_continue
from noxcli.checks.row_class import PassRule, RowClass, SideVerdict, answer_of
from noxcli.compare.counts import PairCounts, is_answered
from noxcli.compare.side import Side
from noxcli.compare.significance import Interval, chance, chance_of, counts_of, difference
from noxcli.compare.totals import Groups, SideTotals
from noxcli.errors import HAD_RUN, CommandLine, ExitCode, Hint, UsageProblem
from noxcli.render.text import amount, in_prose
from noxcli.reports.comparison_facts import WORSE
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.row_pair import RowPair

RETRY = "repeat the command to retry"
MAX_NAMES = 3  # of inputs
LEVEL = 0.01  # of what is worse as a whole, and of each side of the interval of a score
NO_ANSWER = (SideVerdict.NONE, SideVerdict.FAILED)


@dataclass(eq=False, repr=False)  # without slots: it keeps its score
class ComparisonSummary:
    """What was compared."""

    base: Side
    new: Side
    rule: PassRule
    checks: Sequence[str]
    by: str  # the same `id`, `input` or `row` makes a pair
    constants: list[str]  # that differ
    groups: Groups
    counts: PairCounts = field(default_factory=PairCounts)

    def __post_init__(self) -> None:
        self.totals = {"base": SideTotals(), "new": SideTotals()}
        self._scores: list[tuple[float, float]] = []  # of pairs, the means of BASE and NEW
        # The codes of the lines of each side that are no answer to judge.
        self._lacking: dict[str, Counter[int]] = {"base": Counter(), "new": Counter()}

    def count(self, pair: RowPair, read: Sequence[str]) -> None:
        """Count a pair; `read` are the columns that checks read."""
        row = (pair.new or pair.base)[0]
        for name, lines, answer in zip(self.totals, pair.lines, pair.answers, strict=True):
            answers: Sequence[str] = [answer]
            if self.rule.of_gate or not lines:
                answers = [answer_of(line) for line in lines]
            self.totals[name].count(lines, answers)
            self.groups.add(row, name, lines, answers)
        self.counts.count(pair, read, of_gate=self.rule.of_gate)
        self._count_lacking(pair)
        if is_answered(pair):
            self._count_scores(pair)

    def leave_out(self, side: Side) -> None:
        """Count a row that the side lacks because of --limit or --only."""
        if side is self.base:
            self.counts.left_out_of_base += 1
        else:
            self.counts.left_out_of_new += 1

    def _count_lacking(self, pair: RowPair) -> None:
        """Count the lines that are no answer to judge, of the side that makes it so."""
        if pair.change == RowClass.MISSING:
            self._lacks("new", pair.new)
        elif pair.other_input is None and (pair.unjudged or pair.answers[0] == SideVerdict.NONE):
            self._lacks("base", pair.base)

    def _lacks(self, name: str, lines: Sequence[ResultLine]) -> None:
        codes = [line["result"]["exit_code"] for line in lines if answer_of(line) in NO_ANSWER]
        self._lacking[name].update(codes or [ExitCode.NOT_FINISHED])

    def _count_scores(self, pair: RowPair) -> None:
        """Keep the mean scores.

        In a gate of rounds in which both sides have one, as its looks read them.
        """
        of_base, of_new = pair.lines  # a gate's has those of all rounds
        base = [line for line in of_base if line.get("score") is not None]
        new = [line for line in of_new if line.get("score") is not None]
        if self.rule.of_gate:
            both = {line["place"] for line in base} & {line["place"] for line in new}
            base = [line for line in base if line["place"] in both]
            new = [line for line in new if line["place"] in both]
        if base and new:
            self._scores.append((_mean_score(base), _mean_score(new)))
        else:
            self.counts.without_score += 1

    # The ending.

    def require_other_runs(self) -> None:
        """Raise UsageProblem if NEW has runs, and only those of BASE."""
        if self.counts.runs and not self.counts.other_runs:
            what = f"NEW {self.new.named} has no run that BASE {self.base.named} lacks"
            raise UsageProblem(f"{what}, so nothing can differ", "compare another batch")

    def require_partners(self, *, allow_missing: bool, runs: str) -> None:
        """Raise UsageProblem if no row of NEW can be compared with one of BASE, or most can't.

        `runs` are those of a gate.
        """
        hint = self.new_alone or RETRY
        there = f"{self.row_counts} ({runs})" if runs else self.row_counts
        partners = self.counts.partners
        others = self.counts.other_inputs.total()
        if others > partners:
            names = [name for name, _ in self.counts.other_inputs.most_common(MAX_NAMES)]
            had = f"{others:,} of {others + partners:,} rows of one id had another "
            raise UsageProblem(
                f"{there}, but {had}{in_prose(names)}, so nothing was compared", hint
            )
        if not partners:
            lacks = f"no row of {self.new.named} has the {self.by} of a row of {self.base.named}"
            raise UsageProblem(f"{there}, but {lacks}", hint)
        if allow_missing and not self.counts.answered:
            what = "no row has an answer on both sides, so nothing was compared"
            raise UsageProblem(f"{there}, but {what}", hint)

    @property
    def row_counts(self) -> str:
        """How many rows each side has."""
        sides = [f"{side.name} has {amount(side.rows, 'row')}" for side in (self.base, self.new)]
        return in_prose(sides)

    @property
    def new_alone(self) -> Hint | None:
        """How to judge NEW without BASE, which a gate does not do."""
        if self.rule.of_gate:
            return None
        return way_to_judge_alone(self.new)

    @property
    def nothing_could_break(self) -> bool:
        """True if each pair has both answers, none of which passes."""
        counts = self.counts
        return 0 < counts.answered == counts.partners and not counts.good

    def resume_hints(self) -> Hint:
        """Return how each side gets the answers that it lacks."""
        if self.rule.of_gate:
            return Hint(f"{RETRY}, or add --allow-missing")
        ways = [way for way in map(self._way_to_finish, (self.base, self.new)) if way is not None]
        if not ways:
            return Hint("add --allow-missing to accept that")
        return Hint.joined("; ", [*ways, "or add --allow-missing"])

    def _way_to_finish(self, side: Side) -> Hint | None:
        """Return how a side gets the answers that it lacks, None if there is no way or need."""
        codes = self._lacking[side.name.lower()]
        if not codes:
            return None
        return way_to_finish(side.name, side.header, codes)

    # NEW as a whole.

    def chance(self) -> dict[str, Any]:
        """Return how often chance does what happened to the rows."""
        less = self.counts.less_often
        more = self.counts.more_often
        return {"less_often": less, "more_often": more, "share": chance(less, more)}

    @cached_property
    def score(self) -> dict[str, Any] | None:
        """How the mean score differs, once all pairs were counted; None without scores."""
        if not self._scores:
            return None
        found = Interval.of([difference(base, new) for base, new in self._scores], LEVEL)
        return {
            "base": fmean(base for base, _ in self._scores),
            "new": fmean(new for _, new in self._scores),
            "low": None if found is None else found.low,
            "high": None if found is None else found.high,
            "rows": len(self._scores),
            "without": self.counts.without_score,
        }

    def why_worse(self) -> str | None:
        """Return why NEW is worse as a whole.

        None if chance may explain it, or if BASE was chosen by its answers.
        """
        counts = self.counts
        if counts.rerun_in_base:
            return None
        is_rare = chance(counts.less_often, counts.more_often) <= LEVEL
        if is_rare and counts.less_often > counts.more_often:
            return f"{WORSE}: {self._less_and_more()}"
        if self.score is not None and self.score["high"] is not None and self.score["high"] < 0:
            return f"{WORSE}: {self._means()}"
        return None

    def _less_and_more(self) -> str:
        less = self.counts.less_often
        more = self.counts.more_often
        if self.rule.repeat == 1:
            return counts_of(less, more, "row")
        verb = "passes" if less == 1 else "pass"
        return f"{amount(less, 'row')} {verb} less often and {more} more often"

    def _means(self) -> str:
        """Return how the mean score differs, empty without scores."""
        score = self.score
        if score is None:
            return ""
        rows = amount(score["rows"], "row")
        if score["without"]:
            rows += f"; {score['without']} without a score"
        bounds = "too few scores differ to tell"
        if score["low"] is not None:
            bounds = f"98 % interval {score['low']:+.3g} to {score['high']:+.3g}"
        base = score["base"]
        new = score["new"]
        change = f"score {base:.3g}, now {new:.3g}: {new - base:+.3g}"
        return f"{change} ({bounds}, {rows})".replace("-", "\N{MINUS SIGN}")

    # The report.

    def notes(self) -> Iterator[str]:
        """Yield what to know about the result."""
        counts = self.counts
        if counts.less_often and not self.rule.of_gate:  # which says that of its answers
            often = chance_of(counts.less_often, counts.more_often)
            yield f"{self._less_and_more()}: {often}"
        if self._scores:
            yield self._means()
        yield from self._omitted_rows()
        for count, words in self._noted():
            if count:
                yield words.format(rows=amount(count, "row"))
        if self.constants:
            names = in_prose([repr(name) for name in self.constants])
            yield f"an input that all rows share differs: {names}"

    def _omitted_rows(self) -> Iterator[str]:
        base = self.base.header.omitted_rows(self.base.rows)
        new = self.new.header.omitted_rows(self.new.rows)
        if base and base == new:
            yield f"BASE and NEW have {base}"
            return
        for side, part in ((self.base, base), (self.new, new)):
            if part:
                yield f"{side.name} has {part}"

    def _noted(self) -> list[tuple[int, str]]:
        """Return the counts that have a note, with its words."""
        counts = self.counts
        left_out = "by --limit or --only, were not compared"
        return [
            (counts.left_out_of_base, f"{{rows}} of NEW, left out of BASE {left_out}"),
            (counts.left_out_of_new, f"{{rows}} of BASE, left out of NEW {left_out}"),
            (
                counts.other_columns,
                "{rows} with other kept columns in BASE; those of NEW judge both answers",
            ),
            (
                counts.rerun_in_base,
                "{rows} of BASE were re-run, so that NEW can't be found worse as a whole",
            ),
            (counts.asked_again, "{rows} of NEW passed only after a re-run"),
            (counts.still_fail, "{rows} failed in both BASE and NEW"),
            (
                counts.unread_files,
                "{rows} that changed with files of which only the addresses are known "
                "(--output-dir)",
            ),
        ]

    def document(self) -> dict[str, Any]:
        """Return its part of `noxcli.comparison/1`."""
        counts = self.counts
        return {
            "by": self.by,
            "questions": list(self.checks),
            "repeat": self.rule.repeat,
            "pass_each": self.rule.needed,
            "constants": list(self.constants),
            "unjudged": counts.unjudged,
            "left_out_of_BASE": counts.left_out_of_base,
            "left_out_of_NEW": counts.left_out_of_new,
            "other_columns": counts.other_columns,
            "rerun_in_BASE": counts.rerun_in_base,
            "asked_again": counts.asked_again,
            "still_fail": counts.still_fail,
            "unread_files": counts.unread_files,
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


def way_to_judge_alone(new: Side) -> Hint:
    """Return how to judge NEW without BASE."""
    return Hint("to judge NEW alone: ", CommandLine("results", new.named), " --assert …")


def require_comparable(base: BatchHeader, new: BatchHeader) -> None:
    """Raise UsageProblem for sides that have nothing to do with each other."""
    if base.shard != new.shard:
        raise UsageProblem(
            f"BASE is shard {base.shard} of a batch, and NEW is shard {new.shard}",
            "compare the same shard of both batches",
        )
    if base.repeat != new.repeat:
        counts = f"BASE has {amount(base.repeat, 'repetition')} of each row, and NEW {new.repeat}"
        raise UsageProblem(counts, "run both with the same --repeat")


def way_to_finish(name: str, header: BatchHeader, codes: Mapping[int, int]) -> Hint | None:
    """Return how a side gets answers instead of lines with these codes, None if it can't."""
    left = sum(count for code, count in codes.items() if code not in HAD_RUN)
    command = command_to_continue(header.command, codes, left)
    if command is None:
        return None
    version = ""
    if header.version_id is None:
        version = ", and --version-id V if the workflow has another version now"
    return Hint(f"finish {name} with: ", command, version)


def _mean_score(lines: Sequence[ResultLine]) -> float:
    return fmean(line["score"] for line in lines)
