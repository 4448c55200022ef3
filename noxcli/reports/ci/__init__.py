"""CI systems: what all have in common, how a batch ended, for their pages; and the log of GitLab."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from noxcli.errors import ExitCode
from noxcli.render import Renderer
from noxcli.render.terminal import Terminal
from noxcli.render.text import visible

if TYPE_CHECKING:
    from noxcli.models import Run
    from noxcli.reports.result import Ended
    from noxcli.reports.words import Piece
    from noxcli.timing import Clock

ERASE = "\x1b[0K"


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that broke: its name, why, and each output that differs, by words."""

    name: str
    what: str
    differences: Sequence[tuple[str, Sequence["Piece"]]] = ()


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """A batch or a comparison at the end: the counts of its rows, and the messages of the first that fail.

    `facts` say what was compared or joined, `broken` has the first rows that broke, `others` those that differ without
    failing; `listed` is the number of all of them.
    """

    name: str
    completed: int
    rows: int
    became: Sequence[tuple[int, str]]
    trouble: Sequence[str]
    exit_code: ExitCode = ExitCode.OK
    reason: str = ""  # the ending of the whole batch, and how to continue
    command: str = "batch"
    facts: Sequence[tuple[str, str]] = ()
    broken: Sequence[Broken] = ()
    others: Sequence[str] = ()
    listed: int = 0

    @property
    def heading(self) -> str:
        """The verdict in one line."""
        if not self.rows:
            return "nothing was compared" if self.command == "compare" else "no rows"
        if self.command == "compare":
            return ", ".join(f"{count:,} {words}" for count, words in self.became)
        return f"{self.completed:,} of {self.rows:,} rows {self.passed}"

    @property
    def passed(self) -> str:
        """The word for the completed rows, which is another one if an assertion failed in others, or might have."""
        judged = self.command != "batch" or ExitCode.NOT_AS_ASSERTED.words in [words for _, words in self.became]
        return "passed" if judged else "completed"


class CiSystem(Renderer):
    """A CI system, and the renderer of the foldable part of its log; this one has a plain log only."""

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these values in the log."""

    def fold(self, title: str) -> Renderer | None:
        """Return what makes the progress a foldable part of the log, None with `--quiet`."""

    def report_start(self, run: "Run") -> None:
        """Report the run's id as soon as it is known."""

    def report_batch(self, ended: BatchEnded) -> None:
        """Report how a batch ended, instead of its single runs."""

    def report_end(self, ended: Sequence["Ended"], exit_code: ExitCode, output_dir: str | None) -> None:
        """Report every ending."""


class GitLab(CiSystem):
    """Progress as a folded section of the job log, which shows stderr together with stdout (docs, ci/jobs/job_logs)."""

    def __init__(self, terminal: Terminal, clock: "Clock") -> None:
        self._terminal = terminal
        self._clock = clock
        self._title = self._name = ""

    def fold(self, title: str) -> Renderer | None:
        self._title, self._name = title, f"noxcli_{os.urandom(4).hex()}"  # a job may have several
        return None if self._terminal.quiet else self

    def __enter__(self) -> Self:
        title = visible(self._terminal.mask(self._title))
        self._mark("start", f"{self._name}[collapsed=true]", title)
        return self

    def __exit__(self, *_: object) -> None:
        self._mark("end", self._name, "")

    def _mark(self, what: str, name: str, header: str) -> None:
        moment = int(self._clock.now().timestamp())
        self._terminal.command(f"{ERASE}section_{what}:{moment}:{name}\r{ERASE}{header}")
