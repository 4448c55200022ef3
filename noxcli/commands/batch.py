"""`noxcli batch`: one run for each row of a file, each started exactly once, even after kills and outages."""

from enum import StrEnum
from typing import Annotated, Literal

from noxcli.cli.options import (
    InputOptions,
    LimitOptions,
    OnInterrupt,
    PollInterval,
    RowsOptions,
    WorkflowArgument,
    argument,
    declared,
    fixed_at,
    flag,
    option,
    some_time,
)

Again = StrEnum("Again", "FAILED STOPPED DOUBTFUL RED EDITED")  # rows to start again, each by its name in lower case


@declared
class Options(InputOptions, RowsOptions, LimitOptions):
    """Run a workflow once for each row of a file, and print a JSON line for each.

    If it is interrupted, the same command with --resume continues it.

    Examples:
        noxcli inputs qa --json | jq -c '.examples[0]' > rows.jsonl
        # Check the rows, and start nothing.
        noxcli batch qa rows.jsonl --fresh --dry-run
        noxcli batch qa rows.jsonl --max-parallel 16 --fresh > results.jsonl
        # Continue after an interruption.
        noxcli batch qa rows.jsonl --resume
    """

    workflow: WorkflowArgument
    file: Annotated[str, argument("FILE", "JSON lines, CSV or TSV; - is stdin.")]
    whole: str | None = fixed_at(None)
    dry_run: Annotated[bool, flag("--dry-run", "Check the rows and print their number; start nothing.")] = False
    input_format: Annotated[
        Literal["jsonl", "csv", "tsv"] | None,
        option("--input-format", "FORMAT", "Read FILE as jsonl, csv or tsv. [default: by name]"),
    ] = None
    column: Annotated[
        list[str] | None,
        option(
            "--column",
            "INPUT=COLUMN",
            "Send a column as INPUT, or read INPUT's column as files (INPUT@) or JSON (INPUT:=); repeatable.",
        ),
    ] = None
    id_column: Annotated[str | None, option("--id", "COLUMN", "Name rows by this column. [default: $id]")] = None
    keep: Annotated[list[str] | None, option("--keep", "COLUMN", "Keep this column in results; repeatable.")] = None
    output_dir: Annotated[
        str | None,
        option("--output-dir", "DIR", "Write journal and files to DIR. [default: FILE.batch for the journal]"),
    ] = None
    max_parallel: Annotated[int, option("--max-parallel", "N", "Run up to N rows at a time.", min=1, max=1000)] = 8
    resume: Annotated[bool, flag("--resume", "Continue where an earlier call stopped.")] = False
    fresh: Annotated[bool, flag("--fresh", "Move the earlier directory aside, and start over.")] = False
    again: Annotated[
        list[Again] | None,
        option(
            "--again",
            "CLASS",
            "Resume, and re-run rows of this class: failed, stopped, edited, red (fails --assert or --expect), "
            "or doubtful (may run twice); repeatable.",
        ),
    ] = None
    allow_changed_input: Annotated[
        bool, flag("--allow-changed-input", "Resume even if FILE or inputs have changed.")
    ] = False
    max_failures: Annotated[
        int | None, option("--max-failures", "N", "Start no rows after N failures; 0: start all.", min=0)
    ] = None
    row_timeout: Annotated[
        float | None, option("--row-timeout", "DUR", "Give up on a row this long after its start.", parser=some_time)
    ] = None
    limit: Annotated[
        int | None, option("--limit", "N", "Run only the first N rows of FILE.", min=1, rich_help_panel="Rows")
    ] = None
    only: Annotated[str | None, option("--only", "FILE", "Run only rows whose ids are in FILE, one a line.")] = None
    repeat: Annotated[int, option("--repeat", "N", "Run each row N times.", min=1, max=1000)] = 1
    shard: Annotated[
        str | None,
        option(
            "--shard",
            "I/N|auto",
            "Run shard I of N (1/8 is the first), or that of this engine's task. [env: NOXCLI_SHARD]",
        ),
    ] = None
    on_interrupt: OnInterrupt = None
    poll_interval: PollInterval = 5.0
