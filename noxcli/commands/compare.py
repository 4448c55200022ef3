"""`noxcli compare`: what changed between two batches or runs, row by row, as a gate for CI."""

from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from noxcli.cli.options import (
    ByOption,
    CheckOptions,
    CommonOptions,
    DocumentOptions,
    Junit,
    LimitOptions,
    Markdown,
    ScoreOption,
    declared,
    option,
)
from noxcli.errors import ExitCode, LostContact, NotAsAsserted, NotFinished, NoxError, Phase, UsageProblem

if TYPE_CHECKING:
    from noxcli.checks.row_checker import RowChecker
    from noxcli.cli.session import Session
    from noxcli.commands.comparison_report import ComparisonReport
    from noxcli.compare.side import Side, Source


class FailOn(StrEnum):
    """What else counts as a regression."""

    CHANGED = "changed"
    NEW = "new"
    REMOVED = "removed"
    WORSE = "worse"


@declared
class Options(DocumentOptions, CheckOptions, LimitOptions, CommonOptions):
    """Compare two batches or runs row by row, and exit with 11 if a row broke.

    A broken row passes in BASE, and does not in NEW.

    Rows are paired by their ids, or else by their inputs. Those that differ are listed: broken, changed, slower, fixed,
    new, missing, and those that vary, since their own repetitions differ. Stored results need no server.

    Examples:
        noxcli inputs review --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch review rows.jsonl --version-id base --output-dir base --fresh
        noxcli batch review rows.jsonl --version-id new --output-dir new --fresh
        noxcli compare base new
        # As a gate, judged by an assertion, with a page for reviewers.
        noxcli compare base new --assert 'length(output.Answer) > `5`' --report c.html
    """

    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE",
            help="The results before: a batch's directory, a file of results, or a run.",
            show_default=False,
        ),
    ]
    new: Annotated[str, typer.Argument(metavar="NEW", help="The results after, in the same forms.", show_default=False)]
    fail_on: Annotated[
        list[FailOn] | None,
        option("--fail-on", "CLASS", "Exit with 11 for changed, new or removed rows, or if NEW is worse."),
    ] = None
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Do not exit with 8 for rows without an answer.")
    ] = False
    report: Annotated[str | None, option("--report", "FILE", "Write an HTML page with both answers of each row.")] = (
        None
    )
    score: ScoreOption = None
    by: ByOption = None
    markdown: Markdown = None
    junit: Junit = None


def execute(ctx: typer.Context, options: Options) -> None:
    """Print what differs, and write the page. Raises the NoxError that the command ends with."""
    from noxcli.checks.row_checker import RowChecker
    from noxcli.cli.session import begin
    from noxcli.commands.comparison_report import ComparisonReport, chance_lines
    from noxcli.compare.comparison import Comparison  # the help loads none of what results need

    noxus = begin(ctx, options, subject=f"{options.base} and {options.new}")
    context = noxus.context
    checker = RowChecker.read(options.asserts, options.expect, context.sources, context.terminal.mask)
    checker = checker.measuring(options.score, options.by)
    base, new = _open_sides(noxus, options, checker)
    with ExitStack() as stack:
        comparison = Comparison(base, new, checker, options.pass_each, stack)
        comparison.compared.require_partners(allow_missing=options.allow_missing)
        report = ComparisonReport(
            context,
            comparison,
            "compare",
            lambda pair: pair.change in ("broken", *(options.fail_on or ())),
            options.allow_missing,
            options.report,
            options.junit,
        )
        ending = _ending(report, options)
        report.write(ending, chance_lines(comparison))
    if ending is not None:
        raise ending


def _open_sides(noxus: "Session", options: Options, checker: "RowChecker") -> "tuple[Side, Side]":
    """Read both sides, and validate the checks against them. Raises UsageProblem, and what reading a run raises."""
    from noxcli.compare.side import Side
    from noxcli.compare.summary import other_inputs  # as in execute

    warn, coverage = noxus.context.terminal.warn, checker.coverage()
    base = Side("BASE", options.base, _open_source(noxus, options.base), lambda _: None)
    new = Side("NEW", options.new, _open_source(noxus, options.new), coverage.add_line)
    if base.workflow_id != new.workflow_id and base.workflow_id and new.workflow_id:
        warn(f"BASE is of workflow {base.workflow_id}, NEW of {new.workflow_id}")
    if other_inputs(base, new):
        warn("the two runs have different inputs")
    checker.require_columns(new.columns)
    for side in (base, new):
        if checker.outputs and not side.outputs:
            noxus.context.terminal.note(f"the outputs of {side.name} {side.named} are not known, so none was checked")
        alone = f"to judge NEW alone: noxcli results {new.named} --assert …"
        checker.require_outputs(side.outputs, f"{side.name} {side.named}", alone, known_elsewhere=new.outputs)
    checker.require_answers(new.outputs, f"NEW {new.named}")
    if not checker.check_names(own=new.expects) and base.asserted != new.asserted:
        warn("ignored the printed verdicts, since BASE and NEW were checked differently; add --assert")
    is_whole = not (new.has_unnamed or new.source.is_limited)
    coverage.require(warn, new.outputs, f"NEW {new.named}", own=new.expects, is_whole=is_whole)
    return base, new


def _open_source(noxus: "Session", named: str) -> "Source":
    """Return what a side names. Raises UsageProblem, and what reading a run raises."""
    from noxcli.compare.side import WHAT_FITS, Directory, JsonlSource  # as in execute
    from noxcli.files import expanded
    from noxcli.models import is_uuid

    warn, path = noxus.context.terminal.warn, expanded(named)
    if path.is_dir():
        return Directory(path, warn)
    if path.exists():
        return JsonlSource(path, warn)
    if named == "@last" or is_uuid(named.rpartition("/")[2]):
        return _read_run(noxus, named)
    raise UsageProblem(f"{named} is neither a file nor a run id", WHAT_FITS)


def _read_run(noxus: "Session", source: str) -> "Source":
    """Return the result of a run from what the server has now."""
    from noxcli.cli import deliver, follow
    from noxcli.compare.side import RunSource  # as in execute
    from noxcli.outputs.await_output import await_output
    from noxcli.reports.result import Outcome, verdict_of

    with noxus.connect(Phase.FOLLOW):
        retries, why = noxus.retries(gave_up=LostContact), ""
        run = noxus.read_run(source, retries)
        if run.status == "failed":
            why = follow.explain_failure(noxus, run).why
        error = verdict_of(run, why)
        outcome = Outcome(source, run, confirmed=True, error=error, phase=Phase.FOLLOW)
        if error is None:
            outcome.run = await_output(noxus.api, run, retries)
            outcome.delivered = deliver.complete_texts(noxus, outcome.run.output)
    document = outcome.document(error.exit_code if error else ExitCode.OK, noxus.context.terminal.mask)
    return RunSource(document, run.input if isinstance(run.input, dict) else None)


def _ending(report: "ComparisonReport", options: Options) -> NoxError | None:
    """Return why the command does not end with 0."""
    from noxcli.commands.comparison_report import name_some, why_worse  # as in execute
    from noxcli.render.text import amount, in_prose
    from noxcli.reports.row_pair import RowClass

    comparison = report.comparison
    compared, counts = comparison.compared, comparison.counts
    if compared.nothing_could_break:
        what = f"{compared.row_counts}, none of which passes, so none could break"
        return UsageProblem(what, f"correct the --assert or --expect, or see why they failed; {compared.new_alone}")
    rows, failing = amount(counts.total(), "row"), ("broken", *(options.fail_on or ()))
    if counted := [f"{counts[change]:,} {change}" for change in RowClass if change in failing and counts[change]]:
        return NotAsAsserted(f"of {rows}, {in_prose(counted)}: {report.name_failing()}")
    if FailOn.WORSE in failing and (worse := why_worse(comparison)):
        return NotAsAsserted(worse)
    if not compared.counted["answered"]:
        return NotFinished(f"{compared.row_counts}, but no row has an answer on both sides", compared.resume_hints())
    if (unjudged := compared.counted["unjudged"]) and not options.allow_missing:
        named = name_some(pair for pair in comparison.pairs() if pair.verdict.unjudged)
        has = "has" if unjudged == 1 else "have"
        return NotFinished(f"of {rows}, {unjudged:,} {has} no answer to judge: {named}", compared.resume_hints())
    return None
