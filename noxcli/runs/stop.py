"""The stop of a run, confirmed by its record, since the stop call is only a request."""

from typing import TYPE_CHECKING

from noxcli.errors import Denied, NotFinished, NotFound, Refused, Unavailable
from noxcli.models import Run
from noxcli.retry import Contact
from noxcli.runs.record import may_go_on
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
    retried as long as there is time, and the last one is raised if the server never took the request.
    """
    asked, trouble, contact = False, None, Contact(deadline.clock)
    while True:
        try:
            if not asked:
                api.within(deadline.left(5.0)).stop_run(run.id)
                asked = True
        except Refused:
            asked = True  # an ended run may reject the request; the record decides
        except (NotFound, Unavailable) as error:
            trouble = error  # a replica may not know the run yet
        try:
            run = api.within(deadline.left(5.0)).get_run(run.workflow_id, run.id)
            contact.met_answer()
        except Unavailable:
            pass  # the error of the stop tells more
        except Denied as error:
            if contact.is_lost(error):
                raise may_go_on(error, run.id, f"noxcli stop {run.id}") from error
        if run.settled:
            return run
        if deadline.left() <= LOOKS_APART:
            if not asked and trouble is not None:
                raise trouble
            return run
        deadline.clock.sleep(LOOKS_APART)
