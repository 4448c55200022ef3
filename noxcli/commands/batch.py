"""`noxcli batch`: one run for each row of a file, each started exactly once, even after kills and outages."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import typer

from noxcli.batch.engine import Engine
from noxcli.batch.expected import Expected, judge_row
from noxcli.batch.journal import JOURNAL_NAME, Header, Journal, Past
from noxcli.batch.pace import Gated, Pace
from noxcli.batch.plan import FINAL, Counts, Plan, RowResult
from noxcli.batch.results import Results
from noxcli.batch.resuming import Share, line_to_continue, require_resumable, require_right
from noxcli.batch.row_work import RowWork
from noxcli.batch.rows import Columns, RowFile
from noxcli.batch.shards import Shard, shard_asked
from noxcli.batch.shift import Shift
from noxcli.batch.summary import Summary
from noxcli.batch.survey import Checker
from noxcli.cli import options
from noxcli.cli.batch_groups import AtWork, Looking, Resuming, RowResults, RowSource
from noxcli.cli.context import Context
from noxcli.cli.follow import explainer
from noxcli.cli.grouped import grouped
from noxcli.cli.groups import Checking, Common, Reporting, WaitingForRun
from noxcli.cli.invocation import Invocation, begin
from noxcli.cli.prepare import chosen_version, read_workflow, stored
from noxcli.encode import to_json
from noxcli.errors import ExitCode, Interruption, NoxError, Phase, TimedOut, TimedOutBeforeStart, UsageProblem
from noxcli.files import check_target, save
from noxcli.fixed import fixed
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.parse import Inputs, read_inputs
from noxcli.inputs.sources import STDIN_NAMES
from noxcli.models import Workflow
from noxcli.query import Query, found_line
from noxcli.render.batch_bar import counting
from noxcli.render.text import amount
from noxcli.reports.ci.ending import BatchEnded
from noxcli.retry import Patience
from noxcli.runs.likeness import Comparison
from noxcli.timing import show_seconds


@grouped
def batch(
    ctx: typer.Context,
    workflow: options.WorkflowArgument,
    *,
    source: RowSource,
    at_work: AtWork,
    resuming: Resuming,
    results: RowResults,
    checking: Checking,
    waiting: WaitingForRun,
    looking: Looking,
    common: Common,
) -> None:
    """Run a workflow once for each row of a file, and print one JSON line for each result.

    If it is interrupted, the same command with --resume continues it, and starts nothing twice. More: docs/batch.md.

    Examples:
        noxcli inputs qa --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch qa rows.jsonl --dry-run
        noxcli batch qa rows.jsonl --max-parallel 16 > results.jsonl
        # Continue after an interruption.
        noxcli batch qa rows.jsonl --resume
    """
    reporting = Reporting(asserts=results.asserts, ci=results.ci)
    call = begin(ctx, common, waiting, reporting=reporting, subject=workflow)
    context = call.context
    context.query = None if results.query is None else Query.read(results.query, "--query")
    material = _material(context, source, at_work.output_dir, results.shard)
    for option, file in (("--junit", results.junit), ("--report", results.report)):
        if file is not None:
            check_target(Path(file), option)
    expected = _expected(context, material, results)
    line = [*context.argv, *([] if "--resume" in context.argv else ["--resume"])]
    context.way_back = f"noxcli {shlex.join(line)}"
    with ExitStack() as stack:
        stack.enter_context(call.connect())
        target = _target(call, workflow, checking)
        begun = _begun(stack, call, material, target, resuming)
        if begun is None:
            return
        if results.junit is not None:
            stack.callback(_write_junit, Path(results.junit), material.directory, context)
        if results.report is not None:
            stack.callback(_write_page, Path(results.report), material.directory, context)
        rows = material.with_files(stored(call, material.common, target.patience))
        plan = replace(
            _plan(call, material, target, begun),
            max_parallel=at_work.max_parallel,
            max_failures=results.max_failures,
            ordered=results.ordered,
            adopt=resuming.adopt,
            retry_in_doubt=resuming.retry_in_doubt,
            poll_interval=looking.poll_interval,
            judge=partial(judge_row, context.reports.asserts, expected, context.terminal.mask),
        )
        summary, began = Summary(begun.share.past.codes), context.clock.monotonic()
        with context.reports.ci.fold(f"{workflow}: {material.rows.name}"):
            error = _worked(call, plan, rows, begun, summary, looking)
    _conclude(call, begun, summary, context.clock.monotonic() - began, error)


@fixed
class _Material:
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


def _material(context: Context, source: RowSource, output_dir: str | None, shard: str | None) -> _Material:
    part = shard_asked(shard, context.terminal.environ)
    if source.file in STDIN_NAMES:
        context.sources.claim(source.file, f"FILE {source.file}")
    common = read_inputs(
        source.inputs or [], None, context.sources, secrets=source.secrets or [], environ=context.terminal.environ
    )
    context.hide(common)
    columns = Columns.parse(source.column or [], common)
    rows = RowFile(source.file, source.input_format, columns, sys.stdin.buffer if sys.stdin is not None else None)
    directory, named = _directory(source.file, rows, output_dir), output_dir is not None
    return _Material(rows, columns, common, part, directory, named)


def _expected(context: Context, material: _Material, results: RowResults) -> Expected | None:
    """Return the rows' expected outputs. Raises UsageProblem for a file that can't be read, or for an extra output."""
    if results.expect is None:
        return None
    expected = Expected.read(results.expect)
    if not material.rows.is_stream and (without := expected.require_rows(material.rows)):
        context.terminal.note(f"warning: no expected output for {amount(without, 'row')} in {results.expect}")
    return expected


def _directory(file: str, rows: RowFile, output_dir: str | None) -> Path:
    if output_dir is not None:
        return Path(output_dir)
    if rows.is_stream:
        raise UsageProblem("rows from a stream need a directory for the journal", "add --output-dir DIR")
    return Path(f"{file}.batch").expanduser()


@fixed
class _Target:
    """The workflow to run, as far as it was read, and the check of rows against it."""

    named: str
    found: Workflow
    known: Workflow | None
    version_id: str | None
    checking: Checking
    checker: Checker
    patience: Patience
    pace: Pace


def _target(call: Invocation, workflow: str, checking: Checking) -> _Target:
    call.context.enter(Phase.PREFLIGHT)
    pace, patience = Pace(), call.patience(out_of_time=TimedOutBeforeStart)
    call.api.heed_limit(pace.note_left)
    found = call.workflow(workflow, patience)
    version = chosen_version(call, found, checking, patience)
    # This request counts too if the server limits them.
    known = None if checking.no_check else pace.send(lambda: read_workflow(call, found, patience, version))
    checker = Checker(known.definition if known else None, workflow, call.context.terminal.note)
    return _Target(workflow, found, known, version.id if version else None, checking, checker, patience, pace)


@fixed
class _Begun:
    """A batch whose journal and results are open, and the rest of its work."""

    journal: Journal
    kept: Results
    share: Share
    counts: Counts
    pace: Pace


def _begun(
    stack: ExitStack, call: Invocation, material: _Material, target: _Target, resuming: Resuming
) -> _Begun | None:
    """Begin the batch or continue it; None for a dry run, which prints the remaining work.

    Its files are closed with the stack. Raises UsageProblem, ConfigProblem and WrongInputs.
    """
    context, rows, directory = call.context, material.rows, material.directory
    header = Header(target.found.id, context.base_url, rows.name, str(material.shard))
    journal, past = None, Past()
    if (directory / JOURNAL_NAME).exists():
        journal = stack.enter_context(_journal(context, material))
        past = journal.past(retry_failed=resuming.retry_failed)
        require_resumable(past, header, directory, resume=resuming.resume or resuming.retry_failed)
    share = Share(target.checker, material.shard, past, resuming.changed_input)
    counts = Counts(before=past.finished)
    if not rows.is_stream:
        seen = share.survey(rows)
        header = replace(header, rows=seen.rows, digest=seen.digest)
        counts.total = seen.in_shard
        if not target.checking.no_check:
            require_right(seen, target.named, context.terminal.complain)
        if target.checking.dry_run:
            context.terminal.write(f"{to_json(seen.counts())}\n")
            return None
    elif target.checking.dry_run:
        raise UsageProblem("--dry-run can't count the rows of a stream", "give FILE")
    if journal is None:
        journal = stack.enter_context(_journal(context, material))
    if past.header != header:
        journal.begin(header)
    return _Begun(journal, _kept(stack, journal, context), share, counts, target.pace)


def _kept(stack: ExitStack, journal: Journal, context: Context) -> Results:
    """Open the results. Raises UsageProblem."""
    kept = Results(journal.place)
    stack.callback(kept.close)
    if context.terminal.writes_to(kept.path):
        raise UsageProblem(
            f"stdout is {kept.path}, a file that noxcli writes itself",
            "redirect stdout to another file or to /dev/null",
        )
    return kept


def _journal(context: Context, material: _Material) -> Journal:
    return Journal(material.directory, context.clock, context.terminal.mask, named=material.named)


def _plan(call: Invocation, material: _Material, target: _Target, begun: _Begun) -> Plan:
    """Return how to process the rows, from the options."""
    context, api, retry_for = call.context, call.api, call.waiting.retry_for

    def patience() -> Patience:
        return Patience(context.clock, call.deadline, options.before(retry_for), lambda _: None)

    place = begun.journal.place if material.named else None
    work = RowWork(Gated(api, begun.pace), context.clock, patience, place, target.known)
    explain = explainer(context, work.api).explain
    return Plan(
        target.found.id,
        store=work.store,
        start=lambda payload: api.create_run(target.found.id, payload, version_id=target.version_id),
        deliver=work.deliver,
        mask=context.terminal.mask,
        explain=partial(explain, deadline=call.deadline, workflow=target.known or target.found),
        comparison=Comparison(inputs_of(target.known.definition) if target.known else None, material.common.secret),
        retry_for=options.during(retry_for),
    )


@fixed
class _Teller:
    """Puts each row's line into the results, into the summary, and on stdout."""

    context: Context
    kept: Results
    summary: Summary

    def keep(self, told: Sequence[RowResult]) -> None:
        self.kept.add([(one.row.number, one.line) for one in told if one.final])

    def tell(self, told: Sequence[RowResult]) -> None:
        for one in told:
            error = one.result["error"] or {}
            hint = f"; {self.context.to_paste(error['hint'])}" if error.get("hint") else ""
            self.summary.add(one.code, f"row {one.row.number}: {error.get('message')}{hint}")
        query = self.context.query
        lines = (one.line if query is None else found_line(query, one.document) for one in told)
        self.context.terminal.write("".join(lines))


def _worked(
    call: Invocation, plan: Plan, rows: RowFile, begun: _Begun, summary: Summary, looking: Looking
) -> NoxError | None:
    """Process the rows, and report each; return what interrupted that.

    Raises ReaderGone and Unwritten if stdout can't be written to any more.
    """
    context, counts, pace = call.context, begun.counts, begun.pace
    teller = _Teller(context, begun.kept, summary)
    with counting(context.terminal) as shown:

        def tick() -> None:
            shown.show(counts, _news_of(pace))

        to_do = begun.share.to_do(rows, begun.journal, counts)
        engine = Engine(
            call.api,
            plan,
            to_do,
            begun.journal,
            begun.share.past,
            pace,
            call.deadline,
            counts,
            teller=teller,
            tick=tick,
        )
        stops = context.stops_runs(looking.on_interrupt)
        shift = Shift(call.api, engine, pace, call.deadline, plan.retry_for, stops)
        with closing(engine):
            error = shift.work_off()
    if engine.unprinted is not None and not isinstance(error, Interruption | TimedOut):
        raise engine.unprinted
    return error


def _news_of(pace: Pace) -> str:
    if pace.silent_for > 1:
        return f"no answer for {show_seconds(pace.silent_for)}"
    return f"limited to {pace.rate:.1f} requests/s by the server" if pace.rate is not None else ""


def _conclude(call: Invocation, begun: _Begun, summary: Summary, seconds: float, error: NoxError | None) -> None:
    """Report the outcome. Raises one error for all rows, unless they completed."""
    context, counts, earlier = call.context, begun.counts, begun.counts.before
    before = f", {earlier} of them in earlier calls" if earlier else ""
    context.terminal.note(f"{amount(counts.done, 'row')} in {show_seconds(seconds)}{before}")
    not_started = counts.total - counts.done if counts.total is not None else 0
    summary.say(context.terminal, not_started)
    completed, became = summary.codes[ExitCode.OK], summary.became(not_started)
    context.reports.batch = BatchEnded(
        context.outcome.subject, completed, counts.done + not_started, became, summary.first
    )
    unfinished = sum(count for code, count in summary.codes.items() if code not in FINAL)
    left = not_started + unfinished + counts.interrupted + (error is not None)
    go_on = line_to_continue(context.argv, summary.codes, left)
    if isinstance(error, Interruption):
        raise Interruption(error.message, go_on, number=error.number)
    summary.raise_worst(counts.done, go_on, error)


def _write_junit(target: Path, directory: Path, context: Context) -> None:
    """Write the report from the journal, which includes earlier calls."""
    from noxcli.batch.report import Joined  # loaded where a report is written
    from noxcli.reports.assertions import assertion_name
    from noxcli.reports.junit import JunitReport

    joined = Joined.read([directory])
    asserted = dict.fromkeys([*map(assertion_name, context.reports.asserts), *joined.asserted])
    shard = Shard.parse(joined.header.shard)
    with JunitReport(target, joined.header.source, context.terminal.mask) as report:
        for row in joined.reports():
            if shard.has(row.row):
                for case in row.cases(joined.header.workflow_id, asserted):
                    report.add(case)


def _write_page(target: Path, directory: Path, context: Context) -> None:
    from noxcli.batch.page import page_of  # as above
    from noxcli.batch.report import Joined

    save(target, page_of(Joined.read([directory]), context.terminal.mask, target.parent, context.argv))
