"""The format without a CI system: the plain log only."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from noxcli.errors import ExitCode
from noxcli.render import BaseRenderer

if TYPE_CHECKING:
    from noxcli.models import Run
    from noxcli.reports.ci.ending import BatchEnded, Ended
    from noxcli.runs.progress import Step


class Fold(BaseRenderer):
    """Wraps the progress, as a renderer in front of the others."""

    def show(self, burst: "Sequence[Step]") -> None:
        pass


class CiSystem:
    """No CI system, or one without a format."""

    listens = False  # True: it gets every ending

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these values in the log."""

    def fold(self, title: str) -> Fold:  # noqa: ARG002 - for systems that fold
        """Return the renderer that makes the progress a foldable part of the log."""
        return Fold()

    def started(self, run: "Run") -> None:
        """Report the run's id as soon as it is known."""

    def batch_ended(self, ended: "BatchEnded") -> None:
        """Report how a batch ended, instead of its single runs."""

    def ended(self, ended: "Sequence[Ended]", exit_code: ExitCode, output_dir: str | None) -> None:
        """Report every ending."""
