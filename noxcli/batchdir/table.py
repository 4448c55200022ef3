"""What is known of rows without a result: by their starts in a journal, or by the FILE that their
batch began with.
"""

import hashlib
import re
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from noxcli.batchdir.append_file import lines_in
from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal_state import MAX_LINE, line_at
from noxcli.codec import decode_json, to_json
from noxcli.errors import NoxError
from noxcli.inputs.parse import Inputs
from noxcli.inputs.sources import Sources
from noxcli.masking import HIDDEN
from noxcli.rows.columns import Columns, Row
from noxcli.rows.reader import RowReader

SENT_ROW = re.compile(rb'\{"row":(\d+),"step":"sent"')
MOVED_ROW = re.compile(rb'\{"row":(\d+),"step":"moved","from":(\d+)')
RENUMBERED = b'{"step":"renumbered"'


class RowFacts:
    """Id, inputs and kept columns of rows that `lacks` a line: as noted at their start, or by the
    table.
    """

    def __init__(
        self, header: BatchHeader, journals: Sequence[Path], lacks: Callable[[int], bool]
    ) -> None:
        self._header, self._lacks = header, lacks
        self._table: BatchTable | None = None
        # The last start of each row, by its journal and number.
        self._starts: dict[tuple[int, int], int] = {}
        for owner, journal in enumerate(journals):
            for number, offset in _starts_in(journal).items():
                self._starts[owner, number] = offset

    def row(
        self, journals: Sequence[IO[bytes]], owner: int, own_number: int, number: int
    ) -> Mapping[str, Any]:
        """Return what is known of a row, nothing if that is nothing.

        `own_number` is the row's in the journal of its owner, `number` in the table.
        """
        offset = self._starts.get((owner, own_number))
        if offset is not None and "input" in (line := line_at(journals[owner], offset)):
            return {name: line[name] for name in ("id", "input", "columns")}
        if self._header.gate is not None:
            return {}
        self._table = self._table or BatchTable(self._header, self._lacks)
        return self._table.row(number)


def _starts_in(journal: Path) -> dict[int, int]:
    """Return where the last start of each row is, by the row's number now."""
    starts: dict[int, int] = {}
    moves: list[tuple[int, int]] = []
    for offset, raw in lines_in(journal, MAX_LINE):
        if (sent := SENT_ROW.match(raw)) is not None:
            starts[int(sent[1])] = offset
            moves.clear()  # those before were not completed
        elif (moved := MOVED_ROW.match(raw)) is not None:
            moves.append((int(moved[1]), int(moved[2])))
        elif raw.startswith(RENUMBERED):
            before = [starts.pop(old, None) for _, old in moves]
            for (number, _), start in zip(moves, before, strict=True):
                if start is not None:
                    starts[number] = start
            moves.clear()
    return starts


class BatchTable:
    """What lines say of their rows, by number.

    In a file, with 16 bytes in memory for each row that `lacks` a line.
    """

    def __init__(self, header: BatchHeader, lacks: Callable[[int], bool]) -> None:
        self._header, self._numbers, self._places = header, array("Q"), array("Q")
        self._facts = tempfile.TemporaryFile()  # noqa: SIM115 - it ends with this
        digest = hashlib.sha256()
        try:
            shared: dict[str, Any] = {
                name: decode_json(text.encode()) for name, text in header.constants.items()
            }
            shared |= dict.fromkeys(header.secrets, HIDDEN)
            for row in self._selected(self._open()):
                digest.update(row.written.to_bytes(8, "big"))
                if lacks(row.number) and row.problem is None:
                    self._numbers.append(row.number)
                    self._places.append(self._facts.tell())
                    about = {
                        "id": row.id,
                        "input": {**shared, **row.inputs.shown()},
                        "columns": dict(row.columns),
                    }
                    self._facts.write(f"{to_json(about)}\n".encode())
        except (
            NoxError,
            ValueError,
        ):  # there is no such file, or an input is too long to be in the header as a whole
            pass
        if digest.hexdigest() != header.digest:
            self._numbers = array("Q")

    def __del__(self) -> None:
        self._facts.close()

    def row(self, number: int) -> Mapping[str, Any]:
        """Return id, inputs and kept columns of a row, nothing if they are not known."""
        at = bisect_left(self._numbers, number)
        if self._numbers[at : at + 1] != array("Q", [number]):
            return {}
        self._facts.seek(self._places[at])
        facts: dict[str, Any] = decode_json(self._facts.readline())
        return facts

    def _open(self) -> RowReader:
        """Raises UsageProblem."""
        header, known = self._header, [name.rstrip("=@:") for name in self._header.columns or ()]
        own_id, form = (
            next(header.words_after(option), None) for option in ("--id", "--input-format")
        )
        columns = Columns.parse([*header.words_after("--column")], Inputs(), own_id, header.kept)
        columns = replace(columns, known=frozenset(known))
        reader = RowReader(
            header.source, form, columns, Sources(lambda: None), repeat=header.repeat
        )
        if reader.is_pipe:
            raise ValueError
        return reader

    def _selected(self, reader: RowReader) -> Iterator[Row]:
        header = self._header
        only = None if header.only is None else {*header.only}
        for row in reader.repeated():
            if header.limit is not None and row.file_number > header.limit:
                return
            if only is None or row.file_number in only:
                yield row
