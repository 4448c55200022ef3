"""The count of a batch's rows by exit code, how many have to pass, and the verdict on all of them."""

import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

from noxcli.errors import (
    BY_SHARE,
    COMPLETED,
    HOPELESS,
    ExitCode,
    Incomplete,
    NoxError,
    UsageProblem,
    worst,
)
from noxcli.render import Facts
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, hint_lines, part_of
from noxcli.reports.ci import BatchReport
from noxcli.reports.failure_groups import FailureGroups, headline_of
from noxcli.timing import show_seconds

# If this number of first rows end for one reason, no other would do better.
STUCK_AFTER = 20
# If this many of the last starts are in doubt, each further one would most likely cost a row.
MAX_IN_DOUBT, LAST_STARTS = 5, 100


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
        if number is None or (share := Fraction(number[1]) / 100) > 1:
            raise UsageProblem(
                f"--min-pass {text} is not a valid share", "write 90%, from 0% to 100%"
            )
        return cls(text, share)

    def codes(self, codes: Collection[int], good: int, rows: int) -> list[int]:
        """Return the codes that count for `rows` rows, of which `good` ones pass; no rows are not enough."""
        reached = good >= self.share * max(rows, 1)
        others = [code for code in codes if code not in BY_SHARE]
        return [*others, ExitCode.OK if reached else ExitCode.NOT_AS_ASSERTED]

    def words(self, good: int, rows: int) -> str:
        """Return `85.0%; --min-pass 90%`; the share is rounded down."""
        return f"{1000 * good // max(rows, 1) / 10}%; --min-pass {self.text}"


def enough_of(repeat: int, pass_each: int | None) -> int:
    """Return how many repetitions of a row must pass: all, or --pass-each. Raises UsageProblem for more than all."""
    if pass_each is not None and pass_each > repeat:
        raise UsageProblem(
            f"--pass-each {pass_each} is more than --repeat {repeat}", "write at most as many"
        )
    return repeat if pass_each is None else pass_each


@dataclass(slots=True, eq=False, repr=False)
class BatchSummary:
    """Rows by exit code, and why they did not complete. Others report to it, and only read its fields.

    `min_pass` is the share that must pass. With `repeat`, a row of the file passes if `pass_each` repetitions do.
    """

    UNIT, BAD = "row", "not completed"  # in the progress

    min_pass: MinPass | None = None
    repeat: int = 1
    pass_each: int = 1
    total: int = 0  # rows, or their repetitions, that are to have a result
    cause: NoxError | None = None  # why this call ended before the last row
    has_started: bool = (
        False  # a run may exist that this call started or followed, or of a gate any call
    )
    interrupted: int = 0  # rows whose runs this call stopped, and which must be started again
    before: Counter[int] = field(
        default_factory=Counter
    )  # of rows that an earlier call has finished
    codes: Counter[int] = field(default_factory=Counter)  # of rows in this call
    reasons: FailureGroups = field(default_factory=FailureGroups)
    _repetitions: dict[int, list[int]] = field(
        default_factory=dict
    )  # --repeat: their codes, by row of the file
    _rerun: set[int] = field(default_factory=set)  # rows that pass, but not by their first result
    _starts: deque[bool] = field(
        default_factory=lambda: deque(maxlen=LAST_STARTS)
    )  # of this call: which are in doubt
    why_end: str | None = None  # why no other row is to be started
    stuck: str | None = None  # the reason for which the first rows of this call all failed
    _first: dict[int, set[str]] = field(
        default_factory=dict
    )  # the first rows that were begun: why they failed

    @property
    def all_codes(self) -> Counter[int]:
        """The number of rows of the file with each code, without rows that need more repetitions for a verdict."""
        if self.repeat == 1:
            return self.before + self.codes
        codes: Counter[int] = Counter()
        for row, found in self._repetitions.items():
            if self._is_good(row):
                codes[ExitCode.OK] += 1
            elif (code := worst(found)) != ExitCode.OK:
                codes[code] += 1
        return codes

    @property
    def rows(self) -> int:
        """The number of rows of the file."""
        return self.total // self.repeat

    @property
    def done(self) -> int:
        return self.before.total() + self.codes.total()

    @property
    def failed(self) -> int:
        """The number of rows in this call that did not complete."""
        return self.codes.total() - self.codes[ExitCode.OK]

    @property
    def not_started(self) -> int:
        return max(0, self.total - self.done)

    # What others report.

    def expect(self, total: int, before: Mapping[int, int] | None = None) -> None:
        """These rows, or their repetitions, are to have a result; `before` counts earlier calls' rows by code."""
        self.total = total
        self.before.update(before or {})

    def end(self, cause: NoxError | None) -> None:
        """All results of this call were counted."""
        self.cause = cause

    def how_far(self, running: int, doubtful: int, note: str, seconds: float) -> Facts:
        """Return `12 of 120 rows, 8 running, 1 not completed`, and the rate of this call; `note` is on the server."""
        parts = [part_of(self.done, self.total, self.UNIT)]
        counts = ((running, "running"), (self.failed, self.BAD), (doubtful, "in doubt"))
        parts += [f"{count} {what}" for count, what in counts if count]
        text = ", ".join([*parts, note] if note else parts)
        share = self.done / self.total if self.total else None
        rate = self.codes.total() / seconds if seconds > 0 else 0.0
        if not rate:
            return share, text, f"{show_seconds(seconds)} so far"
        pace = f"{rate:.1f} {self.UNIT}s/s" if rate >= 1 else f"{60 * rate:.1f} {self.UNIT}s/min"
        return share, text, f"{pace}, {show_seconds(self.not_started / rate)} left"

    def count(
        self,
        line: Mapping[str, Any],
        paste: Callable[[str], str] = str,
        *,
        before: bool = False,
        interrupted: bool = False,
    ) -> None:
        """Count the row of a line of results, and keep why it did not complete.

        `paste` completes the commands in its hint; `interrupted` says that this call stopped its run.
        """
        self.interrupted += interrupted
        code = line["result"]["exit_code"]
        (self.before if before else self.codes)[code] += 1
        if self.repeat > 1:
            self._repetitions.setdefault(line["row"], []).append(code)
        is_judged = self.min_pass is not None or bool(line["result"].get("assertions"))
        if code == ExitCode.OK and is_judged and line.get("asked", 1) > 1:
            self._rerun.add(line["row"])
        shared = None if code == ExitCode.OK else self.reasons.count(line, paste)
        if not before:
            self._note_first(line["row"], shared if code in HOPELESS else None)

    def note_run(self) -> None:
        """A run may exist, that this call started or an earlier one."""
        self.has_started = True

    def note_start(self, *, in_doubt: bool) -> None:
        """A start was answered, or is in doubt."""
        self._starts.append(in_doubt)

    @property
    def doubts(self) -> str | None:
        """How many of the last starts are in doubt, if that is too many for another one."""
        doubts = sum(self._starts)
        return (
            f"{doubts} of the last {len(self._starts)} starts" if doubts >= MAX_IN_DOUBT else None
        )

    def note_begun(self, row: int) -> None:
        """A row of the file is being started."""
        if len(self._first) < STUCK_AFTER:
            self._first.setdefault(row, set())

    def _note_first(self, row: int, reason: str | None) -> None:
        """Note the reason for which no other row would do better, None for any other ending."""
        if row in self._first:
            self._first[row].add(reason or "")
            alike = len(self._first) == STUCK_AFTER and all(
                each == {reason} for each in self._first.values()
            )
            self.stuck = reason if alike else None

    def counts_by_outcome(self) -> list[tuple[int, str]]:
        """Return the number of rows with each outcome."""
        codes = self.all_codes
        others = (
            max(0, self.rows - codes.total()),
            "not started" if self.repeat == 1 else "unfinished",
        )
        counts = [*((count, ExitCode(code).words) for code, count in sorted(codes.items())), others]
        return [(count, words) for count, words in counts if count]

    def write_outcome(self, terminal: Terminal, headline: str) -> None:
        """Write to stderr why rows did not complete, and below it, where it stays on the screen, the outcome of all."""
        for reason in self.reasons.lines():
            line = f"noxcli: {reason}"
            for part in (
                hint_lines(line, terminal.size().columns) if terminal.interactive else [line]
            ):
                terminal.complain(part)
        terminal.note(headline)
        for count, words in self.counts_by_outcome():
            terminal.note(f"  {count:>7} {words}")

    def _is_good(self, row: int) -> bool:
        codes = self._repetitions[row]
        has_all = len(codes) - codes.count(ExitCode.NOT_FINISHED) == self.repeat
        return has_all and codes.count(ExitCode.OK) >= self.pass_each

    def for_ci(self, name: str, command: str) -> BatchReport:
        """Return what a CI system gets to know."""
        codes, reasons = self.all_codes, self.reasons.lines()
        headline = headline_of(codes, self.rows, judged=command != "batch")
        counts = self.counts_by_outcome()
        return BatchReport(
            name, codes[ExitCode.OK], self.rows, counts, reasons, command=command, headline=headline
        )

    @property
    def exit_codes(self) -> list[int]:
        """The codes of which the worst is the batch's: of all rows, or of --min-pass and trouble, and of the cause."""
        codes, cause = self.all_codes, [self.cause.exit_code] if self.cause is not None else []
        if self.min_pass is None:
            return [*codes, *cause]
        return [*self.min_pass.codes(codes, codes[ExitCode.OK], self.rows), *cause]

    @property
    def verdict(self) -> tuple[bool, str] | None:
        """Whether the batch passes, and why; None without --min-pass and repetitions: then all rows must pass."""
        good, rows = self.all_codes[ExitCode.OK], self.rows
        if self.min_pass is not None:
            text = f"{part_of(good, rows, 'row')} passed ({self.min_pass.words(good, rows)})"
            return {*self.exit_codes} <= {ExitCode.OK}, text
        text = (
            f"{part_of(good, rows, 'row')} passed (--pass-each {self.pass_each} of {self.repeat})"
        )
        return None if self.repeat == 1 else (good == rows, text)

    def notes(self) -> list[str]:
        """Return what to know about the rows that passed."""
        rerun = sum(self.repeat == 1 or self._is_good(row) for row in self._rerun)
        return [f"{amount(rerun, 'row')} passed only after a re-run"] if rerun else []

    def conclude(self, terminal: Terminal, hint: str | None, named: str = "") -> None:
        """Raise one error for all, which also says what is `named`, unless all completed or enough of them."""
        for note in self.notes():
            terminal.warn(note)
        codes, counted, verdict = self.exit_codes, self.all_codes, self.verdict
        code, judged = worst(codes), {*codes} <= COMPLETED
        share = verdict[1] if verdict is not None and self.min_pass is not None else ""
        if share and (code == ExitCode.OK or not judged):
            terminal.note(share)
        if code == ExitCode.OK:
            return
        if judged and share:
            text = share
        elif counted.total() > counted[ExitCode.OK]:
            text = headline_of(counted, self.rows)
        else:
            unstarted = self.not_started // self.repeat
            were = "was" if unstarted == 1 else "were"
            text = (
                f"{part_of(unstarted, self.rows, 'row')} {were} not started"
                if self.not_started
                else ""
            )
        why = "" if self.cause is None else self.cause.message
        raise Incomplete("; ".join(filter(None, [why, text])) + named, hint, code)
