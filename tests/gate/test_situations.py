"""No green without its sentence, and none that is false: what situations of a gate end with."""

import re
from collections.abc import Iterator, Mapping, Sequence
from math import comb, sqrt
from statistics import stdev
from typing import Any

import pytest

from noxcli.sandbox.scenario import Scenario, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import State, Step
from tests.conftest import Noxcli, Result, write_rows
from tests.gate.situations import Situation, Worth, all_situations

SAMPLE = 8  # of which one is played in the plain run
OUTPUTS = {"g": ("good", 5), "b": ("bad", 1), "c": ("bad", 5), "v": ("rude", 5), "x": ("good", "?")}
ENDS = {"f": "failed", "s": "stopped"}
# Lines that say how far it is, and what the sides are; all others are sentences on the verdict.
NO_SENTENCE = re.compile(
    r"round \d|\d\d:\d\d:\d\d |\d+ rows? may be broken: |judging |BASE base|NEW (new|base)|score [\d.]"
    r"|\d+ (same|changed|broken|varies|vary|fixed|unclear|missing|new|fail|fails)\b(, |$)"
    r"|noxcli: |continue with: |warning: "
)
LOST = re.compile(r"runs without a result: ")
WORTH = re.compile(r"this gate would have seen |no loss everywhere could be seen")
CHANGES = ("broken", "unclear", "varies", "fixed", "missing", "new", "removed", "fails")


def name_of(group: int, row: int) -> str:
    return f"{'abcdefghijklmnop'[group]}{row}"


class Play:
    """A situation in a sandbox: its workflow, and its judge."""

    def __init__(self, sandbox: Sandbox, situation: Situation) -> None:
        self.situation = situation
        self.letters = dict(self._letters())
        self.judge = ""
        if situation.is_judged:
            self.judge = sandbox.add(self._judge())
        self.workflow = sandbox.add(self._workflow())

    def _letters(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the letters of each row, in BASE and in NEW."""
        for group, rows in enumerate(self.situation.rows):
            for row in range(rows.count):
                yield name_of(group, row), (rows.base, rows.new)

    def letter(self, inputs: Mapping[str, Any]) -> str:
        base, new = self.letters[inputs["Q"]]
        letters = new if inputs["P"] == "new" else base
        turn: int = inputs["$turn"]
        return letters[min(turn, len(letters)) - 1]

    def _workflow(self) -> Scenario:
        def nodes(word: str) -> list[Any]:
            inputs = [input_node("Q"), input_node("P", default=word)]
            if self.judge:
                return [*inputs, output_node("Text")]
            return [*inputs, output_node("A"), output_node("Score")]

        def script(inputs: dict[str, Any]) -> Sequence[Step]:
            end = ENDS.get(self.letter(inputs))
            return [] if end is None else [State(end)]

        def output(inputs: dict[str, Any]) -> Mapping[str, Any]:
            letter = self.letter(inputs)
            if self.judge:
                return {"Text": f"{letter} {inputs['Q']} {inputs['P']} {inputs['$turn']}"}
            return judged(letter)

        versions = [Version(word, "", nodes(word)) for word in ("base", "new")]
        return Scenario(
            f"workflow of {self.situation.name}",
            nodes=nodes("base"),
            script=script,
            output=output,
            versions=versions,
        )

    def _judge(self) -> Scenario:
        def script(inputs: dict[str, Any]) -> Sequence[Step]:
            letter = inputs["Text"][0]
            is_lost = letter == "n" or (letter == "o" and inputs["$turn"] == 1)
            return [State("failed")] if is_lost else []

        return Scenario(
            f"judge of {self.situation.name}",
            nodes=[input_node("Text"), output_node("A"), output_node("Score")],
            script=script,
            output=lambda inputs: judged(inputs["Text"][0]),
        )

    def line(self) -> Sequence[str]:
        """Write the table, and return the line that judges it."""
        rows = []
        for group, alike in enumerate(self.situation.rows):
            for row in range(alike.count):
                name = name_of(group, row)
                rows.append({"$id": name, "Q": name, **alike.columns})
        of = "judge" if self.judge else "output"
        checks = [word.replace("{of}", of) for word in self.situation.argv]
        judge = ["--judge", self.judge] if self.judge else []
        table = write_rows(*rows)
        return ["gate", self.workflow, table, *self.situation.sides, *judge, *checks]


def judged(letter: str) -> Mapping[str, Any]:
    """Return what an answer with this letter is worth."""
    if letter.isdigit():
        return {"A": "good" if int(letter) >= 3 else "bad", "Score": int(letter)}
    answer, score = OUTPUTS.get(letter, ("good", 5))
    return {"A": answer, "Score": score}


def worth_of(worth: Worth, *, has_checks: bool, has_score: bool, is_lower: bool) -> str:
    """Return what a green must say, by the formulas of the rules, after all five rounds."""
    losses = []
    if has_checks:
        loss = loss_seen(worth.rows, worth.good / worth.answers, 1.85 if has_score else 1.7)
        if loss is not None:
            losses.append(f"a loss of {in_points(loss)} points everywhere")
    if any(worth.fallen):
        same = worth.pairs - len(worth.fallen)
        rows = worth.pairs if worth.pairs < 60 else worth.pairs // 5
        fall = 1.85 * stdev([*worth.fallen, *[0.0] * same]) / sqrt(rows)
        losses.append(f"a {'rise' if is_lower else 'fall'} of the score by {fall:.2g}")
    said = "no loss everywhere could be seen"
    if losses:
        said = f"this gate would have seen {' or '.join(losses)} in 8 of 10 cases"
    if not has_checks:
        return said
    seen = 100 * row_seen(worth.rows, worth.good / worth.answers)
    row = f"one row that turned 90 % bad in {seen:.0f} of 100"
    return f"{said}, and {row}" if losses else f"{said}; this gate would have seen {row}"


def in_points(loss: float) -> str:
    return f"{100 * loss:.0f}" if loss >= 0.01 else f"{max(0.1, 100 * loss):.1f}"


def loss_seen(rows: int, passing: float, deviations: float) -> float | None:
    a, u = deviations**2, 2 * passing - 1
    loss = (a * u + sqrt(a * a * u * u + 8 * rows * a * passing * (1 - passing))) / (2 * rows)
    return loss if loss < passing else None


def exactly(tosses: int, share: float, heads: int) -> float:
    return comb(tosses, heads) * share**heads * (1 - share) ** (tosses - heads)


def row_seen(rows: int, passing: float) -> float:
    """Return how often one row is broken that passed so often, and passes one time in ten."""
    uncleared = sum(exactly(4, passing, count) for count in range(3))
    serious = round(1 + rows * passing * (1 - passing) * uncleared)
    ways = [sum(comb(24, heads) for heads in range(12 + lead, 25)) for lead in range(13)]
    lead = next(lead for lead in range(1, 13) if 1000 * serious * ways[lead] <= 32 * 4**12)
    led = 0.0
    for base in range(13):
        for new in range(max(0, base - lead + 1)):
            led += exactly(12, passing, base) * exactly(12, 0.1, new)
    return passing * 0.9 * sum(exactly(4, 0.1, count) for count in range(3)) * led


def sentences(err: str, kind: re.Pattern[str] | None = None) -> list[str]:
    """Return the sentences on the verdict, of this kind or of none of the two that are computed."""
    found = []
    for line in err.splitlines():
        is_other = LOST.match(line) is None and WORTH.match(line) is None
        if NO_SENTENCE.match(line) is None and (kind.match(line) if kind else is_other):
            found.append(line)
    return found


def lost_words(situation: Situation) -> list[str]:
    base, new = situation.lost
    if not situation.is_judged:
        lost = f"{base} in BASE and {new} in NEW"
    else:
        lost = f"{base} in BASE, {new} in NEW and {situation.lost_by_judge} in the judge"
    return [f"runs without a result: {lost}"] if base or new or situation.lost_by_judge else []


def require_honest(situation: Situation, result: Result) -> None:
    """Check what it says: nothing that must be said is missing, and nothing else is said."""
    assert result.code == situation.code, result.err
    assert situation.error in result.err.splitlines()[-1], result.err
    if result.code == 2 or not result.out:
        return
    assert sentences(result.err) == [*situation.said], result.err
    is_same = "--allow-same" in situation.argv
    assert is_same or sentences(result.err, LOST) == lost_words(situation), result.err
    classes = {name: result.json["classes"].get(name, 0) for name in CHANGES}
    expected = {name: situation.classes.get(name, 0) for name in CHANGES}
    assert classes == expected
    worth = sentences(result.err, WORTH)
    if situation.worth is None:
        assert worth == []
        assert result.code != 0 or is_same, "a green says what it is worth"
        return
    words = " ".join(situation.argv)
    has_score = "--score" in words
    expected_worth = worth_of(
        situation.worth,
        has_checks="--assert" in words or not has_score,
        has_score=has_score,
        is_lower="--lower-is-better" in words,
    )
    assert worth == [expected_worth]


def parameters() -> Iterator[Any]:
    """Yield all situations; the world plays gates as well, so all but a sample are for the night."""
    for place, situation in enumerate(all_situations()):
        marks = [pytest.mark.nightly] if place % SAMPLE else []
        yield pytest.param(situation, id=situation.name, marks=marks)


@pytest.mark.parametrize("situation", list(parameters()))
def test_a_gate_says_what_it_must_and_nothing_else(
    noxcli: Noxcli, sandbox: Sandbox, situation: Situation
) -> None:
    play = Play(sandbox, situation)
    line = [*play.line(), "--json"]
    result = noxcli(*line)
    require_honest(situation, result)
    if result.code not in (0, 11):
        return
    paid = [len(sandbox.runs(workflow)) for workflow in (play.workflow, play.judge) if workflow]
    document = result.json["gate"]
    judge = document["judge"]
    counted = [document["runs"], *([judge["runs"]] if judge else [])]
    assert counted == paid
    if "missing" in situation.classes or "not confirmed" in situation.error:
        return  # which is asked again by the next call
    again = noxcli(*line)
    assert len(sandbox.runs(play.workflow)) == paid[0] + situation.later
    if not situation.later:
        require_honest(situation, again)
