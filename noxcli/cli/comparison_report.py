"""What `compare` and `gate` report of a comparison: on stdout, in files, to a CI system."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from noxcli.checks.row_class import RowClass
from noxcli.cli.context import Context
from noxcli.cli.options import ComparisonOptions
from noxcli.compare.comparison import Comparison
from noxcli.errors import Hint, NotFinished, NoxError, UsageProblem
from noxcli.files import save
from noxcli.render.table import Layout, show_table, with_tabs
from noxcli.render.text import amount, shorten
from noxcli.reports.ci import BatchReport
from noxcli.reports.comparison_facts import (
    compared_facts,
    fallen_groups,
    side_figures,
    worse_headline,
)
from noxcli.reports.html.comparison_page import comparison_page
from noxcli.reports.junit import Case, CaseVerdict, Suite, case_of_pair, write_junit
from noxcli.reports.row_pair import RowPair, diffs_of_pairs

# On a terminal: rows of the table, and rows whose outputs are shown as word diffs.
MAX_SHOWN = 100
MAX_DIFFS = 5
# Characters of a cell there.
MAX_ID = 30
MAX_WHAT = 200
# Rows that fail: in the error, and on the pages of a CI system.
MAX_NAMED = 3
MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """A comparison of one command, which ends with 11 because of rows in the classes `failing`."""

    context: Context
    comparison: Comparison
    options: ComparisonOptions
    failing: Collection[str]

    def ending(self, red: NoxError | None, none_passes: str, runs: str = "") -> NoxError | None:
        """Return why the command does not end with 0: the first of 2, 11 and 8 that holds.

        11 is `red`. `none_passes` says what 2 is about, and `runs` how many a gate has started.
        Raises UsageProblem if nothing was compared.
        """
        compared = self.comparison.compared
        allow_missing = self.options.allow_missing
        compared.require_partners(allow_missing=allow_missing, runs=runs)
        if compared.nothing_could_break:
            hint = Hint("correct the --assert or --expect, or see why they failed")
            if compared.new_alone is not None:
                hint = Hint(hint, "; ", compared.new_alone)
            return UsageProblem(f"{none_passes}, so none could break", hint)
        if red is not None:
            return red
        if not compared.counts.answered and not compared.rule.of_gate:  # which names its rows
            what = f"{compared.row_counts}, but no row has an answer on both sides"
        elif (unjudged := compared.counts.unjudged) and not allow_missing:
            named = _name_some(pair for pair in self.comparison.pairs() if pair.unjudged)
            rows = amount(self.comparison.counts.total(), "row")
            has = "has" if unjudged == 1 else "have"
            what = f"of {rows}, {unjudged:,} {has} no answer to judge: {named}"
        else:
            return None
        return NotFinished(what, compared.resume_hints())

    def write(
        self,
        ending: NoxError | None,
        notes: Iterable[str] = (),
        gate: Mapping[str, Any] | None = None,
    ) -> None:
        """Print what differs, and write the files; `notes` are more than each comparison has.

        Raises OutputNotDelivered.
        """
        notes = [*notes, *self.comparison.compared.notes()]
        totals = self.comparison.totals(ending, {"gate": gate, "notes": notes})
        self._print(totals)
        self._write_files(totals)

    def fails(self, pair: RowPair) -> bool:
        return pair.change in self.failing

    def name_failing(self) -> str:
        """Return the names of the first rows that fail."""
        return _name_some(filter(self.fails, self.comparison.pairs()))

    def _write_files(self, totals: dict[str, Any]) -> None:
        """Write the page and the test cases, and collect what a CI system gets.

        Raises OutputNotDelivered.
        """
        context = self.context
        comparison = self.comparison

        def write_page(target: Path) -> None:
            save(
                target, comparison_page(context.new_page(target.parent), totals, comparison.pairs())
            )

        def write_cases(target: Path) -> Suite:
            cases = self._cases(totals)
            return write_junit(target, context.outcome.name, cases, context.terminal.mask)

        context.reports.put("report", write_page)
        context.reports.put("junit", write_cases)
        if context.reports.ci is not None or "markdown" in context.reports.targets:
            broken = list(islice(filter(self.fails, comparison.pairs()), MAX_LISTED))
            passing = (pair for pair in comparison.pairs() if not self.fails(pair))
            others = list(islice(passing, MAX_LISTED - len(broken)))
            side = totals["new"]
            context.reports.batch = BatchReport(
                context.outcome.name,
                side["passed"],
                side["rows"],
                [
                    (count, str(change))
                    for change in RowClass
                    if (count := comparison.counts[change])
                ],
                [f"{pair.change} {_with_input(pair)}: {pair.what()}" for pair in others],
                command=context.reports.command,
                facts=list(compared_facts(totals)),
                broken=broken,
                others=others,
                listed=comparison.listed,
                of_one_version=comparison.compared.rule.of_one_version,
                fell=list(fallen_groups(totals["groups"])),
                headline=", ".join(
                    filter(None, [worse_headline(totals), comparison.summary_line()])
                ),
            )

    def _cases(self, totals: Mapping[str, Any]) -> Iterator[Case]:
        """Yield a test case for each row, and in a gate one for NEW as a whole before them."""
        if totals["gate"] is not None:
            verdict = CaseVerdict.FAILURE if worse_headline(totals) else CaseVerdict.PASSED
            whole = (totals["reason"] or "").partition(";")[0]
            workflow = totals["new"]["workflow_id"]
            yield Case("NEW as a whole", workflow, None, verdict, "worse", whole, whole)
        for pair in self.comparison.pairs(same=True):
            lacks = pair.unjudged and not self.options.allow_missing
            without = CaseVerdict.ERROR if lacks else CaseVerdict.PASSED
            yield case_of_pair(pair, CaseVerdict.FAILURE if self.fails(pair) else without)

    def _print(self, totals: dict[str, Any]) -> None:
        terminal = self.context.terminal
        comparison = self.comparison
        if not self.context.printing.format.is_text:
            documents = (pair.document() for pair in comparison.pairs())
            self.context.printing.print_long_document(totals, "rows", documents)
        elif terminal.stdout_is_tty:
            layout = Layout(("CHANGE", "ROW", "WHAT"), cut=("WHAT",), marked=("CHANGE",))
            pairs = islice(comparison.pairs(), MAX_SHOWN)
            rows = [
                [str(pair.change), shorten(pair.name, MAX_ID), _in_brief(pair)] for pair in pairs
            ]
            show_table(terminal, layout, rows)
            terminal.show(diffs_of_pairs(terminal, islice(comparison.pairs(), MAX_DIFFS)))
            if comparison.listed > MAX_SHOWN:
                more = amount(comparison.listed - MAX_SHOWN, "row")
                terminal.note(f"and {more} more; a pipe, --json and --report have all of them")
        else:
            terminal.write_all(
                with_tabs([[str(pair.change), pair.name, pair.what()]])
                for pair in comparison.pairs()
            )
        for side in ("base", "new"):
            terminal.note(f"{side.upper()} {totals[side]['source']}: {side_figures(totals[side])}")
        for line in totals["notes"]:
            terminal.note(line)
        terminal.note(comparison.summary_line())


def _name_some(pairs: Iterator[RowPair]) -> str:
    """Return the names of the first rows."""
    names = [shorten(pair.name, MAX_ID) for pair in islice(pairs, MAX_NAMED + 1)]
    return ", ".join([*names[:MAX_NAMED], *(["…"] if len(names) > MAX_NAMED else [])])


def _with_input(pair: RowPair) -> str:
    """Return the name of a row, and its first input if it has one."""
    return f"{pair.name} ({shorten(pair.first_input, MAX_WHAT)})" if pair.first_input else pair.name


def _in_brief(pair: RowPair) -> str:
    """Return what differs, cut to fit into a table.

    Of an assertion, the values and not its text.
    """
    what = pair.what()
    again = f"{pair.confirmed.words()}; " if pair.confirmed is not None else ""
    _, asserted, values = what.partition(" does not hold: ")
    was = "was: " if asserted and what.startswith("was: ") else ""
    return shorten(f"{again}{was}{values or what.removeprefix(again)}", MAX_WHAT)
