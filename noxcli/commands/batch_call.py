"""One call of `noxcli batch`: what it is given, its way through the batch, and the report."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from noxcli.batch.batch import Batch
from noxcli.batch.prepare import header_of, validate_checks
from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.watch import BatchWatch
from noxcli.batchdir.header import (
    RESUME,
    BatchHeader,
    changed_nodes,
    command_to_continue,
    digests_of,
    line_with,
    with_shard,
)
from noxcli.checks.batch_summary import BatchSummary, MinPass, enough_of
from noxcli.checks.row_checker import RowChecker
from noxcli.cli.context import Context
from noxcli.cli.ending import print_hint
from noxcli.cli.session import Session, begin
from noxcli.cli.start import check_outputs, read_workflow_to_run, upload_files
from noxcli.cli.table import read_rows, read_spec, worker_of
from noxcli.codec import to_json
from noxcli.commands.batch import Again, Options
from noxcli.errors import (
    ANSWERED,
    CommandLine,
    ExitCode,
    Hint,
    Interruption,
    NoxError,
    Phase,
    TimedOut,
    UsageProblem,
)
from noxcli.expressions.query import Query
from noxcli.files import save
from noxcli.inputs.definition import inputs_of
from noxcli.models import Workflow
from noxcli.render.renderers import task_progress
from noxcli.render.text import amount
from noxcli.reports.row_table import RowTable
from noxcli.rows.reader import RowReader
from noxcli.rows.selection import choose_shard
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    from noxcli.reports.junit import Suite


def execute(ctx: typer.Context, options: Options) -> None:
    """Run the rows, and report all of them.

    Raises one error for all rows, unless they completed.
    """
    noxus = begin(ctx, options, subject=options.workflow)
    context = noxus.context
    min_pass = MinPass.read(options.min_pass)
    enough = enough_of(options.repeat, options.pass_each)
    shard = replace(choose_shard(options.shard, context.terminal.environ), repeat=options.repeat)
    rows = read_rows(noxus, options, RowReader, options.repeat)
    if options.shard != str(shard) and shard.of > 1:
        context.argv = with_shard(context.argv, str(shard))
    spec = replace(
        read_spec(noxus, options, rows, shard, "batch", line_with(context.argv, RESUME)),
        resume=options.resume,
        again=options.again or (),
        checked=not options.no_check,
        max_failures=options.max_failures,
    )
    if options.dry_run and Again.RED in spec.again:
        raise UsageProblem(
            "--dry-run can't count what --again red would start", "remove one of them"
        )
    context.printing.query = (
        None if options.line_query is None else Query(options.line_query, "--query")
    )
    checker = RowChecker.read(
        context.reports.asserts, options.expect, context.sources, context.terminal.mask
    )
    context.resume_command = spec.resume_command
    summary = BatchSummary(min_pass, options.repeat, enough)
    with Batch(spec, summary, context.terminal, context.clock) as batch:
        batch.open()
        with noxus.connect(Phase.PREFLIGHT) as api:
            pace = api.pace_requests()
            workflow = _read_definition(noxus, spec.rows, options)
            if spec.rows.is_pipe:
                batch.at_end(spec.rows.copy_pipe(spec.directory).close)
            header = header_of(context.terminal, workflow, spec, context.base_url, context.argv)
            checker = checker.of_version(header.version_id)
            seen = batch.check(header, inputs_of(workflow.definition) if spec.checked else None)
            validate_checks(context.terminal, checker, spec.rows, header, seen)
            if options.dry_run:
                context.terminal.write(f"{to_json(seen.counts())}\n")
                return
            batch.begin(checker)
            work = worker_of(noxus, pace, [workflow], batch)
            batch.adopt(work)
            batch.count_earlier(checker)
            for name in ("junit", "report"):
                batch.at_end(
                    partial(
                        context.reports.put,
                        name,
                        partial(_write_report, batch, context, checker, name),
                    )
                )
            spec.rows.share(replace(spec.common, values=dict(upload_files(noxus, spec.common))))
            output = _output(context, batch, checker)
            began = context.clock.monotonic()
            with task_progress(context.terminal, prints=True) as shown:
                watch = BatchWatch(batch, [workflow], pace, context.clock, context.terminal, shown)
                batch.run(work, output, watch)
                watch.finish()
            noxus.remember_last(summary.last_run, spec.common.secret)
            if summary.has_started and not isinstance(summary.cause, Interruption):
                _warn_of_change(noxus, header)
    _report(noxus, batch, output, context.clock.monotonic() - began)


def _read_definition(noxus: Session, rows: RowReader, options: Options) -> Workflow:
    """Return the workflow, and tell the rows which inputs it has.

    Raises UsageProblem for an output that it lacks.
    """
    found = noxus.resolve_workflow(options.workflow)
    # What a list contains may differ from what is read by id.
    found = Workflow(found.id, found.name)
    workflow = read_workflow_to_run(noxus, found, options.version_id, checks=not options.no_check)
    rows.know(inputs_of(workflow.definition), checked=not options.no_check)
    if not options.no_check:
        check_outputs(noxus, (), workflow)
    return workflow


def _output(context: Context, batch: Batch, checker: RowChecker) -> ResultWriter:
    query = context.printing.query
    terminal = context.terminal
    table = RowTable() if terminal.stdout_is_tty and query is None else None
    if table is not None:
        batch.at_end(partial(table.show, terminal))
    return ResultWriter(
        batch.header,
        batch.journal,
        batch.results,
        checker,
        batch.summary,
        terminal.write,
        query,
        table,
    )


def _warn_of_change(noxus: Session, begun: BatchHeader) -> None:
    """Read the definition once more, and warn of rows that may have run with another one."""
    if begun.definition is None or begun.version_id is not None or noxus.deadline.passed:
        return  # --resume will compare it
    try:
        now = noxus.keep_trying(lambda api: api.get_workflow(begun.workflow_id))
        definition, nodes = digests_of(now.definition)
    except NoxError as error:
        noxus.context.terminal.warn(
            f"cannot check whether the workflow changed during the batch: {error.message}"
        )
        return
    if definition is not None and definition != begun.definition:
        changed = changed_nodes(begun.nodes, nodes)
        noxus.context.terminal.warn(
            f"the workflow has changed while the batch ran ({changed}): each row of this call may "
            "have run with either definition, unless its record names its version"
        )


def _report(noxus: Session, batch: Batch, output: ResultWriter, seconds: float) -> None:
    """Report the outcome. Raises one error for all rows, unless they completed."""
    summary = batch.summary
    unprinted = output.unprinted
    if unprinted is not None and not isinstance(summary.cause, Interruption | TimedOut):
        raise type(unprinted)(f"{unprinted.message}{batch.named}", unprinted.hint)
    context = noxus.context
    error = summary.cause
    if summary.repeat == 1:
        ran = amount(summary.done, "row")
    else:
        ran = f"{summary.done} runs of {amount(summary.rows, 'row')}"
    ran += f" in {show_seconds(seconds)}"
    earlier = summary.before.total()
    if earlier:
        ran += f", {earlier} of them in earlier calls"
    summary.write_outcome(context.terminal, ran)
    if batch.is_stored:
        print_hint(
            context, Hint("all results: ", CommandLine("results", str(batch.spec.directory)))
        )
    context.reports.batch = summary.for_ci(context.outcome.subject, "batch")
    unfinished = sum(count for code, count in summary.all_codes.items() if code not in ANSWERED)
    remaining = summary.not_started + unfinished - summary.refused + summary.interrupted
    if error is not None:
        remaining += 1
    next_step: Hint | None = None
    way_on = command_to_continue(context.argv, summary.all_codes, remaining)
    if not batch.is_stored:
        next_step = Hint("repeat it with: ", line_with(context.argv))
    elif way_on is not None:
        what = "continue" if remaining else "run the failed rows again"
        next_step = Hint(f"{what} with: ", way_on, _way_out_of_doubt(summary))
    if isinstance(error, Interruption):
        raise Interruption(f"{error.message}{batch.named}", next_step, number=error.number)
    output.checker.require_answers(output.outputs, "no row's result")
    summary.conclude(context.terminal, next_step, batch.named)


def _way_out_of_doubt(summary: BatchSummary) -> str:
    """Return for the end of a hint how rows in doubt are started again."""
    doubtful = summary.all_codes[ExitCode.START_UNKNOWN]
    if not doubtful:
        return ""
    if doubtful == 1:
        return "; --again doubtful starts the row in doubt again, and may run it twice"
    rows = f"the {doubtful} rows in doubt"
    return f"; --again doubtful starts {rows} again, and may run them twice"


def _write_report(
    batch: Batch, context: Context, checker: RowChecker, name: str, target: Path
) -> "Suite | None":
    """Write the report from the journal and the results, which include earlier calls."""
    from noxcli.checks.merge import MergedBatch  # loaded where a report is written
    from noxcli.reports.junit import write_junit

    joined = MergedBatch.read([batch.spec.directory], of_last_call=True)
    if name == "junit":
        cases = joined.cases(checker, joined.shard)
        return write_junit(target, joined.header.source, cases, context.terminal.mask)
    save(target, joined.page(context.new_page(target.parent), checker, batch.summary))
    return None
