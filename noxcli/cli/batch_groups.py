"""The options that only `batch` has, in groups."""

from enum import StrEnum
from typing import Annotated

import typer

from noxcli.cli import options
from noxcli.fixed import fixed

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


class Again(StrEnum):
    """Rows to start again."""

    FAILED = "failed"
    STOPPED = "stopped"
    DOUBTFUL = "doubtful"


AgainOption = Annotated[
    list[Again] | None,
    typer.Option(
        "--again",
        help="Resume, and start rows again whose run failed or was stopped, or whose start is in doubt, even if that "
        "runs them twice; repeatable.",
        show_default=False,
    ),
]
ChangedInput = Annotated[
    bool, typer.Option("--allow-changed-input", help="Resume even though FILE or the inputs have changed.")
]
MaxFailures = Annotated[
    int | None, typer.Option("--max-failures", metavar="N", min=1, help="Start no more rows after N have failed.")
]
Ordered = Annotated[bool, typer.Option("--ordered", help="Print results in the order of the rows.")]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N|auto",
        help="Run only shard I of N (1/8 is the first of eight), or the shard of this engine's task. "
        "[env: NOXCLI_SHARD]",
    ),
]
ExpectOption = Annotated[
    str | None,
    typer.Option(
        "--expect", metavar="FILE", help="Compare outputs with these, by the rows' $id (JSON lines, CSV or TSV)."
    ),
]


@fixed
class RowSource:
    """The rows, and the inputs that all of them share."""

    file: File
    inputs: options.InputArguments = None
    secrets: options.Secrets = None
    input_format: InputFormat = None
    column: ColumnForms = None


@fixed
class AtWork:
    """Where a batch writes, and how many rows it runs at a time."""

    output_dir: BatchDirectory = None
    max_parallel: MaxParallel = 8


@fixed
class Resuming:
    """What to do with the rows that an earlier call began."""

    resume: ResumeBatch = False
    again: AgainOption = None
    allow_changed_input: ChangedInput = False


@fixed
class RowResults:
    """Which rows to run, when to stop, and where their results go."""

    max_failures: MaxFailures = None
    ordered: Ordered = False
    query: options.LineQueryOption = None
    shard: ShardOption = None
    asserts: options.Asserts = None
    expect: ExpectOption = None
    report: options.Report = None
    junit: options.Junit = None
    ci: options.Ci = None


@fixed
class Looking:
    """How to follow runs."""

    on_interrupt: options.OnInterrupt = None
    poll_interval: options.PollInterval = 5.0
