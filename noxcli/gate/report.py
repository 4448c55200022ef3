"""What a gate has found, as text and in its part of the document."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from noxcli.batchdir.header import BatchHeader
from noxcli.checks.merge import MergedBatch
from noxcli.checks.row_checker import NEVER
from noxcli.compare.side import GateSide, Side
from noxcli.compare.significance import chance_of, counts_of, fall_seen, loss_seen, row_seen
from noxcli.compare.summary import RETRY
from noxcli.errors import NotAsAsserted, NoxError
from noxcli.gate.answers import GateAnswers, name_of_side
from noxcli.gate.call import header_of_side
from noxcli.gate.rules import (
    BASE,
    BLOCK,
    JUDGES,
    MAX_ROUNDS,
    NEW,
    SCREEN,
    GateVerdict,
    SuspectState,
)
from noxcli.inputs.parse import Inputs
from noxcli.render.text import amount, in_prose
from noxcli.reports.comparison_facts import WORSE
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.row_pair import SIDES

NAMES_OF_LOST = {"base": "BASE", "new": "NEW", "judge": "the judge"}


class GateReport:
    """The verdict of a gate, and what its answers say of it."""

    def __init__(
        self,
        verdict: GateVerdict,
        answers: GateAnswers,
        *,
        checks_changed: bool,
        fails_undecided: bool = False,
    ) -> None:
        self._fails_undecided = fails_undecided
        self._verdict = verdict
        self._answers = answers
        self._checks_changed = checks_changed
        self._started = answers.answers_started
        self.runs = amount(self._started, "run")
        self.document = self._document()

    def _document(self) -> dict[str, Any]:
        """Return the gate's part of `noxcli.comparison/1`."""
        rules = self._answers.rules
        answered = len(self._answers.rows_answered(self._verdict))
        judged = len(self._answers.rows_judged(self._verdict))
        rate = self._answers.pass_rate(self._verdict)
        rounds = len(self._verdict.looks)
        affordable = max(0, rules.max_runs - self._started) // rules.round_runs
        possible = rounds + min(MAX_ROUNDS - rounds, affordable)
        return {
            "rounds": rounds,
            "runs": self._started,
            "max_runs": rules.max_runs,
            "looks": [look.document() for look in self._verdict.looks],
            "suspects": {str(state): len(self._verdict.rows(state)) for state in SuspectState},
            "loss_seen": loss_seen(judged, rate, possible, scored=rules.scored),
            "fall_seen": fall_seen(self._verdict.looks[-1].differences, answered, possible),
            "row_seen": row_seen(judged, rate) if judged else 0.0,
            "neither": self._answers.rows_on_neither(self._verdict),
            "lost": self._lost(),
            "checks_changed": self._checks_changed,
            "judge": self._judge_document(),
            "other_versions": {
                "base": len(self._answers.other_versions[BASE]),
                "new": len(self._answers.other_versions[NEW]),
            },
        }

    def _lost(self) -> dict[str, int]:
        """Return how many runs of each side ended without a result, those of a judge together."""
        lost = {"base": self._answers.lost(BASE), "new": self._answers.lost(NEW)}
        if self._answers.judge is not None:
            lost["judge"] = sum(self._answers.lost(side) for side in JUDGES)
        return lost

    def _judge_document(self) -> dict[str, Any] | None:
        """Return what the document says of the judge, None without one."""
        judge = self._answers.judge
        if judge is None:
            return None
        return {
            "workflow_id": judge.workflow.id,
            "workflow_name": judge.workflow.name,
            "version_id": judge.workflow.version_id,
            "version_name": judge.workflow.version_name or None,
            "inputs": {key: query.text for key, query in judge.inputs.items()},
            "runs": self._answers.judgements_started,
            "max_runs": self._answers.rules.max_runs,
        }

    def why_red(self, names: str) -> NoxError | None:
        """Return why the gate is red, and what decides rows that are not confirmed.

        `names` are those that fail.
        """
        verdict = self._verdict
        if verdict.is_undecided and self._fails_undecided:
            return NotAsAsserted(f"{self._undecided()} ({self.runs}; --fail-on undecided)")
        if not verdict.is_red:
            return None
        if verdict.forbidden:
            rows = amount(len(verdict.forbidden), "row")
            return NotAsAsserted(f"{NEVER} holds in {rows} ({self.runs}): {names}")
        if verdict.is_worse:
            look = verdict.looks[-1]
            what = f"{WORSE}: {look.words()} in {amount(look.rounds, 'round')}"
            return NotAsAsserted(f"{what}; no row alone is confirmed")
        hint = None
        unconfirmed = len(verdict.rows(SuspectState.UNCONFIRMED))
        if unconfirmed:
            hint = self._way_to_confirm(unconfirmed)
        return NotAsAsserted(f"{verdict.words()} ({self.runs}): {names}", hint)

    def _way_to_confirm(self, unconfirmed: int) -> str:
        each = BLOCK + len(SCREEN)
        most = self._answers.rules.max_runs
        if self._started + each > most:
            return f"--max-runs {max(most, self._started) + unconfirmed * each} decides them"
        return f"the server gave too few answers to decide; {RETRY}"

    def notes(self, ending: NoxError | None) -> Iterator[str]:
        """Yield what users should know about the verdict."""
        verdict = self._verdict
        look = verdict.looks[-1]
        is_open = verdict.is_undecided
        if is_open and not self._fails_undecided:
            green = "; green" if ending is None else ""
            yield f"{self._undecided()}{green}"
        # The error says what is known of rows that are broken or not confirmed.
        is_red_by_rows = verdict.is_red and not verdict.is_worse
        if look.broken and not is_red_by_rows:
            often = chance_of(look.broken, look.fixed)
            what = counts_of(look.broken, look.fixed, "answer")
            yield often if is_open else f"{what}: {often}"
        if verdict.suspects and not is_red_by_rows:
            yield f"seemed broken: {verdict.words()}"
        for side, others in self._answers.other_versions.items():
            if others:
                of_side = f"{amount(len(others), 'answer')} of {name_of_side(side)}"
                yield f"{of_side} not judged: the record names version {others[-1]}"
        yield from self._lost_words()
        neither = self.document["neither"]
        if neither:
            verb = "passes" if neither == 1 else "pass"
            yield f"{amount(neither, 'row')} {verb} in neither version, and could not break"
        if ending is None:
            yield self._worth()
        if self._checks_changed:
            yield (
                "these checks were chosen after answers were seen, so that an unchanged workflow "
                "may fail in more than 5 of 100 gates"
            )

    def _undecided(self) -> str:
        look = self._verdict.looks[-1]
        return f"not decided after {amount(look.rounds, 'round')}: {look.words()}"

    def _lost_words(self) -> Iterator[str]:
        """Yield how many runs ended without a result, by side."""
        lost = self.document["lost"]
        if any(lost.values()):
            sides = [f"{count:,} in {NAMES_OF_LOST[side]}" for side, count in lost.items()]
            yield f"runs without a result: {in_prose(sides)}"

    def _worth(self) -> str:
        """Return what a green says."""
        loss = self.document["loss_seen"]
        fall = self.document["fall_seen"]
        has_checks = self._answers.has_checks
        whole = []
        if has_checks and loss is not None:
            whole.append(f"a loss of {_points(loss)} points everywhere")
        if fall is not None:
            verb = "rise" if self._answers.rules.lower_is_better else "fall"
            whole.append(f"a {verb} of the score by {fall:.2g}")
        seen = "no loss everywhere could be seen"
        if whole:
            seen = f"this gate would have seen {' or '.join(whole)} in 8 of 10 cases"
        if not has_checks:
            return seen
        row = f"one row that turned 90 % bad in {100 * self.document['row_seen']:.0f} of 100"
        if whole:
            return f"{seen}, and {row}"
        return f"{seen}; this gate would have seen {row}"


class SameReport(GateReport):
    """What a gate has found whose sides do not differ."""

    def notes(self, ending: NoxError | None) -> Iterator[str]:
        """Yield what users should know about the verdict."""
        if ending is None:
            yield "BASE and NEW do not differ, so nothing can be worse: each row ran once, in BASE"


def _points(loss: float) -> str:
    """Return a loss in points; one that could be seen is never 0."""
    points = 100 * loss
    return f"{points:.0f}" if points >= 1 else f"{max(0.1, points):.1f}"


def sides_of(
    directory: Path,
    header: BatchHeader,
    answers: GateAnswers,
    verdict: GateVerdict,
    own: Inputs,
    answered_by: Sequence[int] = (BASE, NEW),
) -> Iterator[Side]:
    """Yield both sides, each by its answers of rounds; `own` are the inputs of NEW alone.

    `answered_by` says whose answers each has: both have BASE's where it does not differ from NEW.
    """
    joined = MergedBatch.read([directory])
    for name, side in zip(SIDES, answered_by, strict=True):
        of_side = header_of_side(header, side)
        numbers = {}
        for row in answers.rules.rows:
            numbers[row] = [key.number for key in answers.counting(row, side, verdict)]
        named = of_side.version_name or of_side.version_id or ""
        if side == NEW and own.values:
            named += f" with {in_prose(list(own.values))}"
        of_gate = GateSide(joined, numbers, of_side, answers.judgement_at)
        yield Side(name, named, of_gate, _see_none)


def _see_none(_: ResultLine) -> None:
    """A gate validates its checks before it starts."""
