"""The count of a batch's rows by exit code, how many have to pass, and the verdict on all."""

import re
from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Any, Self

from noxcli.errors import (
    BY_SHARE,
    COMPLETED,
    HOPELESS,
    ExitCode,
    Hint,
    Incomplete,
    NoxError,
    UsageProblem,
    worst,
)
from noxcli.models import FINAL_STATUSES, Run
from noxcli.render import Facts
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, hint_lines, part_of
from noxcli.reports.ci import BatchReport
from noxcli.reports.failure_groups import FailureGroups, headline_of, run_in
from noxcli.rows.columns import Row
from noxcli.timing import show_seconds

# If this number of first rows end for one reason, no other would do better.
STUCK_AFTER = 20
# If answers were lost this many times among the last starts, each further start would most likely
# cost a row.
MAX_IN_DOUBT = 5
LAST_STARTS = 100


class Start(Enum):
    """The outcome of a start."""

    ANSWERED = "answered"
    LOST = "lost"
    LOST_WITH_OTHERS = "lost in an outage that had begun before it was noticed"


class LastStarts:
    """The outcomes of the last starts. Moments are by `time.monotonic`.

    One outage of a proxy loses the answers to all starts in flight. Those that were sent before the
    first loss was noticed count once; each one that was sent later counts by itself. An outage ends
    with the answer to a start that was sent later.
    """

    def __init__(self) -> None:
        self._starts: deque[Start] = deque(maxlen=LAST_STARTS)
        self._noticed_at = float("-inf")  # when the first loss of the last outage was
        self._is_over = True  # that outage

    def answered(self, sent_at: float) -> None:
        """A start was answered."""
        self._starts.append(Start.ANSWERED)
        if sent_at > self._noticed_at:
            self._is_over = True

    def lost(self, sent_at: float, noticed_at: float) -> None:
        """A start is in doubt."""
        if sent_at <= self._noticed_at:
            self._starts.append(Start.LOST_WITH_OTHERS)
            return
        self._starts.append(Start.LOST)
        if self._is_over:
            self._is_over = False
            self._noticed_at = noticed_at

    @property
    def doubts(self) -> str | None:
        """How many are in doubt, if that is too many for another one."""
        if self._starts.count(Start.LOST) < MAX_IN_DOUBT:
            return None
        in_doubt = len(self._starts) - self._starts.count(Start.ANSWERED)
        return f"{in_doubt} of the last {len(self._starts)} starts"


@dataclass(frozen=True, slots=True)
class MinPass:
    """The least share of rows that pass."""

    text: str
    share: Fraction

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Return the share for `90%`, None for none. Raises UsageProblem."""
        if text is None:
            return None
        number = re.fullmatch(r"(\d{1,3}(?:\.\d{1,9})?)%", text, re.ASCII)
        if number is not None:
            share = Fraction(number[1]) / 100
            if share <= 1:
                return cls(text, share)
        raise UsageProblem(f"--min-pass {text} is not a valid share", "write 90%, from 0% to 100%")

    def codes(self, codes: Collection[int], good: int, rows: int) -> list[int]:
        """Return the codes that count for `rows` rows, of which `good` ones pass.

        No rows are not enough.
        """
        others = [code for code in codes if code not in BY_SHARE]
        if good >= self.share * max(rows, 1):
            return [*others, ExitCode.OK]
        return [*others, ExitCode.NOT_AS_ASSERTED]

    def words(self, good: int, rows: int) -> str:
        """Return `85.0%; --min-pass 90%`; the share is rounded down."""
        return f"{1000 * good // max(rows, 1) / 10}%; --min-pass {self.text}"


def enough_of(repeat: int, pass_each: int | None) -> int:
    """Return how many repetitions of a row must pass: all, or --pass-each.

    Raises UsageProblem for more than all.
    """
    if pass_each is None:
        return repeat
    if pass_each > repeat:
        raise UsageProblem(
            f"--pass-each {pass_each} is more than --repeat {repeat}", "write at most as many"
        )
    return pass_each


@dataclass(slots=True, eq=False, repr=False)
class BatchSummary:
    """Rows by exit code, and why they did not complete.

    Others report to it, and only read its fields. `min_pass` is the share that must pass. With
    `repeat`, a row of the file passes if `pass_each` repetitions do.
    """

    # In the progress.
    UNIT = "row"
    BAD = "not completed"

    min_pass: MinPass | None = None
    repeat: int = 1
    pass_each: int = 1
    total: int = 0  # rows, or their repetitions, that are to have a result
    cause: NoxError | None = None  # why this call ended before the last row
    # A run may exist that this call started or followed, or of a gate any call.
    has_started: bool = False
    last_run: Run | None = None  # the one whose row came last
    # Results of this call that are not final, by code, also those of rows that have another by now.
    not_final: Counter[int] = field(default_factory=Counter)
    # The numbers of rows that the last result of this call left like that.
    in_doubt: set[int] = field(default_factory=set)
    still_running: set[int] = field(default_factory=set)
    interrupted: int = 0  # rows whose runs this call stopped, and which must be started again
    refused: int = 0  # rows that completed with another version than was asked
    # Of rows that an earlier call has finished.
    before: Counter[int] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)  # of rows in this call
    reasons: FailureGroups = field(default_factory=FailureGroups)
    # With --repeat: the codes of the repetitions, by row of the file.
    _repetitions: dict[int, list[int]] = field(default_factory=dict)
    _rerun: set[int] = field(default_factory=set)  # rows that pass, but not by their first result
    starts: LastStarts = field(default_factory=LastStarts)  # of this call
    why_end: str | None = None  # why no other row is to be started
    stuck: str | None = None  # the reason for which the first rows of this call all failed
    # The first rows that were begun, and why they failed.
    _first: dict[int, set[str]] = field(default_factory=dict)

    @property
    def all_codes(self) -> Counter[int]:
        """The number of rows of the file with each code; without those that have no verdict yet."""
        if self.repeat == 1:
            return self.before + self.codes
        codes: Counter[int] = Counter()
        for row, found in self._repetitions.items():
            code = worst(found)
            if self._is_good(row):
                codes[ExitCode.OK] += 1
            elif code != ExitCode.OK:
                codes[code] += 1
        return codes

    @property
    def rows(self) -> int:
        """The number of rows of the file."""
        return self.total // self.repeat

    @property
    def codes_so_far(self) -> Counter[int]:
        """The number of runs with each code, also of earlier calls."""
        return self.before + self.codes

    @property
    def done(self) -> int:
        return self.codes_so_far.total()

    @property
    def failed(self) -> int:
        """The number of rows in this call that did not complete."""
        return self.codes.total() - self.codes[ExitCode.OK]

    @property
    def not_started(self) -> int:
        return max(0, self.total - self.done)

    # What others report.

    def expect(self, total: int, before: Mapping[int, int] | None = None) -> None:
        """These rows, or their repetitions, are to have a result.

        `before` counts earlier calls' rows by code.
        """
        self.total = total
        self.before.update(before or {})

    def end(self, cause: NoxError | None) -> None:
        """All results of this call were counted."""
        self.cause = cause

    def how_far(self, running: int, doubtful: int, note: str, seconds: float) -> Facts:
        """Return `12 of 120 rows, 8 running, 1 not completed`, and the rate of this call.

        `note` is on the server.
        """
        parts = [part_of(self.done, self.total, self.UNIT)]
        if running:
            parts.append(f"{running} running")
        if self.failed:
            parts.append(f"{self.failed} {self.BAD}")
        if doubtful:
            parts.append(f"{doubtful} in doubt")
        if note:
            parts.append(note)
        text = ", ".join(parts)
        share = self.done / self.total if self.total else None
        counted = self.codes.total()
        if counted == 0 or seconds <= 0:
            return share, text, f"{show_seconds(seconds)} so far"
        rate = counted / seconds
        pace = f"{60 * rate:.1f} {self.UNIT}s/min"
        if rate >= 1:
            pace = f"{rate:.1f} {self.UNIT}s/s"
        return share, text, f"{pace}, {show_seconds(self.not_started / rate)} left"

    def count(
        self,
        line: Mapping[str, Any],
        *,
        before: bool = False,
        interrupted: bool = False,
    ) -> None:
        """Count the row of a line of results, and keep why it did not complete.

        `interrupted` says that this call stopped its run.
        """
        if interrupted:
            self.interrupted += 1
        row = line["row"]
        code = line["result"]["exit_code"]
        if before:
            self.before[code] += 1
        else:
            self.codes[code] += 1
        if self.repeat > 1:
            self._repetitions.setdefault(row, []).append(code)
        reason = None
        if code == ExitCode.NOT_FINISHED and run_in(line["result"]).get("status") == "completed":
            self.refused += 1
        if code != ExitCode.OK:
            reason = self.reasons.count(line)
        elif line.get("asked", 1) > 1:
            is_judged = self.min_pass is not None or bool(line["result"].get("assertions"))
            if is_judged:
                self._rerun.add(row)
        if not before:
            self._note_first(row, reason if code in HOPELESS else None)

    def note_left(self, number: int, result: Mapping[str, Any], *, is_final: bool) -> None:
        """A result was counted; if it is not final, a later call or try takes the row up again."""
        self.in_doubt.discard(number)
        self.still_running.discard(number)
        if is_final:
            return
        self.not_final[result["exit_code"]] += 1
        run = run_in(result)
        if result["exit_code"] == ExitCode.START_UNKNOWN:
            self.in_doubt.add(number)
        elif run and run["status"] not in FINAL_STATUSES:
            self.still_running.add(number)

    def note_run(self, run: Run | None = None) -> None:
        """A run may exist, that this call started or an earlier one; it is known if it is given."""
        self.has_started = True
        if run is not None:
            self.last_run = run

    def note_begun(self, row: Row) -> None:
        """A row is being started."""
        if len(self._first) < STUCK_AFTER:
            self._first.setdefault(row.file_number, set())

    def _note_first(self, row: int, reason: str | None) -> None:
        """Note the reason for which no other row would do better, None for any other ending."""
        if row not in self._first:
            return
        self._first[row].add(reason or "")
        are_alike = all(reasons == {reason} for reasons in self._first.values())
        self.stuck = None
        if are_alike and len(self._first) == STUCK_AFTER:
            self.stuck = reason

    def counts_by_outcome(self) -> list[tuple[int, str]]:
        """Return the number of rows with each outcome."""
        codes = self.all_codes
        counts = []
        for code, count in sorted(codes.items()):
            if count:
                counts.append((count, ExitCode(code).words))
        others = self.rows - codes.total()
        if others > 0:
            counts.append((others, "not started" if self.repeat == 1 else "unfinished"))
        return counts

    def write_outcome(self, terminal: Terminal, headline: str) -> None:
        """Write to stderr why rows did not complete, and below it, where it stays on the screen,
        the outcome of all.
        """
        for reason in self.reasons.lines():
            lines = [f"noxcli: {reason}"]
            if terminal.interactive:
                lines = hint_lines(lines[0], terminal.size().columns)
            for line in lines:
                terminal.complain(line)
        terminal.note(headline)
        for count, words in self.counts_by_outcome():
            terminal.note(f"  {count:>7} {words}")

    def _is_good(self, row: int) -> bool:
        codes = self._repetitions[row]
        has_all = len(codes) - codes.count(ExitCode.NOT_FINISHED) == self.repeat
        return has_all and codes.count(ExitCode.OK) >= self.pass_each

    def for_ci(self, name: str, command: str) -> BatchReport:
        """Return what a CI system gets to know."""
        codes = self.all_codes
        return BatchReport(
            name,
            codes[ExitCode.OK],
            self.rows,
            self.counts_by_outcome(),
            self.reasons.lines(),
            command=command,
            headline=headline_of(codes, self.rows, judged=command != "batch"),
        )

    @property
    def exit_codes(self) -> list[int]:
        """The codes of which the worst counts: of rows, or of --min-pass and trouble, and the
        cause.
        """
        codes = self.all_codes
        counted: list[int] = list(codes)
        if self.min_pass is not None:
            counted = self.min_pass.codes(codes, codes[ExitCode.OK], self.rows)
        if self.cause is not None:
            counted.append(self.cause.exit_code)
        return counted

    @property
    def verdict(self) -> tuple[bool, str] | None:
        """Whether the batch passes, and why.

        None without --min-pass and repetitions: then all rows must pass.
        """
        good = self.all_codes[ExitCode.OK]
        passed = f"{part_of(good, self.rows, 'row')} passed"
        if self.min_pass is not None:
            is_good = all(code == ExitCode.OK for code in self.exit_codes)
            return is_good, f"{passed} ({self.min_pass.words(good, self.rows)})"
        if self.repeat == 1:
            return None
        return good == self.rows, f"{passed} (--pass-each {self.pass_each} of {self.repeat})"

    def notes(self) -> list[str]:
        """Return what to know about the rows that passed."""
        passed = [row for row in self._rerun if self.repeat == 1 or self._is_good(row)]
        if not passed:
            return []
        return [f"{amount(len(passed), 'row')} passed only after a re-run"]

    def conclude(self, terminal: Terminal, hint: Hint | None, named: str = "") -> None:
        """Raise one error for all, which also says what is `named`, unless enough completed."""
        for note in self.notes():
            terminal.warn(note)
        codes = self.exit_codes
        code = worst(codes)
        all_judged = COMPLETED.issuperset(codes)
        share = ""
        if self.min_pass is not None and self.verdict is not None:
            _, share = self.verdict
        if share and (code == ExitCode.OK or not all_judged):
            terminal.note(share)
        if code == ExitCode.OK:
            return
        reasons = []
        if self.cause is not None:
            reasons.append(self.cause.message)
        if share and all_judged:
            reasons.append(share)
        else:
            reasons.append(self._incomplete())
        raise Incomplete("; ".join(filter(None, reasons)) + named, hint, code)

    def _incomplete(self) -> str:
        """Return which rows did not complete, or were not started; empty if all completed."""
        codes = self.all_codes
        if codes.total() > codes[ExitCode.OK]:
            return headline_of(codes, self.rows)
        if self.not_started == 0:
            return ""
        unstarted = self.not_started // self.repeat
        were = "was" if unstarted == 1 else "were"
        return f"{part_of(unstarted, self.rows, 'row')} {were} not started"
