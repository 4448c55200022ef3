"""`noxcli batch`: one run for each row of a file, each started exactly once, even after kills and outages."""

import shlex
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noxcli.batch.doubts import Finding, look_for
from noxcli.batch.engine import Bounds, Engine
from noxcli.batch.expected import Expected
from noxcli.batch.journal import Journal
from noxcli.batch.judge import Judge
from noxcli.batch.output import Output, Printer
from noxcli.batch.past import FINISHED, JOURNAL_NAME, Header, Past
from noxcli.batch.results import RESULTS_NAME, Results
from noxcli.batch.resume import (
    Checker,
    RemainingRows,
    accepted,
    constants_of,
    line_to_continue,
    reopen_lost,
    require_resumable,
    require_right,
)
from noxcli.batch.row import FINAL
from noxcli.batch.rows import Columns, RowFile
from noxcli.batch.session import BatchSession
from noxcli.batch.shards import Shard, shard_asked
from noxcli.batch.tally import Tally
from noxcli.batch.work import KnownRuns, RowWork
from noxcli.cli.context import Context
from noxcli.cli.ending import to_paste
from noxcli.cli.options import (
    Asserting,
    Common,
    InputArguments,
    Junit,
    LineQueryOption,
    OnInterrupt,
    PollInterval,
    PreflightOptions,
    Report,
    Secrets,
    WaitingForRun,
    WorkflowArgument,
    before,
    declared,
    during,
)
from noxcli.cli.prepare import chosen_version, read_workflow, stored
from noxcli.cli.session import Session, begin
from noxcli.encode import to_json
from noxcli.errors import ExitCode, Interruption, NoxError, Phase, TimedOut, TimedOutBeforeStart, UsageProblem
from noxcli.files import check_target, save
from noxcli.fixed import fixed
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.parse import Inputs, read_inputs
from noxcli.inputs.sources import STDIN_NAMES
from noxcli.models import Workflow
from noxcli.query import Query
from noxcli.render.renderers import batch_progress
from noxcli.render.text import amount
from noxcli.reports.ci import BatchEnded
from noxcli.retry import Patience
from noxcli.runs.candidates import LONGEST_LOOK, Comparison
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    from noxcli.api.gate import Gate


class Again(StrEnum):
    """Rows to start again."""

    FAILED = "failed"
    STOPPED = "stopped"
    DOUBTFUL = "doubtful"


@declared
class Options(PreflightOptions, Asserting, WaitingForRun, Common):
    """Run a workflow once for each row of a file, and print one JSON line for each result.

    If it is interrupted, the same command with --resume continues it, and starts nothing twice. More: docs/batch.md.

    Examples:
        noxcli inputs qa --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch qa rows.jsonl --dry-run
        noxcli batch qa rows.jsonl --max-parallel 16 > results.jsonl
        # Continue after an interruption.
        noxcli batch qa rows.jsonl --resume
    """

    workflow: WorkflowArgument
    file: Annotated[str, typer.Argument(metavar="FILE", help="Rows: JSON lines, CSV or TSV; - reads stdin.")]
    inputs: InputArguments = None
    secrets: Secrets = None
    input_format: Annotated[
        str | None,
        typer.Option(
            "--input-format",
            metavar="jsonl|csv|tsv",
            help="Read FILE as this format. [default: by its name, else jsonl]",
        ),
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="KEY@", help="Read a column as files to upload (KEY@) or as JSON (KEY:=)."),
    ] = None
    output_dir: Annotated[
        str | None,
        typer.Option(
            "--output-dir",
            metavar="DIR",
            help="Write each row's files and the journal to DIR. [default: FILE.batch for the journal]",
        ),
    ] = None
    max_parallel: Annotated[
        int, typer.Option("--max-parallel", metavar="N", min=1, max=1000, help="Run at most N rows at a time.")
    ] = 8
    resume: Annotated[bool, typer.Option("--resume", help="Continue where an earlier call stopped.")] = False
    again: Annotated[
        list[Again] | None,
        typer.Option(
            "--again",
            help="Resume, and start rows again whose run failed or was stopped, or whose start is in doubt, even if "
            "that runs them twice; repeatable.",
            show_default=False,
        ),
    ] = None
    allow_changed_input: Annotated[
        bool, typer.Option("--allow-changed-input", help="Resume even though FILE or the inputs have changed.")
    ] = False
    max_failures: Annotated[
        int | None, typer.Option("--max-failures", metavar="N", min=1, help="Start no more rows after N have failed.")
    ] = None
    ordered: Annotated[bool, typer.Option("--ordered", help="Print results in the order of the rows.")] = False
    line_query: LineQueryOption = None
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N|auto",
            help="Run only shard I of N (1/8 is the first of eight), or the shard of this engine's task. "
            "[env: NOXCLI_SHARD]",
        ),
    ] = None
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect", metavar="FILE", help="Compare outputs with these, by the rows' $id (JSON lines, CSV or TSV)."
        ),
    ] = None
    report: Report = None
    junit: Junit = None
    on_interrupt: OnInterrupt = None
    poll_interval: PollInterval = 5.0


def execute(ctx: typer.Context, options: Options) -> None:
    """Run the rows, and report all of them. Raises one error for all rows, unless they completed."""
    noxus = begin(ctx, options, subject=options.workflow)
    context = noxus.context
    context.printing.query = None if options.line_query is None else Query.read(options.line_query, "--query")
    table = _table(context, options)
    for option, file in (("--junit", options.junit), ("--report", options.report)):
        if file is not None:
            check_target(Path(file), option)
            _require_own(Path(file), option, table.directory)
    judge = Judge(context.reports.asserts, _expected(context, table, options.expect), context.terminal.mask)
    line = [*context.argv, *([] if "--resume" in context.argv else ["--resume"])]
    context.way_back = f"noxcli {shlex.join(line)}"
    with ExitStack() as stack:
        stack.enter_context(noxus.connect())
        begun = _begun(stack, noxus, table, _target(noxus, options), options)
        if begun is None:
            return
        if options.junit is not None:
            stack.callback(_write_junit, Path(options.junit), table.directory, context, judge)
        if options.report is not None:
            stack.callback(_write_page, Path(options.report), table.directory, context, judge)
        rows = table.with_files(stored(noxus, table.common, begun.target.patience))
        tally = _tally(begun, judge)
        printer = Printer(judge, context.printing.query, tally, context.terminal.write, partial(to_paste, context))
        bounds = Bounds(
            options.max_parallel,
            options.max_failures,
            options.ordered,
            Again.DOUBTFUL in (options.again or ()),
            options.poll_interval,
        )
        began = context.clock.monotonic()
        with context.reports.ci.fold(f"{options.workflow}: {rows.name}"):
            error = _worked(noxus, begun, rows, printer, bounds, stops=context.stops_runs(options.on_interrupt))
    _conclude(noxus, tally, context.clock.monotonic() - began, error)


def _require_own(target: Path, option: str, directory: Path) -> None:
    """Raise UsageProblem if a report would replace one of the batch's own files."""
    if target.resolve() in {(directory / name).resolve() for name in (JOURNAL_NAME, RESULTS_NAME)}:
        raise UsageProblem(f"{option} {target} belongs to the batch itself", "choose another file")


@fixed
class _Table:
    """What the command line says about the rows, and where their journal is."""

    rows: RowFile
    columns: Columns
    common: Inputs
    shard: Shard
    directory: Path
    named: bool  # by --output-dir: outputs become files there

    def with_files(self, values: Mapping[str, Any]) -> RowFile:
        """Return the rows with these values of the inputs that all rows share."""
        return self.rows.again(replace(self.columns, common=replace(self.common, values=dict(values))))


def _table(context: Context, options: Options) -> _Table:
    output_dir = options.output_dir
    part = shard_asked(options.shard, context.terminal.environ)
    if options.file in STDIN_NAMES:
        context.sources.claim(options.file, f"FILE {options.file}")
    common = read_inputs(
        options.inputs or [], None, context.sources, secrets=options.secrets or [], environ=context.terminal.environ
    )
    context.hide(common)
    columns = Columns.parse(options.column or [], common)
    rows = RowFile(options.file, options.input_format, columns, sys.stdin.buffer if sys.stdin is not None else None)
    if output_dir is None and rows.is_stream:
        raise UsageProblem("rows from a stream need a directory for the journal", "add --output-dir DIR")
    directory = Path(f"{options.file}.batch").expanduser() if output_dir is None else Path(output_dir)
    return _Table(rows, columns, common, part, directory, output_dir is not None)


def _expected(context: Context, table: _Table, expect: str | None) -> Expected | None:
    """Return the rows' expected outputs. Raises UsageProblem for a file that can't be read, or for an extra output."""
    if expect is None:
        return None
    expected = Expected.read(expect)
    if not table.rows.is_stream and (without := expected.require_rows(table.rows)):
        context.terminal.note(f"warning: no expected output for {amount(without, 'row')} in {expect}")
    return expected


@fixed
class _Target:
    """The workflow to run, as far as it was read, and the check of rows against it."""

    named: str
    found: Workflow
    known: Workflow | None
    version_id: str | None
    checking: PreflightOptions
    checker: Checker
    patience: Patience
    gate: "Gate"


def _target(noxus: Session, options: Options) -> _Target:
    noxus.context.enter(Phase.PREFLIGHT)
    gate, patience = noxus.api.paced(), noxus.patience(out_of_time=TimedOutBeforeStart)
    found = noxus.workflow(options.workflow, patience)
    version = chosen_version(noxus, found, options, patience)
    known = None if options.no_check else read_workflow(noxus, found, patience, version)
    checker = Checker(known.definition if known else None, options.workflow, noxus.context.terminal.note)
    return _Target(options.workflow, found, known, version.id if version else None, options, checker, patience, gate)


@fixed
class _Begun:
    """A batch whose journal and results are open, and the rest of its work."""

    table: _Table
    target: _Target
    journal: Journal
    results: Results
    remaining: RemainingRows
    total: int | None  # rows, None for a stream
    comparison: Comparison
    doubtful: Finding  # what the run list shows about rows that an earlier call left in doubt


def _begun(stack: ExitStack, noxus: Session, table: _Table, target: _Target, options: Options) -> _Begun | None:
    """Begin the batch or continue it; None for a dry run, which prints the remaining work.

    Its files are closed with the stack. Raises UsageProblem, ConfigProblem and WrongInputs.
    """
    context, rows, dry_run = noxus.context, table.rows, target.checking.dry_run
    header = Header(
        target.found.id,
        target.version_id,
        context.base_url,
        rows.name,
        str(table.shard),
        constants_of(table.common),
        sorted(table.common.secret),
        rows.columns(),
    )
    journal, past = None, Past()
    if (table.directory / JOURNAL_NAME).exists():
        journal = _journal(stack, context, table)
        past = _past(journal, header, table, options, dry_run=dry_run)
    remaining = RemainingRows(target.checker, table.shard, past, options.allow_changed_input)
    total = None
    if not rows.is_stream:
        seen = remaining.survey(rows)
        header, total = replace(header, rows=seen.rows, digest=seen.digest), seen.in_shard
        if not target.checking.no_check:
            require_right(seen, target.named, context.terminal.complain)
        if dry_run:
            context.terminal.write(f"{to_json(seen.counts())}\n")
            return None
    elif dry_run:
        raise UsageProblem("--dry-run can't count the rows of a stream", "give FILE")
    journal = journal or _journal(stack, context, table)
    if past.header != header:
        journal.begin(header)
    results = _results(stack, journal, context)
    reopen_lost(past, results, journal.path)
    comparison = Comparison(inputs_of(target.known.definition) if target.known else None, table.common.secret)
    doubtful = _adopted(noxus, target, journal, past, comparison)
    return _Begun(table, target, journal, results, remaining, total, comparison, doubtful)


def _journal(stack: ExitStack, context: Context, table: _Table) -> Journal:
    return stack.enter_context(Journal(table.directory, context.clock, context.terminal.mask, named=table.named))


def _past(journal: Journal, header: Header, table: _Table, options: Options, *, dry_run: bool) -> Past:
    """Return what the journal says, without rows that are to start again. Raises UsageProblem and ConfigProblem."""
    again, changed, past = options.again or (), options.allow_changed_input, journal.past()
    require_resumable(past, header, table.directory, resume=options.resume or bool(again), changed=changed)
    moves = accepted(table.rows, past, table.shard) if changed and not table.rows.is_stream else None
    if moves is not None:
        past.renumber(moves)
        if not dry_run:
            journal.renumber(moves)
    codes = {Again.FAILED: ExitCode.RUN_FAILED, Again.STOPPED: ExitCode.RUN_STOPPED}
    past.forget_all({codes[each] for each in again if each in codes})
    return past


def _results(stack: ExitStack, journal: Journal, context: Context) -> Results:
    """Open the results. Raises UsageProblem."""
    results = Results(journal.place)
    stack.callback(results.close)
    if context.terminal.writes_to(results.path):
        raise UsageProblem(
            f"stdout is {results.path}, a file that noxcli writes itself",
            "redirect stdout to another file or to /dev/null",
        )
    return results


def _adopted(noxus: Session, target: _Target, journal: Journal, past: Past, comparison: Comparison) -> Finding:
    """Let rows in doubt take their runs, and return what the run list shows about them."""
    doubts = [one for one in past.pending.values() if one.run_id is None]
    if not doubts:
        return Finding()
    known = KnownRuns(past.runs.tobytes())
    within = noxus.deadline.left(LONGEST_LOOK)
    finding = look_for(noxus.api, target.found.id, comparison, doubts, known.__contains__, within)
    for doubt, run in finding.own(doubts):
        journal.adopted(doubt, run)
        past.adopt(doubt.number, run)
    return finding


def _tally(begun: _Begun, judge: Judge) -> Tally:
    """Return the count of the rows that an earlier call has finished, judged again."""
    past, tally = begun.remaining.past, Tally(begun.total)
    if not judge.has_questions:
        tally.before.update(past.codes(FINAL))
        return tally
    from noxcli.batch.joined import Joined  # loaded where stored results are read

    for row in Joined.read([begun.table.directory]).reports(judge):
        if past.state(row.row) == FINISHED:
            tally.add(row.exit_code, f"row {row.row}: {row.message}", before=True)
    return tally


def _worked(
    noxus: Session, begun: _Begun, rows: RowFile, printer: Printer, bounds: Bounds, *, stops: bool
) -> NoxError | None:
    """Process the rows, and report each; return what interrupted that.

    Raises ReaderGone and Unwritten if stdout can't be written to any more.
    """
    context, target, journal, tally = noxus.context, begun.target, begun.journal, printer.tally
    retry_for = during(noxus.common.retry_for)

    def patience() -> Patience:
        return Patience(context.clock, noxus.deadline, before(noxus.common.retry_for), lambda _: None)

    work = RowWork(
        noxus.api,
        context.clock,
        journal,
        KnownRuns(begun.remaining.past.runs.tobytes()),
        target.found,
        target.known,
        target.version_id,
        begun.comparison,
        context.terminal.mask,
        patience,
        noxus.deadline,
        retry_for,
        journal.place if begun.table.named else None,
    )
    to_do = begun.remaining.to_do(rows, journal, partial(setattr, tally, "total"))
    output = Output(journal, begun.results, printer, ordered=bounds.ordered)
    with batch_progress(context.terminal) as shown:

        def tick() -> None:
            shown.show(tally, _news_of(target.gate))

        past = begun.remaining.past
        engine = Engine(work, target.gate, to_do, past, begun.doubtful, output, tally, bounds, tick)
        error = BatchSession(noxus.api, engine, target.gate, noxus.deadline, retry_for, stops).run()
    if output.unprinted is not None and not isinstance(error, Interruption | TimedOut):
        raise output.unprinted
    return error


def _news_of(gate: "Gate") -> str:
    if gate.silent_for > 1:
        return f"no answer for {show_seconds(gate.silent_for)}"
    return f"limited to {gate.rate:.1f} requests/s by the server" if gate.rate is not None else ""


def _conclude(noxus: Session, tally: Tally, seconds: float, error: NoxError | None) -> None:
    """Report the outcome. Raises one error for all rows, unless they completed."""
    context, earlier = noxus.context, tally.before.total()
    before = f", {earlier} of them in earlier calls" if earlier else ""
    context.terminal.note(f"{amount(tally.done, 'row')} in {show_seconds(seconds)}{before}")
    tally.say(context.terminal)
    completed = tally.all_codes[ExitCode.OK]
    context.reports.batch = BatchEnded(
        context.outcome.subject, completed, tally.done + tally.not_started, tally.became(), tally.first
    )
    had_runs = {*FINAL, ExitCode.NOT_AS_ASSERTED}
    unfinished = sum(count for code, count in tally.all_codes.items() if code not in had_runs)
    left = tally.not_started + unfinished + tally.interrupted + (error is not None)
    go_on = line_to_continue(context.argv, tally.all_codes, left)
    if isinstance(error, Interruption):
        raise Interruption(error.message, go_on, number=error.number)
    tally.raise_worst(go_on, error)


def _write_junit(target: Path, directory: Path, context: Context, judge: Judge) -> None:
    """Write the report from the journal and the results, which include earlier calls."""
    from noxcli.batch.joined import Joined  # loaded where a report is written
    from noxcli.reports.junit import JunitReport

    joined = Joined.read([directory])
    shard = Shard.parse(joined.header.shard)
    with JunitReport(target, joined.header.source, context.terminal.mask) as report:
        for row in joined.reports(judge):
            if shard.has(row.row):
                for case in row.cases(joined.header.workflow_id, judge.names):
                    report.add(case)


def _write_page(target: Path, directory: Path, context: Context, judge: Judge) -> None:
    from noxcli.batch.joined import Joined  # as above

    save(target, Joined.read([directory]).page(judge, context.terminal.mask, target.parent, context.argv))
