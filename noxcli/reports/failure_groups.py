"""Why rows did not pass: the reason of each, and the reasons that many share, with their counts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from noxcli.errors import ExitCode
from noxcli.render.text import part_of
from noxcli.runs.node_data import MAX_REASON

MAX_REASONS = 8
REASONS_KEPT = 2000
MAX_ROWS = 3
ROWS_KEPT = 12
MAX_VALUES = 250  # characters of what one row's assertions found
# Parts of a message that differ from run to run, although the reason is the same.
PARTICULAR = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|\b[0-9a-f]{12,}\b"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?"
    r"|\b\d+(?:\.\d+)?(?=\s?(?:ms|s|m|h|seconds?|minutes?)\b)",
    re.IGNORECASE,
)
NO_VALUES = (None, "", "it is false")
ResultLine = Mapping[str, Any]  # of a batch, as it is printed and stored


def run_in(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the run of a result, empty if none was started."""
    run: Mapping[str, Any] | None = result["run"]
    return {} if run is None else run


@dataclass(slots=True, eq=False, repr=False)
class FailureGroup:
    """Why rows did not pass: what they share, and what is known of some of them."""

    shared: str
    first: str  # the first one with its message
    hint: str | None  # the same for all
    unit: str = "rows"  # or "runs", if each row has several
    count: int = 0
    rows: list[tuple[str, str]] = field(default_factory=list)  # names and places
    # What the assertions of the first rows found.
    values: dict[str, None] = field(default_factory=dict)

    def line(self) -> str:
        text = self.first
        if self.count > 1:
            names = [name for name, _ in self.rows[:MAX_ROWS]]
            if self.count > MAX_ROWS:
                names.append("…")
            text = f"{self.count} {self.unit} ({', '.join(names)}): {self.shared}"
            if self.values:
                text += f": {', or '.join(list(self.values)[:MAX_ROWS])}"
            if len(self.values) > MAX_ROWS:
                text += ", …"
        if self.hint:
            text += f"; {self.hint}"
        return text


class FailureGroups:
    """The reasons of rows, and how many rows each has."""

    def __init__(self) -> None:
        self._found: dict[str, FailureGroup] = {}

    def count(self, line: ResultLine) -> str:
        """Count the row of a line, and return what it may share with others."""
        error = line["result"]["error"] or {}
        hint = error.get("hint") or ""
        shared, _ = reasons_of(line)
        if shared not in self._found:
            if len(self._found) >= REASONS_KEPT:
                shared = "other reasons"
            unit = "runs" if "repetition" in line else "rows"
            first = FailureGroup(shared, f"{row_name(line)}: {error.get('message')}", hint, unit)
            self._found.setdefault(shared, first)
        reason = self._found[shared]
        reason.count += 1
        if hint != reason.hint:
            reason.hint = None
        if len(reason.rows) < ROWS_KEPT:
            reason.rows.append((_short_name(line), place_of(line)))
        if len(reason.values) <= MAX_ROWS:
            values = values_in(line)
            if values:
                reason.values[values] = None
        return shared

    def ranked(self) -> list[FailureGroup]:
        """Return the reasons, those of most rows first."""
        return sorted(self._found.values(), key=attrgetter("count"), reverse=True)

    def lines(self) -> list[str]:
        """Return a line for each reason."""
        ranked = self.ranked()
        lines = [reason.line() for reason in ranked[:MAX_REASONS]]
        others = ranked[MAX_REASONS:]
        if others:
            rows = sum(reason.count for reason in others)
            lines.append(f"{rows} rows: {len(others)} other reasons")
        return lines


def headline_of(
    codes: Mapping[int, int], rows: int, word: str = "row", *, judged: bool = False
) -> str:
    """Return how many rows failed, by their codes.

    If none did, return how many completed, or passed if all were `judged`.
    """
    bad = {code for code, count in codes.items() if count}
    bad.discard(ExitCode.OK)
    count = sum(codes[code] for code in bad)
    if not bad:
        count = codes.get(ExitCode.OK, 0)
        what = "passed" if judged else "completed"
    elif ExitCode.NOT_AS_ASSERTED in bad:
        what = "failed a check" if len(bad) == 1 else "did not pass"
    else:
        what = "did not complete"
    return f"{part_of(count, rows, word)} {what}"


def row_name(line: ResultLine) -> str:
    """Return the name of a row in messages: `row 12`, or `row 12 (its id)`."""
    if line["id"] is None:
        return f"row {line['row']}"
    return f"row {line['row']} ({line['id']})"


def _short_name(line: ResultLine) -> str:
    """Return the id of a row, else its number, and its repetition: `12`, `12.3` or `its id#3`."""
    if line["id"] is None:
        return place_of(line)
    if "repetition" in line:
        return f"{line['id']}#{line['repetition']}"
    return str(line["id"])


def place_of(line: ResultLine) -> str:
    """Return the number of a row, and of its repetition: `12` or `12.3`."""
    if "repetition" in line:
        return f"{line['row']}.{line['repetition']}"
    return str(line["row"])


def reason_in(result: Mapping[str, Any]) -> str:
    """Return the message of a result document's error, without its run; empty for no error."""
    run = run_in(result)
    error = result["error"] or {}
    message: str = error.get("message") or ""
    return message.removeprefix(f"run {run.get('id')} ")


def brief_reason_in(result: Mapping[str, Any]) -> str:
    """Return the same for a place that also shows that the run completed."""
    return reason_in(result).removeprefix("completed, but ")


def values_in(line: ResultLine) -> str:
    """Return what the assertions found that do not hold, in short; empty if nothing but that."""
    messages: dict[str, None] = {}
    for each in _broken_in(line):
        if each.get("message") not in NO_VALUES:
            messages[str(each["message"])] = None
    text = "; ".join(messages)
    if len(text) > MAX_VALUES:
        return f"{text[: MAX_VALUES - 1]}…"
    return text


def reasons_of(line: ResultLine) -> tuple[str, str]:
    """Return why a row did not pass: what it may share with other rows, and in full."""
    result = line["result"]
    broken = _broken_in(line)
    if broken:
        names = ", ".join(str(each.get("name")) for each in broken)
        verb = "does" if len(broken) == 1 else "do"
        reasons = [f"{each.get('name')}: {each.get('message') or 'it is false'}" for each in broken]
        return f"{names} {verb} not hold", "; ".join(reasons)
    message = reason_in(result).removeprefix("run ")
    if not message:
        message = ExitCode(result["exit_code"]).words
    return PARTICULAR.sub("…", message[:MAX_REASON]), message


def _broken_in(line: ResultLine) -> list[Mapping[str, Any]]:
    """Return the assertions of a line that do not hold."""
    return [each for each in line["result"].get("assertions", ()) if not each.get("holds")]
