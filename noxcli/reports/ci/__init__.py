"""What a CI system gets of a batch or a comparison at its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noxcli.errors import ExitCode

if TYPE_CHECKING:
    from noxcli.reports.row_pair import RowPair


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch or a comparison at the end: the counts of its rows, the messages of those that fail.

    `trouble` has the messages of the first ones. `facts` say what was compared or joined. Of a
    comparison, `broken` has the first rows that fail, and the messages are about others that
    differ; `listed` is the number of all of them.
    """

    name: str
    completed: int
    rows: int
    became: Sequence[tuple[int, str]]
    trouble: Sequence[str]
    exit_code: ExitCode = ExitCode.OK
    reason: str = ""  # the ending of the whole batch, and how to continue
    command: str = "batch"
    facts: Sequence[tuple[str, str]] = ()
    broken: Sequence["RowPair"] = ()
    listed: int = 0
    headline: str = ""  # what failed, or how many passed

    @property
    def verdict(self) -> str:
        """The verdict in a word or two."""
        if not self.compares:
            return "passed" if self.exit_code == ExitCode.OK else "failed"
        if self.exit_code == ExitCode.OK and self.rows:  # a dry run compares none
            return "passed"
        if self.exit_code == ExitCode.NOT_AS_ASSERTED:
            return "failed"
        return "not judged"

    @property
    def compares(self) -> bool:
        """True if its rows have classes."""
        return self.command in ("compare", "gate")

    @property
    def heading(self) -> str:
        """The verdict in one line."""
        if not self.rows:
            return "nothing was compared" if self.compares else "no rows"
        return self.headline
