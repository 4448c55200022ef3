"""What must hold after a call of gate: its verdict is that of the rules, from what the server knows.

From the directory comes only which run is for which place, and which places have no result.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tests.research.world.gate_rules import (
    BAD,
    BROKEN,
    FAILED,
    GOOD,
    GRAY,
    NO_BASE,
    NONE,
    ROUNDS,
    UNCONFIRMED,
    VARIES,
    Answer,
    Place,
    Unclear,
    Undecided,
    Verdict,
    decide,
)
from tests.research.world.server import Run

if TYPE_CHECKING:
    from tests.research.world.oracle import Oracle

UNCLEAR = "unclear"
PLACES = 21  # of a row on a side
SIDES = 4
JUDGED = 2  # sides before that of an answer's judgement
ANSWERED = {0, 1, 11}  # the codes of an answer that has a result
TRIES = 2
FINAL = {"completed", "failed"}


def place_of(number: int) -> Place:
    """Return the row, side and place of an answer by its number in the directory."""
    row, rest = divmod(number - 1, SIDES * PLACES)
    side, place = divmod(rest, PLACES)
    return row, side, place + 1


def is_answered(line: dict[str, Any]) -> bool:
    """True for a result that counts; a judgement does only if it has completed."""
    _, side, _ = place_of(line["row"])
    return line["result"]["exit_code"] in (ANSWERED if side < JUDGED else {0})


def judgement_of(place: Place) -> Place:
    """Return the place of what the judge says about an answer."""
    row, side, number = place
    return row, side + JUDGED, number


def answer_of(place: Place) -> Place:
    """Return the place of the answer that is judged there; that of an answer is its own."""
    row, side, number = place
    return row, side % JUDGED, number


class GateOracle:
    """The answers of a gate as the server has them, and what they decide."""

    def __init__(self, oracle: "Oracle") -> None:
        self.oracle = oracle
        self.call = oracle.call
        self.rows = list(oracle.table(self.call).values())  # ids, in their order
        self.is_scored = "--score" in self.call.argv
        self.is_judged = "--judge" in self.call.argv
        self.started: Counter[Place] = Counter()
        self.tried: Counter[Place] = Counter()  # also those that were refused
        for line in oracle.journal.splitlines():
            if line.endswith("}"):
                self.note(json.loads(line))
        self.lines: dict[Place, tuple[dict[str, Any], Run | None]] = {}
        for stored, run in oracle.stored:
            self.lines[place_of(stored["row"])] = (stored, run)

    def note(self, line: dict[str, Any]) -> None:
        """Count the starts of each place."""
        if line.get("step") == "sent":
            self.started[place_of(line["row"])] += 1
            self.tried[place_of(line["row"])] += 1
        if line.get("step") == "withdrawn":
            self.started[place_of(line["row"])] -= 1

    def document(self) -> dict[str, Any] | None:
        """Return the comparison that the call has printed, None if it has not judged."""
        for line in self.call.out.splitlines():
            if line.startswith(b'{"schema":"noxcli.comparison/1"') and line.endswith(b"}"):
                document: dict[str, Any] = json.loads(line)
                return document if document.get("gate") else None
        return None

    def is_spent(self, place: Place) -> bool:
        """True if no more runs may be started for answers, or for judgements."""
        _, side, _ = place
        runs = 0
        for (_, other, _), count in self.started.items():
            if (other >= JUDGED) == (side >= JUDGED):
                runs += count
        return runs >= self.most

    def answer(self, place: Place) -> Answer | None:
        """Return what the server knows of a place, None if nothing was asked."""
        runs = self.started[place]
        if place not in self.lines:  # a start without a run leaves no line
            is_over = place in self.tried or self.is_spent(place)
            return Answer(NONE, None, runs) if is_over else None
        line, run = self.lines[place]
        if run is None or not is_answered(line):
            return Answer(NONE, None, runs)
        what = self.judged(run, judgement_of(place))
        return None if what is None else Answer(what, self.score(run, what), runs)

    def judged(self, run: Run, judgement: Place) -> str | None:
        """Return what a run is by the checks of this call, None if its judgement was not asked."""
        if run.truth == "failed":
            return FAILED
        if run.truth != "completed":
            return NONE
        if not self.is_judged:
            return GOOD if self.oracle.code_of(run) == 0 else BAD
        if judgement not in self.lines:
            return NONE if judgement in self.tried or self.is_spent(judgement) else None
        line, said = self.lines[judgement]
        if said is None or not is_answered(line):
            return NONE
        return GOOD if self.oracle.code_of(said) == 0 else BAD

    def score(self, run: Run, what: str) -> float | None:
        if not self.is_scored or what == FAILED:
            return None
        return None if run.score is None else float(run.score)

    @property
    def most(self) -> int:
        given = self.call.option("--max-runs")
        return int(given) if given else 12 * len(self.rows) + 300

    def verdict(self) -> tuple[Verdict, set[Place]]:
        return decide(len(self.rows), self.most, self.answer, is_scored=self.is_scored)

    # What must hold.

    def checks(self) -> Iterator[Callable[[], None]]:
        """Yield what is to be checked after the call."""
        document = self.document()
        if document is None:
            yield self.unjudged_is_not_green
            return
        if self.breaks_a_never():
            yield lambda: self.never_is_red(document)
            return
        try:
            verdict, asked = self.verdict()
        except Unclear:
            return
        except Undecided as reason:
            message = f"judged too early: {reason}"

            def too_early() -> None:
                raise AssertionError(message)

            yield too_early
            return
        yield lambda: self.looks_agree(verdict, document)
        yield lambda: self.suspects_agree(verdict, document)
        yield lambda: self.code_agrees(verdict, document)
        yield lambda: self.nothing_else_was_asked(asked, document)
        yield lambda: self.missing_answers_were_asked_again(asked)
        yield lambda: self.missing_answers_have_causes(asked)
        yield lambda: self.runs_are_counted(document)
        yield self.judgements_are_about_answers

    def unjudged_is_not_green(self) -> None:
        """A gate that prints no verdict has none."""
        if "--json" in self.call.argv and "--dry-run" not in self.call.argv:
            is_cut = "close" in self.call.step
            assert is_cut or self.call.code not in {0, 11}, f"{self.call.code} without a verdict"

    def looks_agree(self, verdict: Verdict, document: dict[str, Any]) -> None:
        told = []
        for look in document["gate"]["looks"]:
            told.append((look["broken"], look["fixed"], look["finding"]))
        looks = [(look.broken, look.fixed, look.color) for look in verdict.looks]
        assert told == looks, f"looks {told} instead of {looks}"

    def suspects_agree(self, verdict: Verdict, document: dict[str, Any]) -> None:
        told = {}
        for row in document["rows"]:
            if row["suspect"] is not None:
                told[row["id"]] = row["suspect"]["verdict"]
        known = {self.rows[row]: state for row, state in verdict.suspects.items()}
        is_first = len(verdict.looks) == 1 and verdict.is_worse
        for row in self.first_broken(verdict):
            known.setdefault(self.rows[row], UNCLEAR if is_first else VARIES)
        assert told == known, f"suspects {told} instead of {known}"
        counts = Counter(verdict.suspects.values())
        counted = {state: counts[state] for state in (BROKEN, VARIES, UNCONFIRMED, NO_BASE)}
        counted_there = document["gate"]["suspects"]
        assert counted_there == counted, f"counted {counted_there} instead of {counted}"

    def first_broken(self, verdict: Verdict) -> list[int]:
        """Return the rows whose first answers broke."""
        found = []
        for row in range(len(self.rows)):
            base, new = self.classing(row, verdict)
            if base == GOOD and new in {BAD, FAILED}:
                found.append(row)
        return found

    def classing(self, row: int, verdict: Verdict) -> tuple[str, str]:
        """Return the first answer of a row that has a result, on both sides."""
        found = []
        for side in range(2):
            first = NONE
            for place in range(1, len(verdict.looks) + 1):
                answer = self.answer((row, side, place))
                if answer is not None and answer.what != NONE and first == NONE:
                    first = answer.what
            found.append(first)
        return found[0], found[1]

    def code_agrees(self, verdict: Verdict, document: dict[str, Any]) -> None:
        code = self.right_code(verdict)
        told = document["exit_code"]
        assert told == code, f"exit code {told} instead of {code}: {document['reason']}"
        if self.call.calm:
            assert self.call.code == code, f"ended with {self.call.code} instead of {code}"

    def right_code(self, verdict: Verdict) -> int:
        """Return the first of 2, 11, 8 and 0 that holds."""
        pairs = [self.classing(row, verdict) for row in range(len(self.rows))]
        are_answered = all(NONE not in pair for pair in pairs)
        if are_answered and not any(GOOD in pair for pair in pairs):
            return 2
        if verdict.is_red:
            return 11
        is_undecided = verdict.looks[-1].color == GRAY
        if is_undecided and self.call.option("--fail-on") == "undecided":
            return 11
        allows_missing = "--allow-missing" in self.call.argv
        if allows_missing and not any(NONE not in pair for pair in pairs):
            return 2
        for row, pair in enumerate(pairs):
            if verdict.suspects.get(row) == VARIES:
                continue
            if not allows_missing and (NONE in pair or pair == (FAILED, BAD)):
                return 8
        return 0

    def breaks_a_never(self) -> bool:
        """True if what must never be is so in an answer of NEW in a round, which ends the gate."""
        never = self.call.option("--never")
        if not never:
            return False
        for (_, side, place), (line, run) in self.lines.items():
            is_of_a_round = side == 1 and place <= ROUNDS
            if not is_of_a_round or run is None or not is_answered(line):
                continue
            if run.truth == "completed" and self.oracle.holds(never, run):
                return True
        return False

    def any_passes(self) -> bool:
        known = [self.answer(place) for place in self.lines if place[1] <= 1]
        return any(answer is not None and answer.what == GOOD for answer in known)

    def never_is_red(self, document: dict[str, Any]) -> None:
        told = document["exit_code"]
        if told == 2 and not self.any_passes():
            return  # § 12, G17: 2 comes before 11
        is_never = told == 11 and "--never" in document["reason"]
        assert is_never, f"exit code {told} instead of 11: {document['reason']}"

    def nothing_else_was_asked(self, asked: set[Place], document: dict[str, Any]) -> None:
        """A place that the rules do not need is not asked, unless an earlier reading needed it."""
        if document["gate"]["checks_changed"] or self.oracle.has_other_checks():
            return
        if any(call.lacks_answers for call in self.oracle.calls):
            return  # which are asked again by the next call, and may then change what is needed
        more = {place for place in self.tried if answer_of(place) not in asked}
        assert not more, f"asked without a reason: {sorted(more)[:5]}"

    def missing_answers_were_asked_again(self, asked: set[Place]) -> None:
        for place in asked:
            answer = self.answer(place)
            if answer is None or answer.what != NONE:
                continue
            lacking = judgement_of(place) if self.is_to_be_judged(place) else place
            is_again = self.tried[lacking] >= TRIES
            is_spent = self.is_spent(lacking)
            assert is_again or is_spent, f"{lacking} has no result, and was asked once"

    def missing_answers_have_causes(self, asked: set[Place]) -> None:
        """What the server has answered counts, unless something went wrong on the way."""
        met = any(call.met or call.sent for call in self.oracle.calls)
        for place in asked:
            answer = self.answer(place)
            _, run = self.lines.get(place, (None, None))
            is_lost = answer is not None and answer.what == NONE
            if is_lost and run is not None and not (met or self.is_to_be_judged(place)):
                assert run.truth not in FINAL, f"{place} has a result: {run.truth}"

    def is_to_be_judged(self, place: Place) -> bool:
        """True if a place has an answer, to be judged."""
        line, run = self.lines.get(place, ({}, None))
        is_complete = run is not None and run.truth == "completed"
        return self.is_judged and is_complete and is_answered(line)

    def judgements_are_about_answers(self) -> None:
        """A judgement is given the whole stored answer and its question, and nothing else."""
        for place, (line, run) in self.lines.items():
            judgement = judgement_of(place)
            if run is None or judgement not in self.lines:
                continue
            _, said = self.lines[judgement]
            if said is not None:
                known = {"Question": run.question, "Answer": run.output["Answer"]}
                assert said.input == known, f"{said.input} is judged instead of {known}"
                assert is_answered(line), f"{place} has no answer, and is judged"

    def runs_are_counted(self, document: dict[str, Any]) -> None:
        """The runs of a gate are all that were started for it."""
        told = document["gate"]["runs"]
        started = self.oracle.started(*self.oracle.calls)
        runs = sum(not run.is_judgement for run in started)
        assert told >= runs, f"{told} runs are told, and {runs} were started"
        if not any(call.sent or call.met for call in self.oracle.calls):
            assert told == runs, f"{told} runs are told, and {runs} were started"
