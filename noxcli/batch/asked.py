"""What a command line asks of a batch, apart from how results are judged and shown."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from noxcli.batch.rows import RowFile
from noxcli.batch.shards import Shard
from noxcli.errors import UsageProblem
from noxcli.inputs.parse import Inputs


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows, the directory, and how they are run; times in seconds."""

    workflow: str  # as the user named it
    rows: RowFile
    common: Inputs  # of all rows
    shard: Shard
    directory: Path
    named: bool  # the user named the directory: it may be a link, and gets the rows' files
    resume: bool
    fresh: bool
    again: Collection[str]  # which rows are started again
    changed: bool  # other rows and inputs are accepted
    checked: bool  # against the workflow's definition
    way_back: str  # the command that continues the batch
    stops: bool  # a signal stops the runs
    max_parallel: int
    max_failures: int | None
    row_timeout: float | None
    poll_interval: float

    @property
    def continues(self) -> bool:
        """True if an earlier batch in the directory is continued."""
        return self.resume or bool(self.again)

    def require_consistent(self) -> None:
        """Raise UsageProblem for options that contradict each other."""
        for each in {"red", "edited"}.intersection(self.again) if self.rows.is_stream else ():
            raise UsageProblem(f"--again {each} needs rows that can be read again", "give FILE")
        if self.fresh and self.continues:
            raise UsageProblem("--fresh starts over, --resume and --again continue", "remove one of them")
