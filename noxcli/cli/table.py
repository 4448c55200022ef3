"""What `batch` and `gate` read from their options: the rows of a table, and how they are run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from noxcli.batch.batch import Batch
from noxcli.batch.spec import BatchSpec
from noxcli.batch.worker import ClaimedIds, RowWorker
from noxcli.cli.ending import explain_unexpected
from noxcli.cli.options import RETRY_FOLLOWING, TableOptions
from noxcli.cli.session import Session
from noxcli.cli.start import parse_given_inputs
from noxcli.errors import CommandLine, TimedOut, UsageProblem
from noxcli.files import expanded, require_local
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.parse import Inputs
from noxcli.models import Workflow
from noxcli.rows.columns import Columns
from noxcli.rows.reader import RowReader
from noxcli.rows.selection import IdFilter, Shard
from noxcli.runs.start import InputDigests

if TYPE_CHECKING:
    from noxcli.api.rate_limit import RateLimiter

R = TypeVar("R", bound=RowReader)


def read_rows(noxus: Session, options: TableOptions, reader: Callable[..., R], repeat: int) -> R:
    """Return the rows of the command line, each of them `repeat` times. Raises UsageProblem."""
    context = noxus.context
    columns = Columns.parse(options.column or [], Inputs(), options.id_column, options.keep or ())
    columns.sources.spare = context.reports.spare
    if options.only is not None and options.limit is not None:
        raise UsageProblem("--only and --limit both say which rows to run", "remove one of them")
    choice: int | IdFilter | None = options.limit
    if options.only is not None:
        choice = IdFilter.read(options.only, context.sources)
    rows = reader(options.file, options.input_format, columns, context.sources, choice, repeat)
    rows.share(parse_given_inputs(noxus, options))
    if options.decimal is not None and not rows.is_table:
        raise UsageProblem(
            "--decimal is for tables", "JSON numbers have a decimal point: remove it"
        )
    rows.decimal = options.decimal
    return rows


def read_spec(
    noxus: Session,
    options: TableOptions,
    rows: RowReader,
    shard: Shard,
    kind: str,
    resume_command: CommandLine,
) -> BatchSpec:
    """Return what the options of every table say; FILE.`kind` is the directory without one.

    Raises UsageProblem.
    """
    return BatchSpec(
        workflow=options.workflow,
        rows=rows,
        common=rows.common,
        shard=shard,
        directory=_directory(rows, options, kind),
        named=options.output_dir is not None,
        stops=noxus.context.stops_runs(options.on_interrupt),
        fresh=options.fresh,
        max_parallel=options.max_parallel,
        row_timeout=options.row_timeout,
        poll_interval=options.poll_interval,
        resume_command=resume_command,
    )


def _directory(rows: RowReader, options: TableOptions, kind: str) -> Path:
    """Return the batch's directory.

    Raises UsageProblem if none is given, and there is no file to name it after.
    """
    if options.output_dir is not None:
        require_local(Path(options.output_dir), "--output-dir")
        return Path(options.output_dir)
    if Path(options.file).is_dir():
        raise UsageProblem(
            f"{options.file} is a directory",
            "name a file with a row for each file in it, such as FILE.csv with a column of paths",
        )
    if rows.is_pipe:
        raise UsageProblem(
            "rows from a pipe need a directory for the journal", "add --output-dir DIR"
        )
    return expanded(f"{options.file}.{kind}")


def worker_of(
    noxus: Session, pace: "RateLimiter", workflows: Sequence[Workflow], batch: Batch
) -> RowWorker:
    """Return what the batch's threads do for each row.

    In a directory that is named, its outputs become files.
    """
    context = noxus.context
    retry_for = noxus.common.retry_for
    if batch.spec.named:
        import noxcli.outputs.file_texts  # here and not in several threads, of which one may fail
        import noxcli.outputs.save  # noqa: F401 - as above
    return RowWorker(
        api=noxus.api,
        pace=pace,
        clock=context.clock,
        journal=batch.journal,
        known=ClaimedIds(batch.journaled.runs),
        reruns=batch.journaled.reruns,
        contents=batch.contents,
        folders_by_content=batch.journaled.was_renumbered,
        workflows=workflows,
        digests=[
            InputDigests(inputs_of(each.definition), batch.spec.common.secret) for each in workflows
        ],
        mask=context.terminal.mask,
        route=context.route,
        retries=replace(noxus.retries(out_of_time=TimedOut), say=lambda _: None),
        explain_unexpected=partial(explain_unexpected, context),
        deadline=noxus.deadline,
        retry_for=RETRY_FOLLOWING if retry_for is None else retry_for,
        place=batch.journal.place if batch.spec.named else None,
    )
