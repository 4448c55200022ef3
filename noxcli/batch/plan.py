"""The plan of a batch, and its progress."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from noxcli.batch.rows import Row
from noxcli.encode import to_json
from noxcli.errors import ExitCode
from noxcli.fixed import fixed
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.outputs.delivered import Delivered
from noxcli.reports.result import Outcome
from noxcli.runs.likeness import Comparison
from noxcli.runs.progress import Progress

# A row with one of these codes has had its run; with any other code it is processed again.
FINAL = frozenset({ExitCode.OK, ExitCode.RUN_FAILED, ExitCode.RUN_STOPPED, ExitCode.NOT_AS_ASSERTED})


@fixed
class Plan:
    """The settings of a batch.

    `start` sends a row's inputs as `store` returned them; `explain` returns the progress of a failed run, and the
    reason.
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


@dataclass(eq=False, repr=False)  # not `fixed`: it keeps its line
class RowResult:
    """A row's result in this call; `interrupted` if noxcli itself stopped its run, which must be started again."""

    row: Row
    result: dict[str, Any]
    code: ExitCode
    interrupted: bool = False

    @property
    def final(self) -> bool:
        """True if the row has had its run, so that --resume skips it."""
        run = self.result["run"] or {}
        return not self.interrupted and self.code in FINAL and bool(run.get("confirmed"))

    @cached_property
    def line(self) -> str:
        """The row's line of stdout and of the results."""
        return f"{to_json(self.document)}\n"

    @property
    def document(self) -> dict[str, Any]:
        """What that line contains."""
        return {"row": self.row.number, "id": self.row.id, "result": self.result}


@dataclass(slots=True, eq=False, repr=False)
class Counts:
    """The progress of a batch; `total` is None until a stream has ended."""

    total: int | None = None
    before: int = 0  # finished by an earlier call
    running: int = 0
    doubt: int = 0
    interrupted: int = 0  # rows whose runs this call stopped, and which must be started again
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
