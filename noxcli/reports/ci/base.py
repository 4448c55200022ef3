"""The form without a CI system: the plain log, and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noxcli.errors import ExitCode
from noxcli.models import Run
from noxcli.render.base import Plainly
from noxcli.runs.progress import Step


@dataclass(frozen=True, slots=True)
class Ended:
    """One run at the end: its name, and its result document."""

    name: str
    document: Mapping[str, Any]

    @property
    def run(self) -> Mapping[str, Any]:
        """The run in the document; empty where there is none."""
        return self.document["run"] or {}

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.of(self.document["exit_code"])

    @property
    def words(self) -> str:
        """Its ending in our words: `completed`, `run failed`, `timed out`, or another good ending."""
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


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """A batch at the end: the counts of its rows, and the messages of the first rows that did not complete."""

    name: str
    completed: int
    rows: int
    became: Sequence[tuple[int, str]]
    trouble: Sequence[str]
    exit_code: ExitCode = ExitCode.OK
    reason: str = ""  # the ending of the whole batch, and how to continue


class Fold(Plainly):
    """Wraps the progress, as a renderer in front of the others."""

    def show(self, burst: Sequence[Step]) -> None:
        pass


class CiSystem:
    """No CI system, or one that gets nothing."""

    def hide(self, secrets: Iterable[str]) -> None:
        """Have these values hidden in the log."""

    def fold(self, title: str) -> Fold:  # noqa: ARG002 - for systems that fold
        """Return the renderer that makes the progress a foldable part of the log."""
        return Fold()

    def started(self, run: Run) -> None:
        """Report the run's id as soon as it is known."""

    def batch_ended(self, ended: BatchEnded) -> None:
        """Report how a batch ended, instead of its single runs."""

    def ended(self, ended: Sequence[Ended], exit_code: ExitCode, output_dir: str | None) -> None:
        """Report every ending."""
