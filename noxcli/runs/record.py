"""The run's record as the follower knows it: the only source of a verdict."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Protocol

from noxcli.errors import LostContact, NotFound, NoxError, Refused, Unauthorized, Unavailable
from noxcli.models import FINAL_STATUSES, Paused, Polled, Run, RunEvent, Update
from noxcli.runs.limits import Limits
from noxcli.timing import Deadline

JUST_STARTED = 10.0  # seconds during which a new run may not be readable yet
LAST_READ = 0.7  # seconds past a time limit; the whole command may take 1 s more
SECOND_LOOK = 0.5  # seconds after an answer that would end the command: one such answer may be a mistake


class RecordSource(Protocol):
    """The part of the API that reading needs."""

    def get_run(self, workflow_id: str, run_id: str, *, within: float | None = None) -> Run: ...


class Record:
    """The latest read of one run, and what events have said since."""

    def __init__(
        self, source: RecordSource, run: Run, limits: Limits, ends: Callable[[Run], bool], *, just_started: bool
    ) -> None:
        """`ends` says whether a record leaves anything to wait for."""
        self.run = run
        # The answer to the start is neither a verdict nor an update.
        self.now = replace(run, status="unknown") if just_started and (run.settled or run.paused) else run
        self.retry_after: float | None = None  # seconds, if the last answer asked to retry later
        self.was_read = not just_started
        self._source = source
        self._limits = limits
        self._ends = ends
        self._young = Deadline(limits.clock, JUST_STARTED if just_started else 0.0)
        self._denied = False  # the last answer was 403 or 404
        self._at_work = False  # an event of a node has arrived
        self._pause_told = False

    @property
    def confirmed(self) -> bool:
        """True when the status comes from a read of the record."""
        return self.was_read and self.now.status == self.run.status

    def over(self) -> bool:
        """True if there is nothing more to wait for, according to a record that was read."""
        return self.was_read and self._ends(self.run)

    def read(self) -> Generator[Sequence[Update], None, None]:
        """Read the run and yield what changed; a failed read is ignored as long as contact is not lost.

        Raises LostContact if it is; Unauthorized and NotFound as the server says, all but 401 twice in a row.
        """
        self._limits.check(self.now)
        try:
            latest = self._get(self._limits.time_for_a_read())
        except (Unavailable, Refused) as error:
            self.retry_after = error.retry_after if isinstance(error, Unavailable) else None
            self._limits.check(self.now)
            if self._limits.out_of_contact:
                what = f"lost contact with run {self.run.id}: {error.message}"
                raise LostContact(what, f"continue with: noxcli wait {self.run.id}", **error.facts()) from error
        except (NotFound, Unauthorized) as error:
            young = isinstance(error, NotFound) and not self._young.passed
            if error.http_status == 401 or (self._denied and not young):
                raise
            self._denied = True
            if not young:
                yield from self._limits.pause(SECOND_LOOK, self.now)
                yield from self.read()
        else:
            yield from self._take_in(latest)

    def look_once_more(self) -> Generator[Sequence[Update], None, None]:
        """Read the run although the time is up; an error now changes nothing."""
        try:
            latest = self._get(LAST_READ)
        except NoxError:
            return
        yield from self._take_in(latest)

    def hear(self, event: RunEvent) -> None:
        """Take the run's current status from an event; only the record says that it has ended."""
        data = event.data if isinstance(event.data, dict) else {}
        status, progress, details = data.get("status"), data.get("progress"), data.get("progress_details")
        if event.type != "state":
            status, progress, details = ("running" if self.now.status == "queued" else None), None, None
        if isinstance(status, str) and status not in FINAL_STATUSES | {"queued"}:
            self._at_work = True
            self.now = replace(self.now, status=status)
        if isinstance(progress, int | float) and not isinstance(progress, bool):
            self.now = replace(self.now, progress=progress)
        if isinstance(details, dict):
            self.now = replace(self.now, progress_details=details)

    def tell_pause(self) -> Generator[Sequence[Update], None, None]:
        """Yield a pause when it begins."""
        if self.run.paused and not self._pause_told:
            yield [Paused(self.run)]
        self._pause_told = self.run.paused

    def _get(self, within: float) -> Run:
        return self._source.get_run(self.run.workflow_id, self.run.id, within=within)

    def _take_in(self, latest: Run) -> Generator[Sequence[Update], None, None]:
        self._limits.heard()
        self.was_read, self._denied, self.retry_after = True, False, None
        before, self.run = self.run, latest
        # A record may be out of date: running nodes are not queued.
        self.now = replace(latest, status="running") if latest.status == "queued" and self._at_work else latest
        if _place(latest) != _place(before):
            self._limits.moved()
            yield [Polled(self.now)]
        yield from self.tell_pause()


def _place(run: Run) -> tuple[object, ...]:
    return run.status, run.progress, run.progress_details
