"""One call of `noxcli gate`, in its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import typer

from noxcli.batch.watch import BatchWatch
from noxcli.batchdir.header import line_with
from noxcli.checks.row_checker import RowChecker
from noxcli.checks.row_class import RowClass
from noxcli.cli.comparison_report import ComparisonReport
from noxcli.cli.session import Session, begin
from noxcli.cli.start import read_whole_workflow, upload_files
from noxcli.cli.table import read_rows, read_spec, worker_of
from noxcli.commands.gate import Options
from noxcli.compare.comparison import Comparison
from noxcli.errors import NoxError, Phase, UsageProblem
from noxcli.gate.call import GateCall
from noxcli.gate.judge import JudgeSpec
from noxcli.gate.report import GateReport, SameReport, sides_of
from noxcli.gate.rows import NEW_INPUT, GateRows
from noxcli.gate.rules import BASE, NEW, PER_ROW, GateVerdict
from noxcli.gate.versions import DefinitionFile, FileVersions
from noxcli.inputs.parse import parse_inputs
from noxcli.models import Workflow
from noxcli.render.renderers import task_progress
from noxcli.render.text import in_prose
from noxcli.rows.selection import Shard


def execute(ctx: typer.Context, options: Options) -> None:
    """Ask both versions until the rules decide, and report. Raises what the command ends with."""
    noxus = begin(ctx, options, subject=options.workflow)
    files = _read_files(noxus, options)
    call = _read_call(noxus, options)
    noxus.context.resume_command = call.spec.resume_command
    try:
        with call.batch:
            ending = _judge(noxus, options, call, files)
    except NoxError as error:
        raise call.as_started(error) from None
    finally:
        noxus.context.outcome.has_started_runs(call.answers.has_started)
    if ending is not None:
        raise ending


def _read_files(noxus: Session, options: Options) -> dict[int, DefinitionFile]:
    """Return the definitions in files, by side. Raises UsageProblem for one without a version."""
    if options.base is None and options.base_file is None:
        raise UsageProblem("BASE is missing", "add --base VERSION or --base-file FILE")
    if options.base is not None and options.base_file is not None:
        raise UsageProblem("--base and --base-file both name BASE", "remove one of them")
    if options.new is not None and options.new_file is not None:
        raise UsageProblem("--new and --new-file both name NEW", "remove one of them")
    has_new = options.new is not None or options.new_file is not None
    if not has_new and not options.new_input:
        raise UsageProblem(
            "NEW is missing", f"add --new VERSION or --new-file FILE, or give {NEW_INPUT}"
        )
    files = {}
    sources = noxus.context.sources
    if options.base_file is not None:
        files[BASE] = DefinitionFile.read(
            options.base_file, "--base-file", options.workflow, sources
        )
    if options.new_file is not None:
        files[NEW] = DefinitionFile.read(options.new_file, "--new-file", options.workflow, sources)
    if not has_new and BASE in files:
        files[NEW] = files[BASE]
    return files


def _read_call(noxus: Session, options: Options) -> GateCall:
    """Return what the options say. Raises UsageProblem."""
    context = noxus.context
    checker = RowChecker.read(
        context.reports.asserts, options.expect, context.sources, context.terminal.mask
    )
    judge = JudgeSpec.read(options.judge, options.judge_version, options.judge_input or [])
    checker = checker.measuring(options.score, options.by, has_judge=judge is not None)
    checker = checker.forbidding(options.never)
    if options.lower_is_better:
        if options.score is None:
            raise UsageProblem("--lower-is-better needs --score", "add --score")
        checker = replace(checker, lower_is_better=True)
    rows = read_rows(noxus, options, GateRows, PER_ROW)
    rows.own = parse_inputs(options.new_input or [], None, context.sources)
    spec = replace(
        read_spec(noxus, options, rows, Shard(repeat=PER_ROW), "gate", line_with(context.argv)),
        of_gate=True,
        resume=not options.fresh,
        checked=True,
    )
    return GateCall(spec, rows, checker, judge, options.max_runs, context.terminal, context.clock)


def _judge(
    noxus: Session, options: Options, call: GateCall, files: Mapping[int, DefinitionFile]
) -> NoxError | None:
    """Take the steps of the gate, and return what it ends with."""
    context = noxus.context
    call.open()
    context.outcome.has_started_runs(call.answers.has_started)
    with noxus.connect(Phase.PREFLIGHT) as api:
        pace = api.pace_requests()
        workflow = noxus.resolve_workflow(options.workflow)
        by_content = FileVersions(api, workflow, files, noxus.retries(), noxus.deadline)
        versions = _read_versions(noxus, options, call, workflow, by_content)
        call.check(
            versions,
            _read_judge(noxus, call.judge_spec),
            context.base_url,
            context.argv,
            fresh_if_changed=options.fresh_if_changed,
            allows_same=options.allow_same,
        )
        if options.dry_run:
            context.printing.print_document(call.plan())
            return None
        call.begin()
        call.take_versions(by_content.save_missing(call.workflows, call.batch.journal))
        worker = worker_of(noxus, pace, call.all_workflows, call.batch)
        call.count_earlier()
        call.share(upload_files(noxus, call.spec.common), upload_files(noxus, call.rows.own))
        with task_progress(context.terminal, prints=True) as shown:
            watch = BatchWatch(
                call.batch, call.all_workflows, pace, context.clock, context.terminal, shown
            )
            try:
                verdict = call.decide(worker, watch)
            finally:
                secret = call.spec.common.secret | call.rows.own.secret
                noxus.remember_last(call.answers.last_run, secret)
            watch.finish()
        judge = _read_judge(noxus, call.judge_spec)
        call.require_unchanged(_read_again(noxus, call.workflows), judge)
    return _report(noxus, options, call, verdict)


def _read_versions(
    noxus: Session,
    options: Options,
    call: GateCall,
    workflow: Workflow,
    by_content: FileVersions,
) -> list[Workflow]:
    """Return the workflow in the versions of both sides, saved or not.

    Raises what reading does, and DefinitionRefused.
    """
    new = options.new
    if new is None and options.new_file is None:
        new = options.base
    versions = []
    for side, named in ((BASE, options.base), (NEW, new)):
        if side in by_content.files:
            versions.append(by_content.find(side, call.batch.journaled))
        else:
            versions.append(read_whole_workflow(noxus, workflow, named))
    return versions


def _read_judge(noxus: Session, spec: JudgeSpec | None) -> Workflow | None:
    """Return the judge as it is now, None without one. Raises what reading does."""
    if spec is None:
        return None
    found = noxus.resolve_workflow(spec.workflow)
    return read_whole_workflow(noxus, Workflow(found.id, found.name), spec.version)


def _read_again(noxus: Session, workflows: Sequence[Workflow]) -> list[Workflow]:
    """Return the same versions as they are now. Raises what reading does."""
    return [read_whole_workflow(noxus, each, each.version_id or "") for each in workflows]


def _report(
    noxus: Session, options: Options, call: GateCall, verdict: GateVerdict
) -> NoxError | None:
    """Report what was found, and return what the gate ends with."""
    if call.is_same:
        return _report_one_version(noxus, options, call, verdict)
    answers = call.answers
    found = GateReport(
        verdict,
        answers,
        checks_changed=call.checks_changed,
        fails_undecided=bool(options.fail_on),
    )
    base, new = sides_of(call.spec.directory, call.batch.header, answers, verdict, call.rows.own)
    suspects = answers.confirmed(verdict)
    with Comparison(base, new, call.checker, suspects=suspects) as comparison:
        report = ComparisonReport(noxus.context, comparison, options, [RowClass.BROKEN])
        red = found.why_red(report.name_failing())
        ending = report.ending(red, f"no row passes in either version ({found.runs})", found.runs)
        report.write(ending, [*call.notes, *found.notes(ending)], found.document)
    return ending


def _report_one_version(
    noxus: Session, options: Options, call: GateCall, verdict: GateVerdict
) -> NoxError | None:
    """Report the rows that fail where both sides are one version; return how the gate ends."""
    found = SameReport(verdict, call.answers, checks_changed=call.checks_changed)
    base, new = sides_of(
        call.spec.directory,
        call.batch.header,
        call.answers,
        verdict,
        call.rows.own,
        answered_by=(BASE, BASE),
    )
    with Comparison(base, new, call.checker, suspects={}, of_one_version=True) as comparison:
        report = ComparisonReport(noxus.context, comparison, options, [])
        rows = [f"row {row}" for row in verdict.forbidden]
        red = found.why_red(in_prose(rows))
        ending = report.ending(red, f"no row passes ({found.runs})", found.runs)
        report.write(ending, [*call.notes, *found.notes(ending)], found.document)
    return ending
