"""One call of `noxcli compare`: both sides, read and judged."""

import os

import typer

from noxcli.checks.row_checker import RowChecker
from noxcli.checks.row_class import RowClass
from noxcli.cli.comparison_report import ComparisonReport
from noxcli.cli.session import Session, begin
from noxcli.commands.compare import Options
from noxcli.compare.comparison import Comparison
from noxcli.compare.side import WHAT_FITS, Directory, JsonlSource, RunSource, Side, Source
from noxcli.errors import (
    ExitCode,
    LostContact,
    NotAsAsserted,
    NoxError,
    Phase,
    UsageProblem,
)
from noxcli.files import expanded
from noxcli.models import is_uuid
from noxcli.render.text import amount, in_prose
from noxcli.reports.result import Outcome, verdict_of


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
