"""A batch under a command's signals and limits, and the handling of unfinished rows."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from noxcli.batch.engine import LONGEST_ANSWER, Engine
from noxcli.errors import Interruption, LostContact, NoxError, TimedOut, Unauthorized, Unavailable
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.runs.candidates import LAST_LOOK
from noxcli.runs.record import LAST_READ, still_running
from noxcli.runs.stop import LONGEST_STOP, Stopper, stop_run
from noxcli.signals import Interrupted
from noxcli.timing import Deadline, show_seconds
from noxcli.waiting import run_all_within

if TYPE_CHECKING:
    from noxcli.api.gate import Gate


@fixed
class BatchSession:
    """One run of an engine; `stops` says whether a signal stops the running runs."""

    api: Stopper
    engine: Engine
    gate: "Gate"
    deadline: Deadline
    retry_for: float
    stops: bool

    def run(self) -> NoxError | None:
        """Run the engine, and handle unfinished rows; return what interrupted it."""
        try:
            with suppress(TimedOut):  # of a reader of stdout that does not read
                self.engine.run()
            self.gate.hurry()
            return self._ended()
        except Interrupted as signal:
            self.gate.hurry()
            return self._interrupted(signal)

    def _ended(self) -> NoxError | None:
        engine = self.engine
        if engine.output.unprinted is not None and not self.deadline.passed:
            engine.await_starts(LONGEST_ANSWER)
            return engine.output.unprinted
        if self.deadline.passed:
            engine.look_once_more(LAST_READ)
            done = engine.is_done()
            engine.leave(still_running, 0.0)
            return engine.trouble if done else TimedOut("the timeout was reached")
        if engine.rejected is not None:
            engine.await_starts(LONGEST_ANSWER)
            engine.leave(_unreadable, LAST_LOOK)
        elif self.gate.silent_for > self.retry_for:
            engine.await_starts(LONGEST_ANSWER)
            engine.leave(_lost, LAST_LOOK)
            return Unavailable(f"the server did not answer for {show_seconds(self.gate.silent_for)}")
        if engine.out_of_time and not engine.is_done():
            return TimedOut("no row is started just before the timeout")
        return engine.trouble

    def _interrupted(self, signal: Interrupted) -> Interruption:
        engine = self.engine
        engine.await_starts(LONGEST_ANSWER)
        runs = engine.to_stop() if self.stops else []
        if runs:
            deadline = Deadline(self.deadline.clock, LONGEST_STOP)
            stopping = [partial(stop_run, self.api, run, deadline) for run in runs]
            for run, _ in run_all_within(LONGEST_STOP, stopping):
                if run is not None:
                    engine.settle(run)
        left = len(engine.active)
        engine.leave(lambda run: Interruption(f"run {run.id} was left {run.status}", number=signal.number), LAST_LOOK)
        done = f", {len(runs) - left} stopped" if runs else ""
        return Interruption(f"interrupted by {signal}{done}, {left} runs left running", number=signal.number)


def _lost(run: Run) -> LostContact:
    return LostContact(f"lost contact with run {run.id}", f"continue with: noxcli wait {run.workflow_id}/{run.id}")


def _unreadable(run: Run) -> Unauthorized:
    return Unauthorized(f"run {run.id} was left {run.status}: the key was rejected")
