"""One call of `noxcli gate`, in its steps."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import typer

from noxcli.batchdir.header import line_with
from noxcli.checks.row_checker import RowChecker
from noxcli.checks.row_class import RowClass
from noxcli.cli.comparison_report import ComparisonReport
from noxcli.cli.ending import to_paste
from noxcli.cli.session import Session, begin
from noxcli.cli.start import read_whole_workflow, upload_files
from noxcli.cli.table import read_rows, read_spec, show_progress, worker_of
from noxcli.commands.gate import Options
from noxcli.compare.comparison import Comparison
from noxcli.errors import NoxError, Phase, UsageProblem
from noxcli.gate.call import GateCall
from noxcli.gate.report import GateReport, sides_of
from noxcli.gate.rows import NEW_INPUT, GateRows
from noxcli.gate.rules import PER_ROW, GateVerdict
from noxcli.inputs.parse import parse_inputs
from noxcli.models import Workflow
from noxcli.render.renderers import task_progress
from noxcli.rows.selection import Shard


def execute(ctx: typer.Context, options: Options) -> None:
    """Ask both versions until the rules decide, and report. Raises what the command ends with."""
    noxus = begin(ctx, options, subject=options.workflow)
    call = _read_call(noxus, options)
    noxus.context.resume_command = call.spec.resume_command
    try:
        with call.batch:
            ending = _judge(noxus, options, call)
    except NoxError as error:
        raise call.as_started(error) from None
    finally:
        noxus.context.outcome.has_started_runs(call.answers.has_started)
    if ending is not None:
        raise ending


def _read_call(noxus: Session, options: Options) -> GateCall:
    """Return what the options say. Raises UsageProblem."""
    context = noxus.context
    checker = RowChecker.read(
        context.reports.asserts, options.expect, context.sources, context.terminal.mask
    )
    checker = checker.measuring(options.score, options.by)
    rows = read_rows(noxus, options, GateRows, PER_ROW)
    rows.own = parse_inputs(options.new_input or [], None, context.sources)
    spec = replace(
        read_spec(noxus, options, rows, Shard(repeat=PER_ROW), "gate"),
        of_gate=True,
        resume=not options.fresh,
        checked=True,
        resume_command=line_with(context.argv, []),
    )
    return GateCall(spec, rows, checker, options.max_runs, context.terminal, context.clock)


def _judge(noxus: Session, options: Options, call: GateCall) -> NoxError | None:
    """Take the steps of the gate, and return what it ends with."""
    context = noxus.context
    call.open()
    context.outcome.has_started_runs(call.answers.has_started)
    with noxus.connect(Phase.PREFLIGHT) as api:
        pace = api.pace_requests()
        versions = _read_versions(noxus, options, call)
        call.check(
            versions,
            context.base_url,
            context.argv,
            fresh_if_changed=options.fresh_if_changed,
        )
        if options.dry_run:
            context.printing.print_document(call.plan())
            return None
        call.begin()
        worker = worker_of(noxus, pace, call.workflows, call.batch)
        call.count_earlier()
        call.share(upload_files(noxus, call.spec.common), upload_files(noxus, call.rows.own))
        with task_progress(context.terminal, prints=True) as shown:
            tick = partial(show_progress, shown, call.answers, pace)
            verdict = call.decide(worker, partial(to_paste, context), tick)
        call.require_unchanged(_read_again(noxus, call.workflows))
    return _report(noxus, options, call, verdict)


def _read_versions(noxus: Session, options: Options, call: GateCall) -> list[Workflow]:
    """Return the workflow in the versions of both sides.

    Raises UsageProblem without two sides, and what reading does.
    """
    if options.new is None and not call.rows.own.values:
        raise UsageProblem("--new is missing", f"name a version, or add {NEW_INPUT}")
    workflow = noxus.resolve_workflow(options.workflow)
    base = read_whole_workflow(noxus, workflow, options.base)
    new = read_whole_workflow(noxus, workflow, options.new or options.base)
    return [base, new]


def _read_again(noxus: Session, workflows: Sequence[Workflow]) -> list[Workflow]:
    """Return the same versions as they are now. Raises what reading does."""
    return [read_whole_workflow(noxus, each, each.version_id or "") for each in workflows]


def _report(
    noxus: Session, options: Options, call: GateCall, verdict: GateVerdict
) -> NoxError | None:
    """Report what was found, and return what the gate ends with."""
    answers = call.answers
    found = GateReport(verdict, answers, checks_changed=call.checks_changed)
    base, new = sides_of(call.spec.directory, call.batch.header, answers, verdict, call.rows.own)
    suspects = answers.confirmed(verdict)
    with Comparison(base, new, call.checker, suspects=suspects) as comparison:
        report = ComparisonReport(noxus.context, comparison, options, [RowClass.BROKEN])
        red = found.why_red(report.name_failing())
        ending = report.ending(red, f"no row passes in either version ({found.runs})", found.runs)
        report.write(ending, found.notes(ending), found.document)
    return ending
