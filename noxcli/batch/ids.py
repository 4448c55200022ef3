"""The rows' own ids, in a few numbers per row: which rows repeat an earlier id."""

from array import array
from collections.abc import Iterator
from itertools import groupby

from noxcli.batch.rows import Row, digest_of


class OwnIds:
    """The `$id`s of the rows that were added, as 64 bits each."""

    def __init__(self) -> None:
        self._digests, self._numbers, self._lines = array("Q"), array("Q"), array("Q")

    def add(self, row: Row) -> None:
        """Add the id of a row, if it has one."""
        if row.id is not None:
            self._digests.append(digest_of(row.id.encode("utf-8", "surrogatepass")))
            self._numbers.append(row.number)
            self._lines.append(row.line)

    def repeated(self) -> Iterator[tuple[Row, Row]]:
        """Yield each row that repeats an earlier id, with the first row that has it; only their places are known."""
        order = sorted(range(len(self._digests)), key=self._digests.__getitem__)
        again: list[tuple[int, int]] = []
        for _, group in groupby(order, self._digests.__getitem__):
            first, *later = group
            again += ((one, first) for one in later)
        for one, first in sorted(again):
            yield self._row(one), self._row(first)

    def _row(self, at: int) -> Row:
        return Row(self._numbers[at], self._lines[at], 0)
