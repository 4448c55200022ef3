"""The rows of a batch: JSON lines, a JSON array, or CSV with a header.

A pipe is read to its end first.
"""

import codecs
import csv
import io
import re
import shutil
import stat
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from noxcli.errors import OutputNotDelivered, UsageProblem
from noxcli.files import expanded, open_scratch, reason_of
from noxcli.inputs.definition import InputNode, keys_of
from noxcli.inputs.parse import Inputs, parse_json
from noxcli.inputs.sources import Sources
from noxcli.render.text import in_prose
from noxcli.rows.columns import EXPECT, Columns, Row, id_of_repetition
from noxcli.rows.decimals import ColumnDecimal
from noxcli.rows.selection import IdFilter
from noxcli.signals import SIGNALS

DELIMITERS = {"csv": ",", "tsv": "\t"}
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
JSON_SUFFIXES = frozenset({"jsonl", "ndjson", "json"})
UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
WORKBOOKS = {
    b"PK\x03\x04": "a zip archive, as .xlsx and .ods files are",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
}
NUMBER_KINDS = frozenset({"int", "number"})
LINES_ABOVE_HEADER = 10  # at most
QUOTED = re.compile(r'"[^"]*"?')


class RowReader:
    """The rows of a file, which can be read any number of times."""

    # True for the file of --expect, whose empty rows count: a number is that of the row it is for.
    is_expected = False

    def __init__(
        self,
        source: str,
        form: str | None,
        columns: Columns,
        sources: Sources,
        chosen: int | IdFilter | None = None,
        repeat: int = 1,
    ) -> None:
        """`chosen` is the number of rows to run, or has their ids.

        `repeat` says how often each runs. Raises UsageProblem for a missing file, and for a pipe
        that has another reader.
        """
        self.source = source
        self.name = "stdin" if source == "-" else source
        self.repeat = repeat
        self.takes_all = chosen is None
        self.limit: int | None = None
        self.only: IdFilter | None = None
        self.most: int | None = None  # the number of the last one to run
        if isinstance(chosen, int):
            self.limit = chosen
            self.most = chosen * repeat
        else:
            self.only = chosen
        self._sources = sources
        self._copy: BinaryIO | None = None  # of a pipe
        self._columns = columns
        self.renamed = columns.renamed
        self.names: dict[str, None] = {}  # of the columns of the rows that were read
        self.empty = 0  # rows that were skipped
        self.first_empty = 0  # the line of the first
        suffix = Path(source).suffix.lower().removeprefix(".")
        self._form = "jsonl"
        self._is_guess = False
        if form is not None:
            self._form = form
        elif suffix in DELIMITERS:
            self._form = suffix
        else:
            self._is_guess = suffix not in JSON_SUFFIXES
        self.is_table = self._form != "jsonl"  # whose empty cells are no values
        # Of a table; known once its header was read.
        self.separator = DELIMITERS.get(self._form, ",")
        self.separated_oddly = ""  # by what, as text, if not as its form says
        self.decimal: str | None = None  # of all columns of numbers, as the command line says
        self._number_inputs: frozenset[str] = frozenset()
        self._decimals: dict[str, str] | None = None  # by column of numbers, once that was decided
        with self._reading():
            status = sources.claim(source, f"FILE {source}")
        is_file = status is not None and stat.S_ISREG(status.st_mode)
        self.is_pipe = not is_file  # or a device

    def copy_pipe(self, directory: Path | None = None) -> BinaryIO:
        """Read a pipe to its end, and return the copy: in memory, or without a name on the disk of
        the directory.

        Raises UsageProblem if it can't be read or stored, TimedOutBeforeStart if it does not end.
        """

        def copy() -> BinaryIO:
            into = io.BytesIO() if directory is None else open_scratch(directory)
            with self._sources.open(self.source) as pipe:
                shutil.copyfileobj(pipe, into)
            into.flush()  # what a full disk refuses is refused here
            return into

        try:
            with self._reading():
                copied = self._sources.in_time(copy, "the rows were not read to their end")
        except OutputNotDelivered as error:
            raise UsageProblem(error.message, error.hint) from None
        self._copy = copied
        return copied

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageProblem(
                f"can't read the rows in {self.source}: {reason_of(error)}"
            ) from None

    def know(self, nodes: Sequence[InputNode] | None, *, checked: bool) -> None:
        """Tell which inputs the workflow has; `checked` refuses other columns."""
        known: set[str] = set()
        numbers: set[str] = set()
        all_known = checked and nodes is not None
        for node in nodes or ():
            known.update(node.addresses)
            if node.label is None:
                all_known = False  # its input has a name that is not known
            else:
                known.add(node.label)
            if node.kind in NUMBER_KINDS:
                numbers.update([node.label or node.id, *node.addresses])
        keys = keys_of({node.id: node for node in nodes or ()}.values())
        needed = {key: {node.label, *node.addresses} for key, node in keys.items() if node.required}
        self._number_inputs = frozenset(numbers)
        self._columns = replace(
            self._columns, known=frozenset(known), needed=needed, all_known=all_known
        )

    def sent(self) -> list[str] | None:
        """Return the columns to send with how they are read, None for JSON lines that are read as
        they are.

        Raises UsageProblem if the file can't be read, or for a mistake in the header.
        """
        columns = self._columns
        if not self.is_table:
            if not columns.operators:
                return None
            return [f"{name}{operator}" for name, operator in sorted(columns.operators.items())]
        with self._open() as file, self._csv_reader(file) as reader:
            self._header(reader)
        names = [columns.named(column) for column in self.names]
        return [
            f"{name}{columns.operators.get(name, '')}" for name in names if columns.is_input(name)
        ]

    def require_named(self) -> None:
        """Raise UsageProblem if an option names a column or an id that no row has, once all were
        read.
        """
        if self.names:  # a file without any has other mistakes
            self._columns.check_options(self.names)
        if self.only is not None:
            self.only.require_used((row.id for row in self.rows() if row.id is not None), self.name)

    @property
    def known(self) -> set[str]:
        """The names of columns and inputs that a row may have, once all were read.

        Empty if that is not known.
        """
        if not self.names:
            return set()
        columns = self._columns
        return {*map(columns.named, self.names), *columns.common.values, *columns.known}

    @property
    def common(self) -> Inputs:
        """The inputs that all rows share."""
        return self._columns.common

    @property
    def shared_names(self) -> frozenset[str]:
        """The names of inputs that rows do not have of their own."""
        return frozenset(self.common.values)

    def share(self, common: Inputs) -> None:
        """Give all rows the inputs that they share."""
        self._columns = replace(self._columns, common=common)

    def count(self) -> int:
        """Return the number of all rows, without reading what they have. Raises as `rows`."""
        with self._open() as file:
            if self.is_table:
                with suppress(csv.Error), self._csv_reader(file) as reader:
                    records = sum(1 for cells in reader if _has_text(cells))
                    return records - 1  # one is the header
            else:
                lines = (line for line in file if not line.isspace())
                first = next(lines, None)
                if first is None:
                    return 0
                if not first.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
                    return 1 + sum(1 for _ in lines)
        return sum(1 for _ in self.rows())

    def selected(self) -> Iterator[Row]:
        """Yield the rows to run. Raises as `rows`."""
        rows = self.rows() if self.only is None else self._chosen(self.only)
        return islice(self.repeated(rows), self.most)

    def _chosen(self, only: IdFilter) -> Iterator[Row]:
        for row in self.rows():
            if only.mark_seen(row.id):
                yield row

    def repeated(self, rows: Iterable[Row] | None = None) -> Iterator[Row]:
        """Yield each row, or each of these alone, as often as it is run. Raises as `rows`."""
        if rows is None:
            rows = self.rows()
        for row in rows:
            if self.repeat == 1:
                yield row
                continue
            for repetition in range(1, self.repeat + 1):
                number = (row.number - 1) * self.repeat + repetition
                own_id = id_of_repetition(row.id, repetition, self.repeat)
                yield replace(row, number=number, id=own_id, of=row.number)

    def filled(self, row: Row) -> Row:
        """Return the row as it is started."""
        return row

    def rows(self) -> Iterator[Row]:
        """Yield the rows one by one.

        Raises UsageProblem if the file or its header can't be read.
        """
        if self.is_table and self._decimals is None:
            self._decimals = self._decide_decimals()
        with self._open() as file:
            try:
                rows = self._csv_rows(file) if self.is_table else self._json_rows(file)
                with closing(rows):  # before the file, also if its reader stops early
                    for row in rows:
                        SIGNALS.check()  # a million rows take a while
                        yield row
            except (OSError, ValueError) as error:
                raise UsageProblem(f"can't read {self.name}: {reason_of(error)}") from None

    def _decide_decimals(self) -> dict[str, str]:
        """Return the decimal mark of each column of numbers that may have marks.

        In a table with semicolons, each column decides, unless the command line does; in others, a
        point is as in JSON, and nothing stands between thousands. Raises UsageProblem for a column
        that does not show its mark.
        """
        if not self._number_inputs:
            return {}
        with self._open() as file, self._csv_reader(file) as reader:
            header = self._header(reader)
            numbers = [name for name in header if self._is_number_column(name)]
            if self.decimal is not None:
                return dict.fromkeys(numbers, self.decimal)
            if self.separator != ";":
                return {}
            columns = {name: ColumnDecimal() for name in numbers}
            with suppress(csv.Error):  # which is reported by its row
                for cells in reader:
                    for name, cell in zip(header, cells, strict=False):
                        if name in columns:
                            columns[name].read(cell)
        return {name: column.decide(name) for name, column in columns.items()}

    def _is_number_column(self, name: str) -> bool:
        """True for a column whose texts are sent to an input that takes numbers."""
        if name not in self._number_inputs or not self._columns.is_input(name):
            return False
        return self._columns.operators.get(name, "=") == "="

    def _open(self) -> AbstractContextManager[BinaryIO]:
        if self._copy is not None:
            self._copy.seek(0)
            return nullcontext(self._copy)
        with self._reading():
            return expanded(self.source).open("rb")

    def _json_rows(self, file: BinaryIO) -> Generator[Row, None, None]:
        number = 0
        for line, raw in enumerate(file, 1):
            content = raw
            if line == 1:
                # A NUL further on is reported as JSON that is not valid.
                _require_text(raw[:4], self.name)
                content = raw.removeprefix(codecs.BOM_UTF8)
            if not content.strip():
                continue
            if number == 0 and content.lstrip().startswith(b"["):
                # An array, held in memory as a whole.
                for place, fields in enumerate(_json(content + file.read(), self.name), 1):
                    yield self._json_row(place, 0, fields)
                return
            number += 1
            if number == 1 and self._is_guess and not content.lstrip().startswith(b"{"):
                raise self._no_json(content)
            try:
                fields = _json(content, "the line")
            except UsageProblem as problem:
                yield Row(number, line, 0, problem=problem.message)
                continue
            yield self._json_row(number, line, fields)

    def _no_json(self, first: bytes) -> UsageProblem:
        form = "tsv" if b"\t" in first else "csv"
        way = f"add --input-format {form}"
        if self.is_expected:
            way = f"name it {Path(self.name).stem}.{form}"
        return UsageProblem(
            f"the first line of {self.name} is not a JSON object", f"if it is a table, {way}"
        )

    def _json_row(self, number: int, line: int, fields: Any) -> Row:
        if not isinstance(fields, dict):
            return Row(number, line, 0, problem="it is not a JSON object")
        self.names.update(dict.fromkeys(fields))
        named = {self._columns.named(key): value for key, value in fields.items()}
        return self._columns.row(number, line, named, typed=True)

    @contextmanager
    def _csv_reader(self, file: BinaryIO) -> Iterator[Any]:
        csv.field_size_limit(sys.maxsize)
        # Bytes that are not UTF-8 are reported by the header or by row, below.
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        try:
            lines = _text_lines(text, self.name)
            first = next(lines, "")
            if self._form == "csv":  # the header shows what a spreadsheet wrote in place of commas
                self.separator = max(SEPARATORS, key=QUOTED.sub("", first).count)
                self.separated_oddly = ""
                if self.separator != ",":
                    self.separated_oddly = SEPARATORS[self.separator]
            yield csv.reader(chain([first], lines), delimiter=self.separator, strict=True)
        finally:
            text.detach()

    def _csv_rows(self, file: BinaryIO) -> Generator[Row, None, None]:
        with self._csv_reader(file) as reader:
            header = self._header(reader)
            number = 0
            self.empty = 0
            line = reader.line_num + 1
            try:
                for cells in reader:
                    if _has_text(cells) or (cells and self.is_expected):
                        number += 1
                        yield self._csv_row(number, line, header, cells)
                    elif cells:
                        if self.empty == 0:
                            self.first_empty = line
                        self.empty += 1
                    line = reader.line_num + 1
            except csv.Error as error:
                problem = f"it is not valid {self._form}: {error}; the rest can't be read"
                yield Row(number + 1, line, 0, problem=problem)

    def _csv_row(self, number: int, line: int, header: Sequence[str], cells: Sequence[str]) -> Row:
        """Return the row of a record.

        An empty cell is left out: CSV can't distinguish it from an empty text.
        """
        if len(cells) != len(header):
            problem = f"it has {len(cells)} cells, but the header has {len(header)}"
            if len(cells) > len(header):
                problem += f": put a cell with {SEPARATORS[self.separator]} in quotes"
            return Row(number, line, 0, problem=problem)
        fields: dict[str, str] = {}
        for name, cell in zip(header, cells, strict=True):
            if not cell.isascii() and not is_utf8(cell):
                problem = f"its {name!r} is not UTF-8: save the file as UTF-8"
                return Row(number, line, 0, problem=problem)
            if cell and not name.strip():
                return Row(number, line, 0, problem="it has a cell in a column without a name")
            # An empty $expect expects nothing.
            if cell or (name != EXPECT and self._columns.is_kept(name)):
                fields[name] = cell
        return self._columns.row(number, line, fields, typed=False, decimals=self._decimals)

    def _header(self, reader: Iterator[list[str]]) -> list[str]:
        try:
            header = next(reader, [])
        except csv.Error as error:
            raise UsageProblem(
                f"the first line of {self.name} is not valid {self._form}: {error}"
            ) from None
        # A spreadsheet also writes columns that once had a cell.
        names = [name for name in header if name.strip()]
        if not names:
            raise UsageProblem(f"{self.name} has no header", "name the columns in its first line")
        if not all(map(is_utf8, header)):
            raise UsageProblem(f"the header of {self.name} is not UTF-8", "save it as UTF-8")
        for name in names:
            if names.count(name) > 1:
                raise UsageProblem(
                    f"{self.name} has two columns named {name!r}", "rename one of them"
                )
        self.names = dict.fromkeys(names)
        self._require_first(names, reader)
        self._columns.check_header(names)
        return [self._columns.named(column) for column in header]

    def _require_first(self, names: Sequence[str], reader: Iterator[list[str]]) -> None:
        """Raise UsageProblem if the first line has no name of an input, and a line below it has."""
        columns = self._columns
        if not columns.all_known or not columns.known.isdisjoint(map(columns.named, names)):
            return
        for number, cells in enumerate(islice(reader, LINES_ABOVE_HEADER), 2):
            parts = re.split(r"[;,\t]", self.separator.join(cells))
            found = [part for part in map(columns.named, parts) if part in columns.known]
            if found:
                above = "the line" if number == 2 else f"the {number - 1} lines"
                raise UsageProblem(
                    f"the first line of {self.name} is not its header: line {number} names "
                    f"{in_prose(list(map(repr, found)))}",
                    f"remove {above} above it",
                )


def _has_text(cells: Sequence[str]) -> bool:
    return any(map(str.strip, cells))


def is_utf8(text: str) -> bool:
    """True for a text without the bytes that were not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _json(content: bytes, what: str) -> Any:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageProblem(f"it is not UTF-8 text (byte {error.start + 1} of {what})") from None
    return parse_json(text, what)


def _require_text(line: bytes, name: str) -> None:
    """Raise UsageProblem for a line of a workbook, and of UTF-16, which spreadsheets call Unicode
    text.
    """
    for magic, book in WORKBOOKS.items():
        if line.startswith(magic):
            raise UsageProblem(
                f"{name} is {book}, not a table in text", "save its sheet as CSV UTF-8"
            )
    way = "save it as UTF-8, or convert it with: iconv -f UTF-16 -t UTF-8"
    if line.startswith(UTF_16):
        raise UsageProblem(f"{name} is UTF-16 text", way)
    if b"\0" in line:
        raise UsageProblem(f"{name} has NUL bytes, as UTF-16 text does", way)


def _text_lines(lines: Iterable[str], name: str) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == 0 or "\0" in line:
            _require_text(line.encode("utf-8", "surrogateescape"), name)
        yield line
