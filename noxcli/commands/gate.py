"""`noxcli gate`: two versions over one table, in one journal, repeated until decided, with one exit
code.
"""

from enum import StrEnum
from typing import ClassVar

from noxcli.cli.options import (
    ComparisonOptions,
    DocumentOptions,
    TableOptions,
    declared,
    flag,
    option,
)

FailOn = StrEnum("FailOn", "UNDECIDED")  # what else makes it red


@declared
class Options(ComparisonOptions, DocumentOptions, TableOptions):
    """Run two versions of a workflow over a table, and exit with 11 if NEW is worse.

    Both versions answer each row. Rows that seem broken, and a difference that chance may explain,
    are re-run, so that an unchanged workflow fails in at most 5 of 100 gates. The same line
    continues after any interruption.

    Examples:
        noxcli inputs review --json | jq -c '.examples[0]' > rows.jsonl
        # How many runs may it start?
        noxcli gate review rows.jsonl --base base --new new --assert ok --dry-run
        noxcli gate review rows.jsonl --base base --new new --assert complete
    """

    codes: ClassVar = {
        2: "bad usage, or nothing to compare",
        8: "rows without an answer",
        11: "a row broke, or NEW is worse",
    }
    steps_apart = True
    # Its directory holds its one journal, and a limit for one run is none for many.
    without_default = ("timeout", "output_dir")

    base: str | None = option(
        "--base", "VERSION", "The saved version before: its id or name.", None
    )
    base_file: str | None = option(
        "--base-file",
        "FILE",
        "The version before, by its definition; saved as one if none has it.",
        None,
    )
    new: str | None = option("--new", "VERSION", "The saved version after. [default: BASE]", None)
    new_file: str | None = option(
        "--new-file", "FILE", "The version after, by its definition.", None
    )
    new_input: list[str] | None = option(
        "--new-input",
        "INPUT",
        "An input that NEW gets in place of the same one, if any; repeatable.",
        None,
    )
    allow_same: bool = flag(
        "--allow-same", "If BASE and NEW do not differ, run each row once and list those that fail."
    )
    lower_is_better: bool = flag("--lower-is-better", "Take a lower --score for the better one.")
    never: str | None = option(
        "--never", "EXPR", "Exit with 11 if this JMESPath is true of one answer of NEW.", None
    )
    fail_on: list[FailOn] | None = option(
        "--fail-on", "WHAT", "Exit with 11 if the gate ends undecided.", None
    )
    judge: str | None = option(
        "--judge", "WORKFLOW", "Judge each answer by a run of WORKFLOW: judge.NAME in checks.", None
    )
    judge_input: list[str] | None = option(
        "--judge-input",
        "KEY=EXPR",
        "Give the judge what EXPR finds in output or row; repeatable. [default: by name]",
        None,
    )
    judge_version: str | None = option(
        "--judge-version", "VERSION", "The judge's saved version. [default: the current one]", None
    )
    max_runs: int | None = option(
        "--max-runs",
        "RUNS",
        "Start at most RUNS runs. [default: 12 for each row, and 300]",
        None,
        min=1,
    )
    output_dir: str | None = option(
        "--output-dir",
        "DIR",
        "Write each answer's files and the journal to DIR. [default: FILE.gate for the journal]",
        None,
    )
    fresh_if_changed: bool = flag(
        "--fresh-if-changed",
        "Start over if rows, files, inputs or versions differ from those before.",
    )
    dry_run: bool = flag(
        "--dry-run", "Print the least and the most runs that it may start, and start none."
    )
