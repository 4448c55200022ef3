"""`noxcli compare`: what changed between two batches or runs, row by row, as a gate for CI."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import Asserting, Common, Documented, ExpectOption, Junit, PassEachOption, Waiting, declared
from noxcli.errors import (
    ConfigProblem,
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
    from noxcli.cli.session import Session
    from noxcli.reports.comparison import Line, Pair
    from noxcli.reports.junit import CaseVerdict

MOST_SHOWN, MOST_DIFFS = 100, 5  # on a terminal: rows of the table, and rows whose outputs are shown by words
LONGEST_ID, LONGEST_WHAT = 30, 200  # characters of a cell there
MOST_NAMED, MOST_LISTED = 3, 20  # rows that fail: in the error, and on the pages of a CI system


class FailOn(StrEnum):
    """What else counts as a regression."""

    CHANGED = "changed"
    SLOWER = "slower"


@declared
class Options(Documented, Asserting, Waiting, Common):
    """Compare two batches or runs row by row, and exit with 11 if a row broke.

    A broken row was good in BASE, and is not in NEW.

    Rows are paired by their ids, or else by their inputs. Those that differ are listed: broken, changed, slower, fixed,
    new, missing, and those that vary, since their own repetitions differ. Stored results need no server.

    Examples:
        noxcli inputs review --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch review rows.jsonl --version-id base --output-dir base
        noxcli batch review rows.jsonl --version-id new --output-dir new
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
    expect: ExpectOption = None
    pass_each: PassEachOption = None
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option("--fail-on", help="Exit with 11 for rows like this, too; repeatable.", show_default=False),
    ] = None
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Do not exit with 8 if NEW lacks rows of BASE."),
    ] = False
    report: Annotated[
        str | None,
        typer.Option("--report", metavar="FILE", help="Write an HTML page: each row that differs, side by side."),
    ] = None
    junit: Junit = None


def execute(ctx: typer.Context, options: Options) -> None:
    """Print what differs, and write the page. Raises the NoxError that the command ends with."""
    from noxcli.batch.judge import Judge  # the help loads none of what results need
    from noxcli.cli.session import begin
    from noxcli.commands.results import require_not_stored
    from noxcli.files import expanded

    noxus = begin(ctx, options, subject=f"{options.base} and {options.new}")
    try:
        from noxcli.batch.compare import Comparison
    except ModuleNotFoundError as error:
        raise ConfigProblem(f"compare needs sqlite3, which this Python lacks ({error})", "use another Python") from None
    context, mask = noxus.context, noxus.context.terminal.mask
    written = {"--report": options.report, "--junit": options.junit}
    require_not_stored(written, list(map(expanded, (options.base, options.new))))
    context.reports.junit = Path(options.junit) if options.junit else None  # until there are rows to report
    judge = Judge.asked(options.asserts, options.expect, mask)
    with Comparison.opened(options.base, options.new) as comparison:
        base, new = comparison.base, comparison.new
        for side in (base, new):
            comparison.read(side, _lines(noxus, side.source, judge))
        if judge.expected is not None and not base.unnamed + new.unnamed:
            judge.expected.require_met()
        if base.workflow_id != new.workflow_id and base.workflow_id and new.workflow_id:
            context.terminal.warn(f"BASE is of workflow {base.workflow_id}, NEW of {new.workflow_id}")
        comparison.pair(options.pass_each)
        ending = _ending(comparison, options, judge)
        code = ExitCode.OK if ending is None else ending.exit_code
        _print(context, comparison, code)
        _report(context, comparison, options, code)
    if ending is not None:
        raise ending


def _lines(noxus: "Session", source: str, judge: "Judge") -> "Iterator[Line]":
    """Yield the judged lines of one side. Raises UsageProblem, and what reading a run raises."""
    for line in _read(noxus, source, judge):
        if judge.expected is not None:
            judge.expected.meet(line["row"], line["id"])
        yield line


def _read(noxus: "Session", source: str, judge: "Judge") -> "Iterable[Line]":
    from noxcli.batch.compare import WHAT_FITS, read_lines  # as in execute
    from noxcli.files import expanded
    from noxcli.models import is_uuid

    warn, path = noxus.context.terminal.warn, expanded(source)
    if path.is_dir():
        from noxcli.batch.joined import Joined

        joined = Joined.read([path])
        for torn in joined.torn:
            warn(f"{torn} ends in an incomplete line, which was left out")
        return joined.lines(judge, joined.shard)
    if path.exists():
        return map(judge.judged_anew, read_lines(path, warn))
    if source == "@last" or is_uuid(source.rpartition("/")[2]):
        return [judge.judged(_line_of_run(noxus, source))]
    raise UsageProblem(f"{source} is neither a file nor a run id", WHAT_FITS)


def _line_of_run(noxus: "Session", source: str) -> "Line":
    """Return the result of a run from what the server has now."""
    from noxcli.batch.compare import line_of_run  # as in execute
    from noxcli.cli import deliver, follow
    from noxcli.outputs.await_output import with_output
    from noxcli.reports.result import Outcome, verdict_of

    with noxus.connect(Phase.FOLLOW):
        patience, why = noxus.patience(gave_up=LostContact), ""
        run = noxus.read_run(source, patience)
        if run.status == "failed":
            why = follow.explain_failure(noxus, run).why
        error = verdict_of(run, why) if run.settled or run.paused else follow.not_finished(run)
        outcome = Outcome(source, run, confirmed=True, error=error, phase=Phase.FOLLOW)
        if error is None:
            outcome.run = with_output(noxus.api, run, patience)
            outcome.delivered = deliver.complete_texts(noxus, outcome.run.output)
    document = outcome.document(error.exit_code if error else ExitCode.OK, noxus.context.terminal.mask)
    return line_of_run(document)


def _ending(comparison: "Comparison", options: Options, judge: "Judge") -> NoxError | None:
    """Return why the command does not end with 0."""
    from noxcli.render.text import amount, in_prose, shorten  # as in execute
    from noxcli.reports.comparison import Change

    counts = comparison.counts
    rows, found = amount(counts.total(), "row"), {str(change): count for change, count in counts.items()}
    found["slower"] = comparison.slower  # of any class
    failing = ["broken", *(each for each in FailOn if each in (options.fail_on or ()))]
    if counted := [f"{found[word]:,} {word}" for word in failing if found.get(word)]:
        names = [shorten(pair.name, LONGEST_ID) for pair in _failing(comparison, options, MOST_NAMED + 1)]
        named = ", ".join([*names[:MOST_NAMED], *(["…"] if len(names) > MOST_NAMED else [])])
        return NotAsAsserted(f"of {rows}, {in_prose(counted)}: {named}")
    if judge.has_questions and counts and not comparison.base.passed + comparison.new.passed:
        what = f"of {rows}, none is good in BASE or in NEW, so none can break"
        return UsageProblem(what, "correct the --assert or --expect, or drop it")
    if counts[Change.MISSING] and not options.allow_missing:
        what = f"of {rows}, {counts[Change.MISSING]:,} missing or unfinished in NEW"
        return NotFinished(what, "finish that batch with --resume, or add --allow-missing")
    return None


def _fails(pair: "Pair", options: Options) -> bool:
    """Return whether the command ends with 11 because of this row."""
    failed_on = options.fail_on or ()
    return str(pair.change) in ("broken", *failed_on) or (pair.is_slower and FailOn.SLOWER in failed_on)


def _case_verdict(pair: "Pair", options: Options) -> "CaseVerdict":
    from noxcli.reports.comparison import Change  # as in execute
    from noxcli.reports.junit import CaseVerdict

    lacks = pair.change is Change.MISSING and not options.allow_missing
    return CaseVerdict.FAILURE if _fails(pair, options) else CaseVerdict.ERROR if lacks else CaseVerdict.PASSED


def _failing(comparison: "Comparison", options: Options, most: int) -> "Iterator[Pair]":
    return islice((pair for pair in comparison.pairs() if _fails(pair, options)), most)


def _report(context: Context, comparison: "Comparison", options: Options, code: ExitCode) -> None:
    """Write the page and the test cases, and collect what a CI system gets. Raises Undelivered."""
    from noxcli.reports.comparison import Change  # as in execute

    if options.report is not None:
        from noxcli.files import save
        from noxcli.reports.html.comparison import comparison_page  # loaded only for a page

        target = Path(options.report)
        save(target, comparison_page(context.new_page(target.parent), comparison.totals(code), comparison.pairs()))
    context.reports.junit = None
    if options.junit is not None:
        from noxcli.reports.junit import case_of_pair, write_junit  # as for a page

        cases = (case_of_pair(pair, _case_verdict(pair, options)) for pair in comparison.pairs(same=True))
        write_junit(Path(options.junit), context.outcome.name, cases, context.terminal.mask)
    if context.reports.ci is not None:
        from noxcli.reports.ci import BatchEnded  # as for a page

        trouble = [f"{pair.name}: {pair.what()}" for pair in _failing(comparison, options, MOST_LISTED)]
        became = [(count, str(change)) for change in Change if (count := comparison.counts[change])]
        name, new = context.outcome.name, comparison.new
        context.reports.batch = BatchEnded(name, new.passed, new.rows, became, trouble, command="compare")


def _print(context: Context, comparison: "Comparison", code: ExitCode) -> None:
    from noxcli.render.table import Layout, show_table, with_tabs  # as in execute
    from noxcli.render.text import amount, shorten
    from noxcli.reports.comparison import pairs_in_words

    terminal, listed = context.terminal, comparison.listed
    rows = ([str(pair.change), pair.name, pair.what()] for pair in comparison.pairs())
    if not context.printing.writes_text:
        documents = (pair.document() for pair in comparison.pairs())
        context.printing.long_document(comparison.totals(code), "rows", documents)
    elif terminal.read_by_eyes:
        layout = Layout(("CHANGE", "ROW", "WHAT"), cut=("WHAT",), marked=("CHANGE",))
        short = ([change, shorten(name, LONGEST_ID), _in_brief(what)] for change, name, what in rows)
        show_table(terminal, layout, list(islice(short, MOST_SHOWN)))
        terminal.show(pairs_in_words(terminal, islice(comparison.pairs(), MOST_DIFFS)))
        if listed > MOST_SHOWN:
            terminal.note(
                f"and {amount(listed - MOST_SHOWN, 'row')} more; a pipe, --json and --report have all of them"
            )
    else:
        for row in rows:
            terminal.write(with_tabs([row]))
    for line in comparison.summary():
        terminal.note(line)


def _in_brief(what: str) -> str:
    """Return what differs as far as it fits into a table: of an assertion, the values and not its text."""
    from noxcli.render.text import shorten  # as in execute

    _, asserted, values = what.partition(" does not hold: ")
    was = "was: " if asserted and what.startswith("was: ") else ""
    return shorten(f"{was}{values or what}", LONGEST_WHAT)
