"""What a gate reports whose sides do not differ."""

from collections.abc import Iterator
from pathlib import Path

from noxcli.batchdir.header import BatchHeader
from noxcli.checks.merge import MergedBatch
from noxcli.compare.side import GateSide, Side
from noxcli.errors import NoxError
from noxcli.gate.answers import GateAnswers
from noxcli.gate.call import header_of_side
from noxcli.gate.report import GateReport, see_none
from noxcli.gate.rules import BASE, AnswerKey
from noxcli.reports.row_pair import SIDES


class SameReport(GateReport):
    """What such a gate has found."""

    def notes(self, ending: NoxError | None) -> Iterator[str]:
        """Yield what users should know about the verdict."""
        if ending is None:
            yield "BASE and NEW do not differ, so nothing can be worse: each row ran once, in BASE"


def sides_of_one(directory: Path, header: BatchHeader, answers: GateAnswers) -> Iterator[Side]:
    """Yield both sides, each with the answers of BASE."""
    joined = MergedBatch.read([directory])
    of_base = header_of_side(header, BASE)
    numbers = {row: [AnswerKey(row, BASE, 1).number] for row in answers.rules.rows}
    named = of_base.version_name or of_base.version_id or ""
    for name in SIDES:
        of_gate = GateSide(joined, numbers, of_base, answers.judgement_at)
        yield Side(name, named, of_gate, see_none)
