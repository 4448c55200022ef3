"""The rows of a table as a gate asks them: each for both sides, at every place that an answer may have."""

from collections.abc import Iterator
from dataclasses import replace

from noxcli.batchdir.header import PLACES, SIDES
from noxcli.errors import UsageProblem
from noxcli.inputs.parse import Inputs
from noxcli.rows.reader import Row, RowReader

PER_ROW = len(SIDES) * PLACES
NEW_INPUT = "--new-input"


class GateRows(RowReader):
    """A table whose rows NEW gets with other inputs; `own` are those that replace what the row or the line says."""

    own = Inputs()

    def require_apart(self) -> None:
        """Raise UsageProblem if a column has an input of NEW's own, once all rows were read."""
        for name in self.own.values:
            if name in map(self._columns.named, self.names):
                raise UsageProblem(f"{NEW_INPUT} names {name!r}, which is a column of {self.source}", "remove one")

    def _repeated(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            sides = (row, replace(row, inputs=_overridden(row.inputs, self.own), side=1))
            for place in range(1, PLACES + 1):
                for side, of_side in enumerate(sides):
                    number = number_of(row.number, side, place)
                    own_id = None if row.id is None else f"{row.id}#{number - (row.number - 1) * PER_ROW}"
                    yield replace(of_side, number=number, id=own_id, of=row.number)


def number_of(row: int, side: int, place: int) -> int:
    """Return the number of an answer in the journal."""
    return ((row - 1) * len(SIDES) + side) * PLACES + place


def _overridden(inputs: Inputs, own: Inputs) -> Inputs:
    """Return the inputs with NEW's own in their place."""
    values = {**inputs.values, **own.values}
    return Inputs(values, (inputs.texts - own.values.keys()) | own.texts, inputs.secret - own.values.keys())
