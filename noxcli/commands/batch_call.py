"""One call of `noxcli batch`: what it is given, what earlier calls left, the engine, and the ending."""

import shlex
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from noxcli.batch.columns import EXPECT, Columns
from noxcli.batch.doubts import Finding, look_for, of_version
from noxcli.batch.engine import Engine
from noxcli.batch.identity import changed_nodes, constants_of, digests_of, with_definition_of
from noxcli.batch.journal import Journal
from noxcli.batch.judge import Judge, MinPass, enough_of
from noxcli.batch.output import Output, Printer, RowTable
from noxcli.batch.past import FINISHED, RESULTS_NAME, Header, Past
from noxcli.batch.results import Results
from noxcli.batch.resume import (
    Checker,
    RemainingRows,
    Survey,
    command_to_continue,
    continued,
    leave_directory,
    line_with,
    name_runs,
    renew_columns,
    reopen_lost,
    require_first,
)
from noxcli.batch.row import as_printed
from noxcli.batch.rows import RowFile
from noxcli.batch.shards import Shard, shard_asked
from noxcli.batch.tally import Tally
from noxcli.batch.work import KnownIds, RowWork
from noxcli.cli.context import Context
from noxcli.cli.ending import say_hint, to_paste, unexpected
from noxcli.cli.options import RETRY_AT_FIRST, RETRY_FOLLOWING
from noxcli.cli.prepare import check_outputs, only_to_check, upload_files, what_to_run
from noxcli.cli.session import Session
from noxcli.codec import to_json
from noxcli.commands.batch_options import Again, Options
from noxcli.commands.results import require_not_stored
from noxcli.errors import ANSWERED, HAD_RUN, ExitCode, Interruption, NoxError, Phase, TimedOut, UsageProblem, worst
from noxcli.files import expanded, save
from noxcli.inputs.definition import inputs_of, keys_of, outputs_of
from noxcli.inputs.parse import Inputs, read_inputs
from noxcli.inputs.sources import STDIN_NAMES
from noxcli.models import Workflow
from noxcli.query import Query
from noxcli.render.renderers import batch_progress
from noxcli.render.text import amount
from noxcli.retry import Patience, in_lines
from noxcli.runs.start import LONGEST_LOOK, Comparison
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    from noxcli.api.gate import Gate


def run_rows(noxus: Session, options: Options) -> None:
    """Run the rows, and report all of them. Raises one error for all rows, unless they completed."""
    context = noxus.context
    min_pass, enough = MinPass.read(options.min_pass), enough_of(options.repeat, options.pass_each)
    shard, common, rows, directory = _given(context, options)
    context.printing.query = None if options.line_query is None else Query.read(options.line_query, "--query")
    judge = Judge.asked(options.asserts, options.expect, context.terminal.mask)
    require_not_stored({"--junit": options.junit, "--report": options.report}, [directory])
    context.reports.junit = Path(options.junit) if options.junit else None  # until there are rows to report
    context.way_back = line_with(context.argv, ["--resume"])
    tally = Tally(None, min_pass, options.repeat, enough)
    with ExitStack() as stack:
        named = options.output_dir is not None
        journal = stack.enter_context(Journal(directory, context.clock, context.terminal.mask, named=named))
        resume = bool(options.resume or options.again)
        require_first(journal, context.terminal, resume=resume, fresh=options.fresh)
        stack.push(partial(_leave_directory, journal, context, tally, resume))
        gate = stack.enter_context(noxus.connect(Phase.PREFLIGHT)).pace_requests()
        workflow = _read_definition(noxus, rows, options)
        header = _header(context, workflow, rows, common, shard, options)
        past = _past(journal, header, rows, shard, options)
        nodes = None if options.no_check else inputs_of(workflow.definition)
        checker = Checker(nodes, options.workflow, context.terminal)
        remaining = RemainingRows(checker, shard, past, options.allow_changed_input)
        seen = _surveyed(context, remaining, rows, options)
        _check_questions(context, judge, rows, header)
        if options.dry_run:
            return
        if seen is not None:
            header = replace(header, rows=seen.rows, digest=seen.digest, kept=list(seen.kept))
        results = _begun(stack, journal, header, past, rows, options, context)
        work = _work(noxus, gate, workflow, journal, past, common, options)
        doubtful = _adopted(noxus, work, past, options)
        _count_past(directory, rows, past, judge, seen, tally)
        context.reports.junit = None
        for option, file in (("--junit", options.junit), ("--report", options.report)):
            if file is not None:
                stack.callback(_write_report, option, Path(file), directory, rows.most, context, judge, tally)
        rows.share(upload_files(noxus, common))
        printer = _printer(context, judge, tally)
        output = Output(journal, results, printer, ordered=options.ordered)
        began = context.clock.monotonic()
        shown = batch_progress(context.terminal)
        stack.enter_context(shown)
        engine = Engine(
            work,
            remaining.to_do(rows, journal, tally),
            past,
            doubtful,
            output,
            lambda: shown.tell(partial(tally.how_far, _news_of(gate))),
            partial(unexpected, context),
            max_parallel=options.max_parallel,
            max_failures=options.max_failures,
            row_timeout=options.row_timeout,
            poll_interval=options.poll_interval,
        )
        error = tally.cause = _run(engine, noxus, header, options)
    runs = name_runs([*engine.flight.left, *past.going_on], output.lineless)
    if output.unprinted is not None and not isinstance(error, Interruption | TimedOut):
        raise type(output.unprinted)(f"{output.unprinted.message}{runs}", output.unprinted.hint)
    if printer.table is not None:
        printer.table.show(context.terminal)
    _conclude(noxus, printer, rows, context.clock.monotonic() - began, directory, runs)


def check_rows(noxus: Session, options: Options) -> None:
    """Check the rows against an exported definition, and print their totals. Raises WrongInputs, UsageProblem."""
    workflow = only_to_check(noxus, options, options.workflow)
    shard, _, rows, _ = _given(noxus.context, options)
    rows.know(inputs_of(workflow.definition), checked=not options.no_check)
    checker = Checker(inputs_of(workflow.definition), options.workflow, noxus.context.terminal)
    _surveyed(noxus.context, RemainingRows(checker, shard, Past(), changed=False), rows, options)


def _given(context: Context, options: Options) -> tuple[Shard, Inputs, RowFile, Path]:
    """Return the shard, the inputs that all rows share, the rows, and the batch's directory. Raises UsageProblem."""
    shard = replace(shard_asked(options.shard, context.terminal.environ), repeat=options.repeat)
    if options.file in STDIN_NAMES:
        context.sources.claim(options.file, f"FILE {options.file}")
    environ, secrets = context.terminal.environ, options.secrets or []
    common = read_inputs(options.inputs or [], None, context.sources, secrets=secrets, environ=environ)
    context.hide(common)
    columns = Columns.parse(options.column or [], common, options.id_column, options.keep or ())
    stdin = sys.stdin.buffer if sys.stdin is not None else None
    rows = RowFile(options.file, options.input_format, columns, stdin, options.limit, options.repeat)
    if options.output_dir is not None:
        return shard, common, rows, Path(options.output_dir)
    if Path(options.file).is_dir():
        raise UsageProblem(
            f"{options.file} is a directory",
            "name a file with a row for each file in it, such as FILE.csv with a column of paths",
        )
    if rows.is_stream:
        raise UsageProblem("rows from a stream need a directory for the journal", "add --output-dir DIR")
    return shard, common, rows, expanded(f"{options.file}.batch")


def _read_definition(noxus: Session, rows: RowFile, options: Options) -> Workflow:
    """Return the workflow, and tell the rows which inputs it has. Raises UsageProblem for an output that it lacks."""
    found = noxus.resolve_workflow(options.workflow)
    found = Workflow(found.id, found.name)  # what a list contains may differ from what is read by id
    workflow = what_to_run(noxus, found, options.version_id, look=not options.no_check)
    rows.know(inputs_of(workflow.definition), checked=not options.no_check)
    if not options.no_check:
        check_outputs(noxus, (), workflow)
    return workflow


def _check_questions(context: Context, judge: Judge, rows: RowFile, header: Header) -> None:
    """Warn of rows of which nothing is asked. Raises UsageProblem for a question that could not fail, or not hold."""
    if rows.is_stream:
        return  # at its end: see _conclude
    judge.require_columns(rows.known)
    judge.require_answers(header.outputs or (), "the workflow")
    own, empty = EXPECT in rows.names, next(rows.rows(), None) is None
    if judge.expected is not None or judge.columns or own:
        coverage = judge.coverage()
        for row in rows.rows():
            coverage.add(row.number, row.id, {**row.inputs.values, **row.columns})
        if judge.expected is not None:
            judge.expected.require_met()
        coverage.require_some(context.terminal.warn, own=own)
    if empty and (judge.has_questions or own):
        raise UsageProblem(f"{rows.name} has no rows, so nothing is checked", "add rows, or drop the questions")
    if empty:
        context.terminal.warn(f"{rows.name} has no rows")


def _header(
    context: Context, workflow: Workflow, rows: RowFile, common: Inputs, shard: Shard, options: Options
) -> Header:
    sent = rows.sent()
    if rows.separated_oddly:
        context.terminal.warn(f"{rows.name} uses {rows.separated_oddly}")
    definition, nodes = (None, None) if options.no_check else digests_of(workflow.definition)
    return Header(
        workflow.id,
        workflow.version_id,
        context.base_url,
        rows.name,
        str(shard),
        constants_of(common),
        sorted(common.secret),
        sent,
        repeat=shard.repeat,
        limit=rows.limit,
        outputs=list(keys_of(outputs_of(workflow.definition) or ())) or None,
        command=list(context.argv),
        definition=definition,
        nodes=nodes,
    )


def _past(journal: Journal, header: Header, rows: RowFile, shard: Shard, options: Options) -> Past:
    """Return what an earlier call left, without rows that are to start again. Raises UsageProblem, ConfigProblem."""
    again, changed = options.again or (), options.allow_changed_input
    resume = options.resume or bool(again)
    if options.fresh:
        if resume:
            raise UsageProblem("--fresh starts over, --resume and --again continue", "remove one of them")
        return Past()
    past = continued(journal, header, rows, shard, resume=resume, changed=changed)
    codes = {Again.FAILED: ExitCode.RUN_FAILED, Again.STOPPED: ExitCode.RUN_STOPPED}
    past.forget_all({codes[each] for each in again if each in codes})
    past.forget_after(rows.most)
    return past


def _surveyed(context: Context, remaining: RemainingRows, rows: RowFile, options: Options) -> Survey | None:
    """Check all rows, and return their totals, None for a stream; a dry run prints them. Raises WrongInputs."""
    if rows.is_stream:
        if options.dry_run:
            raise UsageProblem("--dry-run can't count the rows of a stream", "give FILE")
        return None
    seen = remaining.survey(rows)
    if not options.no_check:
        seen.require_right(options.workflow, context.terminal.complain)
    if options.dry_run:
        context.terminal.write(f"{to_json(seen.counts())}\n")
    return seen


def _begun(
    stack: ExitStack, journal: Journal, header: Header, past: Past, rows: RowFile, options: Options, context: Context
) -> Results:
    """Begin the journal, and return the results, which then have what is known of the past. Raises UsageProblem."""
    if options.fresh and (aside := journal.move_aside()) is not None:
        context.terminal.note(f"the earlier batch is in {aside} now")
    if context.terminal.writes_to(stored := journal.path.with_name(RESULTS_NAME)):
        raise UsageProblem(
            f"stdout is {stored}, a file that noxcli writes itself",
            "redirect stdout to another file or to /dev/null",
        )
    if header.definition is None and past.header is not None and past.header.definition is not None:
        context.terminal.warn("the workflow is not compared with the one that the batch began with")
    journal.begin(with_definition_of(past.header, header), past)
    results = Results(journal.place)
    stack.callback(results.close)
    reopen_lost(past, results, journal.path)
    renew_columns(rows, header.kept, past, results, context.terminal.mask)
    return results


def _work(
    noxus: Session, gate: "Gate", workflow: Workflow, journal: Journal, past: Past, common: Inputs, options: Options
) -> RowWork:
    context, retry_for = noxus.context, options.retry_for
    if options.output_dir is not None:
        import noxcli.outputs.save  # noqa: F401 - here and not in several threads, of which one may fail
    return RowWork(
        api=noxus.api,
        gate=gate,
        clock=context.clock,
        journal=journal,
        known=KnownIds(past.runs),
        workflow=workflow,
        comparison=Comparison(inputs_of(workflow.definition), common.secret),
        mask=context.terminal.mask,
        patience=lambda: Patience(
            context.clock, noxus.deadline, RETRY_AT_FIRST if retry_for is None else retry_for, in_lines(lambda _: None)
        ),
        deadline=noxus.deadline,
        retry_for=RETRY_FOLLOWING if retry_for is None else retry_for,
        place=journal.place if options.output_dir is not None else None,
    )


def _adopted(noxus: Session, work: RowWork, past: Past, options: Options) -> Finding:
    """Let rows in doubt take their runs, and return what the run list shows about them."""
    finding = Finding()
    if doubts := past.doubtful:
        within = noxus.deadline.left(LONGEST_LOOK)
        finding = look_for(noxus.api, work.workflow.id, work.comparison, doubts, work.known.__contains__, within)
        finding = of_version(noxus.api, finding, past.own_runs(work.journal.path), work.workflow.id, within)
        for doubt, run in finding.own(doubts):
            work.journal.started(doubt, run)
            past.adopt(doubt.number, run)
    if Again.DOUBTFUL in (options.again or ()):
        for doubt in past.doubtful:
            past.forget(doubt.number)
    return finding


def _leave_directory(
    journal: Journal, context: Context, tally: Tally, resume: bool, kind: object, error: BaseException | None, _: object
) -> None:
    """Leave no directory behind if nothing was started, and rows remain."""
    code = error.exit_code if isinstance(error, NoxError) else worst(tally.deciding)
    if kind is not None or tally.reported or tally.not_started:
        leave_directory(journal, context.terminal, code, resume=resume)


def _count_past(directory: Path, rows: RowFile, past: Past, judge: Judge, seen: Survey | None, tally: Tally) -> None:
    """Add the rows to the tally that an earlier call has finished, judged again."""
    tally.total = None if seen is None else seen.in_shard
    if tally.repeat == 1 and not judge.has_questions and seen is not None and EXPECT not in seen.kept:
        tally.before.update(past.codes(HAD_RUN))
        return
    from noxcli.batch.joined import Joined  # loaded where stored results are read

    for _, run in Joined.read([directory], rows.most).runs(Shard()):
        if past.state(run["row"]) == FINISHED:
            tally.add_line(judge.judged(as_printed(run, tally.repeat)), before=True)


def _printer(context: Context, judge: Judge, tally: Tally) -> Printer:
    query, terminal = context.printing.query, context.terminal
    table = RowTable() if terminal.read_by_eyes and query is None else None
    return Printer(judge, query, tally, terminal.write, partial(to_paste, context), table)


def _run(engine: Engine, noxus: Session, header: Header, options: Options) -> NoxError | None:
    """Run the engine, and return its error."""
    error = engine.run(stops=noxus.context.stops_runs(options.on_interrupt))
    if engine.flight.had_runs and not isinstance(error, Interruption):
        _warn_of_change(noxus, header)
    return error


def _warn_of_change(noxus: Session, begun: Header) -> None:
    """Read the definition once more, and warn of rows that may have run with another one."""
    if begun.definition is None or begun.version_id is not None:
        return
    try:
        now = noxus.api.get_workflow(begun.workflow_id, within=noxus.deadline.left(LONGEST_LOOK))
        definition, nodes = digests_of(now.definition)
    except NoxError as error:
        noxus.context.terminal.warn(f"it is not known whether the workflow has changed meanwhile: {error.message}")
        return
    if definition is not None and definition != begun.definition:
        changed = changed_nodes(begun, replace(begun, nodes=nodes))
        noxus.context.terminal.warn(
            f"the workflow has changed while the batch ran ({changed}): each row of this call may have run with either "
            "definition, unless its record names its version"
        )


def _news_of(gate: "Gate") -> str:
    if gate.silent_for > 1:
        return f"no answer for {show_seconds(gate.silent_for)}"
    return f"limited to {gate.rate:.1f} requests/s by the server" if gate.rate is not None else ""


def _conclude(noxus: Session, printer: Printer, rows: RowFile, seconds: float, directory: Path, named: str) -> None:
    """Report the outcome. Raises one error for all rows, unless they completed."""
    tally = printer.tally
    context, error, earlier = noxus.context, tally.cause, tally.before.total()
    before = f", {earlier} of them in earlier calls" if earlier else ""
    ran = amount(tally.done, "row") if tally.repeat == 1 else f"{tally.done} runs of {amount(tally.rows, 'row')}"
    tally.say(context.terminal, f"{ran} in {show_seconds(seconds)}{before}")
    say_hint(context, f"all results: noxcli results {shlex.quote(str(directory))}")
    context.reports.batch = tally.for_ci(context.outcome.subject, "batch")
    unfinished = sum(count for code, count in tally.all_codes.items() if code not in ANSWERED)
    left = tally.not_started + unfinished + tally.interrupted + (error is not None)
    go_on = command_to_continue(context.argv, tally.all_codes, left)
    if go_on is not None:
        go_on = f"{'continue' if left else 'run the failed rows again'} with: {go_on}"
    if isinstance(error, Interruption):
        raise Interruption(f"{error.message}{named}", go_on, number=error.number)
    printer.judge.require_answers(printer.outputs, "no row's result")
    tally.conclude(context.terminal, go_on, named)
    if rows.is_stream:
        printer.coverage.conclude_stream(context.terminal.warn, own=EXPECT in rows.names)


def _write_report(
    option: str, target: Path, directory: Path, most: int | None, context: Context, judge: Judge, tally: Tally
) -> None:
    """Write the report from the journal and the results, which include earlier calls."""
    from noxcli.batch.joined import Joined  # loaded where a report is written

    joined, mask = Joined.read([directory], most), context.terminal.mask
    if option == "--junit":
        joined.write_junit(target, mask, judge, joined.shard)
    else:
        save(target, joined.page(context.new_page(target.parent), judge, tally))
