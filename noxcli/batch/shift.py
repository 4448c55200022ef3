"""An engine under a command's signals and limits, and the handling of unfinished rows."""

from contextlib import suppress
from functools import partial

from noxcli.batch.engine import Engine
from noxcli.batch.pace import Pace
from noxcli.errors import Interruption, LostContact, NoxError, TimedOut, Unavailable
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.runs.record import LAST_READ, still_running
from noxcli.runs.stop import LONGEST_STOP, Stopper, stop_run
from noxcli.signals import Interrupted
from noxcli.timing import Deadline, show_seconds
from noxcli.waiting import run_all_within

ANSWER_WITHIN = 5.0  # seconds


@fixed
class Shift:
    """One run of an engine; `stops` says whether a signal stops the running runs."""

    api: Stopper
    engine: Engine
    pace: Pace
    deadline: Deadline
    retry_for: float
    stops: bool

    def work_off(self) -> NoxError | None:
        """Run the engine, and handle unfinished rows; return what interrupted it."""
        try:
            return self._worked_off()
        except Interrupted as signal:
            return self._interrupted(signal)

    def _worked_off(self) -> NoxError | None:
        engine, pace = self.engine, self.pace
        with suppress(TimedOut):  # of a reader of stdout that does not read
            engine.work()
        if engine.unprinted is not None and not self.deadline.passed:
            engine.await_starts(ANSWER_WITHIN)
            return engine.unprinted
        if self.deadline.passed:
            engine.await_starts(ANSWER_WITHIN)
            engine.look_once_more(LAST_READ)
            done = engine.is_done()
            engine.leave(still_running)
            return engine.trouble if done else TimedOut("the timeout was reached")
        if pace.silent_for > self.retry_for:
            engine.await_starts(ANSWER_WITHIN)
            engine.leave(_lost)
            return Unavailable(f"the server did not answer for {show_seconds(pace.silent_for)}")
        return engine.trouble

    def _interrupted(self, signal: Interrupted) -> Interruption:
        engine = self.engine
        engine.await_starts(ANSWER_WITHIN)
        runs = engine.to_stop() if self.stops else []
        if runs:
            deadline = Deadline(self.deadline.clock, LONGEST_STOP)
            stopping = [partial(stop_run, self.api, run, deadline) for run in runs]
            engine.settle(run for run, _ in run_all_within(LONGEST_STOP, stopping) if run is not None)
        left = len(engine.going)
        engine.leave(lambda run: Interruption(f"run {run.id} was left {run.status}", number=signal.number))
        done = f", {len(runs) - left} stopped" if runs else ""
        return Interruption(f"interrupted by {signal}{done}, {left} runs left running", number=signal.number)


def _lost(run: Run) -> LostContact:
    return LostContact(f"lost contact with run {run.id}", f"continue with: noxcli wait {run.workflow_id}/{run.id}")
