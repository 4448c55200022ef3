"""Why rows did not pass: the reason of each, and the reasons that many share, with their counts."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from noxcli.errors import ExitCode
from noxcli.render.text import part_of
from noxcli.runs.node_data import MAX_REASON

MAX_REASONS, REASONS_KEPT, MAX_ROWS, ROWS_KEPT = 8, 2000, 3, 12
MAX_VALUES = 250  # characters of what one row's assertions found
# Parts of a message that differ from run to run, although the reason is the same.
PARTICULAR = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{12,}\b|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?"
    r"|\b\d+(?:\.\d+)?(?=\s?(?:ms|s|m|h|seconds?|minutes?)\b)",
    re.IGNORECASE,
)
NO_VALUES = (None, "", "it is false")
ResultLine = Mapping[str, Any]  # of a batch, as it is printed and stored


@dataclass(slots=True, eq=False, repr=False)
class FailureGroup:
    """Why rows did not pass: what they share, the first one with its message, names, places and values of some."""

    shared: str
    first: str
    hint: str | None  # the same for all
    count: int = 0
    rows: list[tuple[str, str]] = field(default_factory=list)
    values: dict[str, None] = field(
        default_factory=dict
    )  # what the assertions of the first rows found

    def line(self) -> str:
        names = ", ".join(name for name, _ in self.rows[:MAX_ROWS]) + (
            ", …" if self.count > MAX_ROWS else ""
        )
        values = f": {', or '.join(islice(self.values, MAX_ROWS))}" if self.values else ""
        values += ", …" if len(self.values) > MAX_ROWS else ""
        text = (
            self.first if self.count == 1 else f"{self.count} rows ({names}): {self.shared}{values}"
        )
        return f"{text}; {self.hint}" if self.hint else text


class FailureGroups:
    """The reasons of rows, and how many rows each has."""

    def __init__(self) -> None:
        self._found: dict[str, FailureGroup] = {}

    def count(self, line: ResultLine, paste: Callable[[str], str] = str) -> str:
        """Count the row of a line, and return what it may share with others. `paste` completes commands in its hint."""
        error, shared = line["result"]["error"] or {}, reasons_of(line)[0]
        if shared not in self._found and len(self._found) >= REASONS_KEPT:
            shared = "other reasons"
        own_id, hint = line["id"], paste(error.get("hint") or "")
        first = FailureGroup(shared, f"{row_name(line)}: {error.get('message')}", hint)
        reason = self._found.setdefault(shared, first)
        reason.count += 1
        reason.hint = hint if hint == reason.hint else None
        if len(reason.rows) < ROWS_KEPT:
            reason.rows.append((str(line["row"] if own_id is None else own_id), place_of(line)))
        if len(reason.values) <= MAX_ROWS and (values := values_in(line)):
            reason.values[values] = None
        return shared

    def ranked(self) -> list[FailureGroup]:
        """Return the reasons, those of most rows first."""
        return sorted(self._found.values(), key=lambda reason: -reason.count)

    def lines(self) -> list[str]:
        """Return a line for each reason."""
        ranked = self.ranked()
        lines = [reason.line() for reason in ranked[:MAX_REASONS]]
        if others := ranked[MAX_REASONS:]:
            lines.append(
                f"{sum(reason.count for reason in others)} rows: {len(others)} other reasons"
            )
        return lines


def headline_of(
    codes: Mapping[int, int], rows: int, word: str = "row", *, judged: bool = False
) -> str:
    """Return how many rows failed, by their codes; if none did, how many completed, or passed if all were `judged`."""
    bad = {code for code, count in codes.items() if count} - {ExitCode.OK}
    count = sum(codes[code] for code in bad) or codes.get(ExitCode.OK, 0)
    if not bad:
        what = "passed" if judged else "completed"
    elif ExitCode.NOT_AS_ASSERTED in bad:
        what = "failed a check" if len(bad) == 1 else "did not pass"
    else:
        what = "did not complete"
    return f"{part_of(count, rows, word)} {what}"


def row_name(line: ResultLine) -> str:
    """Return the name of a row in messages: `row 12`, or `row 12 (its id)`."""
    return f"row {line['row']}" + (f" ({line['id']})" if line["id"] is not None else "")


def place_of(line: ResultLine) -> str:
    """Return the number of a row, and of its repetition: `12` or `12.3`."""
    return f"{line['row']}" + (f".{line['repetition']}" if "repetition" in line else "")


def reason_in(result: Mapping[str, Any]) -> str:
    """Return the message of a result document's error, without its run; empty for no error."""
    run, error = result["run"] or {}, result["error"] or {}
    return (error.get("message") or "").removeprefix(f"run {run.get('id')} ")


def brief_reason_in(result: Mapping[str, Any]) -> str:
    """Return the same for a place that also shows that the run completed."""
    return reason_in(result).removeprefix("completed, but ")


def values_in(line: ResultLine) -> str:
    """Return what the assertions found that do not hold, in short; empty if nothing but that."""
    broken = [each for each in line["result"].get("assertions", ()) if not each.get("holds")]
    text = "; ".join(
        dict.fromkeys(
            str(each["message"]) for each in broken if each.get("message") not in NO_VALUES
        )
    )
    return text if len(text) <= MAX_VALUES else f"{text[: MAX_VALUES - 1]}…"


def reasons_of(line: ResultLine) -> tuple[str, str]:
    """Return why a row did not pass: what it may share with other rows, and in full."""
    result = line["result"]
    broken = [each for each in result.get("assertions", ()) if not each.get("holds")]
    if broken:
        names = ", ".join(str(each.get("name")) for each in broken)
        whole = "; ".join(
            f"{each.get('name')}: {each.get('message') or 'it is false'}" for each in broken
        )
        return f"{names} {'does' if len(broken) == 1 else 'do'} not hold", whole
    message = reason_in(result).removeprefix("run ") or ExitCode(result["exit_code"]).words
    return PARTICULAR.sub("…", message[:MAX_REASON]), message
