"""When following gives up: at the command's own limit, for a run that stalls, or for an unreachable server."""

from collections.abc import Callable, Generator

from noxcli.errors import TimedOut
from noxcli.models import Run
from noxcli.timing import Deadline, show_seconds

LONGEST_WAIT = 1.0  # so that the display is updated every second
READ_LIMIT = 30.0  # for one read of the record


def still_running(run: Run, hint: str | None = None) -> TimedOut:
    """Return the error for a run that has not ended when one limit for several runs is reached."""
    return TimedOut(f"run {run.id} was still {run.status} at the timeout", hint)


class Limits:
    """All limits of one follower; `stuck` describes what is running when nothing changes. Seconds throughout."""

    def __init__(
        self,
        deadline: Deadline,
        *,
        stall_timeout: float | None,
        retry_for: float,
        stuck: Callable[[], str],
    ) -> None:
        self.clock = deadline.clock
        self.deadline = deadline
        self._stall = Deadline(self.clock, stall_timeout)
        self._contact = Deadline(self.clock, retry_for)
        self._stuck = stuck

    def moved(self) -> None:
        """The run has moved."""
        self._stall.restart()

    def heard(self) -> None:
        """The server has answered."""
        self._contact.restart()

    @property
    def out_of_contact(self) -> bool:
        """True if nothing has answered for as long as noxcli may retry."""
        return self._contact.passed

    def wait_at_most(self, *others: Deadline) -> float:
        """Return how long to wait at once."""
        return min(LONGEST_WAIT, self.deadline.left(), self._stall.left(), *(other.left() for other in others))

    def time_for_a_read(self) -> float:
        """Return how long one read of the record may take."""
        return min(self.deadline.left(READ_LIMIT), self._stall.left(READ_LIMIT))

    def check(self, run: Run) -> None:
        """Raise TimedOut if the time is up; the run goes on."""
        hint = f"continue with: noxcli wait {run.id}"
        if self.deadline.passed:
            limit = show_seconds(self.deadline.seconds or 0)
            raise TimedOut(f"run {run.id} was still {run.status} after {limit}", hint)
        if self._stall.passed:
            still = f"run {run.id} has made no progress for {show_seconds(self._stall.seconds or 0)}"
            where = self._stuck()
            raise TimedOut(f"{still}: {where}" if where else still, hint)

    def pause(self, seconds: float, run: Run) -> Generator[tuple[()], None, None]:
        """Wait this long, and let the display update from time to time."""
        end = Deadline(self.clock, seconds)
        while not end.passed:
            self.check(run)
            yield ()
            self.clock.sleep(self.wait_at_most(end))
        self.check(run)
