"""`noxcli batch`: one run for each row of a file, each started exactly once, whatever happens meanwhile."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noxcli.batch.engine import Engine
from noxcli.batch.journal import FINISHED, JOURNAL_NAME, Header, Journal, Past
from noxcli.batch.pace import Gated, Pace
from noxcli.batch.plan import Counts, Plan, RowResult
from noxcli.batch.rows import Columns, Row, RowFile, Shard
from noxcli.batch.summary import Summary
from noxcli.batch.survey import Checker, Survey, require_same, survey
from noxcli.cli import options
from noxcli.cli.context import Context
from noxcli.cli.follow import explainer
from noxcli.cli.prepare import chosen_version, read_workflow, stored
from noxcli.encode import to_json
from noxcli.errors import (
    ConfigProblem,
    Interruption,
    LostContact,
    NoxError,
    Phase,
    TimedOut,
    TimedOutBeforeStart,
    Unavailable,
    Undelivered,
    UsageProblem,
    WrongInputs,
)
from noxcli.files import check_target, reason_of
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.parse import read_inputs
from noxcli.inputs.uploads import Uploader
from noxcli.models import Run, Workflow
from noxcli.outputs.await_output import with_output
from noxcli.outputs.expand import Delivered, complete_inline
from noxcli.outputs.filenames import safe_stem
from noxcli.place import Place
from noxcli.redaction import Mask
from noxcli.render.batch_bar import counting
from noxcli.retry import Patience
from noxcli.runs.likeness import Comparison
from noxcli.runs.resolve import resolve_workflow
from noxcli.runs.stop import LONGEST_STOP, stop_run
from noxcli.signals import Interrupted
from noxcli.threads import run_all_within
from noxcli.timing import Deadline, show_seconds

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

ANSWER_WITHIN = 5.0  # seconds
LONGEST_ID = 60  # bytes of a row's own id in the name of its directory
File = Annotated[str, typer.Argument(metavar="FILE", help="Rows: JSON lines, CSV or TSV; - reads stdin.")]
InputFormat = Annotated[
    str | None,
    typer.Option(
        "--input-format", metavar="jsonl|csv|tsv", help="Read FILE as this format. [default: by its name, else jsonl]"
    ),
]
ColumnForms = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="KEY@", help="Read a column as files to upload (KEY@) or as JSON (KEY:=)."),
]
BatchDirectory = Annotated[
    str | None,
    typer.Option(
        "--output-dir",
        metavar="DIR",
        help="Write each row's files and the journal to DIR. [default: FILE.batch for the journal]",
    ),
]
MaxParallel = Annotated[
    int, typer.Option("--max-parallel", metavar="N", min=1, max=1000, help="Run at most N rows at a time.")
]
ResumeBatch = Annotated[bool, typer.Option("--resume", help="Continue where an earlier call stopped.")]
Adopt = Annotated[
    bool,
    typer.Option(
        "--adopt", help="For rows whose start is uncertain, adopt the matching run, or start one if there is none."
    ),
]
RetryInDoubt = Annotated[
    bool, typer.Option("--retry-in-doubt", help="Start uncertain rows again, even if that runs them twice.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Start rows again if their run failed or was stopped.")
]
ChangedInput = Annotated[bool, typer.Option("--changed-input", help="Resume even though FILE has changed.")]
MaxFailures = Annotated[
    int | None, typer.Option("--max-failures", metavar="N", min=1, help="Start no more rows after N have failed.")
]
FailFastOption = Annotated[bool, typer.Option("--fail-fast", help="Same as --max-failures 1.")]
Ordered = Annotated[bool, typer.Option("--ordered", help="Print results in the order of the rows.")]
ShardOption = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="Run only every N-th row, starting at row I.")
]


def batch(
    ctx: typer.Context,
    workflow: options.WorkflowArgument,
    file: File,
    inputs: options.InputArguments = None,
    secrets: options.Secrets = None,
    input_format: InputFormat = None,
    column: ColumnForms = None,
    output_dir: BatchDirectory = None,
    max_parallel: MaxParallel = 8,
    resume: ResumeBatch = False,
    adopt: Adopt = False,
    retry_in_doubt: RetryInDoubt = False,
    retry_failed: RetryFailed = False,
    changed_input: ChangedInput = False,
    max_failures: MaxFailures = None,
    fail_fast: FailFastOption = False,
    ordered: Ordered = False,
    shard: ShardOption = None,
    junit: options.Junit = None,
    dry_run: options.DryRun = False,
    no_check: options.NoCheck = False,
    version_id: options.VersionId = None,
    timeout: options.Timeout = None,
    retry_for: options.RetryFor = None,
    on_interrupt: options.OnInterrupt = None,
    poll_interval: options.PollInterval = 5.0,
    connect_timeout: options.ConnectTimeout = 10.0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    log_file: options.LogFile = None,
    color: options.Color = "auto",
    base_url: options.BaseUrl = None,
    api_key_file: options.ApiKeyFile = None,
    _profile: options.ProfileOption = None,
) -> None:
    """Run a workflow once for each row of a file, and print one JSON line for each result.

    If it is interrupted, the same line with --resume continues, and starts nothing twice. More: docs/batch.md.

    Examples:
        noxcli inputs qa --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch qa rows.jsonl --dry-run
        noxcli batch qa rows.jsonl --max-parallel 16 > results.jsonl
        # Continue after an interruption.
        noxcli batch qa rows.jsonl --resume
    """
    context: Context = ctx.obj
    deadline = Deadline(context.clock, timeout)
    context.present(quiet=quiet, verbose=verbose, color=color, log_file=log_file)
    part = Shard.parse(shard) if shard is not None else Shard()
    common = read_inputs(inputs or [], secrets=secrets or [], environ=context.terminal.environ)
    context.hide(common)
    columns = Columns.parse(column or [], common)
    rows = RowFile(file, input_format, columns, sys.stdin.buffer if sys.stdin is not None else None)
    directory, named = _directory(file, rows, output_dir), output_dir is not None
    if junit is not None:
        check_target(Path(junit), "--junit")
    line = [*context.argv, *([] if "--resume" in context.argv else ["--resume"])]
    context.way_back = f"noxcli {shlex.join(line)}"
    with ExitStack() as stack:
        api = stack.enter_context(context.connect(base_url, api_key_file, connect_timeout))
        context.enter(Phase.PREFLIGHT)
        patience = context.patience(deadline, options.before(retry_for), out_of_time=TimedOutBeforeStart)
        found = resolve_workflow(api, workflow, patience, context.configured.aliases, context.cache.workflows)
        version = chosen_version(context, api, found, version_id, deadline, patience, checks=not no_check)
        version_id = version.id if version else None
        known = None if no_check else read_workflow(context, api, found, deadline, patience, version)
        checker = Checker(known.definition if known else None, workflow, context.terminal.note)
        header = Header(found.id, context.base_url, rows.name, str(part))
        journal, past = None, Past()
        if (directory / JOURNAL_NAME).exists():
            journal = stack.enter_context(Journal(directory, context.clock, context.terminal.mask, named=named))
            past = journal.past(retry_failed=retry_failed)
            _require_resumable(past, header, directory, resume=resume)
        counts = Counts(before=past.finished)
        if not rows.is_stream:
            seen = survey(rows.rows(), checker, part, past)
            header = replace(header, rows=seen.rows, digest=seen.digest)
            counts.total = seen.in_shard
            _require_fit(context, seen, past, workflow, changed=changed_input, checks=not no_check)
            if dry_run:
                context.terminal.write(f"{to_json(seen.counts())}\n")
                return
        elif dry_run:
            raise UsageProblem("--dry-run can't count the rows of a stream", "give FILE")
        if journal is None:
            journal = stack.enter_context(Journal(directory, context.clock, context.terminal.mask, named=named))
        if past.header != header:
            journal.begin(header)
        if junit is not None:
            stack.callback(_write_junit, Path(junit), directory, context.terminal.mask)
        common = replace(common, values=stored(context, api, common, patience))
        pace = Pace()
        work = RowWork(context, Gated(api, pace), journal.place if named else None, deadline, retry_for, known)
        plan = Plan(
            found.id,
            store=work.store,
            start=lambda payload: api.create_run(found.id, payload, version_id=version_id),
            deliver=work.deliver,
            mask=context.terminal.mask,
            explain=partial(explainer(context, work.api).explain, deadline=deadline, workflow=known or found),
            comparison=Comparison(inputs_of(known.definition) if known else None, common.secret),
            max_parallel=max_parallel,
            max_failures=1 if fail_fast else max_failures,
            ordered=ordered,
            adopt=adopt,
            retry_in_doubt=retry_in_doubt,
            poll_interval=poll_interval,
            retry_for=options.during(retry_for),
        )
        source = _to_do(
            rows.again(replace(columns, common=common)), checker, part, past, journal, counts, changed=changed_input
        )
        summary, began = Summary(past.codes), context.clock.monotonic()

        def tell(told: RowResult) -> None:
            line = {"row": told.row.number, "id": told.row.id, "result": told.result}
            summary.add(told.code, f"row {told.row.number}: {(told.result['error'] or {}).get('message')}")
            context.terminal.write(f"{to_json(line)}\n")

        with counting(context.terminal) as shown:

            def tick() -> bool:
                shown.show(counts, _news_of(pace))
                return context.signals.pending is None

            engine = Engine(api, plan, source, journal, past, pace, deadline, counts, tell=tell, tick=tick)
            error = _work_off(context, api, engine, pace, deadline, plan.retry_for, on_interrupt)
        if engine.unprinted is not None and not isinstance(error, Interruption):
            raise engine.unprinted
    took = show_seconds(context.clock.monotonic() - began)
    before = f", {past.finished} of them before" if past.finished else ""
    context.terminal.note(f"{counts.done} rows in {took}{before}")
    summary.say(context.terminal, counts.total - counts.done if counts.total is not None else 0)
    go_on = f"go on with: {context.way_back}"
    if isinstance(error, Interruption):
        raise Interruption(error.message, go_on, number=error.number)
    summary.raise_worst(counts.done, go_on, error)


def _write_junit(target: Path, directory: Path, mask: Mask) -> None:
    """Write the report from the journal: what earlier calls have done is in it, too."""
    from noxcli.batch.report import Joined  # loaded where a report is written
    from noxcli.reports.junit import JunitReport

    joined = Joined.read([directory])
    shard = Shard.parse(joined.header.shard)
    with JunitReport(target, joined.header.source, mask) as report:
        for row in joined.reports():
            if shard.has(row.row):
                report.add(row.case(joined.header.workflow_id))


def _work_off(
    context: Context,
    api: "NoxusApi",
    engine: Engine,
    pace: Pace,
    deadline: Deadline,
    retry_for: float,
    on_interrupt: str | None,
) -> NoxError | None:
    """Have the engine work, and see to what it leaves; return what cut it off."""
    # A signal is seen by `tick`: in between, nothing may get lost.
    with context.signals.held():
        engine.work()
        number = context.signals.take_pending()
        if number is not None:
            return _interrupted(context, api, engine, Interrupted(number), on_interrupt)
        if engine.unprinted is not None:
            engine.await_starts(ANSWER_WITHIN)
            return engine.unprinted
        if deadline.passed:
            engine.await_starts(ANSWER_WITHIN)
            engine.leave(lambda run: TimedOut(f"run {run.id} was still {run.status} at the timeout"))
            return TimedOut("the timeout was reached")
        if pace.silent_for > retry_for:
            engine.await_starts(ANSWER_WITHIN)
            engine.leave(lambda run: LostContact(f"lost contact with run {run.id}"))
            return Unavailable(f"nothing was answered for {show_seconds(pace.silent_for)}")
    return engine.trouble


def _interrupted(
    context: Context, api: "NoxusApi", engine: Engine, signal: Interrupted, on_interrupt: str | None
) -> Interruption:
    engine.await_starts(ANSWER_WITHIN)
    runs = [going.run for going in engine.going.values()]
    stops = context.stops_runs(on_interrupt)
    if stops and runs:
        deadline = Deadline(context.clock, LONGEST_STOP)
        answers = run_all_within(LONGEST_STOP, [partial(stop_run, api, run, context.clock, deadline) for run in runs])
        engine.settle(run for run, _ in answers if run is not None)
    left = len(engine.going)
    engine.leave(lambda run: Interruption(f"run {run.id} was left {run.status}", number=signal.number))
    done = f", {len(runs) - left} stopped" if stops and runs else ""
    return Interruption(f"interrupted by {signal}{done}, {left} runs left running", number=signal.number)


def _directory(file: str, rows: RowFile, output_dir: str | None) -> Path:
    if output_dir is not None:
        return Path(output_dir)
    if rows.is_stream:
        raise UsageProblem("the rows of a stream need a place for the journal", "add --output-dir DIR")
    return Path(f"{file}.batch").expanduser()


def _require_resumable(past: Past, now: Header, directory: Path, *, resume: bool) -> None:
    """Raises UsageProblem where the directory has a batch that this is not, or is not said to be."""
    then = past.header
    if then is None:
        return
    if not resume:
        raise UsageProblem(
            f"{directory} has a batch already, {past.finished} rows of which have finished",
            "continue it with --resume, or choose another --output-dir",
        )
    for what, was, is_ in (
        ("workflow", then.workflow_id, now.workflow_id),
        ("server", then.host, now.host),
        ("shard", then.shard, now.shard),
    ):
        if was != is_:
            raise ConfigProblem(f"the batch in {directory} is for {what} {was}, and this is {is_}", "see --output-dir")


def _require_fit(context: Context, seen: Survey, past: Past, workflow: str, *, changed: bool, checks: bool) -> None:
    then = past.header
    if then is not None and then.digest not in {None, seen.digest} and not changed:
        raise UsageProblem(
            f"{then.source} had {then.rows} rows when the batch began and has {seen.rows} now, or other ones",
            "put the old file back, or match rows by number with --changed-input",
        )
    if not checks:
        return
    for mistake in seen.mistakes:
        context.terminal.complain(f"noxcli: {mistake}")
    if seen.wrong:
        more = f", of which the first {len(seen.mistakes)} are listed" if seen.wrong > len(seen.mistakes) else ""
        raise WrongInputs(
            f"{seen.wrong} of {seen.in_shard} rows are wrong{more}; nothing was started",
            f"see: noxcli inputs {shlex.quote(workflow)}",
        )


def _to_do(
    rows: RowFile, checker: Checker, shard: Shard, past: Past, journal: Journal, counts: Counts, *, changed: bool
) -> Iterator[Row]:
    """Yield what is left to do; runs in the thread that reads."""
    number = mine = 0
    for row in rows.rows():
        number = row.number
        if not shard.has(number):
            continue
        mine += 1
        if not changed:
            require_same(row, past)
        if past.state(number) != FINISHED:
            yield checker.checked(row)
    counts.total = mine
    journal.end(number)


def _news_of(pace: Pace) -> str:
    if pace.silent_for > 1:
        return f"no answer for {show_seconds(pace.silent_for)}"
    return f"held to {pace.rate:.1f} requests/s by the server" if pace.rate is not None else ""


@dataclass(frozen=True, slots=True)
class RowWork:
    """One row's own part: its files stored, its output delivered. Called from several threads."""

    context: Context
    api: Any  # paced
    place: Place | None  # where rows have directories of their own
    deadline: Deadline
    retry_for: float | None
    workflow: Workflow | None = None  # as far as it was read

    @property
    def patience(self) -> Patience:
        return Patience(self.context.clock, self.deadline, options.before(self.retry_for), lambda _: None)

    def store(self, row: Row) -> dict[str, Any]:
        uploader = Uploader(self.api, self.patience, self.context.clock, lambda _: None)
        return row.inputs.stored(uploader.store)

    def deliver(self, row: Row, run: Run) -> Delivered:
        run = with_output(self.api, run, self.patience, self.workflow)
        if self.place is None:
            return complete_inline(self.api, run.output, self.patience)
        from noxcli.outputs.save import Filing  # loaded where files are written

        name = _folder(row)
        try:
            place = self.place.below(name, make=True)
        except OSError as error:
            raise Undelivered(f"can't write to the directory {self.place.path / name}: {reason_of(error)}") from None
        with place:
            return Filing(self.api, self.patience, place).deliver(run)


def _folder(row: Row) -> str:
    stem = f"{row.number:06}"
    return stem if row.id is None else f"{stem}-{safe_stem(row.id, LONGEST_ID)}"
