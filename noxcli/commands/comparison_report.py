"""What a comparison says: on a terminal or in a pipe, in files, and to a CI system."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from noxcli.cli.context import Context
from noxcli.compare.comparison import Comparison
from noxcli.compare.significance import Interval, chance, difference
from noxcli.errors import ExitCode, NoxError
from noxcli.files import save
from noxcli.render.table import Layout, show_table, with_tabs
from noxcli.render.text import amount, shorten
from noxcli.reports.ci import BatchReport
from noxcli.reports.comparison_facts import compared_facts
from noxcli.reports.html.comparison_page import comparison_page
from noxcli.reports.junit import Case, CaseVerdict, case_of_pair, write_junit
from noxcli.reports.row_pair import RowClass, RowPair, diffs_of_pairs

MAX_SHOWN, MAX_DIFFS = 100, 5  # on a terminal: rows of the table, and rows whose outputs are shown as word diffs
MAX_ID, MAX_WHAT = 30, 200  # characters of a cell there
MIN_SHARE = 0.01  # that is reported exactly
LEVEL = 0.01  # of what is worse as a whole, and of each side of an interval
WORSE = "NEW is worse as a whole"
TOO_FEW = "too few scores differ to tell"
MAX_NAMED, MAX_LISTED = 3, 10  # rows that fail: in the error, and on the pages of a CI system


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """A comparison of one command; `fails` says whether it ends with 11 because of a row."""

    context: Context
    comparison: Comparison
    command: str
    fails: Callable[[RowPair], bool]
    allow_missing: bool
    report: str | None
    junit: str | None
    cases: Sequence[Case] = field(default=())  # apart from those of the rows

    def write(self, ending: NoxError | None, notes: Iterable[str]) -> None:
        """Print what differs, and write the files; `notes` are more than each comparison has.

        Raises OutputNotDelivered.
        """
        code, reason = (ExitCode.OK, None) if ending is None else (ending.exit_code, ending.message)
        notes = [*notes, *score_lines(self.comparison), *self.comparison.compared.notes()]
        totals = self.comparison.totals(
            code, reason, {"chance": chance_of(self.comparison), "score": score_of(self.comparison), "notes": notes}
        )
        self._print(totals)
        self._write_files(totals)

    def name_failing(self) -> str:
        """Return the names of the first rows that fail."""
        return name_some(pair for pair in self.comparison.pairs() if self.fails(pair))

    def _write_files(self, totals: dict[str, Any]) -> None:
        """Write the page and the test cases, and collect what a CI system gets. Raises OutputNotDelivered."""
        context, comparison = self.context, self.comparison
        context.reports.clear()
        if self.report is not None:
            target = Path(self.report)
            save(
                target, comparison_page(context.new_page(target.parent), totals, comparison.pairs(), _headline(totals))
            )
        if self.junit is not None:
            pairs = (case_of_pair(pair, self._case_verdict(pair)) for pair in comparison.pairs(same=True))
            write_junit(Path(self.junit), context.outcome.name, [*self.cases, *pairs], context.terminal.mask)
        if context.reports.ci is not None or "markdown" in context.reports.targets:
            failing = list(islice((pair for pair in comparison.pairs() if self.fails(pair)), MAX_LISTED))
            became = [(count, str(change)) for change in RowClass if (count := comparison.counts[change])]
            broken = [pair for pair in failing if pair.base and pair.new]
            alone = [f"{pair.name}: {pair.what()}" for pair in failing if not (pair.base and pair.new)]
            passing = (pair for pair in comparison.pairs() if not self.fails(pair))
            others = [f"{pair.change} {pair.name}: {pair.what()}" for pair in islice(passing, MAX_LISTED)]
            new, facts = comparison.compared.totals["new"], list(compared_facts(totals))
            ended = BatchReport(context.outcome.name, new.passed, new.rows, became, alone, command=self.command)
            ended = replace(ended, facts=facts, broken=broken, others=others, listed=comparison.listed)
            context.reports.batch = replace(ended, headline=_headline(totals))

    def _case_verdict(self, pair: RowPair) -> CaseVerdict:
        if self.fails(pair):
            return CaseVerdict.FAILURE
        return CaseVerdict.ERROR if pair.verdict.unjudged and not self.allow_missing else CaseVerdict.PASSED

    def _print(self, totals: dict[str, Any]) -> None:
        terminal, comparison = self.context.terminal, self.comparison
        if not self.context.printing.format.is_text:
            documents = (pair.document() for pair in comparison.pairs())
            self.context.printing.print_long_document(totals, "rows", documents)
        elif terminal.stdout_is_tty:
            layout = Layout(("CHANGE", "ROW", "WHAT"), cut=("WHAT",), marked=("CHANGE",))
            pairs = islice(comparison.pairs(), MAX_SHOWN)
            rows = [[str(pair.change), shorten(pair.name, MAX_ID), _in_brief(pair)] for pair in pairs]
            show_table(terminal, layout, rows)
            terminal.show(diffs_of_pairs(terminal, islice(comparison.pairs(), MAX_DIFFS)))
            if comparison.listed > MAX_SHOWN:
                more = amount(comparison.listed - MAX_SHOWN, "row")
                terminal.note(f"and {more} more; a pipe, --json and --report have all of them")
        else:
            terminal.write_all(with_tabs([[str(pair.change), pair.name, pair.what()]]) for pair in comparison.pairs())
        for line in (*comparison.compared.side_lines(), *totals["notes"]):
            terminal.note(line)
        terminal.note(comparison.summary_line())


def _headline(totals: Mapping[str, Any]) -> str:
    """Return what fails apart from rows."""
    return WORSE if (totals["reason"] or "").startswith(WORSE) else ""


def score_of(comparison: Comparison) -> dict[str, Any] | None:
    """Return how the mean score differs, None without scores."""
    compared = comparison.compared
    if not compared.scores:
        return None
    differences = [difference(base, new) for base, new in compared.scores]
    found = Interval.of(differences, LEVEL)
    return {
        "base": fmean(base for base, _ in compared.scores),
        "new": fmean(new for _, new in compared.scores),
        "low": None if found is None else found.low,
        "high": None if found is None else found.high,
        "rows": len(differences),
        "without": compared.counted["without a score"],
    }


def score_lines(comparison: Comparison) -> Iterator[str]:
    """Yield how the mean score differs, if there are scores."""
    if (score := score_of(comparison)) is None:
        return
    rows = f"{amount(score['rows'], 'row')}{f'; {without} without a score' if (without := score['without']) else ''}"
    bounds = f"98 % interval {score['low']:+.3g} to {score['high']:+.3g}" if score["low"] is not None else TOO_FEW
    change = f"score {score['base']:.3g}, now {score['new']:.3g}: {score['new'] - score['base']:+.3g}"
    yield f"{change} ({bounds}, {rows})".replace("-", "\N{MINUS SIGN}")


def why_worse(comparison: Comparison) -> str | None:
    """Return why NEW is worse as a whole, None if chance may explain it, or BASE was chosen by its answers."""
    less, more, share = chance_of(comparison).values()
    score = score_of(comparison) or {}
    if comparison.compared.counted["rerun in BASE"]:
        return None
    if share <= LEVEL and less > more:
        return f"{WORSE}: {less} rows pass less often and {more} more often"
    if (score.get("high") or 0) < 0:
        return f"{WORSE}: {next(score_lines(comparison))}"
    return None


def chance_of(comparison: Comparison) -> dict[str, Any]:
    """Return how often chance does what happened to the rows."""
    counted = comparison.compared.counted
    less, more = counted["less often"], counted["more often"]
    return {"less_often": less, "more_often": more, "share": chance(less, more)}


def chance_lines(comparison: Comparison) -> Iterator[str]:
    """Yield how often chance breaks as many rows, if any broke."""
    less, more, share = chance_of(comparison).values()
    if less:
        passes = "passes" if less == 1 else "pass"
        often = f"{100 * share:.0f}" if share >= MIN_SHARE else "less than 1"
        if comparison.compared.rule.repeat == 1:
            what = f"{amount(less, 'row')} broke and {more} {'was' if more == 1 else 'were'} fixed"
        else:
            what = f"{amount(less, 'row')} {passes} less often and {more} more often"
        these = f"{less} or more of these {less + more}"
        yield f"{what}: an unchanged workflow breaks {these} in {often} of 100 comparisons"


def name_some(pairs: Iterator[RowPair]) -> str:
    """Return the names of the first rows."""
    names = [shorten(pair.name, MAX_ID) for pair in islice(pairs, MAX_NAMED + 1)]
    return ", ".join([*names[:MAX_NAMED], *(["…"] if len(names) > MAX_NAMED else [])])


def _in_brief(pair: RowPair) -> str:
    """Return what differs, cut to fit into a table: of an assertion, the values and not its text."""
    what, again = pair.what(), f"{pair.confirmed.words()}; " if pair.confirmed is not None else ""
    _, asserted, values = what.partition(" does not hold: ")
    was = "was: " if asserted and what.startswith("was: ") else ""
    return shorten(f"{again}{was}{values or what.removeprefix(again)}", MAX_WHAT)
