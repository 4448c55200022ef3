"""The outcome of many rows, by exit code: for people at the end, and as one code for all."""

from collections import Counter
from collections.abc import Mapping

from noxcli.errors import ExitCode, NoxError, Phase, worst
from noxcli.render.terminal import Terminal
from noxcli.reports.endings import BECAME

LINES_TOLD = 8


class RowsLeft(NoxError):
    """Not every row completed; the code is that of the worst one."""

    phase = Phase.RUN

    def __init__(self, message: str, hint: str | None, code: ExitCode) -> None:
        super().__init__(message, hint)
        self.exit_code = code


class Summary:
    """Rows by exit code, and the messages of the first ones that did not complete."""

    def __init__(self, codes: Mapping[int, int] | None = None) -> None:
        self.codes = Counter(codes)
        self.first: list[str] = []

    def add(self, code: int, line: str) -> None:
        """Count a row; `line` is kept for the first ones that did not complete."""
        self.codes[code] += 1
        if code != ExitCode.OK and len(self.first) < LINES_TOLD:
            self.first.append(line)

    def became(self, not_started: int = 0) -> list[tuple[int, str]]:
        """Return the number of rows with each outcome."""
        counts = [(self.codes[code], BECAME.get(code, "left running")) for code in sorted(self.codes)]
        return [(count, words) for count, words in [*counts, (not_started, "not started")] if count]

    def say(self, terminal: Terminal, not_started: int = 0) -> None:
        """Write the same to stderr, and the messages of the first rows that did not complete."""
        for count, words in self.became(not_started):
            terminal.note(f"  {count:>7} {words}")
        for line in self.first:
            terminal.complain(f"noxcli: {line}")

    def raise_worst(self, rows: int, hint: str | None, cause: NoxError | None = None) -> None:
        """Raise one error for all, with `cause` for the interruption; do nothing if all completed."""
        codes = [code for code, count in self.codes.items() if count]
        if cause is not None:
            codes.append(cause.exit_code)
        code = worst(codes)
        if code == ExitCode.OK:
            return
        failed = sum(self.codes.values()) - self.codes[ExitCode.OK]
        why = f"{cause.message}; " if cause is not None else ""
        judged = {*codes} <= {ExitCode.OK, ExitCode.NOT_AS_ASSERTED}
        what = "completed, but an assertion failed" if judged else "did not complete"
        raise RowsLeft(f"{why}{failed} of {rows} rows {what}", hint, code)
