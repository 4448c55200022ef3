"""The rows of a gate: each for both sides and all places, with the inputs that NEW gets in their place."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from noxcli.batchdir.header import PLACES
from noxcli.errors import UsageProblem
from noxcli.gate.rules import NEW, PER_ROW, AnswerKey
from noxcli.inputs.parse import Inputs
from noxcli.rows.columns import Row
from noxcli.rows.reader import RowReader

NEW_INPUT = "--new-input"


class GateRows(RowReader):
    """A table whose rows NEW gets with other inputs; `own` are those that replace what the row or the line says."""

    own = Inputs()

    def require_apart(self) -> None:
        """Raise UsageProblem if a column has an input of NEW's own, once all rows were read."""
        for name in self.own.values:
            if name in map(self._columns.named, self.names):
                raise UsageProblem(
                    f"{NEW_INPUT} names {name!r}, which is a column of {self.source}", "remove one"
                )

    def repeated(self, rows: Iterable[Row] | None = None) -> Iterator[Row]:
        for row in self.rows() if rows is None else rows:
            sides = (row, replace(row, inputs=with_own(row.inputs, self.own), side=NEW))
            for place in range(1, PLACES + 1):
                for side, of_side in enumerate(sides):
                    number = AnswerKey(row.number, side, place).number
                    own_id = (
                        None
                        if row.id is None
                        else f"{row.id}#{number - (row.number - 1) * PER_ROW}"
                    )
                    yield replace(of_side, number=number, id=own_id, of=row.number)


def with_own(inputs: Inputs, own: Inputs) -> Inputs:
    """Return the inputs with NEW's own in their place."""
    values = {**inputs.values, **own.values}
    return Inputs(
        values, (inputs.texts - own.values.keys()) | own.texts, inputs.secret - own.values.keys()
    )
