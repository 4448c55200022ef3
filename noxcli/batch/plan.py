"""What a batch is to do, and how far it has come."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from noxcli.batch.rows import Row
from noxcli.encode import to_json
from noxcli.errors import ExitCode
from noxcli.models import Run
from noxcli.outputs.delivered import Delivered
from noxcli.redaction import Mask
from noxcli.reports.result import Outcome
from noxcli.runs.likeness import Comparison
from noxcli.runs.progress import Progress

# A row with one of these has had its run, for better or worse; with any other code it is looked at again.
FINAL = frozenset({ExitCode.OK, ExitCode.RUN_FAILED, ExitCode.RUN_STOPPED, ExitCode.NOT_AS_ASSERTED})


@dataclass(frozen=True, slots=True)
class Plan:
    """How a batch goes about it.

    `start` sends a row's inputs as `store` returned them; `explain` tells how a failed run went, and why it failed.
    """

    workflow_id: str
    store: Callable[[Row], dict[str, Any]]
    start: Callable[[Mapping[str, Any]], Run]
    deliver: Callable[[Row, Run], Delivered]
    explain: Callable[[Run], Progress]
    mask: Mask
    judge: Callable[[Row, Outcome], None] = lambda _row, _outcome: None  # raises NotAsAsserted
    comparison: Comparison = field(default_factory=Comparison)
    max_parallel: int = 8
    max_failures: int | None = None
    ordered: bool = False
    adopt: bool = False
    retry_in_doubt: bool = False
    poll_interval: float = 5.0
    retry_for: float = 300.0


@dataclass(frozen=True)
class RowResult:
    """A row's last word of this call; `interrupted` where noxcli itself stopped its run, to be started again."""

    row: Row
    result: dict[str, Any]
    code: ExitCode
    interrupted: bool = False

    @property
    def final(self) -> bool:
        """True where the row has had its run, for better or worse: --resume leaves it alone."""
        run = self.result["run"] or {}
        return not self.interrupted and self.code in FINAL and bool(run.get("confirmed"))

    @cached_property
    def line(self) -> str:
        """The row's line of stdout and of the results."""
        return f"{to_json({'row': self.row.number, 'id': self.row.id, 'result': self.result})}\n"


@dataclass(slots=True)
class Counts:
    """How far a batch has come; `total` is None while a stream goes on."""

    total: int | None = None
    before: int = 0  # finished by an earlier call
    running: int = 0
    doubt: int = 0
    interrupted: int = 0  # rows whose runs this call has stopped, to be started again
    codes: Counter[ExitCode] = field(default_factory=Counter)

    @property
    def told(self) -> int:
        return sum(self.codes.values())

    @property
    def done(self) -> int:
        return self.before + self.told

    @property
    def failed(self) -> int:
        return self.told - self.codes[ExitCode.OK]
