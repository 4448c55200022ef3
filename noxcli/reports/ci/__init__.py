"""What a CI system gets of a batch or a comparison at its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noxcli.errors import ExitCode

if TYPE_CHECKING:
    from noxcli.reports.row_pair import RowPair


RERUN_THE_JOB = frozenset(
    {
        ExitCode.LOST_CONTACT,
        ExitCode.TEMPORARY,
        ExitCode.TIMED_OUT,
        ExitCode.INTERRUPTED,
        ExitCode.TERMINATED,
    }
)
RERUN_WORDS = "Re-run the job: it continues where this one ended."
COMPARING = ("compare", "gate")  # whose rows have classes


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch or a comparison at the end: the counts of its rows, the messages of those that fail.

    `trouble` has the messages of the first ones. `facts` say what was compared or joined. Of a
    comparison, `broken` has the first rows that fail, and the messages are about `others` that
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
    others: Sequence["RowPair"] = ()
    listed: int = 0
    headline: str = ""  # what failed, or how many passed
    fell: Sequence[tuple[str, str]] = ()  # groups of which fewer rows pass, of a comparison
    links: Sequence[tuple[str, str]] = ()  # words and addresses
    of_one_version: bool = False  # both sides of a gate are the same answers

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
        return self.command in COMPARING

    @property
    def telling(self) -> Sequence["RowPair"]:
        """The rows that a reviewer reads first: the broken ones, else what makes it red."""
        if self.broken:
            return self.broken
        if self.exit_code == ExitCode.NOT_AS_ASSERTED or self.of_one_version:
            return sorted(self.others, key=_score_change, reverse=True)
        return ()

    @property
    def first_step(self) -> str:
        """What a reviewer of a comparison does first, in one sentence."""
        code = self.exit_code
        if code == ExitCode.OK and not self.rows:
            return "Nothing was started."
        if code == ExitCode.OK and self.of_one_version:
            return "The two versions do not differ, so nothing is worse: read the rows that fail."
        if code == ExitCode.OK:
            return "No row broke: there is nothing to do."
        if code == ExitCode.NOT_AS_ASSERTED and self.broken:
            return "Read what these rows answer now, and change the prompt, or what is expected."
        if code == ExitCode.NOT_AS_ASSERTED:
            return "Together these rows are worse, though none is proven alone: read their answers."
        if code == ExitCode.AUTH:
            return "Give the job an API key that may run the workflow; a fork gets none."
        if code in {ExitCode.USAGE, ExitCode.NOT_FOUND}:
            return "Correct what the reason names, and push again."
        return RERUN_WORDS

    @property
    def reason_for_reviewers(self) -> str:
        """The reason, without a command line where the job is what to run again."""
        if self.compares and self.exit_code in RERUN_THE_JOB:
            return self.reason.partition("; continue with: ")[0]
        return self.reason

    @property
    def heading(self) -> str:
        """The verdict in one line."""
        if not self.rows:
            return "nothing was compared" if self.compares else "no rows"
        return self.headline


def _score_change(row: "RowPair") -> float:
    """Return how far apart the scores of its answers are, 0 without scores."""
    if row.scores is None:
        return 0
    base, new = row.scores
    return abs(new - base)
