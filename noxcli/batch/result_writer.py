"""The way of results out: kept, printed or in a table, recorded as finished."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from noxcli.batchdir.append_file import JournalTrouble
from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.results_file import ResultsFile, RowResult
from noxcli.checks.batch_summary import BatchSummary
from noxcli.checks.row_checker import RowChecker
from noxcli.codec import to_json
from noxcli.errors import SIGNALLED, ExitCode, NoxError, ReaderGone, StdoutFailed, TimedOut
from noxcli.expressions.query import Query, found_line
from noxcli.outputs.values import by_name
from noxcli.reports.row_table import RowTable
from noxcli.signals import Interrupted

# Seconds between two flushes of results: many take as long as one, and new rows wait for the disk.
FLUSHES_APART = 0.05


@dataclass(slots=True, eq=False, repr=False)
class ResultWriter:
    """The results of one batch on their way out: judged, counted, kept, and printed, or added to a
    `table`.
    """

    header: BatchHeader
    journal: Journal
    results: ResultsFile
    checker: RowChecker
    summary: BatchSummary
    write: Callable[[str], None] | None  # None: no line is printed
    query: Query | None = None
    table: RowTable | None = None
    outputs: set[str] = field(default_factory=set)  # of the completed rows, where a check names one
    # Why stdout failed; --resume prints those lines.
    unprinted: ReaderGone | StdoutFailed | None = None
    # Of rows whose line was not stored, or not printed.
    unrecorded_runs: list[str] = field(default_factory=list)
    _trouble: NoxError | None = None
    _ready: list[RowResult] = field(default_factory=list)
    _flushed_at: float = float("-inf")

    def pop_trouble(self) -> NoxError | None:
        """Return why the disk takes no more results, once."""
        trouble, self._trouble = self._trouble, None
        return trouble

    def report(self, row: RowResult) -> None:
        """Judge and count a row's result, which is printed soon."""
        if row.row.is_gone:  # it is kept, and neither judged nor printed
            self._ready.append(row)
            return
        try:
            row.judged = self.checker.judged(self.header.printed(row.document))
            if row.code == ExitCode.OK and self.checker.has_checks:
                self.outputs.update(by_name(row.result["output"]))
            self.summary.count(row.judged, interrupted=row.interrupted)
            self.summary.note_left(row.row.number, row.judged["result"], is_final=row.final)
        except Exception:
            self._note_unrecorded([row])
            raise
        self._ready.append(row)

    def until_due(self, most: float) -> float:
        """Return the seconds until results must be printed, at most `most`."""
        return (
            min(most, max(0.0, self._flushed_at + FLUSHES_APART - time.monotonic()))
            if self._ready
            else most
        )

    def flush_due(self) -> None:
        """Print the available results, unless that was done a moment ago."""
        if self._ready and time.monotonic() >= self._flushed_at + FLUSHES_APART:
            self.flush()

    def flush(self) -> None:
        """Save the results, print their lines, then record them as finished.

        Each of these is one write for all of them, since other threads may take their turn at each.
        A kill in between may print a line twice, but loses none. Rows that are not saved are not
        printed, and then not recorded as finished, so that --resume prints them; their runs are
        noted. Raises TimedOut and Interrupted.
        """
        rows, self._ready = self._ready, []
        lacking = True
        try:
            if self.unprinted is None:
                self.results.append([one for one in rows if one.final])
                if self.table is not None:
                    for one in rows:
                        if not one.row.is_gone:
                            self.table.add(one.judged)
                elif self.write is not None:
                    # Of a row whose run a signal did not wait for, --resume prints the line.
                    whole = [
                        one
                        for one in rows
                        if not one.interrupted and not one.row.is_gone and one.code not in SIGNALLED
                    ]
                    self.write("".join(map(self._line, whole)))
                    lacking = False  # a printed line names its run
                self.journal.note_ended(one for one in rows if not one.result["retry_safe"])
                lacking = False
        except (ReaderGone, StdoutFailed) as error:
            self.unprinted = error
        except JournalTrouble as error:
            self._trouble = error
        except (TimedOut, Interrupted):
            self.unprinted = StdoutFailed("stdout was not read to its end")
            raise
        finally:
            if lacking:
                self._note_unrecorded(rows)
            self._flushed_at = time.monotonic()

    def _line(self, row: RowResult) -> str:
        shown = row.judged
        if row.result["files"]:
            from noxcli.outputs.file_texts import (
                with_paths,
            )  # loaded for an output that is not all in the record

            shown = with_paths(shown)
        if self.query is not None:
            return found_line(self.query, shown)
        return row.line if shown is row.document else f"{to_json(shown)}\n"

    def _note_unrecorded(self, rows: Sequence[RowResult]) -> None:
        self.unrecorded_runs += [
            one.result["run"]["id"] for one in rows if one.result["run"] is not None
        ]
