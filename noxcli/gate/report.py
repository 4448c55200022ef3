"""What a gate has found, as text and in its part of the document."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noxcli.batchdir.header import BatchHeader
from noxcli.checks.merge import MergedBatch
from noxcli.compare.side import GateSide, Side
from noxcli.compare.significance import chance_of, counts_of, loss_seen, row_seen
from noxcli.compare.summary import RETRY
from noxcli.errors import NotAsAsserted, NoxError
from noxcli.gate.answers import GateAnswers, name_of_side
from noxcli.gate.call import header_of_side
from noxcli.gate.rules import (
    BASE,
    BLOCK,
    MAX_ROUNDS,
    NEW,
    SCREEN,
    Color,
    GateVerdict,
    SuspectState,
)
from noxcli.inputs.parse import Inputs
from noxcli.render.text import amount, in_prose
from noxcli.reports.comparison_facts import WORSE
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.row_pair import SIDES


class GateReport:
    """The verdict of a gate, and what its answers say of it."""

    def __init__(self, verdict: GateVerdict, answers: GateAnswers, *, checks_changed: bool) -> None:
        self._verdict = verdict
        self._answers = answers
        self._checks_changed = checks_changed
        self._started = answers.answers_started
        self.runs = amount(self._started, "run")
        self.document = self._document()

    def _document(self) -> dict[str, Any]:
        """Return the gate's part of `noxcli.comparison/1`."""
        rules = self._answers.rules
        rows = self._answers.rows_with_a_check
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
            "loss_seen": loss_seen(rows, rate, possible, scored=rules.scored),
            "row_seen": row_seen(rows, rate),
            "checks_changed": self._checks_changed,
            "judge": self._judge_document(),
            "other_versions": {
                "base": len(self._answers.other_versions[BASE]),
                "new": len(self._answers.other_versions[NEW]),
            },
        }

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
        if not verdict.is_red:
            return None
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
        is_open = look.color is Color.GRAY and not verdict.is_red
        if is_open:
            green = "; green" if ending is None else ""
            yield f"not decided after {amount(look.rounds, 'round')}: {look.words()}{green}"
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
        if ending is None:
            yield self._worth()
        if self._checks_changed:
            yield (
                "these checks were chosen after answers were seen, so that an unchanged workflow "
                "may fail in more than 5 of 100 gates"
            )

    def _worth(self) -> str:
        """Return what a green says."""
        loss = self.document["loss_seen"]
        seen = "no loss everywhere could be seen; this gate would have seen"
        if loss is not None:
            everywhere = f"a loss of {100 * loss:.0f} points everywhere in 8 of 10 cases"
            seen = f"this gate would have seen {everywhere}, and"
        row = 100 * self.document["row_seen"]
        return f"{seen} one row that turned 90 % bad in {row:.0f} of 100"


def sides_of(
    directory: Path,
    header: BatchHeader,
    answers: GateAnswers,
    verdict: GateVerdict,
    own: Inputs,
) -> Iterator[Side]:
    """Yield both sides, each by its answers of rounds; `own` are the inputs of NEW alone."""
    joined = MergedBatch.read([directory])
    for side, name in enumerate(SIDES):
        of_side = header_of_side(header, side)
        numbers = {}
        for row in answers.rules.rows:
            numbers[row] = [key.number for key in answers.counting(row, side, verdict)]
        named = of_side.version_name or of_side.version_id or ""
        if name == "NEW" and own.values:
            named += f" with {in_prose(list(own.values))}"
        of_gate = GateSide(joined, numbers, of_side, answers.judgement_at)
        yield Side(name, named, of_gate, see_none)


def see_none(_: ResultLine) -> None:
    """A gate validates its checks before it starts."""
