"""One call of `noxcli results`: the rows of a batch and its shards, judged and reported."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import typer

from noxcli.checks.batch_summary import BatchSummary, MinPass, enough_of
from noxcli.checks.merge import MergedBatch
from noxcli.checks.row_checker import RowChecker, with_judgement
from noxcli.checks.row_class import answer_of
from noxcli.cli.context import Context
from noxcli.cli.destinations import plan_reports, present
from noxcli.cli.options import option_of, read_statuses
from noxcli.commands.results import Options
from noxcli.compare.totals import Groups, SideTotals
from noxcli.errors import ExitCode, UsageProblem
from noxcli.expressions.query import Query, found_line
from noxcli.files import save
from noxcli.outputs.values import by_name
from noxcli.render.text import amount, in_prose
from noxcli.reports.comparison_facts import group_facts
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.junit import Suite, write_junit
from noxcli.reports.row_table import RowTable
from noxcli.reports.spreadsheet import Sheet
from noxcli.rows.columns import EXPECT
from noxcli.rows.selection import ALL_ROWS

WORKBOOKS = {".xlsx", ".xls", ".ods"}
# The options that judge or count rows.
JUDGING = (
    "status",
    "asserts",
    "expect",
    "min_pass",
    "pass_each",
    "csv",
    "report",
    "markdown",
    "junit",
    "score",
    "by",
)
# The same, and those that say what to print of rows, by the names of their fields.
ABOUT_ROWS = {
    **{name: option_of(name) for name in JUDGING},
    "line_query": "--query",
    "csv_raw": "--csv-raw",
    "all_rows": "--all",
}


def execute(ctx: typer.Context, options: Options) -> None:
    """Print each row, and write the reports. Raises the worst row's error."""
    context: Context = ctx.obj
    context.outcome.concerns(" ".join(options.directories))
    plan_reports(context, options)
    if options.as_json and not options.summary:
        raise UsageProblem("results are JSON lines", "remove --json, or add --summary")
    if options.summary:
        _require_no_rows(options)
        present(context, options)
        from noxcli.commands.results_summary import print_summary  # loads nothing of results

        print_summary(context, [Path(each) for each in options.directories])
        return
    if options.csv_raw and options.csv is None:
        raise UsageProblem("--csv-raw needs a table to write", "add --csv FILE")
    if options.line_query is None and Path(options.output or "").suffix.lower() == ".csv":
        raise UsageProblem(
            f"-o {options.output} would have JSON lines", f"for CSV, write --csv {options.output}"
        )
    if options.csv is not None:
        _require_no_workbook(Path(options.csv))
    present(context, options)
    query = None
    if options.line_query is not None:
        query = Query(options.line_query, "--query")
    wanted = read_statuses(options.status or ())
    checker = RowChecker.read(
        context.reports.asserts, options.expect, context.sources, context.terminal.mask
    )
    checker = checker.measuring(options.score, options.by)
    min_pass = MinPass.read(options.min_pass)
    joined = MergedBatch.read([*map(Path, options.directories)], with_gone=options.all_rows)
    if joined.header.gate is not None:
        _print_gate(context, options, joined, query)
        return
    checker = checker.of_version(joined.header.version_id)
    _validate_checks(context, joined, checker)
    repeat = joined.header.repeat
    summary = BatchSummary(
        min_pass=min_pass, repeat=repeat, pass_each=enough_of(repeat, options.pass_each)
    )
    rows = _Rows(context, options, joined, checker, summary, wanted)
    rows.show(query)
    summary.expect(summary.done)  # each row has a line
    rows.write_files()
    rows.report()
    summary.conclude(context.terminal, None)


def _require_no_rows(options: Options) -> None:
    """Raise UsageProblem for an option about rows, of which --summary prints none."""
    for name, option in ABOUT_ROWS.items():
        if getattr(options, name):
            raise UsageProblem(
                f"{option} is about rows, and --summary prints none", "remove one of them"
            )


def _require_no_workbook(file: Path) -> None:
    if file.suffix.lower() in WORKBOOKS:
        raise UsageProblem(
            f"--csv writes no workbook such as {file.name}",
            f"write --csv {file.with_suffix('.csv')}",
        )


def _print_gate(
    context: Context, options: Options, joined: MergedBatch, query: Query | None
) -> None:
    """Print each answer of a gate. Raises UsageProblem for an option that judges or counts them."""
    for name in JUDGING:
        if getattr(options, name):
            gate = f"{options.directories[0]}, which has the answers of a gate"
            raise UsageProblem(
                f"{option_of(name)} is not for {gate}", "only noxcli gate judges them"
            )
    context.terminal.write_all(found_line(query, line) for line in _lines_of_gate(joined))


def _lines_of_gate(joined: MergedBatch) -> Iterator[ResultLine]:
    """Yield each answer and each judgement; an answer with what the judge says of it."""
    printed = map(joined.header.printed, joined.runs(ALL_ROWS))
    for _, of_row in groupby(printed, key=itemgetter("row")):
        lines = {(line["side"], line["place"]): line for line in of_row}
        for (side, place), line in lines.items():
            judgement = lines.get((f"judge_of_{side}", place))
            if judgement is not None and judgement["result"]["exit_code"] == ExitCode.OK:
                yield with_judgement(line, judgement)
            else:
                yield line


def _validate_checks(context: Context, joined: MergedBatch, checker: RowChecker) -> None:
    """Warn of rows without a check.

    Raises UsageProblem for a check that could not fail, or not hold.
    """
    header = joined.header
    coverage = checker.coverage()
    columns = set[str]()
    outputs = {*(header.outputs or ())}
    own = False
    for _, stored in joined.read_all(ALL_ROWS):
        line = header.printed(stored)
        coverage.add_line(line)
        beside = line["columns"] or {}
        columns.update(line["input"] or {}, beside)
        if EXPECT in beside:
            own = True
        if line["result"]["exit_code"] == ExitCode.OK:
            outputs.update(by_name(line["result"]["output"]))
    if checker.has_checks and not joined.rows:
        raise UsageProblem(
            f"{joined.directories[0]} has no rows, so nothing is checked", "run its batch first"
        )
    if columns:
        columns.update(header.kept, header.columns or ())
    checker.require_columns(columns)
    where = in_prose(list(map(str, joined.directories[:2])))
    checker.require_answers(outputs, where)
    is_whole = joined.knows_all and not joined.is_limited
    coverage.require(context.terminal.warn, outputs, where, own=own, is_whole=is_whole)


@dataclass(eq=False, repr=False)
class _Rows:
    """The rows of one call: counted as they are shown, then reported.

    `wanted` are the statuses to show, if not all.
    """

    context: Context
    options: Options
    joined: MergedBatch
    checker: RowChecker
    summary: BatchSummary
    wanted: Collection[str]

    def __post_init__(self) -> None:
        self.sheet = Sheet(raw=self.options.csv_raw, separator=self.joined.header.separator)
        self.totals = SideTotals()
        self.groups = Groups(self.options.by)

    def _is_wanted(self, line: ResultLine) -> bool:
        if not self.wanted:
            return True
        run = line["result"]["run"]
        return run is not None and run.get("status") in self.wanted

    def _counted(self) -> Iterator[ResultLine]:
        """Count each line, and yield those of the wanted statuses."""
        for line in self.joined.lines(self.checker):
            self.summary.count(line)
            self.totals.count([line], [answer_of(line)])
            self.groups.add(line, "new", [line], [answer_of(line)])
            if self._is_wanted(line):
                if self.options.csv is not None:
                    self.sheet.add(line)
                yield line

    def show(self, query: Query | None) -> None:
        """Print what the query finds in each line; without one, a terminal gets a table."""
        terminal = self.context.terminal
        if query is not None or not terminal.stdout_is_tty:
            terminal.write_all(found_line(query, line) for line in self._counted())
            return
        table = RowTable()
        for line in self._counted():
            table.add(line)
        table.show(terminal)

    def _measured(self) -> list[tuple[str, str]]:
        measured = []
        if self.totals.score is not None:
            measured.append(("Mean score", f"{self.totals.score:.6g}"))
        unit = "row" if self.summary.repeat == 1 else "run"
        measured += group_facts(self.groups.document(), unit)
        return measured

    def write_files(self) -> None:
        """Write the table, the test cases and the page that the options name.

        Raises OutputNotDelivered.
        """
        context = self.context
        joined = self.joined
        checker = self.checker
        if self.options.csv is not None:
            wanted = (line for line in joined.lines(checker) if self._is_wanted(line))
            save(Path(self.options.csv), self.sheet.pieces(wanted))

        def write_cases(target: Path) -> Suite:
            cases = joined.cases(checker)
            return write_junit(target, joined.header.source, cases, context.terminal.mask)

        def write_page(target: Path) -> None:
            page = context.new_page(target.parent)
            save(target, joined.page(page, checker, self.summary, self._measured()))

        context.reports.put("junit", write_cases)
        context.reports.put("report", write_page)

    def report(self) -> None:
        """Write to stderr what there is and what is missing, and collect what a CI system gets."""
        terminal = self.context.terminal
        joined = self.joined
        summary = self.summary
        header = self.joined.header
        places = len(joined.directories)
        where = f"{places} {'directory' if places == 1 else 'directories'}"
        summary.write_outcome(terminal, f"{amount(summary.rows, 'row')} in {where}")
        for path in joined.torn:
            terminal.warn(f"{path} has an incomplete last line, which was ignored")
        for path in joined.empty:
            terminal.warn(f"no batch has begun in {path}")
        for note in joined.notes():
            terminal.complain(f"noxcli: {note}")
        notes = [*joined.notes(), *summary.notes()]
        if summary.min_pass is not None and summary.verdict is not None:
            _, share = summary.verdict
            notes.insert(0, share)
        measured = self._measured()
        for term, text in measured:
            terminal.note(f"{term}: {text}")
        facts = {
            "Results": ", ".join(map(str, joined.directories)),
            "Table": header.source,
            "Workflow": header.workflow,
            "Version": header.version,
            "Checks": ", ".join(self.checker.check_names(own=False)),
            "Notes": "; ".join(notes),
        }
        known = [(term, text) for term, text in facts.items() if text]
        known += measured
        name = self.context.outcome.subject
        self.context.reports.batch = replace(summary.for_ci(name, "results"), facts=known)
