"""The work of a batch's threads for one row: start it, read its run, deliver its output."""

import threading
import time
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from noxcli.batchdir.append_file import JournalTrouble
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.journal_state import SentStart
from noxcli.batchdir.results_file import RowResult, row_folder
from noxcli.errors import (
    Bug,
    CommandLine,
    ConnectionRejected,
    NoReadAnswered,
    NoSlotInTime,
    NotAccessible,
    NotFinished,
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
from noxcli.inputs.uploads import Upload, store_files
from noxcli.masking import Mask
from noxcli.models import Run, Workflow
from noxcli.outputs.await_output import await_output
from noxcli.outputs.expand import complete_inline
from noxcli.outputs.values import Delivered, require_whole
from noxcli.reports.result import Outcome, verdict_of
from noxcli.retry import FailureTracker, RetryPolicy
from noxcli.rows.columns import Row, hash_of
from noxcli.rows.content import RowContents
from noxcli.runs.record import lost_contact, settled_if_unchanged
from noxcli.runs.start import InputDigests, StartAttempt, StartRequest
from noxcli.safe_dir import SafeDir
from noxcli.timing import Clock, Deadline, seconds_between
from noxcli.value_class import value_class

if TYPE_CHECKING:
    from noxcli.api.rate_limit import RateLimiter

REJECTED_KEY = 401
EDITED_SINCE = "it was not started: a file that it sends was edited after the table was read"
READS = 3  # answered in a row, before a start after one that was not answered
# What must be on the disk first is not; the server is sick, or out of reach for good.
ENDS_STARTS = (JournalTrouble, NoReadAnswered, ConnectionRejected)


@dataclass(slots=True, eq=False, repr=False)
class StartingRow:
    """A row that is being started; its thread alone changes it, but for `aborted`."""

    row: Row
    attempt: StartAttempt | None = None
    ready_at: float = 0.0  # when its start was ready to be sent
    sent: SentStart | None = None  # what the journal has of its start
    sent_at: float = 0.0
    run: Run | None = None  # once it is known
    started_at: float = 0.0
    aborted: bool = False  # its start was not sent, and will not be

    @property
    def was_sent(self) -> bool:
        """True if its run may exist."""
        return self.attempt is not None and self.attempt.may_be_sent

    @property
    def is_in_doubt(self) -> bool:
        """True if a run may exist whose id is not known."""
        return self.run is None and self.was_sent


@dataclass(slots=True, eq=False, repr=False)
class RunningRow:
    """A row whose run is known; the thread that reads its record alone changes it."""

    row: Row
    run: Run
    began: float  # when its run began, by `time.monotonic`
    was_found: bool = False  # the journal named its run: how long that took can't be measured
    was_read: bool = False  # its record
    failures: FailureTracker | None = None  # with its run, once that was to be read


@value_class(frozen=True, slots=True)
class StartedRow:
    """A row whose start was answered; `error` says why the journal does not have its run."""

    running: RunningRow
    sent_at: float
    error: NoxError | None = None

    @property
    def row(self) -> Row:
        return self.running.row


@value_class(frozen=True, slots=True)
class InDoubt:
    """A row whose run may exist, with an unknown id; `sent`: what the journal has of it.

    A start of this call also has the moments when it was sent, and when its loss was noticed.
    """

    row: Row
    sent: SentStart | None = None
    error: NoxError | None = None
    sent_at: float = 0.0
    noticed_at: float = 0.0


@value_class(frozen=True, slots=True)
class NotStarted:
    """A row whose start was not sent; `error` if it lets no other row start either."""

    row: Row
    error: NoxError | None = None


RowState = StartedRow | RunningRow | InDoubt | NotStarted | RowResult


class ClaimedIds:
    """Ids of runs or of rows, eight bytes for each; thread-safe."""

    def __init__(self, digests: Iterable[int] = ()) -> None:
        self._digests = array("Q", sorted(digests))
        self._lock = threading.RLock()

    def __contains__(self, known: str) -> bool:
        digest = hash_of(known)
        with self._lock:
            place = bisect_left(self._digests, digest)
            return place < len(self._digests) and self._digests[place] == digest

    def claim(self, own_id: str) -> bool:
        """Add an id; return whether it is new."""
        with self._lock:
            if own_id in self:
                return False
            insort(self._digests, hash_of(own_id))
            return True


@dataclass(frozen=True, slots=True)
class RowWorker:
    """What a row needs from server and disk; each call returns the row's next state.

    `explain_unexpected` makes an error of ours of a bug.
    """

    api: Any
    clock: Clock
    journal: Journal
    known: ClaimedIds
    reruns: Mapping[int, int]  # by row
    contents: Sequence[RowContents]  # of each side that the table has rows of
    folders_by_content: bool  # rows have had other places
    workflows: Sequence[Workflow]  # of each side, with its nodes if they were read
    digests: Sequence[InputDigests]  # of each side
    mask: Mask
    route: str  # the options that select the server, for lines to paste
    retries: RetryPolicy
    explain_unexpected: Callable[[Exception], NoxError]
    deadline: Deadline
    retry_for: float
    pace: "RateLimiter"
    place: SafeDir | None  # the parent of the rows' directories
    # After a start that was not answered.
    one_start: threading.Lock = field(default_factory=threading.Lock)

    @property
    def workflow_id(self) -> str:
        return self.workflows[0].id

    # The start.

    def start(self, starting: StartingRow) -> RowState:
        """Store the row's files, and start it."""
        phase = Phase.UPLOAD
        try:
            row = starting.row
            hashes: dict[Upload, str] = {}
            payload = store_files(
                row.inputs.values, self.api, self.retries, lambda _: None, OnlyFiles(), hashes
            )
            if self._was_edited(row, hashes):
                edited = NotFinished(EDITED_SINCE, "--resume starts it with what it asks now")
                return self.result_of(row, Outcome(phase=phase, error=edited))
            phase = Phase.START
            return self._send(starting, self._attempt_of(starting, payload))
        except RequestAborted:
            return NotStarted(starting.row)
        except BaseException as error:  # of this row; the others continue
            return self._after_failure(starting, phase, as_nox_error(error))

    def _was_edited(self, row: Row, hashes: Mapping[Upload, str]) -> bool:
        """True if a row of the table no longer asks what it asked when the table was read."""
        if row.side >= len(self.contents):
            return False  # it was made of an answer
        return self.contents[row.side].digest_as_sent(row, hashes) != row.digest

    def _attempt_of(self, starting: StartingRow, payload: Mapping[str, Any]) -> StartAttempt:
        """Return the start of the row, which is in the journal before its first byte is sent."""
        workflow = self.workflows[starting.row.side]
        digests = self.digests[starting.row.side]
        request = StartRequest(workflow.id, payload, digests, workflow.version_id)

        def note_sent() -> None:
            starting.sent_at = time.monotonic()
            digest = digests.of(request.input)
            server_now = self.api.http.server_now()
            starting.sent = self.journal.note_sent(starting.row, digest, server_now)

        def is_known(run_id: str) -> bool:
            return not self.known.claim(run_id)

        starting.attempt = StartAttempt(self.api, request, is_known, note_sent)
        starting.ready_at = time.monotonic()
        return starting.attempt

    def _after_failure(self, starting: StartingRow, phase: Phase, trouble: NoxError) -> RowState:
        row = starting.row
        if starting.is_in_doubt:
            self.pace.note_failed_start()
            now = time.monotonic()
            return InDoubt(row, starting.sent, trouble, starting.sent_at, now)
        self._withdraw(starting, trouble)
        if isinstance(trouble, ENDS_STARTS):
            return NotStarted(row, trouble)
        if starting.aborted:
            return NotStarted(row)
        # The key, the workflow: no other row would succeed either.
        fatal = trouble if isinstance(trouble, NotAccessible) else None
        return self.result_of(row, Outcome(phase=phase, error=trouble), fatal)

    def _send(self, starting: StartingRow, attempt: StartAttempt) -> StartedRow:
        """Send the start, again only while nothing can have been started, and note its run.

        After one that was not answered, they are sent one at a time, each after a read that is
        answered. Raises what sending raises, and NoReadAnswered.
        """
        failures = FailureTracker(self.clock, self.retry_for)
        while starting.run is None:
            try:
                run = self._send_once(attempt)
                starting.started_at = time.monotonic()
                starting.run = run  # the last: the end of the batch may look at it
            except ReadFirst:
                continue  # another start failed while this one waited
            except Unavailable as error:
                if facts_about(error.http_status).is_sent_again:
                    failures.answered()  # for how long, the pace and the batch's limits decide
                else:
                    failures.failed()
                if isinstance(error, ConnectionRejected | NoReadAnswered) or failures.is_too_long:
                    raise
                if not attempt.may_be_repeated(error):
                    raise
                self._withdraw(starting, error)  # the pace slows down what follows
        running = RunningRow(starting.row, starting.run, starting.started_at)
        try:
            self.journal.note_started(starting.row, starting.run)
        except JournalTrouble as error:
            # It has it as sent: the run will be found again.
            return StartedRow(running, starting.sent_at, error)
        return StartedRow(running, starting.sent_at)

    def _send_once(self, attempt: StartAttempt) -> Run:
        """Send the start; after one that was not answered, alone and after a read."""
        if not self.pace.start_failed:
            return attempt.send()
        with self.one_start:
            if self.pace.start_failed:  # still, now that no other start is sent
                self._await_read(attempt.request.workflow_id)
            return attempt.send()

    def _await_read(self, workflow_id: str) -> None:
        """Read until the API answers several times in a row, as a half-dead server does not."""

        def read(within: float) -> None:
            for _ in range(READS):
                with suppress(NotAccessible, RequestRejected):  # an answer all the same
                    self.api.within(within).get_workflow(workflow_id)

        try:
            self.retries.keep_trying(read)
        except NoxError as error:
            what = f"stopped starting rows: a start was not answered, and then not {READS} reads"
            raise NoReadAnswered(f"{what}: {error.message}", error.hint, **error.facts()) from error
        self.pace.allow_start()

    def _withdraw(self, starting: StartingRow, error: NoxError) -> None:
        if starting.sent is None:
            return
        with suppress(JournalTrouble):
            self.journal.withdraw(starting.row, error)
        starting.sent = None

    # The run.

    def poll(self, running: RunningRow, within: float | None = None) -> RunningRow | RowResult:
        """Read the record of the row's run; at its end, deliver its output or find its reason.

        A read that fails may succeed the next time, for as long as noxcli may retry. `within` is in
        seconds.
        """
        polled_at = time.monotonic()
        if running.failures is None:
            running.failures = FailureTracker(self.clock, self.retry_for)
        limit = within
        if limit is None:
            limit = running.failures.for_an_attempt
        workflow_id = self.workflows[running.row.side].id
        try:
            read = self.api.within(limit).get_run(workflow_id, running.run.id)
            run = settled_if_unchanged(read, running.run, time.monotonic())
        except BaseException as error:  # of this row; the others continue
            return self._note_failed_read(running, running.failures, as_nox_error(error))
        running.failures.got_answer()
        running.run = run
        running.was_read = True
        if not run.settled and not run.paused:
            return running
        took = None
        if not running.was_found:
            took = duration_of(run, polled_at - running.began)
        return self._ended(running.row, run, took, explains=within is None)

    def _ended(self, row: Row, run: Run, took: float | None, *, explains: bool) -> RowResult:
        """Return the row with its run's output, or with the reason of its failure."""
        outcome = Outcome(run=run, confirmed=True, phase=Phase.RUN, error=verdict_of(run))
        if outcome.error is None:
            self._deliver(row, run, outcome)
        elif run.status == "failed" and explains:
            from noxcli.runs.failure import explain  # loaded for a failed run

            workflow = self.workflows[row.side]
            with suppress(Exception):  # the verdict needs no reason
                explained = explain(self.api, run, self.deadline, self.mask.torn, workflow=workflow)
                outcome.watched(explained)
                verdict = verdict_of(run, explained.why)
                assert verdict is not None  # it failed
                outcome.ended(verdict)
        return self.result_of(row, outcome, took=took)

    def _note_failed_read(
        self, running: RunningRow, failures: FailureTracker, trouble: NoxError
    ) -> RunningRow | RowResult:
        if facts_about(trouble.http_status).is_sent_again:
            failures.answered()
            return running
        if isinstance(trouble, RequestAborted | NoSlotInTime):
            return running
        if not failures.is_lost(trouble):
            return running
        run = running.run
        if isinstance(trouble, Unavailable | RequestRejected | NotAccessible):
            trouble = lost_contact(
                trouble, run.id, CommandLine("wait", f"{run.workflow_id}/{run.id}")
            )
        return self.result_of_running(running, trouble)

    def result_of_running(self, running: RunningRow, error: NoxError) -> RowResult:
        """Return a row whose run is still running, and why."""
        outcome = Outcome(
            run=running.run,
            confirmed=running.was_read,
            may_exist=True,
            phase=Phase.FOLLOW,
            error=error,
        )
        return self.result_of(running.row, outcome)

    def _deliver(self, row: Row, run: Run, outcome: Outcome) -> None:
        outcome.entered(Phase.DELIVER)
        try:
            delivered = self.deliver(row, run)
            outcome.obtained(delivered)
            require_whole(delivered, run)
        except RequestAborted:
            what = f"the output of run {run.id} was not fetched: the batch was ending"
            outcome.ended(OutputNotDelivered(what))
        except NoxError as error:
            outcome.ended(error)
        except BaseException as error:  # of this row; the others continue
            trouble = as_nox_error(error)
            if not isinstance(trouble, Bug):
                trouble = OutputNotDelivered(trouble.message, trouble.hint)
            outcome.ended(trouble)

    def deliver(self, row: Row, run: Run) -> Delivered:
        """Deliver a completed run's output. Raises OutputNotDelivered, and what the API raises."""
        run = await_output(self.api, run, self.retries, self.workflows[row.side])
        if self.place is None:
            return complete_inline(self.api, run.output, self.retries)
        from noxcli.outputs.file_texts import read_whole_output
        from noxcli.outputs.save import save_output  # loaded before, only to write files

        name = row_folder(row, by_content=self.folders_by_content)
        try:
            place = self.place.open_below(name, make=True)
        except OSError as error:
            there = self.place.path / name
            what = f"can't write to the directory {there}: {reason_of(error)}"
            raise OutputNotDelivered(what) from None
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
        finished = RowResult.of(row, outcome, self.mask, self.route)
        finished.times_run += self.reruns.get(row.number, 0)
        finished.took = took
        finished.fatal_error = fatal_error
        if outcome.error is not None and outcome.error.http_status == REJECTED_KEY:
            finished.fatal_error = outcome.error
        return finished


def duration_of(run: Run, measured: float) -> float:
    """Return how long the run took, by its record if that is exact: it was read later.

    That may be longer than was measured, from the answer to its start.
    """
    for moment in (run.created_at, run.finished_at):
        if moment is None or "." not in moment:
            return measured
    recorded = seconds_between(run.created_at, run.finished_at)
    if recorded is not None and measured / 2 < recorded < measured * 2:
        return recorded
    return measured


def as_nox_error(error: BaseException) -> NoxError:
    """Return the result of a row for any exception.

    Values that Python rejects came from the server's answer; anything else unexpected is our own
    bug.
    """
    if isinstance(error, NoxError):
        return error
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, ValueError | ArithmeticError | OSError):
        return Unavailable(f"the server's answer can't be read ({what})")
    return Bug(f"unexpected {what}", "this is a bug in noxcli, please report it")
