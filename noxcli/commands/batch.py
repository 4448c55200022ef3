"""`noxcli batch`: one run for each row of a file, each started exactly once, even after kills and outages."""

from enum import StrEnum
from typing import Literal

from noxcli.cli.options import (
    ON_INTERRUPT,
    WORKFLOW,
    DetachOrStop,
    InputOptions,
    LimitOptions,
    RowsOptions,
    argument,
    declared,
    fixed_at,
    flag,
    option,
    poll_every,
    some_time,
)

Again = StrEnum(
    "Again", "FAILED STOPPED DOUBTFUL RED EDITED"
)  # rows to start again, each by its name in lower case


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

    workflow: str = WORKFLOW
    file: str = argument("FILE", "JSON lines, CSV or TSV; - is stdin.")
    whole: str | None = fixed_at(None)
    dry_run: bool = flag("--dry-run", "Check the rows and print their number; start nothing.")
    input_format: Literal["jsonl", "csv", "tsv"] | None = option(
        "--input-format", "FORMAT", "Read FILE as jsonl, csv or tsv. [default: by name]", None
    )
    column: list[str] | None = option(
        "--column",
        "INPUT=COLUMN",
        "Send a column as INPUT, or read INPUT's column as files (INPUT@) or JSON (INPUT:=); repeatable.",
        None,
    )
    id_column: str | None = option(
        "--id", "COLUMN", "Name rows by this column. [default: $id]", None
    )
    keep: list[str] | None = option(
        "--keep", "COLUMN", "Keep this column in results; repeatable.", None
    )
    output_dir: str | None = option(
        "--output-dir",
        "DIR",
        "Write journal and files to DIR. [default: FILE.batch for the journal]",
        None,
    )
    max_parallel: int = option(
        "--max-parallel", "N", "Run up to N rows at a time.", 8, min=1, max=1000
    )
    resume: bool = flag("--resume", "Continue where an earlier call stopped.")
    fresh: bool = flag("--fresh", "Move the earlier directory aside, and start over.")
    again: list[Again] | None = option(
        "--again",
        "CLASS",
        "Resume, and re-run rows of this class: failed, stopped, edited, red (fails --assert or --expect), "
        "or doubtful (may run twice); repeatable.",
        None,
    )
    allow_changed_input: bool = flag(
        "--allow-changed-input", "Resume even if FILE or inputs have changed."
    )
    max_failures: int | None = option(
        "--max-failures", "N", "Start no rows after N failures; 0: start all.", None, min=0
    )
    row_timeout: float | None = option(
        "--row-timeout",
        "DUR",
        "Give up on a row this long after its start.",
        None,
        parser=some_time,
    )
    limit: int | None = option(
        "--limit", "N", "Run only the first N rows of FILE.", None, min=1, rich_help_panel="Rows"
    )
    only: str | None = option(
        "--only", "FILE", "Run only rows whose ids are in FILE, one a line.", None
    )
    repeat: int = option("--repeat", "N", "Run each row N times.", 1, min=1, max=1000)
    shard: str | None = option(
        "--shard",
        "I/N|auto",
        "Run shard I of N (1/8 is the first), or that of this engine's task. [env: NOXCLI_SHARD]",
        None,
    )
    on_interrupt: DetachOrStop | None = ON_INTERRUPT
    poll_interval: float = poll_every(5.0)
