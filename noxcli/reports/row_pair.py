"""One row in two batches as reports show it: what differs, and its part of the document."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from noxcli.codec import to_json, to_sorted_json
from noxcli.errors import ExitCode
from noxcli.outputs.values import as_text, by_name, pointer_to, unwrapped
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, shorten
from noxcli.reports.failure_groups import ResultLine, brief_reason_in, run_in
from noxcli.reports.text_diff import Piece, excerpt, first_changes, in_color, marked, word_diff
from noxcli.timing import show_seconds

AROUND = 24  # characters around a change in one line
MAX_CHANGES = 160  # characters of all changes there
# Characters on a terminal: of a row's name, around each of a text's changes, and of all of them.
MAX_NAME = 60
AROUND_IN_WORDS = 120
MAX_IN_WORDS = 600
SIDES = ("BASE", "NEW")
OF_SEVERAL = {"varies": "vary", "fails": "fail"}


class Confirmed(NamedTuple):
    """A suspect of a gate: what was found, its class then, and how many further answers passed."""

    finding: str
    change: str | None  # None: as by the first round
    base: tuple[int, int]  # of how many
    new: tuple[int, int]
    numbers: tuple[Sequence[int], Sequence[int]] = ((), ())  # of these answers, by side

    def words(self) -> str:
        """Return what its further answers have shown."""
        sides = []
        for name, (good, asked) in zip(SIDES, (self.base, self.new), strict=True):
            if asked:
                sides.append(f"{name} passed {good} of {asked}")
        found = []
        if self.finding not in ("broken", "unclear", "varies"):
            found.append(self.finding)
        if sides:
            found.append(f"re-run: {', '.join(sides)}")
        return "; ".join(found)

    def document(self) -> dict[str, Any]:
        """Return its part of `noxcli.comparison/1`."""
        good_in_base, asked_in_base = self.base
        good_in_new, asked_in_new = self.new
        return {
            "verdict": self.finding,
            "asked": {"base": asked_in_base, "new": asked_in_new},
            "good": {"base": good_in_base, "new": good_in_new},
        }


@dataclass(eq=False, repr=False, slots=True, kw_only=True)
class RowPair:
    """The judged lines of a row in BASE and in NEW, and what was found.

    Found were its class as a word, and the reason. Values of both sides come in their order.
    """

    lines: Sequence[Sequence[ResultLine]]  # of a gate those of all rounds
    base: Sequence[ResultLine]  # those that class the row: a line for each repetition
    new: Sequence[ResultLine]
    repeat: int
    answers: Sequence[str]  # what each side says
    change: str
    reason: str = ""
    unjudged: bool = False  # there is no answer to judge
    seconds: Sequence[float | None]  # the median of the repetitions
    is_slower: bool = False
    outputs: Sequence[int]  # how many different ones
    shown: Sequence[ResultLine | None]  # the lines whose outputs are shown
    other_input: str | None = None  # that differs
    confirmed: Confirmed | None = None  # of a row that seemed broken
    further: Sequence[Sequence[ResultLine]] = ((), ())  # its answers then, by side

    @property
    def first(self) -> ResultLine:
        """The line that says most about the row itself."""
        lines = [*self.new, *self.base]
        for line in lines:
            if line["id"] is not None or line["input"] is not None:
                return line
        return lines[0]

    @property
    def first_input(self) -> str:
        """The first of its inputs as a text, empty without any."""
        values = list((self.first["input"] or {}).values())
        return as_text(values[0]) if values else ""

    @property
    def row(self) -> int:
        """Its number, in BASE if it is there."""
        number: int = (self.base or self.new)[0]["row"]
        return number

    @property
    def name(self) -> str:
        """Its id, or its number."""
        own_id = self.first["id"]
        return str(self.row if own_id is None else own_id)

    @property
    def codes(self) -> list[list[int]]:
        return [_codes_of(self.base), _codes_of(self.new)]

    @property
    def passed(self) -> list[int]:
        """How many repetitions pass."""
        return [codes.count(ExitCode.OK) for codes in self.codes]

    def what(self) -> str:
        """Return what differs, in one line."""
        parts = [self.reason] if self.reason else []
        if self.confirmed is not None:
            asked = self.confirmed.words()
            if asked:
                parts.append(asked)
            parts.append(_reason(self.new))
        elif self.change == "broken":
            parts += [*self._passed_words(), _reason(self.new)]
        elif self.change == "fixed":
            parts += [*self._passed_words(), f"was: {_reason(self.base)}"]
        elif self.change == "varies":
            parts.append(self._outputs_words())
        elif self.change == "fails":
            parts.append(_reason(self.base))
        elif self.change == "new":
            parts.append(f"now {_reason(self.new)}")
        elif self.change == "changed":
            parts.append(self._first_change())
        if self.is_slower:
            parts.append(" -> ".join(show_seconds(seconds or 0) for seconds in self.seconds))
        return "; ".join(parts)

    @property
    def scores(self) -> tuple[float, float] | None:
        """The scores of the answers that are shown, None if one has none."""
        base, new = self.shown
        if base is None or new is None:
            return None
        of_base = base.get("score")
        of_new = new.get("score")
        if of_base is None or of_new is None:
            return None
        return of_base, of_new

    def _passed_words(self) -> list[str]:
        """Return how many repetitions pass, if there are several."""
        if self.repeat == 1:
            return []
        sides = zip(self.passed, (self.base, self.new), strict=True)
        counts = [f"{passed} of {len(lines)}" for passed, lines in sides]
        return [f"passed {', now '.join(counts)}"]

    def _outputs_words(self) -> str:
        """Return how many different outputs the repetitions have."""
        sides = zip(self.outputs, (self.base, self.new), strict=True)
        counts = [f"{amount(outputs, 'output')} in {len(lines)}" for outputs, lines in sides]
        return ", now ".join(counts)

    def _first_change(self) -> str:
        (key, old, new), *others = self._changed()
        changes = marked(excerpt(first_changes(old, new, MAX_CHANGES), AROUND, MAX_CHANGES))
        more = f" (and {len(others)} more)" if others else ""
        return f"{key}: {changes}{more}"

    def differences(self) -> list[tuple[str, list[Piece]]]:
        """Return the outputs that differ between the results that are shown, as word diffs."""
        if not (self.base and self.new):
            return []
        return [(key, word_diff(old, new)) for key, old, new in self._changed()]

    def answer(self) -> list[tuple[str, str]]:
        """Return the outputs of BASE that are shown, as texts."""
        line = self.shown[0]
        if line is None:
            return []
        return [(key, as_text(value)) for key, value in outputs_in(line).items()]

    def _changed(self) -> list[tuple[str, str, str]]:
        """Return the outputs that differ, as texts."""
        base, new = (outputs_in(line) if line is not None else {} for line in self.shown)
        found = []
        for key in dict.fromkeys([*base, *new]):
            old = as_text(base[key]) if key in base else ""
            now = as_text(new[key]) if key in new else ""
            if old == now:  # as texts; 1 and "1" still differ
                old = to_json(base[key]) if key in base else ""
                now = to_json(new[key]) if key in new else ""
            if old != now:
                found.append((key, old, now))
        return found

    def document(self) -> dict[str, Any]:
        """Return its part of `noxcli.comparison/1`."""
        sides = {"base": self.base, "new": self.new}
        judged = {name: [_judgement_in(line) for line in lines] for name, lines in sides.items()}
        more = {"judgements": judged} if any(judged["base"] + judged["new"]) else {}
        return {
            "class": str(self.change),
            "reason": self.reason or None,
            "id": self.first["id"],
            "rows": {name: lines[0]["row"] if lines else None for name, lines in sides.items()},
            "what": self.what(),
            "suspect": None if self.confirmed is None else self.confirmed.document(),
            "slower": self.is_slower,
            "seconds": dict(zip(sides, self.seconds, strict=True)),
            "codes": dict(zip(sides, self.codes, strict=True)),
            "runs": {name: run_ids_of(lines) for name, lines in sides.items()},
            **more,
        }


def counted(change: str, count: int) -> str:
    """Return that this many rows are in the class."""
    verb = change
    if count > 1:
        verb = OF_SEVERAL.get(change, change)
    return f"{count:,} {verb}"


def diffs_of_pairs(terminal: Terminal, pairs: Iterable[RowPair]) -> str:
    """Return the outputs that differ, as colored word diffs, for `Terminal.show`."""
    shown = []
    for pair in pairs:
        for key, pieces in pair.differences():
            head = f"{shorten(pair.name, MAX_NAME)}, {key}: "
            shown.append("\n")
            shown.append(in_color(terminal, head, pieces, AROUND_IN_WORDS, MAX_IN_WORDS))
    return "".join(shown)


def outputs_in(line: ResultLine) -> Mapping[str, Any]:
    """Return the outputs, each in one form of those that the API has; files by their digests."""
    outputs = {key: unwrapped(value) for key, value in by_name(line["result"]["output"]).items()}
    files = line["result"].get("files")
    if not files:
        return outputs
    digests = {entry.get("pointer"): entry.get("sha256") for entry in files}
    return {key: _by_digest(value, (key,), digests) for key, value in outputs.items()}


def encoded_outputs(line: ResultLine) -> str:
    """Return the outputs as a text, which differs if they do."""
    return to_sorted_json(outputs_in(line))


def _by_digest(value: Any, keys: tuple[str | int, ...], digests: Mapping[Any, Any]) -> Any:
    if isinstance(value, dict):
        digest = digests.get(pointer_to(keys)) if value.keys() == {"$file"} else None
        if digest is not None:
            return digest
        return {key: _by_digest(each, (*keys, key), digests) for key, each in value.items()}
    if isinstance(value, list):
        return [_by_digest(each, (*keys, place), digests) for place, each in enumerate(value)]
    return value


def _reason(lines: Sequence[ResultLine]) -> str:
    """Return why the first result is not good that is not."""
    result = lines[0]["result"]
    for line in lines:
        if line["result"]["exit_code"] != ExitCode.OK:
            result = line["result"]
            break
    return brief_reason_in(result) or ExitCode(result["exit_code"]).words


def _judgement_in(line: ResultLine) -> dict[str, Any] | None:
    """Return what the judge says of an answer, None if it was not judged."""
    if "judge" not in line:
        return None
    return {"output": line["judge"], "run": line["judge_run"], "score": line.get("score")}


def _codes_of(lines: Sequence[ResultLine]) -> list[int]:
    return [line["result"]["exit_code"] for line in lines]


def run_ids_of(lines: Sequence[ResultLine]) -> list[str | None]:
    return [run_in(line["result"]).get("id") for line in lines]
