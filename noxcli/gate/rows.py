"""The rows of a gate.

Each for both sides and all places, with the inputs that NEW gets in their place.
"""

import copy
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from noxcli.batchdir.header import PLACES
from noxcli.errors import UsageProblem
from noxcli.gate.asked import Asked, AskedRow, NotedFiles, asked_of
from noxcli.gate.rules import JUDGES, NEW, AnswerKey
from noxcli.inputs.parse import Inputs
from noxcli.rows.columns import Row, digest_of
from noxcli.rows.content import REMEMBERED, hash_file
from noxcli.rows.reader import RowReader

NEW_INPUT = "--new-input"


class GateRows(RowReader):
    """A table whose rows NEW gets with other inputs.

    `own` are those that replace what the row or the line says. Once they are held, all stages have
    the same rows, even if the table or the files that it names change.
    """

    own = Inputs()
    judged: Callable[[Row], Row] = staticmethod(lambda row: row)  # fills in what a judge gets
    _held: Sequence[Row] | None = None

    def read_now(self) -> Asked:
        """Return the table and its files as they are now.

        Raises UsageProblem for what can't be read.
        """
        if self.is_pipe and self._copy is not None:
            self._copy.seek(0)
            content = self._copy.read()
        else:
            copied = self.copy_pipe()
            copied.seek(0)
            content = copied.read()
        return self.read_of(content)

    def read_of(self, content: bytes, files: NotedFiles | None = None) -> Asked:
        """Return the rows of a table with this content.

        `files` are the digests that were noted of its files.
        """
        reader = copy.copy(self)
        reader._held = None
        reader._copy = io.BytesIO(content)
        reader.names = {}
        rows = []
        hash_once = lru_cache(REMEMBERED)(hash_file)
        common = self.common.values
        operators = self._columns.operators
        for index, row in enumerate(reader.rows()):
            rows.append(asked_of(row, common, operators, index, files, hash_once))
        if files is None:
            self.names = reader.names
            self.empty = reader.empty
            self.first_empty = reader.first_empty
            self.separator = reader.separator
            self.separated_oddly = reader.separated_oddly
        return Asked(content, rows)

    def takes(self, row: Row) -> bool:
        """True for a row that --limit and --only do not leave out."""
        if self.only is not None:
            return row.id in self.only.ids
        return self.limit is None or row.number <= self.limit

    def hold(self, rows: Sequence[AskedRow]) -> None:
        """Let all stages have these rows."""
        held = []
        for asked in rows:
            row = asked.row
            if row.problem is None:
                row = replace(row, written=digest_of(asked.question))
            held.append(row)
        self._held = held

    def share(self, common: Inputs) -> None:
        super().share(common)
        if self._held is not None:
            self._held = [_with_common(row, common) for row in self._held]

    def rows(self) -> Iterator[Row]:
        return super().rows() if self._held is None else iter(self._held)

    def require_apart(self) -> None:
        """Raise UsageProblem if a column has an input of NEW's own, once all rows were read."""
        for name in self.own.values:
            if name in map(self._columns.named, self.names):
                raise UsageProblem(
                    f"{NEW_INPUT} names {name!r}, which is a column of {self.source}", "remove one"
                )

    @property
    def shared_names(self) -> frozenset[str]:
        return super().shared_names | frozenset(self.own.values)

    def repeated(self, rows: Iterable[Row] | None = None) -> Iterator[Row]:
        for row in self.rows() if rows is None else rows:
            sides = (
                row,
                replace(row, inputs=with_own(row.inputs, self.own), side=NEW),
                *(replace(row, inputs=Inputs(), columns={}, side=side) for side in JUDGES),
            )
            for place in range(1, PLACES + 1):
                for side, of_side in enumerate(sides):
                    key = AnswerKey(row.number, side, place)
                    own_id = key.named(row.id)
                    yield replace(of_side, number=key.number, id=own_id, of=row.number)

    def filled(self, row: Row) -> Row:
        return self.judged(row) if row.side in JUDGES else row


def _with_common(row: Row, common: Inputs) -> Row:
    values = {**row.inputs.values, **common.values}
    return replace(row, inputs=replace(row.inputs, values=values))


def with_own(inputs: Inputs, own: Inputs) -> Inputs:
    """Return the inputs with NEW's own in their place."""
    values = {**inputs.values, **own.values}
    return Inputs(
        values, (inputs.texts - own.values.keys()) | own.texts, inputs.secret - own.values.keys()
    )
