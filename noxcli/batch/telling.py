"""The output of results: in the order of the rows if requested, kept, printed, and recorded as finished."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from noxcli.batch.journal import Journal, JournalTrouble
from noxcli.batch.plan import RowResult
from noxcli.errors import NoxError, ReaderGone, TimedOut, Unwritten
from noxcli.signals import Interrupted

# Seconds between two flushes of results: many take as long as one, and new rows wait for the disk.
SAID_APART = 0.05


class Teller(Protocol):
    """The destination of results."""

    def keep(self, told: Sequence[RowResult]) -> None:
        """Write results to disk before they are printed. Raises JournalTrouble if that fails."""

    def tell(self, told: Sequence[RowResult]) -> None:
        """Print them. Raises as Terminal.write."""


class Telling:
    """The results of one batch; `on_end` is called, with the problem if any, when nothing more should be started."""

    def __init__(
        self, journal: Journal, teller: Teller, *, ordered: bool, on_end: Callable[[NoxError | None], None]
    ) -> None:
        self.unprinted: ReaderGone | Unwritten | None = None  # why stdout failed; --resume prints those lines
        self._journal = journal
        self._teller = teller
        self._ordered = ordered
        self._on_end = on_end
        self._early: dict[int, RowResult] = {}  # --ordered: results ahead of their turn
        self._turns: deque[int] = deque()  # --ordered: rows in input order, of which the first has no result yet
        self._unsaid: list[RowResult] = []
        self._said_at = float("-inf")

    @property
    def awaited(self) -> int:
        """The number of rows from the first one without a result on, which must be printed in order."""
        return len(self._turns)

    def expect(self, number: int) -> None:
        """Record that a row has begun."""
        if self._ordered:
            self._turns.append(number)

    def take(self, told: RowResult) -> None:
        """Add a row's result, to be printed soon."""
        if told.row.number in self._turns:
            self._early[told.row.number] = told
            self._take_in_turn()
        else:
            self._unsaid.append(told)

    def pass_over(self, number: int) -> None:
        """Do not wait for this row, which has no result now."""
        if number in self._turns:
            self._turns.remove(number)
            self._take_in_turn()

    def until_due(self, most: float) -> float:
        """Return the seconds until results must be printed, at most `most`."""
        return min(most, max(0.0, self._said_at + SAID_APART - time.monotonic())) if self._unsaid else most

    def say_due(self) -> None:
        """Print the available results, unless that was done a moment ago."""
        if self._unsaid and time.monotonic() >= self._said_at + SAID_APART:
            self.say_all()

    def say_rest(self) -> None:
        """Print everything, even ahead of its turn."""
        for number in sorted(self._early):
            self._unsaid.append(self._early.pop(number))
        self.say_all()

    def say_all(self) -> None:
        """Save the results, print their lines, then record them as finished.

        Each of these is one write for all of them, since other threads may take their turn at each. A kill in between
        may print a line twice, but loses none. If writing to stdout fails, none of them is recorded as finished.
        """
        told, self._unsaid = self._unsaid, []
        try:
            if told and self.unprinted is None:
                self._teller.keep(told)
                self._teller.tell(told)
                self._journal.told(one for one in told if not one.result["retry_safe"])
        except (ReaderGone, Unwritten) as error:
            self.unprinted = error
            self._on_end(None)
        except JournalTrouble as error:
            self._on_end(error)
        except (TimedOut, Interrupted):
            self.unprinted = Unwritten("stdout was not read to its end")
            raise
        self._said_at = time.monotonic()

    def _take_in_turn(self) -> None:
        while self._turns and self._turns[0] in self._early:
            self._unsaid.append(self._early.pop(self._turns.popleft()))
