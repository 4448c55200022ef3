"""A row of a batch: at work, then with its result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from noxcli.batchdir.journal_state import SentStart
from noxcli.codec import to_json
from noxcli.errors import HAD_RUN, SIGNALLED, ExitCode, NoxError
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.reports.result import Outcome
from noxcli.retry import FailureTracker
from noxcli.rows.reader import Row

if TYPE_CHECKING:
    from noxcli.runs.start import StartAttempt


@dataclass(slots=True, eq=False, repr=False)
class ActiveRow:
    """A row that is being started, or whose run goes on; times by `time.monotonic`."""

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


@dataclass(eq=False, repr=False)  # without slots: it keeps what is computed from it
class RowResult:
    """A row's result in this call, as the server gave it.

    `interrupted` if noxcli itself stopped its run, which must be started again; `took` is how long its run took, if
    that was measured; `ends_all` says that no other row would succeed either.
    """

    row: Row
    result: dict[str, Any]
    code: ExitCode
    input: Mapping[str, Any]
    columns: Mapping[str, Any]
    interrupted: bool = False
    took: float | None = None
    fatal_error: NoxError | None = None
    asked: int = 1  # how often it was asked, with this time
    judged: Mapping[str, Any] = field(default_factory=dict)  # its document with the verdict of --assert and --expect

    @classmethod
    def of(cls, row: Row, outcome: Outcome, mask: Mask, asked: int = 1) -> Self:
        """Return the row with the result in the outcome; the mask hides secrets."""
        code = outcome.error.exit_code if outcome.error else ExitCode.OK
        shown = mask.whole(row.inputs.shown()), mask.whole(row.columns)
        return cls(row, outcome.document(code, mask), code, *shown, asked=asked)

    @property
    def final(self) -> bool:
        """True if the row has had its run, so that --resume skips it."""
        run = self.result["run"] or {}
        return not self.interrupted and self.code in HAD_RUN and bool(run.get("confirmed"))

    @property
    def cut_short(self) -> bool:
        """True if a signal ended this call before the row's run: --resume prints its line."""
        return self.interrupted or self.code in SIGNALLED

    @cached_property
    def document(self) -> dict[str, Any]:
        """What its line contains."""
        about = {"asked": self.asked, "input": self.input, "columns": self.columns}
        return {"row": self.row.number, "id": self.row.id, "result": self.result, **about}

    @cached_property
    def line(self) -> str:
        """Its line in the results."""
        return f"{to_json(self.document)}\n"
