"""The run's record as the follower knows it: the only thing that a verdict is read from."""

from collections.abc import Generator, Sequence
from typing import Protocol

from noxcli.errors import LostContact, NotFound, Unavailable
from noxcli.limits import Limits
from noxcli.models import Paused, Polled, Run, Update
from noxcli.timing import Clock, Deadline

JUST_STARTED = 10.0  # seconds for which a new run may not be readable yet


class RecordSource(Protocol):
    """What reading needs of the API."""

    def get_run(self, workflow_id: str, run_id: str, *, within: float | None = None) -> Run: ...


class Record:
    """The latest read of one run."""

    def __init__(self, source: RecordSource, run: Run, limits: Limits, clock: Clock, *, just_started: bool) -> None:
        self.run = run
        self.retry_after: float | None = None  # seconds, where the last read was told to come back later
        self.confirmed = not just_started  # the status comes from a read, not from the answer to the start
        self._source = source
        self._limits = limits
        self._young = Deadline(clock, JUST_STARTED if just_started else 0.0)
        self._pause_told = False

    def read(self) -> Generator[Sequence[Update], None, None]:
        """Read the run and yield what changed; one read that fails is forgiven, as long as contact is not lost.

        Raises LostContact where it is; Unauthorized, Refused and NotFound as the server says.
        """
        self._limits.check(self.run)
        try:
            within = self._limits.time_for_a_read()
            latest = self._source.get_run(self.run.workflow_id, self.run.id, within=within)
        except Unavailable as error:
            self.retry_after = error.retry_after
            self._limits.check(self.run)
            if self._limits.out_of_contact:
                what = f"lost contact with run {self.run.id}: {error.message}"
                raise LostContact(what, f"come back with: noxcli wait {self.run.id}", **error.facts()) from error
            return
        except NotFound:
            if self._young.passed:
                raise
            return
        self._limits.heard()
        self.confirmed, self.retry_after = True, None
        before, self.run = self.run, latest
        if _place(latest) != _place(before):
            self._limits.moved()
            yield [Polled(latest)]
        yield from self.tell_pause()

    def tell_pause(self) -> Generator[Sequence[Update], None, None]:
        """Yield a pause when it begins."""
        if self.run.paused and not self._pause_told:
            yield [Paused(self.run)]
        self._pause_told = self.run.paused


def _place(run: Run) -> tuple[object, ...]:
    return run.status, run.progress, run.progress_details
