"""CI systems: what all have in common, and how a batch ended, for their pages."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from noxcli.errors import ExitCode
from noxcli.fixed import fixed

if TYPE_CHECKING:
    from noxcli.models import Run
    from noxcli.render.renderers import Renderer
    from noxcli.reports.result import Ended


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

    def ended(self, ended: Sequence["Ended"], exit_code: ExitCode, output_dir: str | None) -> None:
        """Report every ending."""
