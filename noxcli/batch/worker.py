"""The work of a batch's threads for one row: start it, read its run, deliver its output."""

import threading
import time
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from noxcli.batchdir.append_file import JournalTrouble
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.journal_state import SentStart
from noxcli.batchdir.results_file import RowResult, row_folder
from noxcli.errors import (
    Bug,
    ConnectionRejected,
    NoReadAnswered,
    NoSlotInTime,
    NotAccessible,
    NoxError,
    OutputNotDelivered,
    Phase,
    ReadFirst,
    RequestAborted,
    RequestRejected,
    Unavailable,
    facts_about,
)
from noxcli.files import reason_of
from noxcli.inputs.sources import OnlyFiles
from noxcli.inputs.uploads import store_files
from noxcli.masking import Mask
from noxcli.models import Run, Workflow
from noxcli.outputs.await_output import await_output
from noxcli.outputs.expand import complete_inline
from noxcli.outputs.values import Delivered, require_whole
from noxcli.reports.result import Outcome, verdict_of
from noxcli.retry import FailureTracker, RetryPolicy
from noxcli.rows.columns import Row, hash_of
from noxcli.runs.record import lost_contact, settled_if_unchanged
from noxcli.runs.start import InputDigests, StartAttempt, StartRequest
from noxcli.safe_dir import SafeDir
from noxcli.timing import Clock, Deadline, seconds_between

if TYPE_CHECKING:
    from noxcli.api.rate_limit import RateLimiter

REJECTED_KEY = 401
READS = 3  # answered in a row, before a start after one that was not answered


@dataclass(slots=True, eq=False, repr=False)
class ActiveRow:
    """A row that is being started, or whose run is running; times by `time.monotonic`."""

    row: Row
    run: Run | None = None  # once it is known
    attempt: StartAttempt | None = None
    sent: SentStart | None = None  # what the journal has of its start
    began: float = 0.0  # when its run began, before that when its start was ready to be sent
    aborted: bool = False  # its start was not sent, and will not be
    found: bool = False  # the journal named its run: how long that took can't be measured
    read: bool = False  # its record was read
    failures: FailureTracker | None = None  # with its run, once that was to be read
    error: NoxError | None = None  # why its start is in doubt, or not in the journal

    @property
    def was_sent(self) -> bool:
        """True if its run may exist."""
        return self.attempt is not None and self.attempt.may_be_sent

    @property
    def in_doubt(self) -> bool:
        """True if a run may exist whose id is not known."""
        return self.run is None and self.was_sent


class ClaimedIds:
    """Ids of runs or of rows, eight bytes for each; thread-safe."""

    def __init__(self, digests: Iterable[int] = ()) -> None:
        self._digests = array("Q", sorted(digests))
        self._lock = threading.RLock()

    def __contains__(self, known: str) -> bool:
        digest = hash_of(known)
        with self._lock:
            place = bisect_left(self._digests, digest)
            return digest in self._digests[place : place + 1]

    def claim(self, own_id: str) -> bool:
        """Add an id; return whether it is new."""
        with self._lock:
            if is_new := own_id not in self:
                insort(self._digests, hash_of(own_id))
        return is_new


@dataclass(frozen=True, slots=True)
class RowWorker:
    """What a row needs from the server and the disk, for several threads; each call returns the row's next state.

    `explain_unexpected` makes an error of ours of a bug.
    """

    api: Any
    clock: Clock
    journal: Journal
    known: ClaimedIds
    reruns: Mapping[int, int]  # by row
    workflows: Sequence[Workflow]  # of each side, with its nodes if they were read
    digests: Sequence[InputDigests]  # of each side
    mask: Mask
    retries: RetryPolicy
    explain_unexpected: Callable[[Exception], NoxError]
    deadline: Deadline
    retry_for: float
    pace: "RateLimiter"
    place: SafeDir | None  # the parent of the rows' directories
    one_start: threading.Lock = field(
        default_factory=threading.Lock
    )  # after one that was not answered

    @property
    def workflow_id(self) -> str:
        return self.workflows[0].id

    # The start.

    def start(self, active: ActiveRow) -> ActiveRow | RowResult:
        """Store the row's files, and start it. Without a run, its start is in doubt, or was not sent."""
        row, phase = active.row, Phase.UPLOAD
        try:
            payload = store_files(
                row.inputs.values, self.api, self.retries, lambda _: None, OnlyFiles()
            )
            workflow = self.workflows[row.side]
            request = StartRequest(
                workflow.id, payload, self.digests[row.side], workflow.version_id
            )
            attempt = StartAttempt(
                self.api,
                request,
                is_known=lambda run_id: not self.known.claim(run_id),
                before_sending=partial(self._note_sent, active, request),
            )
            active.attempt = attempt
            active.began = time.monotonic()
            phase = Phase.START
            self._send(active, attempt)
        except RequestAborted:
            return active
        except BaseException as error:  # of this row; the others continue
            trouble = as_nox_error(error)
            if active.in_doubt:
                self.pace.note_failed_start()
            else:
                self._withdraw(active, trouble)
            # What must be on the disk first is not, or the server is sick, or out of reach for a reason that lasts.
            if active.in_doubt or isinstance(
                trouble, JournalTrouble | NoReadAnswered | ConnectionRejected
            ):
                active.error = trouble
            elif not active.aborted:
                # The key, the workflow: no other row would succeed either.
                fatal = trouble if isinstance(trouble, NotAccessible) else None
                return self.result_of(row, Outcome(phase=phase, error=trouble), fatal)
        return active

    def _note_sent(self, active: ActiveRow, request: StartRequest) -> None:
        """Write to the journal that the start is sent. Raises JournalTrouble: then it must not be."""
        digest = request.digests.of(request.input)
        active.sent = self.journal.note_sent(active.row, digest, self.api.http.server_now())

    def _send(self, active: ActiveRow, attempt: StartAttempt) -> None:
        """Send the start, again only while nothing can have been started.

        After one that was not answered, they are sent one at a time, each after a read that is answered. Raises what
        sending raises, and NoReadAnswered.
        """
        failures = FailureTracker(self.clock, self.retry_for)
        while active.run is None:
            has_failed = self.pace.start_failed  # asked once: who reads below holds the lock
            try:
                with self.one_start if has_failed else nullcontext():
                    if has_failed and self.pace.start_failed:
                        self._await_read(attempt.request.workflow_id)
                    active.run = attempt.send()
                active.began = time.monotonic()  # now: its duration is counted from here
            except ReadFirst:
                continue  # another start failed while this one waited
            except Unavailable as error:
                if facts_about(error.http_status).is_sent_again:
                    failures.answered()  # for how long, the pace and the batch's limits decide
                else:
                    failures.failed()
                lasts = failures.is_too_long or isinstance(
                    error, ConnectionRejected | NoReadAnswered
                )
                if lasts or not attempt.may_be_repeated(error):
                    raise
                self._withdraw(active, error)  # the pace slows down what follows
        try:
            self.journal.note_started(active.row, active.run)
        except JournalTrouble as error:
            active.error = error  # the journal has it as sent: the run will be found again

    def _await_read(self, workflow_id: str) -> None:
        """Read until the API answers several times in a row, as it would not where one server of two is dead."""

        def read(within: float) -> None:
            for _ in range(READS):
                with suppress(NotAccessible, RequestRejected):  # an answer all the same
                    self.api.within(within).get_workflow(workflow_id)

        try:
            self.retries.keep_trying(read)
        except NoxError as error:
            what = f"stopped starting rows: a start was not answered, and then not {READS} reads: {error.message}"
            raise NoReadAnswered(what, error.hint, **error.facts()) from error
        self.pace.allow_start()

    def _withdraw(self, active: ActiveRow, error: NoxError) -> None:
        if active.sent is not None:
            with suppress(JournalTrouble):
                self.journal.withdraw(active.row, error)
            active.sent = None

    # The run.

    def poll(self, active: ActiveRow, within: float | None = None) -> ActiveRow | RowResult:
        """Read the record of the row's run, and deliver its output or find out why it failed once it has ended.

        A read that fails may succeed the next time, for as long as noxcli may retry. `within` is in seconds.
        """
        assert active.run is not None
        polled_at = time.monotonic()
        failures = active.failures = active.failures or FailureTracker(self.clock, self.retry_for)
        limit = failures.for_an_attempt if within is None else within
        try:
            read = self.api.within(limit).get_run(self.workflow_id, active.run.id)
            run = settled_if_unchanged(read, active.run, time.monotonic())
        except BaseException as error:  # of this row; the others continue
            return self._note_failed_read(active, failures, error)
        failures.got_answer()
        active.run, active.read = run, True
        if not (run.settled or run.paused):
            return active
        outcome = Outcome(run=run, confirmed=True, phase=Phase.RUN, error=verdict_of(run))
        took = None if active.found else duration_of(run, polled_at - active.began)
        if outcome.error is None:
            self._deliver(active.row, run, outcome)
        elif run.status == "failed" and within is None:
            from noxcli.runs.failure import explain  # loaded for a failed run

            workflow = self.workflows[active.row.side]
            with suppress(Exception):  # the verdict needs no reason
                explained = explain(self.api, run, self.deadline, self.mask.torn, workflow=workflow)
                outcome.watched(explained)
                verdict = verdict_of(run, explained.why)
                assert verdict is not None  # it failed
                outcome.ended(verdict)
        return self.result_of(active.row, outcome, took=took)

    def _note_failed_read(
        self, active: ActiveRow, failures: FailureTracker, error: BaseException
    ) -> ActiveRow | RowResult:
        trouble, run = as_nox_error(error), active.run
        if facts_about(trouble.http_status).is_sent_again:
            failures.answered()
            return active
        if isinstance(trouble, RequestAborted | NoSlotInTime) or not failures.is_lost(trouble):
            return active
        if run is not None and isinstance(trouble, Unavailable | RequestRejected | NotAccessible):
            trouble = lost_contact(trouble, run.id, f"noxcli wait {run.workflow_id}/{run.id}")
        return self.result_of_running(active, trouble)

    def result_of_running(self, active: ActiveRow, error: NoxError) -> RowResult:
        """Return a row whose run is still running, and why."""
        outcome = Outcome(
            run=active.run, confirmed=active.read, may_exist=True, phase=Phase.FOLLOW, error=error
        )
        return self.result_of(active.row, outcome)

    def _deliver(self, row: Row, run: Run, outcome: Outcome) -> None:
        outcome.entered(Phase.DELIVER)
        try:
            delivered = self.deliver(row, run)
            outcome.obtained(delivered)
            require_whole(delivered, run)
        except RequestAborted:
            what = f"the output of run {run.id} was not fetched: the batch was ending"
            outcome.ended(OutputNotDelivered(what))
        except BaseException as error:  # of this row; the others continue
            trouble = as_nox_error(error)
            odd = trouble is not error and not isinstance(trouble, Bug)
            outcome.ended(OutputNotDelivered(trouble.message, trouble.hint) if odd else trouble)

    def deliver(self, row: Row, run: Run) -> Delivered:
        """Deliver the output of the row's completed run. Raises OutputNotDelivered, and what the API raises."""
        run = await_output(self.api, run, self.retries, self.workflows[row.side])
        if self.place is None:
            return complete_inline(self.api, run.output, self.retries)
        from noxcli.outputs.file_texts import read_whole_output
        from noxcli.outputs.save import save_output  # loaded before, only to write files

        name = row_folder(row.number, row.id)
        try:
            place = self.place.open_below(name, make=True)
        except OSError as error:
            raise OutputNotDelivered(
                f"can't write to the directory {self.place.path / name}: {reason_of(error)}"
            ) from None
        with place:
            # The results are on disk, have the texts of the record, and name the files.
            delivered = save_output(self.api, run, place, self.retries, durable=False)
        whole, _ = read_whole_output(delivered.output, delivered.files)  # what is judged and kept
        return replace(delivered, output=whole)

    def result_of(
        self,
        row: Row,
        outcome: Outcome,
        fatal_error: NoxError | None = None,
        took: float | None = None,
    ) -> RowResult:
        """Return the row with the result in the outcome, which names the workflow."""
        if outcome.run is not None:
            outcome.found(replace(outcome.run, workflow=self.workflows[row.side]))
        finished, error = RowResult.of(row, outcome, self.mask), outcome.error
        finished.times_run += self.reruns.get(row.number, 0)
        finished.fatal_error = (
            error if error is not None and error.http_status == REJECTED_KEY else fatal_error
        )
        finished.took = took
        return finished


def duration_of(run: Run, measured: float) -> float:
    """Return how long the run took: by its record if that is exact, since it may have ended before it was read.

    That may be longer than was measured, from the answer to its start.
    """
    exact = "." in (run.created_at or "") and "." in (run.finished_at or "")
    recorded = seconds_between(run.created_at, run.finished_at) if exact else None
    return recorded if recorded is not None and measured / 2 < recorded < measured * 2 else measured


def as_nox_error(error: BaseException) -> NoxError:
    """Return the result of a row for any exception.

    Values that Python rejects came from the server's answer; anything else unexpected is our own bug.
    """
    if isinstance(error, NoxError):
        return error
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, ValueError | ArithmeticError | OSError):
        return Unavailable(f"the server's answer can't be read ({what})")
    return Bug(f"unexpected {what}", "this is a bug in noxcli, please report it")
