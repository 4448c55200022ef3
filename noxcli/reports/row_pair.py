"""One row in two batches: its class and the reason, what differs, its part of the document."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any, NamedTuple

from noxcli.codec import to_json
from noxcli.errors import ExitCode
from noxcli.outputs.values import HOLDERS, as_text, by_name, find_remote, pointer_to, unwrapped
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, shorten
from noxcli.reports.failure_groups import ResultLine, brief_reason_in
from noxcli.reports.text_diff import Piece, excerpt, first_changes, in_color, marked, word_diff
from noxcli.timing import show_seconds

ENCODER = json.JSONEncoder(sort_keys=True)  # of all rows: `json.dumps` makes one each time
SLOWER_BY, SLOWER_SECONDS = (
    1.25,
    1.0,
)  # a slower row takes this many times as long, and this much longer
AROUND, MAX_CHANGES = 24, 160  # characters: around a change in one line, and of all changes there
# Characters on a terminal: of a row's name, around each of a text's changes, and of all of them.
MAX_NAME, AROUND_IN_WORDS, MAX_IN_WORDS = 60, 120, 600
SIDES = ("BASE", "NEW")
NOT_HERE = "not in this file"  # of a row that printed lines lack: its table may have it


class RowClass(StrEnum):
    """The class of a row, in the order in which rows are listed."""

    BROKEN = "broken"
    CHANGED = "changed"
    SLOWER = "slower"
    FIXED = "fixed"
    NEW = "new"
    REMOVED = "removed"
    MISSING = "missing"
    VARIES = "varies"
    SAME = "same"

    def counted(self, count: int) -> str:
        """Return that this many rows are in it."""
        return f"{count:,} {'vary' if self is RowClass.VARIES and count > 1 else self}"


class SideVerdict(StrEnum):
    """What one side says of a row."""

    GOOD = "good"
    BAD = "bad"
    FAILED = "failed"  # its run failed: in NEW, that is bad
    NONE = "none"  # nothing was seen that can be judged
    ABSENT = "absent"  # its table does not have the row


ANSWERS: Mapping[int, SideVerdict] = {
    ExitCode.OK: SideVerdict.GOOD,
    ExitCode.NOT_AS_ASSERTED: SideVerdict.BAD,
    ExitCode.RUN_FAILED: SideVerdict.FAILED,
}


@dataclass(frozen=True, slots=True)
class PassRule:
    """How often each row is run, and how many of these repetitions must pass."""

    repeat: int = 1
    needed: int = 1
    of_gate: bool = False  # which needs an answer on both sides

    def answer(self, codes: Sequence[int]) -> SideVerdict:
        """Return what the codes of a row's lines say: nothing as long as those without an answer could still decide."""
        if len(codes) < self.repeat or ExitCode.NOT_FINISHED in codes:
            return SideVerdict.NONE
        found = [ANSWERS.get(code, SideVerdict.NONE) for code in codes]
        good = found.count(SideVerdict.GOOD)
        if good >= self.needed:
            return SideVerdict.GOOD
        if good + found.count(SideVerdict.NONE) >= self.needed:
            return SideVerdict.NONE
        return (
            SideVerdict.FAILED
            if {*found} <= {SideVerdict.GOOD, SideVerdict.FAILED}
            else SideVerdict.BAD
        )


class Confirmed(NamedTuple):
    """A suspect of a gate: what was found, its class then, and how many of its further answers pass on each side."""

    finding: str
    change: RowClass | None  # None: as by the first round
    base: tuple[int, int]  # of how many
    new: tuple[int, int]

    def words(self) -> str:
        """Return what its further answers have shown."""
        counts = zip(SIDES, self[2:], strict=True)
        sides = [f"{name} passed {good} of {asked}" for name, (good, asked) in counts if asked]
        found = [] if self.finding in ("broken", "varies") else [self.finding]
        return "; ".join([*found, *([f"re-run: {', '.join(sides)}"] if sides else [])])

    def document(self) -> dict[str, Any]:
        """Return its part of `noxcli.comparison/1`."""
        counts = {"base": self.base, "new": self.new}
        return {
            "verdict": self.finding,
            "asked": {name: asked for name, (_, asked) in counts.items()},
            "good": {name: good for name, (good, _) in counts.items()},
        }


class Classification(NamedTuple):
    """The class of a row; `unjudged` if there is no answer to judge, so that the comparison ends with 8."""

    change: RowClass
    reason: str = ""
    unjudged: bool = False


@dataclass(eq=False, repr=False)  # without slots: it keeps what is computed from it
class RowPair:
    """The judged lines of one row in BASE and in NEW: one for each repetition, of a gate one for each round.

    The class is that of `base` and `new`, in a gate the first round. A side without lines has a gap that says why, or
    None if its whole table lacks the row. `other_input` names an input that differs, so that the two answers are not to
    one question.
    """

    lines: Sequence[Sequence[ResultLine]]  # of BASE, and of NEW
    rule: PassRule = PassRule()
    gaps: Sequence[str | None] = (None, None)
    other_input: str | None = None
    confirmed: Confirmed | None = None  # of a row that seemed broken

    def __post_init__(self) -> None:
        self.base, self.new = (lines[: self.rule.repeat] for lines in self.lines)
        self.codes = [
            [line["result"]["exit_code"] for line in lines] for lines in (self.base, self.new)
        ]
        self.passed = [codes.count(ExitCode.OK) for codes in self.codes]
        self.answers = [
            self.rule.answer(codes) if codes or gap is not None else SideVerdict.ABSENT
            for codes, gap in zip(self.codes, self.gaps, strict=True)
        ]
        self.seconds = _took(self.base), _took(self.new)  # the median of the repetitions
        self.verdict = self._classified()

    @property
    def first(self) -> ResultLine:
        lines = [*self.new, *self.base]
        return next(
            (line for line in lines if line["id"] is not None or line["input"] is not None),
            lines[0],
        )

    @property
    def first_input(self) -> str:
        """The first of its inputs as a text, empty without any."""
        return as_text(next(iter((self.first["input"] or {}).values()), ""))

    @property
    def row(self) -> int:
        """Its number, in BASE if it is there."""
        number: int = (self.base or self.new)[0]["row"]
        return number

    @property
    def name(self) -> str:
        """Its id, or its number."""
        return str(self.row if self.first["id"] is None else self.first["id"])

    @property
    def change(self) -> RowClass:
        return self.verdict.change

    def _classified(self) -> Classification:
        """Return the class of the row, by the table in docs/compare.md."""
        if self.confirmed is not None and self.confirmed.change is not None:
            return Classification(self.confirmed.change)
        base, new = self.answers
        if new is SideVerdict.ABSENT:
            return Classification(RowClass.REMOVED, "not in NEW")
        if new is SideVerdict.NONE:
            why = self._why_none(self.new, self.gaps[1])
            return Classification(RowClass.MISSING, f"no answer in NEW ({why})", True)
        if self.other_input is not None:
            return Classification(RowClass.NEW, f"another input than in BASE: {self.other_input}")
        good = new is SideVerdict.GOOD
        match base:
            case SideVerdict.ABSENT:
                return Classification(RowClass.NEW, "not in BASE")
            case SideVerdict.NONE:
                why = self._why_none(self.base, self.gaps[0])
                unjudged = self.rule.of_gate or not good or why == NOT_HERE
                return Classification(RowClass.NEW, f"no answer in BASE ({why})", unjudged)
            case SideVerdict.FAILED if new is SideVerdict.BAD:
                return Classification(RowClass.NEW, "no answer in BASE (failed)", True)
            case SideVerdict.FAILED if not good:
                return Classification(RowClass.SAME, "still fails")
        if good is not (base is SideVerdict.GOOD):
            return Classification(RowClass.FIXED if good else RowClass.BROKEN)
        before, after = _outputs(self.base), _outputs(self.new)
        if len(before) > 1:
            return Classification(RowClass.VARIES)
        return Classification(
            RowClass.CHANGED
            if before != after
            else RowClass.SLOWER
            if self.is_slower
            else RowClass.SAME
        )

    def _why_none(self, lines: Sequence[ResultLine], gap: str | None) -> str:
        if not lines:
            return gap or ""
        if len(lines) < self.rule.repeat:
            return f"{len(lines)} of {self.rule.repeat} repetitions"
        result = next(line["result"] for line in lines if answer_of(line) is SideVerdict.NONE)
        return brief_reason_in(result) or ExitCode(result["exit_code"]).words

    @property
    def is_slower(self) -> bool:
        base, new = self.seconds
        if base is None or new is None or self.other_input is not None:
            return False
        return new > SLOWER_BY * base and new - base > SLOWER_SECONDS

    @property
    def has_unread_files(self) -> bool:
        """True if outputs have files that were not downloaded, so that their content was not compared."""
        outputs = (by_name(line["result"]["output"]) for line in (*self.base, *self.new))
        holders = (
            value for each in outputs for value in each.values() if isinstance(value, HOLDERS)
        )
        return any(not remote.is_text for value in holders for remote in find_remote(value))

    def what(self) -> str:
        """Return what differs, in one line."""
        change, parts = self.change, [self.verdict.reason] if self.verdict.reason else []
        if self.confirmed is not None:
            parts += [self.confirmed.words(), _reason(self.new)]
        elif change in {RowClass.BROKEN, RowClass.FIXED}:
            counts = (
                f"{passed} of {len(codes)}"
                for passed, codes in zip(self.passed, self.codes, strict=True)
            )
            parts += [] if self.rule.repeat == 1 else [f"passed {', now '.join(counts)}"]
            parts += [
                _reason(self.new) if change is RowClass.BROKEN else f"was: {_reason(self.base)}"
            ]
        elif change is RowClass.VARIES:
            counted = (
                f"{amount(len(_outputs(lines)), 'output')} in {len(lines)}"
                for lines in (self.base, self.new)
            )
            parts.append(", now ".join(counted))
        elif change is RowClass.NEW:
            parts.append(f"now {_reason(self.new)}")
        elif change is RowClass.CHANGED:
            (key, old, new), *others = self._changed()
            more = f" (and {len(others)} more)" if others else ""
            parts.append(
                f"{key}: {marked(excerpt(first_changes(old, new, MAX_CHANGES), AROUND, MAX_CHANGES))}{more}"
            )
        if self.is_slower:
            parts.append(" -> ".join(show_seconds(seconds or 0) for seconds in self.seconds))
        return "; ".join(parts)

    def differences(self) -> list[tuple[str, list[Piece]]]:
        """Return the outputs that differ between the first results of both sides, as word diffs."""
        both = self.base and self.new
        return [(key, word_diff(old, new)) for key, old, new in self._changed()] if both else []

    def _changed(self) -> list[tuple[str, str, str]]:
        """Return the outputs that differ: those of the first repetitions that differ, as texts."""
        before, others = (
            [line for line in self.base if answer_of(line) is not SideVerdict.NONE][:1],
            list(self.new),
        )
        if len(others) > 1:
            others = [
                line for line in self.new if _outputs([line]) not in (set(), _outputs(before))
            ] or others
        base, new = (_values(lines[0]) if lines else {} for lines in (before or self.base, others))
        found = []
        for key in dict.fromkeys([*base, *new]):
            old, now = (as_text(side[key]) if key in side else "" for side in (base, new))
            if old == now:  # as texts; 1 and "1" still differ
                old, now = (to_json(side[key]) if key in side else "" for side in (base, new))
            if old != now:
                found.append((key, old, now))
        return found

    def document(self) -> dict[str, Any]:
        """Return its part of `noxcli.comparison/1`."""
        sides = {"base": self.base, "new": self.new}
        return {
            "class": str(self.change),
            "reason": self.verdict.reason or None,
            "id": self.first["id"],
            "rows": {name: lines[0]["row"] if lines else None for name, lines in sides.items()},
            "what": self.what(),
            "suspect": None if self.confirmed is None else self.confirmed.document(),
            "slower": self.is_slower,
            "seconds": dict(zip(sides, self.seconds, strict=True)),
            "codes": dict(zip(sides, self.codes, strict=True)),
            "runs": {
                name: [(line["result"]["run"] or {}).get("id") for line in lines]
                for name, lines in sides.items()
            },
        }


def diffs_of_pairs(terminal: Terminal, pairs: Iterable[RowPair]) -> str:
    """Return the outputs that differ, as colored word diffs, for `Terminal.show`."""
    differing = ((pair, *each) for pair in pairs for each in pair.differences())
    return "".join(
        "\n"
        + in_color(
            terminal,
            f"{shorten(pair.name, MAX_NAME)}, {key}: ",
            pieces,
            AROUND_IN_WORDS,
            MAX_IN_WORDS,
        )
        for pair, key, pieces in differing
    )


def answer_of(line: ResultLine) -> SideVerdict:
    """Return what one judged line says."""
    return ANSWERS.get(line["result"]["exit_code"], SideVerdict.NONE)


def _reason(lines: Sequence[ResultLine]) -> str:
    """Return why the first result is not good that is not."""
    results = [line["result"] for line in lines]
    result = next((each for each in results if each["exit_code"] != ExitCode.OK), results[0])
    return brief_reason_in(result) or ExitCode(result["exit_code"]).words


def _took(lines: Sequence[ResultLine]) -> float | None:
    times = [(line["result"]["run"] or {}).get("duration_s") for line in lines]
    took = [seconds for seconds in times if seconds is not None]
    return median(took) if took else None


def _values(line: ResultLine) -> Mapping[str, Any]:
    """Return the outputs, each in one form of those that the API has for it; files by their digests."""
    digests = {
        entry.get("pointer"): entry.get("sha256") for entry in line["result"].get("files") or ()
    }
    outputs = {key: unwrapped(value) for key, value in by_name(line["result"]["output"]).items()}
    return (
        {key: _by_digest(value, (key,), digests) for key, value in outputs.items()}
        if digests
        else outputs
    )


def _by_digest(value: Any, keys: tuple[str | int, ...], digests: Mapping[Any, Any]) -> Any:
    if isinstance(value, dict):
        digest = digests.get(pointer_to(keys)) if value.keys() == {"$file"} else None
        return (
            {key: _by_digest(each, (*keys, key), digests) for key, each in value.items()}
            if digest is None
            else digest
        )
    if isinstance(value, list):
        return [_by_digest(each, (*keys, place), digests) for place, each in enumerate(value)]
    return value


def _outputs(lines: Sequence[ResultLine]) -> set[tuple[tuple[str, str], ...]]:
    """Return the different outputs of what was answered, as texts."""
    answered = (_values(line) for line in lines if answer_of(line) is not SideVerdict.NONE)
    return {
        tuple(sorted((key, ENCODER.encode(value)) for key, value in values.items()))
        for values in answered
    }
