"""The form without a CI system: the plain log, and nothing else."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from noxcli.errors import ExitCode
from noxcli.render.base import Plainly

if TYPE_CHECKING:
    from noxcli.models import Run
    from noxcli.reports.ci.ending import BatchEnded, Ended
    from noxcli.runs.progress import Step


class Fold(Plainly):
    """Wraps the progress, as a renderer in front of the others."""

    def show(self, burst: "Sequence[Step]") -> None:
        pass


class CiSystem:
    """No CI system, or one that gets nothing."""

    listens = False  # True: it is told every ending

    def hide(self, secrets: Iterable[str]) -> None:
        """Have these values hidden in the log."""

    def fold(self, title: str) -> Fold:  # noqa: ARG002 - for systems that fold
        """Return the renderer that makes the progress a foldable part of the log."""
        return Fold()

    def started(self, run: "Run") -> None:
        """Report the run's id as soon as it is known."""

    def batch_ended(self, ended: "BatchEnded") -> None:
        """Report how a batch ended, instead of its single runs."""

    def ended(self, ended: "Sequence[Ended]", exit_code: ExitCode, output_dir: str | None) -> None:
        """Report every ending."""
