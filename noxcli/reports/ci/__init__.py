"""CI systems: what all have in common, and how a run or a batch ended, for their pages."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from noxcli.errors import ExitCode
from noxcli.fixed import fixed

if TYPE_CHECKING:
    from noxcli.models import Run
    from noxcli.render.renderers import Renderer


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
    def words(self) -> str:
        """Its ending as a short text."""
        code, status = ExitCode.of(self.document["exit_code"]), self.run.get("status")
        if code == ExitCode.OK and status != "completed":
            return "started" if status else "checked"
        return code.words

    @property
    def reason(self) -> str:
        """The error, and how to fix it."""
        error = self.document["error"] or {}
        return "; ".join(part for part in (error.get("message"), error.get("hint")) if part)


@fixed
class BatchEnded:
    """A batch or a comparison at the end: the counts of its rows, and the messages of the first that fail."""

    name: str
    completed: int
    rows: int
    became: Sequence[tuple[int, str]]
    trouble: Sequence[str]
    exit_code: ExitCode = ExitCode.OK
    reason: str = ""  # the ending of the whole batch, and how to continue
    command: str = "batch"

    @property
    def passed(self) -> str:
        """The word for the completed rows, which is another one if an assertion failed in others, or might have."""
        judged = self.command != "batch" or ExitCode.NOT_AS_ASSERTED.words in [words for _, words in self.became]
        return "passed" if judged else "completed"


class CiSystem:
    """A CI system; this one has a plain log only."""

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these values in the log."""

    def fold(self, title: str) -> "Renderer | None":
        """Return the renderer that makes the progress a foldable part of the log, None with `--quiet`."""

    def started(self, run: "Run") -> None:
        """Report the run's id as soon as it is known."""

    def batch_ended(self, ended: BatchEnded) -> None:
        """Report how a batch ended, instead of its single runs."""

    def ended(self, ended: Sequence[Ended], exit_code: ExitCode, output_dir: str | None) -> None:
        """Report every ending."""
