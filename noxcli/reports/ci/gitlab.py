"""GitLab: progress as a folded section of the job log (GitLab docs, ci/jobs/job_logs)."""

import os
from collections.abc import Sequence
from typing import Self

from noxcli.render import BaseRenderer
from noxcli.render.terminal import Terminal
from noxcli.render.text import visible
from noxcli.reports.ci import CiSystem
from noxcli.runs.progress import Step
from noxcli.timing import Clock

ERASE = "\x1b[0K"


class GitLab(CiSystem):
    """Section markers on stderr, which the job log shows together with stdout."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock

    def fold(self, title: str) -> "_Section | None":
        return None if self._terminal.quiet else _Section(self._terminal, self._clock, title)


class _Section(BaseRenderer):
    def __init__(self, terminal: Terminal, clock: Clock, title: str) -> None:
        self._terminal = terminal
        self._clock = clock
        self._title = title
        self._name = f"noxcli_{os.urandom(4).hex()}"  # a job may have several

    def __enter__(self) -> Self:
        title = visible(self._terminal.mask(self._title))
        self._mark("start", f"{self._name}[collapsed=true]", title)
        return self

    def __exit__(self, *_: object) -> None:
        self._mark("end", self._name, "")

    def show(self, burst: Sequence[Step]) -> None:
        pass

    def _mark(self, what: str, name: str, header: str) -> None:
        moment = int(self._clock.now().timestamp())
        self._terminal.command(f"{ERASE}section_{what}:{moment}:{name}\r{ERASE}{header}")
