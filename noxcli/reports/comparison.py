"""What changed between the results of one row: its class, what differs in one line, and its part of the document."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from noxcli.codec import to_json
from noxcli.errors import DECIDED, ExitCode
from noxcli.outputs.values import as_text, by_name, unwrapped
from noxcli.render.line import Look
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, shorten
from noxcli.reports.reasons import brief_reason_in
from noxcli.reports.words import Piece, excerpt, in_color, marked, word_diff
from noxcli.timing import show_seconds

# A row with another code has not finished: its verdict is still open.
SLOWER_BY, SLOWER_SECONDS = 1.25, 1.0  # a slower row takes this many times as long, and this much longer
AROUND, LONGEST = 24, 160  # characters: around a change in one line, and of all changes there
LONGEST_NAME, MOST_IN_WORDS = 60, 600  # characters on a terminal: of a row's name, and of a text's changes
Line = Mapping[str, Any]  # of results


class Change(StrEnum):
    """What became of a row, in the order in which rows are listed."""

    BROKEN = "broken"
    CHANGED = "changed"
    SLOWER = "slower"
    FIXED = "fixed"
    NEW = "new"
    MISSING = "missing"
    VARIES = "varies"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Pair:
    """The results of one row in BASE and in NEW, one for each repetition; one side may have none.

    `each` is the number of repetitions that must be good, None for all.
    """

    base: Sequence[Line]
    new: Sequence[Line]
    each: int | None = None

    @property
    def first(self) -> Line:
        return (self.base or self.new)[0]

    @property
    def row(self) -> int:
        """Its number, in BASE if it is there."""
        number: int = self.first["row"]
        return number

    @property
    def name(self) -> str:
        """Its id, or its number."""
        return str(self.row if self.first["id"] is None else self.first["id"])

    @property
    def change(self) -> Change:
        base, new = is_good(self.base, self.each), is_good(self.new, self.each)
        if new is None and self.base:
            return Change.MISSING
        if base is None:
            return Change.NEW
        if base is not new:
            return Change.BROKEN if base else Change.FIXED
        before, after = _outputs(self.base), _outputs(self.new)
        if len(before) > 1 or (before != after and before & after):
            return Change.VARIES
        if before != after:
            return Change.CHANGED
        return Change.SLOWER if self.is_slower else Change.SAME

    @property
    def seconds(self) -> tuple[float | None, float | None]:
        """How long its runs took in BASE and in NEW: the median of the repetitions."""
        return _took(self.base), _took(self.new)

    @property
    def is_slower(self) -> bool:
        base, new = self.seconds
        if base is None or new is None:
            return False
        return new > SLOWER_BY * base and new - base > SLOWER_SECONDS

    def what(self) -> str:
        """Return what differs, in one line."""
        change, parts = self.change, []
        if change in {Change.BROKEN, Change.FIXED}:
            parts += (
                []
                if len(self.base) == len(self.new) == 1
                else [f"passed {_passed(self.base)}, now {_passed(self.new)}"]
            )
            parts += [_reason(self.new) if change is Change.BROKEN else f"was: {_reason(self.base)}"]
        elif change is Change.VARIES:
            counts = (f"{amount(len(_outputs(lines)), 'output')} in {len(lines)}" for lines in (self.base, self.new))
            parts.append(", now ".join(counts))
        elif change is Change.NEW:
            parts.append(f"{'unfinished' if self.base else 'not'} in BASE, now {_reason(self.new)}")
        elif change is Change.MISSING:
            parts.append(f"unfinished in NEW: {_reason(self.new)}" if self.new else "not in NEW")
        elif change is Change.CHANGED:
            (key, pieces), *others = self.differences()
            more = f" (and {len(others)} more)" if others else ""
            parts.append(f"{key}: {marked(excerpt(pieces, AROUND, LONGEST))}{more}")
        if self.is_slower:
            parts.append(" -> ".join(show_seconds(seconds or 0) for seconds in self.seconds))
        return "; ".join(parts)

    def differences(self) -> list[tuple[str, list[Piece]]]:
        """Return the outputs that differ between the first results of both sides, by words."""
        base, new = (_values(lines[0]) if lines else {} for lines in (self.base, self.new))
        found = []
        for key in dict.fromkeys([*base, *new]):
            old, now = (as_text(side[key]) if key in side else "" for side in (base, new))
            if old == now:  # as texts; 1 and "1" still differ
                old, now = (to_json(side[key]) if key in side else "" for side in (base, new))
            if old != now:
                found.append((key, word_diff(old, now)))
        return found

    def document(self) -> dict[str, Any]:
        """Return its part of `noxcli.comparison/1`."""
        sides = {"base": self.base, "new": self.new}
        return {
            "class": str(self.change),
            "id": self.first["id"],
            "rows": {name: lines[0]["row"] if lines else None for name, lines in sides.items()},
            "what": self.what(),
            "slower": self.is_slower,
            "seconds": dict(zip(sides, self.seconds, strict=True)),
            "codes": {name: [line["result"]["exit_code"] for line in lines] for name, lines in sides.items()},
            "runs": {
                name: [(line["result"]["run"] or {}).get("id") for line in lines] for name, lines in sides.items()
            },
        }


def pairs_in_words(terminal: Terminal, pairs: Iterable[Pair]) -> str:
    """Return the outputs that differ, by words and in color, for `Terminal.show`."""
    look = Look.of(terminal, on_stdout=True)
    return "".join(
        f"\n{in_color(look, f'{shorten(pair.name, LONGEST_NAME)}, {key}: ', pieces, MOST_IN_WORDS // 5, MOST_IN_WORDS)}"
        for pair in pairs
        if pair.base and pair.new
        for key, pieces in pair.differences()
    )


def is_good(lines: Sequence[Line], each: int | None) -> bool | None:
    """Return whether enough repetitions of a row are good, None if that is still open."""
    codes = [line["result"]["exit_code"] for line in lines]
    needed, passed = min(each or len(codes), len(codes)), codes.count(ExitCode.OK)
    still_open = sum(code not in DECIDED for code in codes)
    if not codes or passed < needed <= passed + still_open:
        return None
    return passed >= needed


def _passed(lines: Sequence[Line]) -> str:
    return f"{sum(line['result']['exit_code'] == ExitCode.OK for line in lines)} of {len(lines)}"


def _reason(lines: Sequence[Line]) -> str:
    """Return why the first result is not good that is not."""
    results = [line["result"] for line in lines]
    result = next((each for each in results if each["exit_code"] != ExitCode.OK), results[0])
    return brief_reason_in(result) or ExitCode.words_of(result["exit_code"])


def _took(lines: Sequence[Line]) -> float | None:
    times = ((line["result"]["run"] or {}).get("duration_s") for line in lines)
    took = [seconds for seconds in times if seconds is not None]
    return median(took) if took else None


def _values(line: Line) -> Mapping[str, Any]:
    """Return the outputs, each in one form of those that the API has for it."""
    return {key: unwrapped(value) for key, value in by_name(line["result"]["output"]).items()}


def _outputs(lines: Sequence[Line]) -> set[str]:
    """Return the different outputs, as texts."""
    return {json.dumps(_values(line), sort_keys=True) for line in lines}
