"""CI systems: which one to write for, what all have in common, and how a run or a batch ended, for their pages."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from noxcli.errors import ExitCode
from noxcli.fixed import fixed
from noxcli.render import BaseRenderer

if TYPE_CHECKING:
    from noxcli.models import Run
    from noxcli.runs.progress import Step


class WhichCi(StrEnum):
    """The CI system to write for; `auto` reads the environment."""

    AUTO = "auto"
    GITHUB = "github"
    GITLAB = "gitlab"
    OFF = "off"


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
        judged = ExitCode.NOT_AS_ASSERTED.words in [words for _, words in self.became]
        return "passed" if judged else "completed"


class Fold(BaseRenderer):
    """Wraps the progress, as a renderer in front of the others."""

    def show(self, burst: "Sequence[Step]") -> None:
        pass


class CiSystem:
    """No CI system: the plain log only."""

    listens = False  # True: it gets every ending

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these values in the log."""

    def fold(self, title: str) -> Fold:  # noqa: ARG002 - for systems that fold
        """Return the renderer that makes the progress a foldable part of the log."""
        return Fold()

    def started(self, run: "Run") -> None:
        """Report the run's id as soon as it is known."""

    def batch_ended(self, ended: BatchEnded) -> None:
        """Report how a batch ended, instead of its single runs."""

    def ended(self, ended: Sequence[Ended], exit_code: ExitCode, output_dir: str | None) -> None:
        """Report every ending."""
