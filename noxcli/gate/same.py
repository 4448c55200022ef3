"""The rules of a gate whose sides do not differ: each row once, in BASE."""

from collections.abc import Mapping, Sequence

from noxcli.gate.rules import (
    BASE,
    AnswerKey,
    Color,
    GateRules,
    GateVerdict,
    Look,
    StoredAnswer,
)


class SameRules(GateRules):
    """The rules where both sides are one version, so that nothing can be worse."""

    def decide(self, stored: Mapping[AnswerKey, StoredAnswer]) -> GateVerdict | Sequence[AnswerKey]:
        """Return a green verdict once each row has an answer, before that which to ask."""
        wanted = [AnswerKey(row, BASE, 1) for row in self.rows]
        missing = [key for key in wanted if key not in stored]
        if missing:
            return missing
        verdict = GateVerdict([Look(1, 0, 0, None, Color.GREEN)])
        verdict.forbidden = [key.row for key in wanted if stored[key].holds_never]
        return verdict

    @property
    def round_runs(self) -> int:
        return len(self.rows)
