"""One call of a batch, in its order: open, check, begin, adopt, run.

However it ends, its runs are named.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from itertools import groupby
from types import TracebackType
from typing import TYPE_CHECKING

from noxcli.batch.in_flight import RowsInFlight
from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.resume import (
    RemainingRows,
    RowCounts,
    name_runs,
    renew_lines,
    require_journal_of,
    require_no_results,
    require_same_split,
)
from noxcli.batch.scheduler import Scheduler
from noxcli.batch.spec import ATTEMPT_VARIABLE, DOUBTFUL, RED, BatchSpec
from noxcli.batch.worker import RowWorker
from noxcli.batchdir.header import AGAIN, BatchHeader
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.journal_state import FINISHED, JournalState
from noxcli.batchdir.results_file import ResultsFile
from noxcli.checks.batch_summary import BatchSummary
from noxcli.checks.row_checker import RowChecker
from noxcli.errors import HAD_RUN, ExitCode, Hint, Interruption, NoxError, UsageProblem
from noxcli.files import RESULTS_NAME
from noxcli.inputs.definition import InputNode
from noxcli.inputs.preflight import line_to_inputs
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount
from noxcli.rows.columns import EXPECT, Row
from noxcli.rows.content import RowContents
from noxcli.rows.selection import ALL_ROWS
from noxcli.runs.start import MAX_SEARCH
from noxcli.signals import SIGNALS, Interrupted
from noxcli.timing import Clock

if TYPE_CHECKING:
    from noxcli.batch.reconcile import CandidateIndex

# The codes of rows that have an answer, which a check may fail.
CAN_BE_RED = frozenset(
    {ExitCode.OK, ExitCode.RUN_FAILED, ExitCode.UNDELIVERED, ExitCode.NOT_AS_ASSERTED}
)


class Batch(AbstractContextManager["Batch"]):
    """The batch of one directory; its steps are called in their order."""

    def __init__(
        self, spec: BatchSpec, summary: BatchSummary, terminal: Terminal, clock: Clock
    ) -> None:
        self.spec = spec
        self.summary = summary
        self.journaled = JournalState()
        self.named = ""  # the runs to check, for the end of a message
        self.is_stored = True  # the directory remains
        self._terminal = terminal
        self._clock = clock
        self._files = ExitStack()
        self._all_rerun = False  # the chosen rows have been re-run
        self._finding: CandidateIndex | None = None  # about rows in doubt

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files.

        An error before the first row names the runs that earlier calls have left.
        """
        if self.spec.continues and isinstance(error, NoxError | Interrupted) and not self.named:
            self.named = name_runs(self.journaled.running_runs, ())
        if isinstance(error, NoxError):
            error.message += self.named
        self._files.__exit__(kind, error, trace)
        if isinstance(error, Interrupted) and self.named:
            hint = Hint("continue with: ", self.spec.resume_command)
            raise Interruption(
                f"interrupted by {error}{self.named}", hint, number=error.number
            ) from None

    def at_end(self, write: Callable[[], None]) -> None:
        """Call this when all is written, before the directory is left to others."""
        self._files.callback(write)

    def open(self) -> None:
        """Take the directory, then read its journal, if it has one.

        Raises UsageProblem for a batch that is not to be continued, or a journal that can't be
        read; Unavailable if another process has it.
        """
        spec = self.spec
        if spec.fresh and spec.continues:
            raise UsageProblem(
                "--fresh starts over, --resume and --again continue", "remove one of them"
            )
        self.journal = self._files.enter_context(
            Journal(spec.directory, self._clock, self._terminal.mask, named=spec.named)
        )
        if not self.journal.is_open:
            spec.require_first(self._terminal)
        # Not where that refuses: it knows nothing of earlier starts.
        self._files.push(self._remove_if_unused)
        self._files.push(self._close_choice)
        if self.journal.is_open and not spec.fresh:
            self.journaled = JournalState.read(self.journal.path)
            spec.require_resumed(self.journaled)
        if not spec.fresh and self.journaled.header is None:
            require_no_results(spec.directory)

    def start_over(self) -> None:
        """Continue nothing: what is in the directory is moved aside when the batch begins."""
        self.spec = replace(self.spec, resume=False, fresh=True)
        self.journaled = JournalState()

    def check(self, header: BatchHeader, *nodes: Sequence[InputNode] | None) -> RowCounts:
        """Compare the batch with that of earlier calls, and check its rows; return their totals.

        `nodes` are those of each side that the table has rows of, None for unchecked rows. Raises
        ConfigProblem, UsageProblem and WrongInputs.
        """
        spec = self.spec
        journaled = self.journaled
        rows = self.spec.rows
        if journaled.header is not None:
            spec.require_same_batch(journaled.header, header)
        self._remaining = RemainingRows(spec, journaled, nodes, self._terminal)
        if journaled.header is not None and not spec.of_gate:
            self._remaining.match(self.journal)
        if codes := {AGAIN[each] for each in spec.again if each in AGAIN}:
            journaled.reset_all(codes)
        self._seen = seen = self._remaining.survey()
        if spec.checked:
            shown_by = line_to_inputs(spec.workflow, header.version_id or None)
            seen.require_right(shown_by, self._terminal.complain)
        header = replace(
            header, rows=seen.rows, digest=seen.digest, kept=list(seen.kept), only=seen.only
        )
        if journaled.header is None and spec.shard.of > 1:
            require_same_split(spec.directory, header)
        self.header = replace(header, table_rows=0 if rows.takes_all else rows.count())
        return seen

    def begin(self, checker: RowChecker) -> None:
        """Begin the journal and the results, which then have what earlier calls left.

        Raises UsageProblem.
        """
        journaled = self.journaled
        terminal = self._terminal
        if self.spec.fresh and (aside := self.journal.move_aside()) is not None:
            terminal.note(f"what was there is in {aside} now")
        if terminal.writes_to(stored := self.spec.directory / RESULTS_NAME):
            raise UsageProblem(
                f"stdout is {stored}, a file that noxcli writes itself",
                "redirect stdout to another file or to /dev/null",
            )
        begun = self.header
        if (
            journaled.header is not None
            and journaled.header.definition is not None
            and begun.definition is None
        ):
            terminal.warn("the workflow is not compared with the one that the batch began with")
            begun = replace(
                begun, definition=journaled.header.definition, nodes=journaled.header.nodes
            )
        remaining = self._remaining
        self.journal.begin(begun, journaled, remaining.moves, remaining.order, remaining.edited)
        self.results = ResultsFile(self.journal.place, journaled.runs, journaled.replaced)
        self._files.callback(self.results.close)
        require_journal_of(self.results, journaled, remaining.moves)
        if journaled.header is not None:
            journaled.reopen_lost(self.results.places.__contains__, self.journal.path)
            renew_lines(
                self.spec.rows,
                remaining,
                self.header.kept,
                journaled,
                self.results,
                terminal.mask,
            )
            self._name_rows_that_are_gone()
        if RED in self.spec.again and not journaled.choice_is_open:
            self._choose_red(checker)

    def _choose_red(self, checker: RowChecker) -> None:
        """Choose the rows that fail the checks, with all their repetitions, for a re-run.

        Rows that have no answer yet, or whose runs may still be running, are not among them: they
        are resumed.
        """
        from noxcli.checks.merge import MergedBatch  # loaded where stored results are read

        summary = self.summary
        journaled = self.journaled
        red: list[tuple[int, str | None]] = []
        lines = MergedBatch.read([self.spec.directory], of_last_call=True).runs(self.spec.shard)
        for _, group in groupby(lines, lambda line: (line["row"] - 1) // summary.repeat):
            stored = list(group)
            codes = [
                checker.judged(self.header.printed(line))["result"]["exit_code"] for line in stored
            ]
            answered = (
                all(journaled.state(line["row"]) == FINISHED for line in stored)
                and {*codes} <= CAN_BE_RED
            )
            if answered and codes.count(ExitCode.OK) < summary.pass_each:
                red += [(line["row"], line["id"]) for line in stored]
        self.journal.choose(red)
        journaled.choose([number for number, _ in red])
        self._terminal.note(f"re-running {amount(len(red) // summary.repeat, 'row')}")

    def _name_rows_that_are_gone(self) -> None:
        """Say that results of rows are kept which FILE no longer has."""
        repeat = self.header.repeat
        finished = {
            (number - 1) // repeat
            for number in self._remaining.gone
            if self.journaled.state(number) == FINISHED
        }
        if finished:
            rows = amount(len(finished), "finished row")
            self._terminal.note(
                f"{rows} no longer in {self.spec.rows.name}: kept, and left out of results "
                "(noxcli results --all prints them)"
            )

    @property
    def contents(self) -> Sequence[RowContents]:
        """What tells whether a row asks what it asked when the table was read, for each side."""
        return self._remaining.contents

    def adopt(self, work: RowWorker) -> None:
        """Let rows in doubt adopt their runs, where the server's list shows them."""
        journaled = self.journaled
        workflow_id = work.workflow_id
        if doubts := journaled.doubtful:
            from noxcli.batch.reconcile import (
                find_candidates_of_batch,
                narrow_to_version,
            )  # loaded for rows in doubt

            within = work.deadline.remaining(MAX_SEARCH)
            finding = find_candidates_of_batch(
                work.api, workflow_id, work.digests[0], doubts, work.known.__contains__, within
            )
            self._finding = narrow_to_version(
                work.api, finding, journaled.own_runs(self.journal.path), workflow_id, within
            )
            for doubt, run in self._finding.match_rows(doubts, journaled.began):
                before = journaled.runs[doubt.number]
                if before:  # the row was asked again
                    self.results.replace_with(doubt.number, before)
                self.journal.note_started(doubt, run)
                journaled.adopt(doubt.number, run)
            self._warn_of_doubts_that_are_gone()
        if DOUBTFUL in self.spec.again:
            for doubt in journaled.doubtful:
                journaled.reset_row(doubt.number)

    def _warn_of_doubts_that_are_gone(self) -> None:
        """Name rows in doubt that FILE no longer has, which nothing starts or reports."""
        assert self._finding is not None
        gone = set(self._remaining.gone)
        for doubt in self.journaled.doubtful:
            if doubt.number not in gone:
                continue
            named = "" if doubt.id is None else f" ({doubt.id})"
            runs = [run.id for run in self._finding.candidates(doubt)]
            found = f"candidates: {', '.join(runs)}" if runs else "no run of the list fits"
            self._terminal.warn(
                f"a row{named} that {self.spec.rows.name} no longer has is in doubt: {found}"
            )

    def count_earlier(self, checker: RowChecker) -> None:
        """Add to the summary the rows that an earlier call has finished, checked again."""
        summary = self.summary
        seen = self._seen
        journaled = self.journaled
        rows = self.spec.rows
        asks = checker.has_checks or checker.version_id is not None
        asks = asks or summary.min_pass is not None or EXPECT in seen.kept
        if summary.repeat == 1 and not asks and rows.takes_all:
            states = journaled.states[: seen.rows + 1]
            summary.expect(seen.in_shard, {code: states.count(FINISHED + code) for code in HAD_RUN})
            return
        summary.expect(seen.in_shard)
        from noxcli.checks.merge import MergedBatch  # loaded where stored results are read

        joined = MergedBatch.read([self.spec.directory], of_last_call=True)
        for run in joined.runs(ALL_ROWS, lambda number: journaled.state(number) == FINISHED):
            summary.count(checker.judged(self.header.printed(run)), before=True)

    def run(
        self,
        work: RowWorker,
        output: ResultWriter,
        tick: Callable[[RowsInFlight], None],
        wanted: Collection[int] | None = None,
        ahead: deque[Row] | None = None,
    ) -> NoxError | None:
        """Run the remaining rows, or those of them that are `wanted`.

        Return why not every row has a result.

        Results may add rows to those `ahead`, which start before all others.
        """
        engine = Scheduler(
            work,
            self._remaining.to_do(wanted),
            self.journaled,
            self._finding,
            output,
            tick,
            self.spec,
            deque() if ahead is None else ahead,
        )
        self.summary.end(cause := engine.run())
        self.named = name_runs(
            [*engine.in_flight.running_runs, *self.journaled.running_runs], output.unrecorded_runs
        )
        is_whole = cause is None and not self.summary.not_started
        self._all_rerun = (
            self.journaled.choice_is_open and is_whole and {*self.summary.codes} <= CAN_BE_RED
        )
        return cause

    def _close_choice(self, kind: object, *_: object) -> None:
        """Note in the journal that the chosen rows were re-run, once this call can no longer end
        early.

        Repeated after any other ending, it re-runs none of them.
        """
        if kind is None and self._all_rerun:
            SIGNALS.check()
            self.journal.note_rerun_done()
            SIGNALS.disregard()

    def _remove_if_unused(self, kind: object, *_: object) -> None:
        """Leave no directory behind that this call made, if nothing was started, and rows remain.

        On GitHub, one remains for --resume, so that the next attempt knows that nothing was
        started.
        """
        if kind is None and not self.summary.codes and not self.summary.not_started:
            return
        if self.spec.continues and ATTEMPT_VARIABLE in self._terminal.environ:
            if not self.journal.is_open:
                with suppress(
                    NoxError
                ):  # the directory may be what is wrong; the next attempt is then refused
                    self.journal.create()
        elif self.journal.is_open:
            self.is_stored = not self.journal.discard()
