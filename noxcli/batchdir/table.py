"""The rows of a batch's table, as long as its FILE is the one that the batch was begun with."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from noxcli.batchdir.header import BatchHeader
from noxcli.codec import decode_json
from noxcli.errors import NoxError
from noxcli.inputs.parse import Inputs
from noxcli.inputs.sources import Sources
from noxcli.masking import HIDDEN
from noxcli.rows.columns import Columns
from noxcli.rows.reader import Row, RowReader


class BatchTable:
    """The rows by their numbers, in few words: they are read in order, and again where an earlier one is wanted."""

    def __init__(self, header: BatchHeader) -> None:
        self._header, self._shared = header, dict[str, Any]()
        self._rows: Iterator[Row] | None = None
        self._last: Row | None = None
        try:
            self._shared = {name: decode_json(text.encode()) for name, text in header.constants.items()}
            self._reader = self._open()
            self.is_same = self._digest() == header.digest
        except (NoxError, ValueError):  # there is no such file, or an input is too long to be in the header as a whole
            self.is_same = False

    def row(self, number: int) -> dict[str, Any]:
        """Return what a row's line says of its table line, empty if that is not known."""
        if not self.is_same:
            return {}
        if self._rows is None or self._last is None or self._last.number > number:
            self._rows, self._last = self._selected(), None
        while self._last is None or self._last.number < number:
            self._last = next(self._rows, None)
            if self._last is None:
                return {}
        row = self._last
        if row.number != number or row.problem is not None:
            return {}
        given = {**self._shared, **dict.fromkeys(self._header.secrets, HIDDEN), **row.inputs.shown()}
        return {"id": row.id, "input": given, "columns": dict(row.columns)}

    def _open(self) -> RowReader:
        """Raises UsageProblem."""
        header, known = self._header, [name.rstrip("=@:") for name in self._header.columns or ()]
        own_id, form = (next(header.words_after(option), None) for option in ("--id", "--input-format"))
        columns = Columns.parse([*header.words_after("--column")], Inputs(), own_id, header.kept)
        columns = replace(columns, known=frozenset(known))
        reader = RowReader(header.source, form, columns, Sources(lambda: None), repeat=header.repeat)
        if reader.is_pipe:
            raise ValueError
        return reader

    def _selected(self) -> Iterator[Row]:
        header = self._header
        only = None if header.only is None else {*header.only}
        for row in self._reader.repeated():
            if header.limit is not None and row.file_number > header.limit:
                return
            if only is None or row.file_number in only:
                yield row

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for row in self._selected():
            digest.update(row.digest.to_bytes(8, "big"))
        return digest.hexdigest()
