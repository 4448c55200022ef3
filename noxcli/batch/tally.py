"""The rows of a batch by outcome: for the progress, for people at the end, and as one code for all."""

from collections import Counter
from dataclasses import dataclass, field

from noxcli.errors import ExitCode, NoxError, Phase, worst
from noxcli.render.terminal import Terminal

LINES_TOLD = 8


class RowsLeft(NoxError):
    """Not every row completed; the code is that of the worst one."""

    phase = Phase.RUN

    def __init__(self, message: str, hint: str | None, code: ExitCode) -> None:
        super().__init__(message, hint)
        self.exit_code = code


@dataclass(slots=True, eq=False, repr=False)
class Tally:
    """Rows by exit code, and the messages of the first that did not complete; `total` is None until it is known."""

    total: int | None = None
    running: int = 0
    doubt: int = 0
    interrupted: int = 0  # rows whose runs this call stopped, and which must be started again
    before: Counter[int] = field(default_factory=Counter)  # of rows that an earlier call has finished
    codes: Counter[int] = field(default_factory=Counter)  # of rows in this call
    first: list[str] = field(default_factory=list)

    @property
    def all_codes(self) -> Counter[int]:
        return self.before + self.codes

    @property
    def told(self) -> int:
        """The number of rows in this call."""
        return self.codes.total()

    @property
    def done(self) -> int:
        return self.before.total() + self.told

    @property
    def failed(self) -> int:
        """The number of rows in this call that did not complete."""
        return self.told - self.codes[ExitCode.OK]

    @property
    def not_started(self) -> int:
        return 0 if self.total is None else self.total - self.done

    def add(self, code: int, line: str, *, before: bool = False) -> None:
        """Count a row; `line` is kept for the first ones that did not complete."""
        (self.before if before else self.codes)[code] += 1
        if code != ExitCode.OK and len(self.first) < LINES_TOLD:
            self.first.append(line)

    def became(self) -> list[tuple[int, str]]:
        """Return the number of rows with each outcome."""
        counts = [(count, ExitCode.words_of(code)) for code, count in sorted(self.all_codes.items())]
        return [(count, words) for count, words in [*counts, (self.not_started, "not started")] if count]

    def say(self, terminal: Terminal) -> None:
        """Write the same to stderr, and the messages of the first rows that did not complete."""
        for count, words in self.became():
            terminal.note(f"  {count:>7} {words}")
        for line in self.first:
            terminal.complain(f"noxcli: {line}")

    def raise_worst(self, hint: str | None, cause: NoxError | None = None) -> None:
        """Raise one error for all, with `cause` for the interruption; do nothing if all completed."""
        codes = [*self.all_codes]
        if cause is not None:
            codes.append(cause.exit_code)
        code = worst(codes)
        if code == ExitCode.OK:
            return
        why = f"{cause.message}; " if cause is not None else ""
        judged = {*codes} <= {ExitCode.OK, ExitCode.NOT_AS_ASSERTED}
        what = "completed, but an assertion failed" if judged else "did not complete"
        failed = self.done - self.all_codes[ExitCode.OK]
        raise RowsLeft(f"{why}{failed} of {self.done} rows {what}", hint, code)
