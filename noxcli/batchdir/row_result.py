"""What is stored of one row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from noxcli.codec import to_json
from noxcli.errors import HAD_RUN, ExitCode, NoxError
from noxcli.masking import Mask
from noxcli.outputs.filenames import safe_stem
from noxcli.reports.result import Outcome
from noxcli.rows.reader import Row


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
    def of(cls, row: Row, outcome: Outcome, mask: Mask) -> Self:
        """Return the row with the result in the outcome; the mask hides secrets."""
        code = outcome.error.exit_code if outcome.error else ExitCode.OK
        shown = mask.whole(row.inputs.shown()), mask.whole(row.columns)
        return cls(row, outcome.document(code, mask), code, *shown)

    @property
    def final(self) -> bool:
        """True if the row's run is over, so that --resume skips it."""
        run = self.result["run"] or {}
        return not self.interrupted and self.code in HAD_RUN and bool(run.get("confirmed"))

    @cached_property
    def document(self) -> dict[str, Any]:
        """What its line contains."""
        about = {"asked": self.asked, "input": self.input, "columns": self.columns}
        return {"row": self.row.number, "id": self.row.id, "result": self.result, **about}

    @cached_property
    def line(self) -> str:
        """Its line in the results."""
        return f"{to_json(self.document)}\n"


MAX_ID = 60  # bytes of a row's own id in the name of its directory


def row_folder(number: int, row_id: str | None) -> str:
    """Return the name of the directory of a row's files."""
    stem = f"{number:06}"
    return stem if row_id is None else f"{stem}-{safe_stem(row_id, MAX_ID)}"
