"""`noxcli results`: the result of every row of a batch and its shards, with missing and repeated
rows named.
"""

from noxcli.cli.options import (
    OUTPUT,
    STATUS,
    MeasureOptions,
    RowsOptions,
    ShownOptions,
    argument,
    declared,
    flag,
    option,
)
from noxcli.cli.verbs import Codes


@declared
class Options(RowsOptions, MeasureOptions, ShownOptions):
    """Print the stored result of every row of a batch, one JSON line each, in their order.

    With all directories of a sharded batch, their rows are joined. A row that is missing, in doubt
    or ran twice has a line as well. Starts nothing. Only this call's --assert and --expect check
    the stored results. A terminal gets a table.

    Examples:
        noxcli inputs qa --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch qa rows.jsonl --shard 1/2 --output-dir s1 --fresh
        noxcli batch qa rows.jsonl --shard 2/2 --output-dir s2 --fresh
        noxcli results s1 s2 --junit report.xml --report report.html > results.jsonl
        # A table for a spreadsheet.
        noxcli results s1 s2 --csv results.csv > results.jsonl
        # Every row's own id and answer.
        noxcli results s1 s2 --query '[id, result.output]'
        # How far is it? Also from elsewhere, while it runs.
        noxcli results s1 s2 --summary
    """

    codes = Codes.FAILED | {8: "rows without a result"} | Codes.RED
    steps_apart = True
    formats = "JSON lines are on stdout without it; for a table: --csv FILE"
    directories: list[str] = argument("DIR...", "The directory of a batch, or of each shard.")
    status: list[str] | None = STATUS
    summary: bool = flag("--summary", "Print how far the batch is, and exit with 0.")
    as_json: bool = flag("--json", "With --summary, print one JSON document.")
    all_rows: bool = flag("--all", "Also print rows that FILE no longer has, after the others.")
    csv: str | None = option("--csv", "FILE", "Write a table for spreadsheets.", None)
    csv_raw: bool = flag("--csv-raw", "In --csv, leave texts that look like formulas.")
    output: str | None = OUTPUT
