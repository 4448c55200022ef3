"""One call of `noxcli compare`, and what it reports as `noxcli gate` does: on stdout, in files, to a CI system."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from noxcli.checks.row_checker import RowChecker
from noxcli.checks.row_class import RowClass
from noxcli.cli.context import Context
from noxcli.cli.options import ComparisonOptions
from noxcli.cli.session import Session, begin
from noxcli.commands.compare import Options
from noxcli.compare.comparison import Comparison
from noxcli.compare.side import WHAT_FITS, Directory, JsonlSource, RunSource, Side, Source
from noxcli.errors import (
    ExitCode,
    LostContact,
    NotAsAsserted,
    NotFinished,
    NoxError,
    Phase,
    UsageProblem,
)
from noxcli.files import expanded, save
from noxcli.models import is_uuid
from noxcli.render.table import Layout, show_table, with_tabs
from noxcli.render.text import amount, in_prose, shorten
from noxcli.reports.ci import BatchReport
from noxcli.reports.comparison_facts import compared_facts, side_figures, worse_headline
from noxcli.reports.html.comparison_page import comparison_page
from noxcli.reports.junit import Case, CaseVerdict, case_of_pair, write_junit
from noxcli.reports.result import Outcome, verdict_of
from noxcli.reports.row_pair import RowPair, diffs_of_pairs

MAX_SHOWN, MAX_DIFFS = (
    100,
    5,
)  # on a terminal: rows of the table, and rows whose outputs are shown as word diffs
MAX_ID, MAX_WHAT = 30, 200  # characters of a cell there
MAX_NAMED, MAX_LISTED = 3, 10  # rows that fail: in the error, and on the pages of a CI system


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """A comparison of one command, which ends with 11 because of rows in the classes `failing`."""

    context: Context
    comparison: Comparison
    options: ComparisonOptions
    failing: Collection[str]

    def ending(self, red: NoxError | None, none_passes: str) -> NoxError | None:
        """Return why the command does not end with 0: the first of 2, 11 and 8 that holds; 11 is `red`.

        `none_passes` says what 2 is about. Raises UsageProblem if nothing was compared.
        """
        compared, allow_missing = self.comparison.compared, self.options.allow_missing
        compared.require_partners(allow_missing=allow_missing)
        if compared.nothing_could_break:
            ways = ["correct the --assert or --expect, or see why they failed", compared.new_alone]
            return UsageProblem(
                f"{none_passes}, so none could break", "; ".join(filter(None, ways))
            )
        if red is not None:
            return red
        if not compared.counted["answered"] and not compared.rule.of_gate:  # which names its rows
            what = f"{compared.row_counts}, but no row has an answer on both sides"
        elif (unjudged := compared.counted["unjudged"]) and not allow_missing:
            named = _name_some(pair for pair in self.comparison.pairs() if pair.unjudged)
            rows, has = (
                amount(self.comparison.counts.total(), "row"),
                "has" if unjudged == 1 else "have",
            )
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
        """Write the page and the test cases, and collect what a CI system gets. Raises OutputNotDelivered."""
        context, comparison = self.context, self.comparison

        def write_page(target: Path) -> None:
            save(
                target, comparison_page(context.new_page(target.parent), totals, comparison.pairs())
            )

        def write_cases(target: Path) -> None:
            write_junit(target, context.outcome.name, self._cases(totals), context.terminal.mask)

        context.reports.put("report", write_page)
        context.reports.put("junit", write_cases)
        if context.reports.ci is not None or "markdown" in context.reports.targets:
            broken = list(islice(filter(self.fails, comparison.pairs()), MAX_LISTED))
            passing = (pair for pair in comparison.pairs() if not self.fails(pair))
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
                [
                    f"{pair.change} {_with_input(pair)}: {pair.what()}"
                    for pair in islice(passing, MAX_LISTED - len(broken))
                ],
                command=context.reports.command,
                facts=list(compared_facts(totals)),
                broken=broken,
                listed=comparison.listed,
                headline=", ".join(
                    filter(None, [worse_headline(totals), comparison.summary_line()])
                ),
            )

    def _cases(self, totals: Mapping[str, Any]) -> Iterator[Case]:
        """Yield a test case for each row, and in a gate one for NEW as a whole before them."""
        if totals["gate"] is not None:
            verdict = CaseVerdict.FAILURE if worse_headline(totals) else CaseVerdict.PASSED
            whole, workflow = (
                (totals["reason"] or "").partition(";")[0],
                totals["new"]["workflow_id"],
            )
            yield Case("NEW as a whole", workflow, None, verdict, "worse", whole, whole)
        for pair in self.comparison.pairs(same=True):
            lacks = pair.unjudged and not self.options.allow_missing
            without = CaseVerdict.ERROR if lacks else CaseVerdict.PASSED
            yield case_of_pair(pair, CaseVerdict.FAILURE if self.fails(pair) else without)

    def _print(self, totals: dict[str, Any]) -> None:
        terminal, comparison = self.context.terminal, self.comparison
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


def execute(ctx: typer.Context, options: Options) -> None:
    """Print what differs, and write the page. Raises the NoxError that the command ends with."""
    noxus = begin(ctx, options, subject=f"{options.base} and {options.new}")
    context = noxus.context
    checker = RowChecker.read(
        context.reports.asserts, options.expect, context.sources, context.terminal.mask
    )
    checker = checker.measuring(options.score, options.by)
    base, new = _open_sides(noxus, options, checker)
    with Comparison(base, new, checker, options.pass_each) as comparison:
        report = ComparisonReport(
            context, comparison, options, ["broken", *(options.fail_on or ())]
        )
        ending = report.ending(
            _why_red(report), f"{comparison.compared.row_counts}, none of which passes"
        )
        report.write(ending)
    if ending is not None:
        raise ending


def _open_sides(noxus: Session, options: Options, checker: RowChecker) -> tuple[Side, Side]:
    """Read both sides, and validate the checks against them. Raises UsageProblem, and what reading a run raises."""
    warn, coverage = noxus.context.terminal.warn, checker.coverage()
    base = Side("BASE", options.base, _open_source(noxus, options.base), lambda _: None)
    new = Side("NEW", options.new, _open_source(noxus, options.new), coverage.add_line)
    if base.workflow_id != new.workflow_id and base.workflow_id and new.workflow_id:
        warn(f"BASE is of workflow {base.workflow_id}, NEW of {new.workflow_id}")
    inputs = [side.source.inputs for side in (base, new)]
    if None not in inputs and inputs[0] != inputs[1]:
        warn("the two runs have different inputs")
    checker.require_columns(new.columns)
    for side in (base, new):
        if checker.outputs and not side.outputs:
            noxus.context.terminal.note(
                f"the outputs of {side.name} {side.named} are not known, so none was checked"
            )
    alone = f"to judge NEW alone: noxcli results {new.named} --assert …"
    checker.require_outputs(base.outputs, f"BASE {base.named}", alone, known_elsewhere=new.outputs)
    checker.require_answers(new.outputs, f"NEW {new.named}")
    if not checker.check_names(own=new.expects) and base.asserted != new.asserted:
        warn(
            "ignored the printed verdicts, since BASE and NEW were checked differently; add --assert"
        )
    is_whole = not (new.has_unnamed or new.source.is_limited)
    coverage.require(warn, new.outputs, f"NEW {new.named}", own=new.expects, is_whole=is_whole)
    return base, new


def _open_source(noxus: Session, named: str) -> Source:
    """Return what a side names. Raises UsageProblem, and what reading a run raises."""
    warn, path = noxus.context.terminal.warn, expanded(named)
    if os.path.isdir(path):  # noqa: PTH112 - a text may be too long for pathlib
        return Directory(path, warn)
    if os.path.exists(path):  # noqa: PTH110 - as above
        return JsonlSource(path, warn)
    if named == "@last" or is_uuid(named.rpartition("/")[2]):
        return _read_run(noxus, named)
    raise UsageProblem(f"{named} is neither a file nor a run id", WHAT_FITS)


def _read_run(noxus: Session, source: str) -> Source:
    """Return the result of a run from what the server has now."""
    from noxcli.cli import deliver, follow  # loaded for a run alone
    from noxcli.outputs.await_output import await_output

    with noxus.connect(Phase.FOLLOW):
        retries, why = noxus.retries(gave_up=LostContact), ""
        run = noxus.read_run(source, retries)
        if run.status == "failed":
            why = follow.explain_failure(noxus, run).why
        error = verdict_of(run, why)
        outcome = Outcome(source, run, confirmed=True, error=error, phase=Phase.FOLLOW)
        if error is None:
            run = await_output(noxus.api, run, retries)
            outcome.found(run)
            outcome.obtained(deliver.complete_texts(noxus, run.output))
    document = outcome.document(
        error.exit_code if error else ExitCode.OK, noxus.context.terminal.mask
    )
    return RunSource(document, run.input if isinstance(run.input, dict) else None)


def _why_red(report: ComparisonReport) -> NoxError | None:
    """Return why rows, or NEW as a whole, end the command with 11; None if neither does."""
    counts, failing = report.comparison.counts, report.failing
    if counted := [
        f"{counts[change]:,} {change}"
        for change in RowClass
        if change in failing and counts[change]
    ]:
        return NotAsAsserted(
            f"of {amount(counts.total(), 'row')}, {in_prose(counted)}: {report.name_failing()}"
        )
    worse = report.comparison.compared.why_worse() if "worse" in failing else None
    return None if worse is None else NotAsAsserted(worse)


def _name_some(pairs: Iterator[RowPair]) -> str:
    """Return the names of the first rows."""
    names = [shorten(pair.name, MAX_ID) for pair in islice(pairs, MAX_NAMED + 1)]
    return ", ".join([*names[:MAX_NAMED], *(["…"] if len(names) > MAX_NAMED else [])])


def _with_input(pair: RowPair) -> str:
    """Return the name of a row, and its first input if it has one."""
    return f"{pair.name} ({shorten(pair.first_input, MAX_WHAT)})" if pair.first_input else pair.name


def _in_brief(pair: RowPair) -> str:
    """Return what differs, cut to fit into a table: of an assertion, the values and not its text."""
    what, again = pair.what(), f"{pair.confirmed.words()}; " if pair.confirmed is not None else ""
    _, asserted, values = what.partition(" does not hold: ")
    was = "was: " if asserted and what.startswith("was: ") else ""
    return shorten(f"{again}{was}{values or what.removeprefix(again)}", MAX_WHAT)
