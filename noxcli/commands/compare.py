"""`noxcli compare`: what changed between two batches or runs, row by row, as a gate for CI."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import (
    Common,
    Documented,
    Judging,
    Junit,
    Markdown,
    Waiting,
    declared,
)
from noxcli.errors import (
    ExitCode,
    LostContact,
    NotAsAsserted,
    NotFinished,
    NoxError,
    Phase,
    UsageProblem,
)

if TYPE_CHECKING:
    from noxcli.batch.compare import Comparison
    from noxcli.batch.judge import Judge
    from noxcli.batch.sides import Side, Source
    from noxcli.cli.session import Session
    from noxcli.reports.ci import BatchEnded
    from noxcli.reports.comparison import Pair
    from noxcli.reports.junit import CaseVerdict

MOST_SHOWN, MOST_DIFFS = 100, 5  # on a terminal: rows of the table, and rows whose outputs are shown by words
LONGEST_ID, LONGEST_WHAT = 30, 200  # characters of a cell there
MOST_NAMED, MOST_LISTED = 3, 20  # rows that fail: in the error, and on the pages of a CI system


class FailOn(StrEnum):
    """What else counts as a regression."""

    CHANGED = "changed"
    NEW = "new"
    REMOVED = "removed"


@declared
class Options(Documented, Judging, Waiting, Common):
    """Compare two batches or runs row by row, and exit with 11 if a row broke.

    A broken row was good in BASE, and is not in NEW.

    Rows are paired by their ids, or else by their inputs. Those that differ are listed: broken, changed, slower, fixed,
    new, missing, and those that vary, since their own repetitions differ. Stored results need no server.

    Examples:
        noxcli inputs review --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch review rows.jsonl --version-id base --output-dir base --fresh
        noxcli batch review rows.jsonl --version-id new --output-dir new --fresh
        noxcli compare base new
        # As a gate, judged by an assertion, with a page for reviewers.
        noxcli compare base new --assert 'length(output.Answer) > `5`' --report c.html
        # Answers vary: ask rows that seem broken again, so that chance breaks none.
        noxcli compare base new --assert 'length(output.Answer) < `40`' --confirm 12
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
        typer.Option(
            "--fail-on",
            metavar="CLASS",
            help="Exit with 11 for rows of this class, too (changed, new, removed); repeatable.",
            show_default=False,
        ),
    ] = None
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Do not exit with 8 for rows without an answer."),
    ] = False
    confirm: Annotated[
        int | None,
        typer.Option(
            "--confirm",
            metavar="N",
            min=4,
            max=1000,
            help="Ask rows that seem broken again, up to N times (12) in each version. They stay broken only if chance "
            "does this in at most 5 of 100 comparisons, as far as answers are independent; else they vary.",
        ),
    ] = None
    max_runs: Annotated[
        int | None,
        typer.Option(
            "--max-runs",
            metavar="RUNS",
            min=1,
            help="Start at most RUNS runs for --confirm; rows that would need more stay broken. [default: 240]",
        ),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print how many runs --confirm may start, and start none.")
    ] = False
    report: Annotated[
        str | None,
        typer.Option("--report", metavar="FILE", help="Write an HTML page: each row that differs, side by side."),
    ] = None
    markdown: Markdown = None
    junit: Junit = None


def execute(ctx: typer.Context, options: Options) -> None:
    """Print what differs, and write the page. Raises the NoxError that the command ends with."""
    from noxcli.batch.compare import Comparison  # the help loads none of what results need
    from noxcli.batch.judge import Judge
    from noxcli.cli.session import begin

    noxus = begin(ctx, options, subject=f"{options.base} and {options.new}")
    context = noxus.context
    judge = Judge.read(options.asserts, options.expect, context.sources, context.terminal.mask)
    if options.confirm is None and (options.dry_run or options.max_runs is not None):
        raise UsageProblem("--max-runs and --dry-run are about --confirm", "add --confirm 12")
    base, new = _open_sides(noxus, options, judge)
    with ExitStack() as stack:
        comparison = Comparison(base, new, judge, options.pass_each, stack)
        comparison.compared.require_partners(allow_missing=options.allow_missing)
        if options.confirm is not None:
            from noxcli.commands.confirm_call import confirm_rows  # loaded only to ask again

            asks, most = options.confirm, options.max_runs
            if not confirm_rows(noxus, comparison, judge, asks, most, dry_run=options.dry_run):
                context.reports.clear(comment=True)
                return
        ending = _ending(comparison, options)
        code, reason = (ExitCode.OK, None) if ending is None else (ending.exit_code, ending.message)
        totals = comparison.totals(code, reason)
        _print(context, comparison, totals)
        _report(context, comparison, options, totals)
    if ending is not None:
        raise ending


def _open_sides(noxus: "Session", options: Options, judge: "Judge") -> "tuple[Side, Side]":
    """Read both sides, and check the questions against them. Raises UsageProblem, and what reading a run raises."""
    from noxcli.batch.compared import other_inputs  # as in execute
    from noxcli.batch.sides import Side

    warn, coverage = noxus.context.terminal.warn, judge.coverage()
    base = Side("BASE", options.base, _open_source(noxus, options.base), lambda _: None)
    new = Side("NEW", options.new, _open_source(noxus, options.new), coverage.add_line)
    if base.workflow_id != new.workflow_id and base.workflow_id and new.workflow_id:
        warn(f"BASE is of workflow {base.workflow_id}, NEW of {new.workflow_id}")
    if other_inputs(base, new):
        warn("the two runs have different inputs")
    judge.require_columns(new.columns)
    for side in (base, new):
        if judge.outputs and not side.outputs:
            noxus.context.terminal.note(f"the outputs of {side.name} {side.named} are not known, so none was checked")
        alone = f"to judge NEW alone: noxcli results {new.named} --assert …"
        judge.require_outputs(side.outputs, f"{side.name} {side.named}", alone, known_elsewhere=new.outputs)
    judge.require_answers(new.outputs, f"NEW {new.named}")
    coverage.require_outputs(new.outputs, f"NEW {new.named}")
    if judge.expected is not None and not (new.has_unnamed or new.source.is_limited):
        judge.expected.require_met()
    if not judge.questions(own=new.expects) and base.asserted != new.asserted:
        warn("the verdicts that were printed do not count, since the two sides were asked differently; add --assert")
    coverage.require_some(warn, own=new.expects)
    if options.confirm is not None:
        from noxcli.batch.suspects import require_askable  # loaded only to ask again

        require_askable(base, new)
    return base, new


def _open_source(noxus: "Session", named: str) -> "Source":
    """Return what a side names. Raises UsageProblem, and what reading a run raises."""
    from noxcli.batch.sides import WHAT_FITS, Directory, Printed  # as in execute
    from noxcli.files import expanded
    from noxcli.models import is_uuid

    warn, path = noxus.context.terminal.warn, expanded(named)
    if path.is_dir():
        return Directory(path, warn)
    if path.exists():
        return Printed(path, warn)
    if named == "@last" or is_uuid(named.rpartition("/")[2]):
        return _read_run(noxus, named)
    raise UsageProblem(f"{named} is neither a file nor a run id", WHAT_FITS)


def _read_run(noxus: "Session", source: str) -> "Source":
    """Return the result of a run from what the server has now."""
    from noxcli.batch.sides import OneRun  # as in execute
    from noxcli.cli import deliver, follow
    from noxcli.outputs.await_output import await_output
    from noxcli.reports.result import Outcome, verdict_of

    with noxus.connect(Phase.FOLLOW):
        patience, why = noxus.patience(gave_up=LostContact), ""
        run = noxus.read_run(source, patience)
        if run.status == "failed":
            why = follow.explain_failure(noxus, run).why
        error = verdict_of(run, why) if run.settled or run.paused else follow.not_finished(run)
        outcome = Outcome(source, run, confirmed=True, error=error, phase=Phase.FOLLOW)
        if error is None:
            outcome.run = await_output(noxus.api, run, patience)
            outcome.delivered = deliver.complete_texts(noxus, outcome.run.output)
    document = outcome.document(error.exit_code if error else ExitCode.OK, noxus.context.terminal.mask)
    return OneRun(document, run.input if isinstance(run.input, dict) else None)


def _ending(comparison: "Comparison", options: Options) -> NoxError | None:
    """Return why the command does not end with 0."""
    from noxcli.render.text import amount, in_prose  # as in execute
    from noxcli.reports.comparison import Change

    compared, counts = comparison.compared, comparison.counts
    if compared.nothing_could_break:
        what = f"{compared.there}, of which none is good, so none could break"
        return UsageProblem(what, f"correct the --assert or --expect, or see why they failed; {compared.new_alone}")
    rows, failing = amount(counts.total(), "row"), ("broken", *(options.fail_on or ()))
    if counted := [f"{counts[change]:,} {change}" for change in Change if change in failing and counts[change]]:
        if undecided := comparison.undecided:
            counted[0] += f" ({undecided:,} of them not confirmed)"
        named = _name_some(pair for pair in comparison.pairs() if _fails(pair, options))
        return NotAsAsserted(f"of {rows}, {in_prose(counted)}: {named}", comparison.way_to_decide)
    if not compared.counted["answered"]:
        return NotFinished(f"{compared.there}, but no row has an answer on both sides", compared.ways_on())
    if (unjudged := compared.counted["unjudged"]) and not options.allow_missing:
        named = _name_some(pair for pair in comparison.pairs() if pair.verdict.unjudged)
        has = "has" if unjudged == 1 else "have"
        return NotFinished(f"of {rows}, {unjudged:,} {has} no answer to judge: {named}", compared.ways_on())
    return None


def _name_some(pairs: "Iterator[Pair]") -> str:
    from noxcli.render.text import shorten  # as in execute

    names = [shorten(pair.name, LONGEST_ID) for pair in islice(pairs, MOST_NAMED + 1)]
    return ", ".join([*names[:MOST_NAMED], *(["…"] if len(names) > MOST_NAMED else [])])


def _fails(pair: "Pair", options: Options) -> bool:
    """Return whether the command ends with 11 because of this row."""
    return pair.change in ("broken", *(options.fail_on or ()))


def _case_verdict(pair: "Pair", options: Options) -> "CaseVerdict":
    from noxcli.reports.junit import CaseVerdict  # as in execute

    if _fails(pair, options):
        return CaseVerdict.FAILURE
    lacks = pair.verdict.unjudged and not options.allow_missing
    return CaseVerdict.ERROR if lacks else CaseVerdict.PASSED


def _report(context: Context, comparison: "Comparison", options: Options, totals: dict[str, Any]) -> None:
    """Write the page and the test cases, and collect what a CI system gets. Raises Undelivered."""
    context.reports.clear()
    if options.report is not None:
        from noxcli.files import save
        from noxcli.reports.html.comparison import comparison_page  # loaded only for a page

        target = Path(options.report)
        save(target, comparison_page(context.new_page(target.parent), totals, comparison.pairs()))
    if options.junit is not None:
        from noxcli.reports.junit import case_of_pair, write_junit  # as for a page

        cases = (case_of_pair(pair, _case_verdict(pair, options)) for pair in comparison.pairs(same=True))
        write_junit(Path(options.junit), context.outcome.name, cases, context.terminal.mask)
    if context.reports.ci is not None or context.reports.markdown is not None:
        context.reports.batch = _for_ci(context.outcome.name, comparison, options, totals)


def _for_ci(name: str, comparison: "Comparison", options: Options, totals: dict[str, Any]) -> "BatchEnded":
    """Return what a CI system and a comment get: what was compared, and the first rows that fail."""
    from noxcli.reports.account import compared_facts  # as in execute
    from noxcli.reports.ci import BatchEnded, Broken
    from noxcli.reports.comparison import Change

    failing = list(islice((pair for pair in comparison.pairs() if _fails(pair, options)), MOST_LISTED))
    became = [(count, str(change)) for change in Change if (count := comparison.counts[change])]
    broken = [Broken(pair.name, pair.what(), pair.differences()) for pair in failing if pair.base and pair.new]
    alone = [f"{pair.name}: {pair.what()}" for pair in failing if not (pair.base and pair.new)]
    passing = (pair for pair in comparison.pairs() if not _fails(pair, options))
    others = [f"{pair.change} {pair.name}: {pair.what()}" for pair in islice(passing, MOST_LISTED)]
    new, facts = comparison.compared.totals["new"], list(compared_facts(totals))
    ended = BatchEnded(name, new.passed, new.rows, became, alone, command="compare")
    return replace(ended, facts=facts, broken=broken, others=others, listed=comparison.listed)


def _print(context: Context, comparison: "Comparison", totals: dict[str, Any]) -> None:
    from noxcli.render.table import Layout, show_table, with_tabs  # as in execute
    from noxcli.render.text import amount, shorten
    from noxcli.reports.comparison import pairs_in_words

    terminal, listed = context.terminal, comparison.listed
    if not context.printing.format.is_text:
        documents = (pair.document() for pair in comparison.pairs())
        context.printing.print_long_document(totals, "rows", documents)
    elif terminal.read_by_eyes:
        layout = Layout(("CHANGE", "ROW", "WHAT"), cut=("WHAT",), marked=("CHANGE",))
        pairs = islice(comparison.pairs(), MOST_SHOWN)
        rows = [[str(pair.change), shorten(pair.name, LONGEST_ID), _in_brief(pair)] for pair in pairs]
        show_table(terminal, layout, rows)
        terminal.show(pairs_in_words(terminal, islice(comparison.pairs(), MOST_DIFFS)))
        if listed > MOST_SHOWN:
            terminal.note(
                f"and {amount(listed - MOST_SHOWN, 'row')} more; a pipe, --json and --report have all of them"
            )
    else:
        terminal.write_all(with_tabs([[str(pair.change), pair.name, pair.what()]]) for pair in comparison.pairs())
    for line in comparison.notes():
        terminal.note(line)
    terminal.note(comparison.in_words())


def _in_brief(pair: "Pair") -> str:
    """Return what differs as far as it fits into a table: of an assertion, the values and not its text."""
    from noxcli.render.text import shorten  # as in execute

    what, again = pair.what(), f"{pair.confirmed.words()}; " if pair.confirmed is not None else ""
    _, asserted, values = what.partition(" does not hold: ")
    was = "was: " if asserted and what.startswith("was: ") else ""
    return shorten(f"{again}{was}{values or what.removeprefix(again)}", LONGEST_WHAT)
