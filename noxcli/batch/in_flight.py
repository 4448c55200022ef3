"""The rows between the file and their results, and when the run of each is polled."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.worker import ActiveRow, RowWorker
from noxcli.batchdir.journal_state import SentStart
from noxcli.batchdir.results_file import RowResult
from noxcli.errors import ANSWERED, NoxError, TimedOut
from noxcli.models import FINAL_STATUSES, PAUSED_STATUS, Run
from noxcli.reports.result import verdict_of

FIRST_APART = 0.05  # seconds until the first read, and between reads, while no run has ended
MIN_APART = 0.02  # seconds between two reads of one run
# Of the median time of runs between two reads, from the shortest time on; while no run has ended, of the time so far.
SHARE = 0.05
REMEMBERED = 32


class PollSchedule:
    """Runs, by numbers, when each is read next, and how long the last ones took; seconds throughout."""

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
        """Schedule the next read of a run that has taken this long; immediately if that is not known.

        It is read once it has taken `limit`.
        """
        wait = 0.0 if taken is None else self.until_next(taken)
        remaining = self._longest if taken is None or limit is None else limit - taken
        self._due[number] = time.monotonic() + min(wait, self._longest, remaining)

    def drop(self, number: int) -> None:
        """No longer read that run."""
        self._due.pop(number, None)

    def has(self, number: int) -> bool:
        """True if the run is scheduled; false if it is being read now, or never will be."""
        return number in self._due

    def pop_due(self) -> list[int]:
        """Return the runs to read now; each must be added again, or has ended."""
        now = time.monotonic()
        taken = sorted(
            (number for number, due in self._due.items() if due <= now), key=self._due.__getitem__
        )
        for number in taken:
            del self._due[number]
        return taken

    def until_due(self, most: float) -> float:
        """Return the seconds until the next read, at most `most`."""
        if not self._due:
            return most
        return min(most, max(0.0, min(self._due.values()) - time.monotonic()))


class RowsInFlight:
    """Every row that was taken from the file, until `report`, the only way to a result."""

    def __init__(self, work: RowWorker, output: ResultWriter, schedule: PollSchedule) -> None:
        self.starting: dict[int, ActiveRow] = {}
        self.active: dict[int, ActiveRow] = {}  # rows that have a run
        self.in_doubt: list[ActiveRow] = []  # rows whose start may have been sent
        self.unstarted = 0  # rows that were taken, and whose start was aborted
        self.still_running: list[str] = []  # runs that continue although their rows were reported
        self.work, self.output, self.schedule = work, output, schedule

    @property
    def running_runs(self) -> list[str]:
        """The runs that are still running, if known: of rows that were reported, and of those that could not be."""
        return [
            *self.still_running,
            *(row.run.id for row in self.active.values() if row.run is not None),
        ]

    def follow(self, row: ActiveRow) -> None:
        """Keep a row whose run is known."""
        self.starting.pop(row.row.number, None)
        row.attempt = None  # it knows the row: the two would keep each other
        self.active[row.row.number] = row
        self.output.summary.note_run()

    def end_start(self, number: int) -> None:
        """Keep a row without a run: in doubt if its start may have been sent, else it is not started."""
        row = self.starting.pop(number)
        if row.in_doubt:
            self.in_doubt.append(row)
            self.output.summary.note_run()
        else:
            self.unstarted += 1

    def abort_starts(self) -> None:
        """Keep back the starts that were not sent; their threads may take long to notice it."""
        for row in self.starting.values():
            row.aborted = row.attempt is None or row.attempt.abort()

    def report(self, row: RowResult) -> None:
        """Report a row with its result, and forget it."""
        self.drop(row.row.number)
        run = row.result["run"]
        if (
            run is not None
            and row.code not in ANSWERED
            and run["status"] not in {*FINAL_STATUSES, PAUSED_STATUS}
        ):
            self.still_running.append(run["id"])
        self.output.report(row)

    def report_running(self, row: ActiveRow, error: NoxError) -> None:
        """Report a row whose run is still running, and why."""
        self.report(self.work.result_of_running(row, error))

    def drop(self, number: int) -> None:
        """Forget a row, which has a result, or starts over."""
        self.active.pop(number, None)
        if (row := self.starting.pop(number, None)) is not None:
            row.attempt = None
        self.schedule.drop(number)

    # What remains at the end.

    def end_starts(self) -> None:
        """Take starts without an answer for doubtful, and those that were not sent for not started."""
        for number, row in list(self.starting.items()):
            if row.run is not None:  # it was answered a moment ago
                self.follow(row)
            else:
                self.end_start(number)

    def report_all_running(self, error_for: Callable[[Run], NoxError], within: float) -> None:
        """Report all rows that are still running, with the matching error, and those in doubt.

        The list of runs is searched for these, for at most `within` seconds.
        """
        self.end_starts()
        for row in list(self.active.values()):
            assert row.run is not None
            # The reason of a failure may still be open, but the verdict is known.
            error = (verdict_of(row.run) if row.run.status == "failed" else None) or error_for(
                row.run
            )
            self.report_running(row, error)
        if self.in_doubt:
            from noxcli.batch.reconcile import (
                CandidateIndex,
                find_candidates_of_batch,
            )  # loaded for rows in doubt

            work, findings = self.work, list[CandidateIndex]()
            for side, digests in enumerate(work.digests):
                sent = [
                    row.sent
                    for row in self.in_doubt
                    if row.sent is not None and row.row.side == side
                ]
                findings.append(
                    find_candidates_of_batch(
                        work.api, work.workflow_id, digests, sent, work.known.__contains__, within
                    )
                )
            for row in sorted(self.in_doubt, key=lambda row: row.row.number):
                doubt = row.sent or SentStart(
                    row.row.number, row.row.id
                )  # None while the journal is being written
                self.output.report(
                    findings[row.row.side].unresolved(row.row, doubt, row.error, work.mask)
                )
            self.in_doubt.clear()
        with suppress(TimedOut):  # of a reader of stdout that does not read
            self.output.flush()
