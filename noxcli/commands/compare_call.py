"""One call of `noxcli compare`: both sides, read and judged."""

import os

import typer

from noxcli.checks.row_checker import RowChecker
from noxcli.checks.row_class import RowClass
from noxcli.cli.comparison_report import ComparisonReport
from noxcli.cli.context import Context
from noxcli.cli.destinations import plan_reports, present
from noxcli.commands.compare import Options
from noxcli.compare.comparison import Comparison
from noxcli.compare.side import Directory, Side
from noxcli.compare.summary import require_comparable, way_to_finish, way_to_judge_alone
from noxcli.errors import ExitCode, NotAsAsserted, NoxError, UsageProblem
from noxcli.files import expanded
from noxcli.render.text import amount, in_prose
from noxcli.reports.failure_groups import ResultLine

WHAT_FITS = "give its --output-dir, or FILE.batch"


def execute(ctx: typer.Context, options: Options) -> None:
    """Print what differs, and write the page. Raises the NoxError that the command ends with."""
    context: Context = ctx.obj
    context.outcome.concerns(f"{options.base} and {options.new}")
    plan_reports(context, options)
    present(context, options)
    checker = RowChecker.read(
        context.reports.asserts, options.expect, context.sources, context.terminal.mask
    )
    checker = checker.measuring(options.score, options.by)
    base, new = _open_sides(context, options, checker)
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


def _open_sides(context: Context, options: Options, checker: RowChecker) -> tuple[Side, Side]:
    """Read both sides, and validate the checks against them. Raises UsageProblem."""
    warn = context.terminal.warn
    coverage = checker.coverage()
    of_base = _open_directory(options.base, context)
    of_new = _open_directory(options.new, context)
    require_comparable(of_base.header, of_new.header)
    _require_begun("BASE", options.base, of_base)
    _require_begun("NEW", options.new, of_new)
    base = Side("BASE", options.base, of_base, _see_none)
    new = Side("NEW", options.new, of_new, coverage.add_line)
    if base.header.workflow_id != new.header.workflow_id:
        warn(f"BASE is of workflow {base.header.workflow_id}, NEW of {new.header.workflow_id}")
    checker.require_columns(new.columns)
    for side in (base, new):
        if checker.outputs and not side.outputs:
            context.terminal.note(
                f"the outputs of {side.name} {side.named} are not known, so none was checked"
            )
    alone = way_to_judge_alone(new)
    checker.require_outputs(base.outputs, f"BASE {base.named}", alone, known_elsewhere=new.outputs)
    checker.require_answers(new.outputs, f"NEW {new.named}")
    is_whole = not (new.has_unnamed or new.source.is_limited)
    coverage.require(warn, new.outputs, f"NEW {new.named}", own=new.expects, is_whole=is_whole)
    return base, new


def _open_directory(named: str, context: Context) -> Directory:
    """Return what a side names. Raises UsageProblem."""
    path = expanded(named)
    if not os.path.isdir(path):  # noqa: PTH112 - a text may be too long for pathlib
        raise UsageProblem(f"{named} is not the directory of a batch", WHAT_FITS)
    return Directory(path, context.terminal.warn)


def _require_begun(name: str, named: str, directory: Directory) -> None:
    """Raise UsageProblem for a side that has started none of its rows."""
    if directory.header.rows and not directory.joined.has_begun:
        hint = way_to_finish(name, directory.header, {ExitCode.NOT_FINISHED: 1})
        raise UsageProblem(f"{name} {named} has started none of its rows", hint)


def _see_none(_: ResultLine) -> None:
    """The lines of BASE are judged by those of NEW."""


def _why_red(report: ComparisonReport) -> NoxError | None:
    """Return why rows, or NEW as a whole, end the command with 11; None if neither does."""
    counts = report.comparison.counts
    failing = report.failing
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
