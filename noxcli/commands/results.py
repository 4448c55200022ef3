"""`noxcli results`: one report of a batch's shards, which names missing and repeated rows."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated

import typer

from noxcli.batch.joined import Joined, RowReport
from noxcli.batch.results import RESULTS_NAME, KeptResults
from noxcli.batch.row import Tally
from noxcli.cli.context import Context
from noxcli.cli.options import Color, Junit, LineQueryOption, Printed, Quiet, Report, Verbose, declared
from noxcli.cli.session import present, require_apart
from noxcli.errors import ConfigProblem, Undelivered, UsageProblem
from noxcli.files import check_target, replacing, save
from noxcli.query import Query, found_line
from noxcli.render.text import amount

ROWS_TOLD = 20


@declared
class Options(Printed):
    """Join the journals of a batch's shards, and print one JSON line for each row.

    Rows are printed in order. Rows that are missing or ran twice are named.

    Examples:
        noxcli inputs qa --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch qa rows.jsonl --shard 1/2 --output-dir s1 > one.jsonl
        noxcli batch qa rows.jsonl --shard 2/2 --output-dir s2 > two.jsonl
        noxcli results s1 s2 --junit report.xml --report report.html
        # Every row's result with its output, even if stdout was lost.
        noxcli results s1 s2 --results results.jsonl > report.jsonl
    """

    directories: Annotated[list[str], typer.Argument(metavar="DIR...", help="Each shard's --output-dir.")]
    results: Annotated[
        str | None,
        typer.Option("--results", metavar="FILE", help="Write every finished row's result, with its output."),
    ] = None
    line_query: LineQueryOption = None
    report: Report = None
    junit: Junit = None
    quiet: Quiet = False
    verbose: Verbose = False
    color: Color = "auto"


def execute(ctx: typer.Context, options: Options) -> None:
    """Print each row, and write the reports. Raises the worst row's error."""
    context: Context = ctx.obj
    require_apart(options, context.terminal.environ)
    present(context, options)
    results, report, junit = options.results, options.report, options.junit
    found = Query.read(options.line_query, "--query") if options.line_query is not None else None
    joined = Joined.read(list(map(Path, options.directories)))
    for option, file in (("--junit", junit), ("--report", report)):
        if file is not None:
            check_target(Path(file), option)
    tally, kept = Tally(), _Kept(joined.directories)
    with ExitStack() as stack:
        if results is not None:
            kept.open(stack, Path(results))
        for row in joined.reports():
            context.terminal.write(found_line(found, row.document()))
            tally.add(row.exit_code, f"row {row.row}: {row.message}")
            kept.copy(row)
    if junit is not None:
        joined.write_junit(Path(junit), context.terminal.mask)
    if report is not None:
        save(Path(report), joined.page(None, context.terminal.mask, Path(report).parent))
    places = len(joined.directories)
    context.terminal.note(f"{amount(joined.rows, 'row')} in {places} {'directory' if places == 1 else 'directories'}")
    tally.say(context.terminal)
    if joined.absent:
        names = ", ".join(map(str, joined.absent))
        context.terminal.complain(f"noxcli: missing the journals of shards {names}")
    if kept.without:
        context.terminal.complain(f"noxcli: {results} has no results for {_named(kept.without)}")
    _require_one_run_each(joined)
    tally.raise_worst(None)
    if kept.without:
        raise Undelivered(
            f"{_named(kept.without)} completed, but their results are not in {RESULTS_NAME}",
            "noxcli fetch-output RUN has the output",
        )


def _require_one_run_each(joined: Joined) -> None:
    """Raise ConfigProblem if rows have runs in several directories."""
    if joined.doubled:
        told = ", ".join(map(str, sorted(joined.doubled)[:ROWS_TOLD]))
        raise ConfigProblem(
            f"{len(joined.doubled)} rows have a run in several directories: {told}", "was a shard given twice?"
        )


class _Kept:
    """Copies the results of all directories into one file; without a file, it copies nothing."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self.without: list[int] = []  # rows without a finished result
        self._directories = directories
        self._from: dict[str, KeptResults] = {}
        self._to: IO[bytes] | None = None

    def open(self, stack: ExitStack, target: Path) -> None:
        """Open all files until the stack is closed, which puts the target in place. Raises UsageProblem."""
        check_target(target, "--results")
        if target.resolve() in {(directory / RESULTS_NAME).resolve() for directory in self._directories}:
            raise UsageProblem(f"--results {target} belongs to the batch itself", "choose another file")
        self._from = {str(directory): stack.enter_context(KeptResults(directory)) for directory in self._directories}
        self._to = stack.enter_context(replacing(target))

    def copy(self, row: RowReport) -> None:
        """Copy the row's result, or note that there is none."""
        if self._to is None:
            return
        line = self._from[row.directory].line(row.row, row.id, row.run_id) if row.directory is not None else None
        if line is None:
            self.without.append(row.row)
        else:
            self._to.write(line)


def _named(rows: Sequence[int]) -> str:
    first = ", ".join(map(str, rows[:ROWS_TOLD]))
    more = f" and {len(rows) - ROWS_TOLD} more" if len(rows) > ROWS_TOLD else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {first}{more}"
