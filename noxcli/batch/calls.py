"""The calls of a batch's threads: start a row, read its run, deliver its output; each ends in one piece of news."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from noxcli.batch.bell import Audible
from noxcli.batch.journal import Journal, JournalTrouble
from noxcli.batch.pace import Closed, Pace
from noxcli.batch.plan import Plan
from noxcli.batch.rows import Row
from noxcli.batch.search import surely_nothing_started
from noxcli.batch.watch import Listening, Rang
from noxcli.errors import Bug, NotFound, NoxError, Phase, Refused, Unauthorized, Unavailable, Undelivered
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.outputs.delivered import require_whole
from noxcli.reports.result import Outcome, verdict_of
from noxcli.runs.record import JUST_STARTED
from noxcli.waiting import result_of


class CallsApi(Protocol):
    """The part of the API that starting and reading need."""

    def server_now(self) -> datetime | None: ...
    def get_run(self, workflow_id: str, run_id: str, *, within: float | None = None) -> Run: ...
    def listen(self, run_id: str) -> Audible: ...


@dataclass(slots=True, eq=False, repr=False)
class Going:
    """A row that has a run."""

    row: Row
    run: Run
    began: float
    heard: bool = False  # its stream was opened
    found: bool = False  # its run was known before: its duration can't be measured
    read: bool = False  # its record was read
    lost_since: float | None = None  # when reads of it began to fail
    held: float = 0.0  # seconds that its last read waited for its turn


@fixed
class RowStarted:
    """A row whose run began by that time of `time.monotonic`; `trouble` says why the journal does not name the run."""

    row: Row
    run: Run
    at: float
    trouble: NoxError | None = None


@fixed
class Over:
    """A row with a result; `stop` is true if no other row would succeed either."""

    row: Row
    outcome: Outcome
    stop: bool = False


@fixed
class Failed:
    """A row whose run has failed for a reason that is not known yet."""

    row: Row
    run: Run


@fixed
class Doubted:
    row: Row
    error: NoxError


@fixed
class Unsent:
    row: Row


@fixed
class Looked:
    """A row that is still running, as far as known: its record, or why it could not be read."""

    row: Row
    run: Run | None = None
    trouble: NoxError | None = None


News = RowStarted | Over | Failed | Doubted | Unsent | Looked | Listening | Rang


class Calls:
    """A row's calls, made from threads; `still` says whether rows may still be started.

    An error in one becomes news of its row, and affects no other.
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
                at = time.monotonic()  # before anything else: when the run ends is counted from here
                return RowStarted(row, run, at, self._note_start(row, run))

    def _not_started(self, row: Row, sending: "_Sending", error: BaseException | None) -> News:
        if isinstance(error, Closed):
            return Unsent(row)
        trouble = error if isinstance(error, NoxError) else odd(error)
        unwritable = isinstance(error, JournalTrouble)
        # The key, the workflow, the disk: no other row would succeed either.
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
            return error  # its intent is saved: it will be found again
        return None

    def listen(self, going: Going) -> Audible | None:
        """Open the row's event stream; a row without a stream is polled more often."""
        return result_of(lambda: self._pace.send(lambda: self._api.listen(going.run.id)))[0]

    def look(self, going: Going) -> News:
        """Read the row's record; a rejected or failed read may succeed the next time."""
        asked = time.monotonic()

        def read() -> Run:
            going.held = time.monotonic() - asked
            return self._api.get_run(self._plan.workflow_id, going.run.id)

        run, error = result_of(lambda: self._pace.send(read))
        return self._unread(going, error) if run is None else self._read(going.row, run)

    def look_last(self, going: Going, within: float) -> News:
        """Read the row's record although the time is up, without the gate, for at most that many seconds.

        Raises a NoxError, which no longer changes anything.
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
        """Find out why the run failed, which its record does not say."""
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


@dataclass(slots=True, eq=False, repr=False)
class _Sending:
    """The state of a start: once its intent is in the journal, it may have been accepted."""

    intended: bool = False


def odd(error: BaseException | None) -> NoxError:
    """Return the result of a row for an unexpected exception.

    Values that Python rejects came from the server's answer; anything else is our own bug.
    """
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, ValueError | ArithmeticError | RecursionError | OSError):
        return Unavailable(f"the server's answer can't be read ({what})")
    return Bug(f"unexpected {what}", "this is a bug in noxcli, please report it")
