"""`noxcli batch`: one run for each row of a file, each started exactly once, even after kills and
outages.
"""

from enum import StrEnum

from noxcli.cli.options import VERSION_ID, RowsOptions, TableOptions, declared, flag, option
from noxcli.cli.verbs import Codes

# Rows to start again, each by its name in lower case.
Again = StrEnum("Again", "FAILED STOPPED DOUBTFUL RED EDITED")


@declared
class Options(TableOptions, RowsOptions):
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

    codes = Codes.FAILED | Codes.IN_DOUBT | Codes.RED
    steps_apart = True
    # Its directory holds its one journal, and a limit for one run is none for many.
    without_default = ("timeout", "output_dir")

    dry_run: bool = flag("--dry-run", "Check the rows and print their number; start nothing.")
    no_check: bool = flag("--no-check", "Skip local input validation.")
    version_id: str | None = VERSION_ID
    output_dir: str | None = option(
        "--output-dir",
        "DIR",
        "Write journal and files to DIR. [default: FILE.batch for the journal]",
        None,
    )
    resume: bool = flag("--resume", "Continue where an earlier call stopped.")
    again: list[Again] | None = option(
        "--again",
        "CLASS",
        "Resume, and re-run rows of this class: failed, stopped, edited, red (fails --assert or "
        "--expect), or doubtful (may run twice); repeatable.",
        None,
    )
    max_failures: int | None = option(
        "--max-failures", "N", "Start no rows after N failures; 0: start all.", None, min=0
    )
    repeat: int = option("--repeat", "N", "Run each row N times.", 1, min=1, max=1000)
    shard: str | None = option(
        "--shard",
        "I/N|auto",
        "Run shard I of N (1/8 is the first), or that of this engine's task. [env: NOXCLI_SHARD]",
        None,
    )
