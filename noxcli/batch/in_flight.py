"""The rows between the file and their results, and when the run of each is polled."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.worker import InDoubt, RowWorker, RunningRow, StartingRow
from noxcli.batchdir.journal_state import SentStart
from noxcli.batchdir.results_file import RowResult
from noxcli.errors import ANSWERED, NoxError, TimedOut
from noxcli.models import FINAL_STATUSES, PAUSED_STATUS, Run
from noxcli.reports.result import verdict_of
from noxcli.rows.columns import Row

FIRST_APART = 0.05  # seconds until the first read, and between reads, while no run has ended
MIN_APART = 0.02  # seconds between two reads of one run
# Of the median time of runs between two reads, from the shortest time on; while no run has ended,
# of the time so far.
SHARE = 0.05
REMEMBERED = 32
SETTLED = FINAL_STATUSES | {PAUSED_STATUS}


class PollSchedule:
    """When each run is read next, by numbers, and how long the last ones took, in seconds."""

    def __init__(self, longest: float) -> None:
        """`longest` is between two reads of one run."""
        self._durations: deque[float] = deque(maxlen=REMEMBERED)
        self._longest = longest
        self._due: dict[int, float] = {}

    def note(self, seconds: float) -> None:
        """Add the duration of a run that has ended."""
        self._durations.append(seconds)

    def until_next(self, taken: float) -> float:
        """Return the seconds until the next read of a run that has taken this long."""
        if not self._durations:
            return max(FIRST_APART, SHARE * taken)
        ordered = sorted(self._durations)
        if taken < ordered[0]:
            return ordered[0] - taken
        # A run that takes much longer than others is read less and less often.
        return max(MIN_APART, SHARE * max(ordered[len(ordered) // 2], taken / 2))

    def add(self, number: int, taken: float | None = None, limit: float | None = None) -> None:
        """Schedule the next read of a run that has taken this long; now if that is not known.

        It is read once it has taken `limit`.
        """
        wait = 0.0
        if taken is not None:
            wait = min(self.until_next(taken), self._longest)
            if limit is not None:
                wait = min(wait, limit - taken)
        self._due[number] = time.monotonic() + wait

    def drop(self, number: int) -> None:
        """No longer read that run."""
        self._due.pop(number, None)

    def has(self, number: int) -> bool:
        """True if the run is scheduled; false if it is being read now, or never will be."""
        return number in self._due

    def pop_due(self) -> list[int]:
        """Return the runs to read now, the longest due first; each is added again, or ends."""
        now = time.monotonic()
        due = [number for number, moment in self._due.items() if moment <= now]
        due.sort(key=self._due.__getitem__)
        for number in due:
            del self._due[number]
        return due

    def until_due(self, most: float) -> float:
        """Return the seconds until the next read, at most `most`."""
        if not self._due:
            return most
        remaining = min(self._due.values()) - time.monotonic()
        return min(most, max(0.0, remaining))


class RowsInFlight:
    """Every row that was taken from the file, until `report`, the only way to a result."""

    def __init__(self, work: RowWorker, output: ResultWriter, schedule: PollSchedule) -> None:
        self.starting: dict[int, StartingRow] = {}
        self.running: dict[int, RunningRow] = {}
        self.in_doubt: list[InDoubt] = []
        self.unstarted = 0  # rows that were taken, and whose start was aborted
        self.still_running: list[str] = []  # runs that continue although their rows were reported
        self.work = work
        self.output = output
        self.schedule = schedule

    @property
    def running_runs(self) -> list[str]:
        """The runs that are still running, if known, of rows that were reported or could not be."""
        return self.still_running + [row.run.id for row in self.running.values()]

    def has(self, number: int) -> bool:
        """True for a row that is being started, or whose run is running."""
        return number in self.starting or number in self.running

    def start(self, row: Row) -> StartingRow:
        """Keep a row that is being started."""
        starting = self.starting[row.number] = StartingRow(row)
        return starting

    def follow(self, running: RunningRow) -> None:
        """Keep a row whose run is known."""
        self._end_start(running.row.number)
        self.running[running.row.number] = running
        self.output.summary.note_run(running.run)

    def doubt(self, in_doubt: InDoubt) -> None:
        """Keep a row whose run may exist, but has no known id."""
        self._end_start(in_doubt.row.number)
        self.in_doubt.append(in_doubt)
        self.output.summary.note_run()

    def leave_unstarted(self, row: Row) -> None:
        """Count a row whose start was not sent."""
        self._end_start(row.number)
        self.unstarted += 1

    def abort_starts(self) -> None:
        """Keep back the starts that were not sent; their threads may take long to notice it."""
        for starting in self.starting.values():
            starting.aborted = starting.attempt is None or starting.attempt.abort()

    def report(self, row: RowResult) -> None:
        """Report a row with its result, and forget it."""
        self.drop(row.row.number)
        run = row.result["run"]
        if run is not None and row.code not in ANSWERED and run["status"] not in SETTLED:
            self.still_running.append(run["id"])
        self.output.report(row)

    def report_running(self, row: RunningRow, error: NoxError) -> None:
        """Report a row whose run is still running, and why."""
        self.report(self.work.result_of_running(row, error))

    def drop(self, number: int) -> None:
        """Forget a row, which has a result, or starts over."""
        self.running.pop(number, None)
        self._end_start(number)
        self.schedule.drop(number)

    def _end_start(self, number: int) -> None:
        starting = self.starting.pop(number, None)
        if starting is not None:
            starting.attempt = None  # it knows the row: the two would keep each other

    # What remains at the end.

    def end_starts(self) -> None:
        """Take unanswered starts for doubtful, and those that were not sent for not started."""
        for starting in list(self.starting.values()):
            if starting.run is not None:  # it was answered a moment ago
                self.follow(RunningRow(starting.row, starting.run, starting.started_at))
            elif starting.was_sent:
                self.doubt(InDoubt(starting.row, starting.sent))
            else:
                self.leave_unstarted(starting.row)

    def report_all_running(self, error_for: Callable[[Run], NoxError], within: float) -> None:
        """Report all rows that are still running, with the matching error, and those in doubt.

        The list of runs is searched for these, for at most `within` seconds.
        """
        self.end_starts()
        for running in list(self.running.values()):
            error = None
            if running.run.status == "failed":  # its reason may still be open, its verdict is known
                error = verdict_of(running.run)
            self.report_running(running, error or error_for(running.run))
        if self.in_doubt:
            self._report_doubts(within)
        with suppress(TimedOut):  # of a reader of stdout that does not read
            self.output.flush()

    def _report_doubts(self, within: float) -> None:
        """Report the rows in doubt, with what the list of runs shows about them."""
        from noxcli.batch.reconcile import find_candidates_of_batch  # loaded for rows in doubt

        work = self.work
        findings = {}
        for side in {doubt.row.side for doubt in self.in_doubt}:
            rows = [doubt for doubt in self.in_doubt if doubt.row.side == side]
            sent = [doubt.sent for doubt in rows if doubt.sent is not None]
            workflow_id = work.workflows[side].id
            findings[side] = find_candidates_of_batch(
                work.api, workflow_id, work.digests[side], sent, work.known.__contains__, within
            )
        for doubt in sorted(self.in_doubt, key=lambda doubt: doubt.row.number):
            row = doubt.row
            # The journal may still be writing it.
            sent_start = doubt.sent or SentStart(row.number, row.id)
            finding = findings[row.side]
            self.output.report(finding.unresolved(row, sent_start, doubt.error, work.mask))
        self.in_doubt.clear()
