"""`noxcli compare`: what changed between two batches, row by row, as a gate for CI."""

from enum import StrEnum
from typing import ClassVar

from noxcli.cli.options import (
    PASS_EACH,
    ComparisonOptions,
    DocumentOptions,
    ShownOptions,
    argument,
    declared,
    option,
)

# What else counts as a regression, each in lower case.
FailOn = StrEnum("FailOn", "CHANGED NEW REMOVED WORSE")


@declared
class Options(ComparisonOptions, DocumentOptions, ShownOptions):
    """Compare two batches row by row, and exit with 11 if a row broke.

    A broken row passes in BASE, and does not in NEW.

    Rows are paired by their ids, or else by their inputs. Those that differ are listed: broken,
    changed, slower, fixed, new, missing, and those that vary, since their own repetitions differ.

    Examples:
        noxcli inputs review --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch review rows.jsonl --version-id base --output-dir base --fresh
        noxcli batch review rows.jsonl --version-id new --output-dir new --fresh
        noxcli compare base new
        # As a gate, judged by an assertion, with a page for reviewers.
        noxcli compare base new --assert 'length(output.Answer) > `5`' --report c.html
    """

    codes: ClassVar = {2: "nothing to compare", 8: "rows without an answer", 11: "a row broke"}
    steps_apart = True

    base: str = argument("BASE", "The results before: the directory of a batch.")
    new: str = argument("NEW", "The results after: the directory of another batch.")
    pass_each: int | None = PASS_EACH
    fail_on: list[FailOn] | None = option(
        "--fail-on",
        "CLASS",
        "Exit with 11 for changed, new or removed rows, or if NEW is worse.",
        None,
    )

    @property
    def directories(self) -> list[str]:
        """The directories of both batches."""
        return [self.base, self.new]
