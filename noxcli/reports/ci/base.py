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
    """One run at the end: what it is called here, and its result document."""

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
        """How it ended, in words of ours: `completed`, `run failed`, `timed out`, or what else a good end can be."""
        if not self.document["ok"]:
            return self.exit_code.name.lower().replace("_", " ")
        if not self.run:
            return "checked"
        return "completed" if self.run["status"] == "completed" else "started"

    @property
    def reason(self) -> str:
        """What went wrong and how to mend it."""
        error = self.document["error"] or {}
        return "; ".join(part for part in (error.get("message"), error.get("hint")) if part)


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """A batch at the end: how many rows came to what, and what the first ones that did not complete had to say."""

    name: str
    completed: int
    rows: int
    became: Sequence[tuple[int, str]]
    trouble: Sequence[str]
    exit_code: ExitCode = ExitCode.OK
    reason: str = ""  # what stands for all of it, and how to go on


class Fold(Plainly):
    """Goes around the progress, as one more renderer that comes before it."""

    def show(self, burst: Sequence[Step]) -> None:
        pass


class CiSystem:
    """No CI system, or one that is to be told nothing."""

    def hide(self, secrets: Iterable[str]) -> None:
        """Have these values hidden in the log."""

    def fold(self, title: str) -> Fold:  # noqa: ARG002 - for those who do fold
        """Return what makes the progress a part of the log that can be folded."""
        return Fold()

    def started(self, run: Run) -> None:
        """Tell the run's id the moment it is known."""

    def batch_ended(self, ended: BatchEnded) -> None:
        """Tell how a batch ended, in place of its single runs."""

    def ended(self, ended: Sequence[Ended], exit_code: ExitCode, output_dir: str | None) -> None:
        """Tell how it all ended, whatever the ending."""
