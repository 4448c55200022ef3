"""The stop of a run, confirmed by its record, since the stop call is only a request."""

from typing import TYPE_CHECKING

from noxcli.errors import NotFinished, NotFound, NoxError, Refused, Unavailable
from noxcli.models import Run
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

LOOKS_APART = 0.3
LONGEST_STOP = 5.0  # seconds for the stop on Ctrl-C


def not_stopped(run: Run) -> NotFinished:
    """Return the error for a run that continues in spite of a stop request."""
    return NotFinished(
        f"run {run.id} was asked to stop, but is still {run.word}", f"try again with: noxcli stop {run.id}"
    )


def stop_run(api: "NoxusApi", run: Run, deadline: Deadline) -> Run:
    """Request the stop, and return the record once the run has ended, or when the time is up.

    Safe to repeat, also for a run that has already ended. Raises the error of a rejection; temporary failures are
    retried as long as there is time, and raise Unavailable if nothing ever answered.
    """
    asked = answered = denied = False
    trouble: NoxError | None = None
    while True:
        try:
            if not asked:
                api.stop_run(run.id, within=deadline.left(5.0))
                asked = answered = True
        except (Refused, NotFound):
            asked = answered = True  # an ended run may reject the request; the record decides
        except Unavailable as error:
            trouble = error
        try:
            run = api.get_run(run.workflow_id, run.id, within=deadline.left(5.0))
            answered, denied = True, False
        except Unavailable:
            pass  # if nothing ever answered, the error of the stop tells more
        except NotFound:
            if denied:
                raise
            denied = True  # one such answer may be a mistake
        if run.settled:
            return run
        if deadline.left() <= LOOKS_APART:
            if not answered and trouble is not None:
                raise trouble
            return run
        deadline.clock.sleep(LOOKS_APART)
