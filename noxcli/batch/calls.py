"""What a batch has its threads do: start a row, look at its run, deliver its output; each ends in one piece of news."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from noxcli.batch.doubts import input_digest
from noxcli.batch.journal import Journal, JournalTrouble
from noxcli.batch.pace import Closed, Pace
from noxcli.batch.plan import Plan
from noxcli.batch.rows import Row
from noxcli.deliver import require_whole
from noxcli.errors import LostContact, NotFound, NoxError, Phase, Unauthorized, Unavailable, Undelivered
from noxcli.models import Run
from noxcli.record import JUST_STARTED
from noxcli.result import Outcome, verdict_of
from noxcli.start import surely_nothing_started


class RecordSource(Protocol):
    """What looking needs of the API."""

    def get_run(self, workflow_id: str, run_id: str) -> Run: ...


@dataclass(slots=True)
class Going:
    """A row that has a run."""

    row: Row
    run: Run
    began: float
    found: bool = False  # its run was known before: how long it takes can't be measured
    read: bool = False  # its record was read
    heard: float = field(default_factory=time.monotonic)  # when that was last so


@dataclass(frozen=True, slots=True)
class Started:
    row: Row
    run: Run
    trouble: NoxError | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """A row that is done with; `stop` is true where no other row would fare better."""

    row: Row
    outcome: Outcome
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A row whose run has failed, nobody knows yet why."""

    row: Row
    run: Run


@dataclass(frozen=True, slots=True)
class Doubted:
    row: Row
    error: NoxError


@dataclass(frozen=True, slots=True)
class Unsent:
    row: Row


@dataclass(frozen=True, slots=True)
class Looked:
    row: Row
    run: Run | None


News = Started | Over | Failed | Doubted | Unsent | Looked


class Calls:
    """A row's calls, made from threads; `still` says whether anything is to be started yet."""

    def __init__(self, api: RecordSource, plan: Plan, journal: Journal, pace: Pace, still: Callable[[], bool]) -> None:
        self._api = api
        self._plan = plan
        self._journal = journal
        self._pace = pace
        self._still = still

    def start(self, row: Row) -> News:
        plan, journal = self._plan, self._journal
        sent = False

        def send() -> Run:
            nonlocal sent
            journal.intend(row.number, row.id, row.digest, digest)
            sent = True
            return plan.start(payload)

        try:
            payload = plan.store(row)
            digest = input_digest(payload, plan.secret)
            while True:
                sent = False
                try:
                    run = self._pace.send(send, self._still)
                except Unavailable as error:
                    if not surely_nothing_started(error):
                        return Doubted(row, error)
                    journal.withdraw(row.number, row.id, error)
                else:
                    return Started(row, run, self._note_start(row, run))
        except Closed:
            return Unsent(row)
        except JournalTrouble as error:
            if sent:
                return Doubted(row, error)
            return Over(row, Outcome(phase=Phase.START, error=error), stop=True)
        except NoxError as error:
            if sent:
                with suppress(JournalTrouble):
                    journal.withdraw(row.number, row.id, error)
            # The key, the workflow: no other row would fare better.
            stop = isinstance(error, Unauthorized | NotFound)
            return Over(row, Outcome(phase=Phase.START if sent else Phase.UPLOAD, error=error), stop=stop)

    def _note_start(self, row: Row, run: Run) -> NoxError | None:
        try:
            self._journal.started(row.number, row.id, run)
        except JournalTrouble as error:
            return error  # its intent is there: it will be found again
        return None

    def look(self, going: Going) -> News:
        run = going.run
        try:
            run = self._pace.send(lambda: self._api.get_run(self._plan.workflow_id, run.id))
        except Closed:
            return Looked(going.row, None)
        except Unavailable as error:
            if time.monotonic() - going.heard < self._plan.retry_for:
                return Looked(going.row, None)
            lost = LostContact(f"lost contact with run {run.id}: {error.message}", error.hint, **error.facts())
            return Over(going.row, Outcome(run=run, may_exist=True, phase=Phase.FOLLOW, error=lost))
        except NotFound as error:
            if not (going.found or going.read) and time.monotonic() - going.began < JUST_STARTED:
                return Looked(going.row, None)
            return Over(going.row, Outcome(run=run, may_exist=True, phase=Phase.FOLLOW, error=error))
        except NoxError as error:
            return Over(going.row, Outcome(run=run, may_exist=True, phase=Phase.FOLLOW, error=error))
        if not (run.settled or run.paused):
            return Looked(going.row, run)
        if run.status == "failed":
            return Failed(going.row, run)
        outcome = Outcome(run=run, confirmed=True, phase=Phase.RUN, error=verdict_of(run))
        if outcome.error is None:
            self._deliver(going.row, run, outcome)
        return Over(going.row, outcome)

    def explain(self, failed: Failed) -> News:
        """Find out why the run failed: its record does not say."""
        outcome = Outcome(run=failed.run, confirmed=True, phase=Phase.RUN, error=verdict_of(failed.run))
        with suppress(Closed):
            progress = outcome.progress = self._pace.send(lambda: self._plan.replay(failed.run))
            outcome.error = verdict_of(failed.run, progress.failed_at(self._plan.shown))
        return Over(failed.row, outcome)

    def _deliver(self, row: Row, run: Run, outcome: Outcome) -> None:
        outcome.phase = Phase.DELIVER
        try:
            outcome.delivered = self._plan.deliver(row, run)
            require_whole(outcome.delivered, run)
        except NoxError as error:
            outcome.error = error
        except Closed:
            outcome.error = Undelivered(f"the output of run {run.id} was not fetched: the batch was cut off")
