"""What a batch has its threads do: start a row, look at its run, deliver its output; each ends in one piece of news."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from noxcli.batch.bell import Audible
from noxcli.batch.journal import Journal, JournalTrouble
from noxcli.batch.pace import Closed, Pace
from noxcli.batch.plan import Plan
from noxcli.batch.rows import Row
from noxcli.batch.watch import Listening, Rang
from noxcli.errors import Bug, NotFound, NoxError, Phase, Refused, Unauthorized, Unavailable, Undelivered
from noxcli.models import Run
from noxcli.outputs.delivered import require_whole
from noxcli.reports.result import Outcome, verdict_of
from noxcli.runs.record import JUST_STARTED
from noxcli.runs.start import ServerTime, surely_nothing_started
from noxcli.threads import result_of


class CallsApi(ServerTime, Protocol):
    """What starting and looking need of the API."""

    def get_run(self, workflow_id: str, run_id: str, *, within: float | None = None) -> Run: ...
    def listen(self, run_id: str) -> Audible: ...


@dataclass(slots=True)
class Going:
    """A row that has a run."""

    row: Row
    run: Run
    began: float
    found: bool = False  # its run was known before: how long it takes can't be measured
    read: bool = False  # its record was read
    lost_since: float | None = None  # when reading it began to fail


@dataclass(frozen=True, slots=True)
class RowStarted:
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
    """A row that goes on, as far as is known: its record, or why that could not be had."""

    row: Row
    run: Run | None = None
    trouble: NoxError | None = None


News = RowStarted | Over | Failed | Doubted | Unsent | Looked | Listening | Rang


class Calls:
    """A row's calls, made from threads; `still` says whether anything is to be started yet.

    Whatever one raises becomes news of its row, and touches no other.
    """

    def __init__(self, api: CallsApi, plan: Plan, journal: Journal, pace: Pace, still: Callable[[], bool]) -> None:
        self._api = api
        self._plan = plan
        self._journal = journal
        self._pace = pace
        self._still = still

    def start(self, row: Row) -> News:
        sending = _Sending()
        news, error = result_of(lambda: self._start(row, sending))
        return news if news is not None else self._not_started(row, sending, error)

    def _start(self, row: Row, sending: "_Sending") -> News:
        payload = self._plan.store(row)
        likeness = self._plan.comparison.of(payload)

        def send() -> Run:
            self._journal.intend(row.number, row.id, row.digest, likeness, self._api.server_now())
            sending.intended = True
            return self._plan.start(payload)

        while True:
            sending.intended = False
            try:
                run = self._pace.send(send, self._still)
            except Unavailable as error:
                if not surely_nothing_started(error):
                    return Doubted(row, error)
                self._journal.withdraw(row.number, row.id, error)
            else:
                return RowStarted(row, run, self._note_start(row, run))

    def _not_started(self, row: Row, sending: "_Sending", error: BaseException | None) -> News:
        if isinstance(error, Closed):
            return Unsent(row)
        trouble = error if isinstance(error, NoxError) else odd(error)
        unwritable = isinstance(error, JournalTrouble)
        # The key, the workflow, the disk: no other row would fare better.
        stop = isinstance(error, Unauthorized | NotFound | JournalTrouble)
        if not sending.intended:
            return Over(row, Outcome(phase=Phase.START if unwritable else Phase.UPLOAD, error=trouble), stop=stop)
        if unwritable or trouble is not error:
            return Doubted(row, trouble)
        with suppress(JournalTrouble):
            self._journal.withdraw(row.number, row.id, trouble)
        return Over(row, Outcome(phase=Phase.START, error=trouble), stop=stop)

    def _note_start(self, row: Row, run: Run) -> NoxError | None:
        try:
            self._journal.started(row.number, row.id, run)
        except JournalTrouble as error:
            return error  # its intent is there: it will be found again
        return None

    def listen(self, going: Going) -> News:
        """Open the row's event stream; a row whose stream can't be had is looked at more often."""
        line, _ = result_of(lambda: self._pace.send(lambda: self._api.listen(going.run.id)))
        return Listening(going.row.number, line)

    def look(self, going: Going) -> News:
        """Read the row's record; what is refused or can't be read once may be there the next time."""
        run, error = result_of(lambda: self._pace.send(lambda: self._api.get_run(self._plan.workflow_id, going.run.id)))
        return self._unread(going, error) if run is None else self._read(going.row, run)

    def look_last(self, going: Going, within: float) -> News:
        """Read the row's record although the time is up, past the gate, for so many seconds at most.

        Raises a NoxError, which changes nothing any more.
        """
        return self._read(going.row, self._api.get_run(self._plan.workflow_id, going.run.id, within=within))

    def _read(self, row: Row, run: Run) -> News:
        if not (run.settled or run.paused):
            return Looked(row, run)
        if run.status == "failed":
            return Failed(row, run)
        outcome = Outcome(run=run, confirmed=True, phase=Phase.RUN, error=verdict_of(run))
        if outcome.error is None:
            self._deliver(row, run, outcome)
        return Over(row, outcome)

    def _unread(self, going: Going, error: BaseException | None) -> News:
        match error:
            case Closed():
                return Looked(going.row)
            case Unavailable() | Refused():
                return Looked(going.row, trouble=error)
            case NotFound() if not (going.found or going.read) and time.monotonic() - going.began < JUST_STARTED:
                return Looked(going.row)
            case NoxError():
                return Over(going.row, Outcome(run=going.run, may_exist=True, phase=Phase.FOLLOW, error=error))
            case _:
                trouble = odd(error)
                if isinstance(trouble, Bug):
                    return Over(going.row, Outcome(run=going.run, may_exist=True, phase=Phase.FOLLOW, error=trouble))
                return Looked(going.row, trouble=trouble)

    def explain(self, failed: Failed) -> News:
        """Find out why the run failed: its record does not say."""
        outcome = Outcome(run=failed.run, confirmed=True, phase=Phase.RUN, error=verdict_of(failed.run))
        progress, _ = result_of(lambda: self._plan.explain(failed.run))
        if progress is not None:
            outcome.progress = progress
            outcome.error = verdict_of(failed.run, progress.why)
        return Over(failed.row, outcome)

    def _deliver(self, row: Row, run: Run, outcome: Outcome) -> None:
        outcome.phase = Phase.DELIVER

        def deliver() -> None:
            outcome.delivered = self._plan.deliver(row, run)
            require_whole(outcome.delivered, run)
            self._plan.judge(row, outcome)

        _, error = result_of(deliver)
        match error:
            case None:
                pass
            case NoxError():
                outcome.error = error
            case Closed():
                outcome.error = Undelivered(f"the output of run {run.id} was not fetched: the batch was cut off")
            case _:
                trouble = odd(error)
                outcome.error = trouble if isinstance(trouble, Bug) else Undelivered(trouble.message, trouble.hint)


@dataclass(slots=True)
class _Sending:
    """How far a start has come: with its intent in the journal, it may have been taken."""

    intended: bool = False


def odd(error: BaseException | None) -> NoxError:
    """Return what an exception that nobody foresaw means for its row.

    Values that Python refuses to take came in the server's answer; anything else is our own mistake.
    """
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, ValueError | ArithmeticError | RecursionError | OSError):
        return Unavailable(f"the server's answer can't be read ({what})")
    return Bug(f"unexpected {what}", "this is a bug in noxcli, please report it")
