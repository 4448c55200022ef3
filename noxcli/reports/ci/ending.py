"""How a run or a batch ended, for a CI system."""

from collections.abc import Mapping, Sequence
from typing import Any

from noxcli.errors import ExitCode
from noxcli.fixed import fixed
from noxcli.reports.endings import BECAME


@fixed
class Ended:
    """One run at the end: its name, and its result document."""

    name: str
    document: Mapping[str, Any]

    @property
    def run(self) -> Mapping[str, Any]:
        """The run in the document; empty if there is none."""
        return self.document["run"] or {}

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.of(self.document["exit_code"])

    @property
    def words(self) -> str:
        """Its ending as a short text: `completed`, `run failed`, `timed out`, or another good ending."""
        if not self.document["ok"]:
            return self.exit_code.name.lower().replace("_", " ")
        if not self.run:
            return "checked"
        return "completed" if self.run["status"] == "completed" else "started"

    @property
    def reason(self) -> str:
        """The error, and how to fix it."""
        error = self.document["error"] or {}
        return "; ".join(part for part in (error.get("message"), error.get("hint")) if part)


@fixed
class BatchEnded:
    """A batch at the end: the counts of its rows, and the messages of the first rows that did not complete."""

    name: str
    completed: int
    rows: int
    became: Sequence[tuple[int, str]]
    trouble: Sequence[str]
    exit_code: ExitCode = ExitCode.OK
    reason: str = ""  # the ending of the whole batch, and how to continue

    @property
    def passed(self) -> str:
        """The word for the completed rows, which is another one if an assertion failed in others."""
        judged = BECAME[ExitCode.NOT_AS_ASSERTED] in [words for _, words in self.became]
        return "passed" if judged else "completed"
