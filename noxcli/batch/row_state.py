"""A row in flight."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from noxcli.batchdir.journal_state import SentStart
from noxcli.errors import NoxError
from noxcli.models import Run
from noxcli.retry import FailureTracker
from noxcli.rows.reader import Row

if TYPE_CHECKING:
    from noxcli.runs.start import StartAttempt


@dataclass(slots=True, eq=False, repr=False)
class ActiveRow:
    """A row that is being started, or whose run is running; times by `time.monotonic`."""

    row: Row
    run: Run | None = None  # once it is known
    attempt: "StartAttempt | None" = None
    sent: SentStart | None = None  # what the journal has of its start
    began: float = 0.0  # when its run began, before that when its start was ready to be sent
    aborted: bool = False  # its start was not sent, and will not be
    found: bool = False  # the journal named its run: how long that took can't be measured
    read: bool = False  # its record was read
    contact: FailureTracker | None = None  # with its run, once that was to be read
    error: NoxError | None = None  # why its start is in doubt, or not in the journal

    @property
    def was_sent(self) -> bool:
        """True if its run may exist."""
        return self.attempt is not None and self.attempt.may_be_sent

    @property
    def in_doubt(self) -> bool:
        """True if a run may exist whose id is not known."""
        return self.run is None and self.was_sent
