"""One side of a comparison: what its lines are about, in a few numbers for each; a line is read again by its place."""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from noxcli.batchdir.append_file import lines_in, open_batch_file
from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.results_file import MAX_REPETITIONS, MAX_RESULT, parse_result_line
from noxcli.checks.merge import MergedBatch
from noxcli.codec import decode_json
from noxcli.errors import COMPLETED, ExitCode, UsageProblem
from noxcli.files import reason_of
from noxcli.outputs.file_texts import read_whole_line
from noxcli.outputs.values import by_name
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.result import RESULT_SCHEMA
from noxcli.rows.columns import EXPECT, digest_of, hash_of
from noxcli.timing import parse_time

WHAT_FITS = "give the directory of a batch, lines of batch or results, a run's --json, or a run id"
MAX_LINES = 1_000_000  # of a side, which keeps some 150 bytes of each
MIN_ROWS = 5  # of a side without a journal, to tell a constant
BITS = 64
REPETITION_BITS = MAX_REPETITIONS.bit_length()
ORDERED = json.JSONEncoder(sort_keys=True)
Read = Callable[[int], ResultLine]


class Source(Protocol):
    """Where the lines of a side are."""

    kind: str
    numbered_by: str = "repetition"  # what tells the lines of a row apart
    header: BatchHeader | None = None
    is_outdated: bool = False  # rows were edited since they ran
    is_limited: bool = False  # rows of its table may have been left out, by --limit or --only
    inputs: Any = None  # of a single run, if the server says

    def lines(self) -> Iterator[tuple[int, ResultLine]]:
        """Yield each line after its place. Raises UsageProblem."""

    def open_to_read(self) -> AbstractContextManager[Read]:
        """Yield what reads the line at a place again."""


class Directory(Source):
    """The directory of a batch; the place of a line is its number in the journal."""

    kind = "directory"

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        """Raises UsageProblem for one that is not the directory of a batch."""
        self.joined, self._warn = MergedBatch.read([path]), warn
        if self.joined.header.gate is not None:
            raise UsageProblem(
                f"{path} has both sides of a gate", "judge it with the noxcli gate that began it"
            )
        self.header = self.joined.header
        self.is_outdated, self.is_limited = bool(self.joined.outdated), self.joined.is_limited

    def lines(self) -> Iterator[tuple[int, ResultLine]]:
        """Warns of an incomplete last line."""
        joined = self.joined
        for number, line in joined.read_all(joined.shard):
            yield number, joined.header.printed(line)
        for torn in joined.torn:
            self._warn(f"{torn} has an incomplete last line, which was ignored")

    @contextmanager
    def open_to_read(self) -> Iterator[Read]:
        with self.joined.open_to_read() as read:
            yield lambda number: self.joined.header.printed(read(number))


class GateSide(Directory):
    """One side of a gate's directory, by its answers of rounds; the first of a row classes it."""

    kind, numbered_by = "gate", "place"

    def __init__(self, joined: MergedBatch, numbers: Sequence[int], header: BatchHeader) -> None:
        """`header` is that of the side alone."""
        self.header, self.joined, self._numbers = header, joined, numbers

    def lines(self) -> Iterator[tuple[int, ResultLine]]:
        with self.open_to_read() as read:
            yield from ((number, read(number)) for number in self._numbers)


class JsonlSource(Source):
    """A file of lines that batch, results or --json wrote; the place of a line is where it begins."""

    kind = "file"

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self.path, self._warn = path, warn

    def lines(self) -> Iterator[tuple[int, ResultLine]]:
        """Raises UsageProblem if the file can't be read, or has another line; warns of an incomplete last one."""
        try:
            for number, (offset, raw) in enumerate(lines_in(self.path, MAX_RESULT), 1):
                line = _read_line(raw)
                if line is not None:
                    yield offset, line
                elif raw.strip() and raw.endswith(b"\n"):
                    raise UsageProblem(f"line {number} of {self.path} is not a result", WHAT_FITS)
                elif raw.strip():
                    self._warn(f"{self.path} has an incomplete last line, which was ignored")
        except OSError as error:
            raise UsageProblem(f"can't read {self.path}: {reason_of(error)}", WHAT_FITS) from None

    @contextmanager
    def open_to_read(self) -> Iterator[Read]:
        with open_batch_file(self.path) as file:
            yield lambda offset: self._read(file, offset)

    def _read(self, file: IO[bytes], offset: int) -> ResultLine:
        file.seek(offset)
        line = _read_line(file.readline(MAX_RESULT))
        if line is None:
            raise UsageProblem(
                f"{self.path} changed while it was read", "run the same command again"
            )
        return line


class RunSource(Source):
    """A run, as the server has it now."""

    kind = "run"

    def __init__(self, document: Mapping[str, Any], inputs: Any) -> None:
        self.inputs = inputs
        self._line = line_of_run(document)

    def lines(self) -> Iterator[tuple[int, ResultLine]]:
        yield 0, self._line

    @contextmanager
    def open_to_read(self) -> Iterator[Read]:
        yield lambda _: self._line


class Side:
    """What is known of one side before anything is judged: names, constants, and 44 bytes for each line."""

    def __init__(
        self, name: str, named: str, source: Source, see: Callable[[ResultLine], None]
    ) -> None:
        """Read all lines once, and let `see` each. Raises UsageProblem."""
        self.name, self.named, self.source = name, named, source
        self.workflow_id: str | None = None
        self.workflow_name: str | None = None
        self.began_at: datetime | None = None  # the first run
        self.ended_at: datetime | None = None  # the last one
        self.outputs: set[str] = set()  # of completed rows, or of the workflow
        self.columns: set[str] = set()  # and inputs
        self.expects = False  # rows have their own expectation
        self.asserted: set[str] = set()  # by the call that printed the lines
        self.runs = array("Q")
        self.repeat = 1
        self.has_ids = self.has_unnamed = False
        self._numbers, self._places = (
            array("Q"),
            array("Q"),
        )  # of the row, above that of its repetition
        self._ids, self._inputs = array("Q"), array("Q")  # digests; 0 for none
        self._values: dict[
            str, int | None
        ] = {}  # the digest of each input, None if rows have different ones
        self.given: Counter[str] = Counter()  # rows with each input
        if (header := source.header) is not None:
            self.workflow_id, self.repeat = header.workflow_id, header.repeat
            self.outputs.update(header.outputs or ())
            sent = (name.rstrip("=@:") for name in header.columns or ())
            self.columns.update(header.kept, header.constants, header.secrets, sent)
        for place, line in source.lines():
            self._know(place, line)
            see(line)
        self._order = array("Q", sorted(range(len(self._numbers)), key=self._numbers.__getitem__))
        self._starts = array("Q", self._begin_rows())

    def _know(self, place: int, line: ResultLine) -> None:
        if len(self._numbers) == MAX_LINES:
            raise UsageProblem(
                f"{self.named} has more than {MAX_LINES:,} lines", "compare parts of it"
            )
        own_id, given, result = line["id"], line["input"], line["result"]
        run, columns = result["run"] or {}, line["columns"] or {}
        self.has_unnamed |= own_id is None and given is None
        if own_id is None and given is None and result["exit_code"] == ExitCode.OK:
            raise UsageProblem(
                f"{self.named} has a result with neither an id nor inputs", "give the rows an id"
            )
        self.workflow_id = self.workflow_id or run.get("workflow_id")
        self.workflow_name = self.workflow_name or run.get("workflow_name")
        if (created := parse_time(run.get("created_at"))) is not None:
            self.began_at = min(self.began_at or created, created)
        if (finished := parse_time(run.get("finished_at"))) is not None:
            self.ended_at = max(self.ended_at or finished, finished)
        self.has_ids |= own_id is not None
        self.columns.update(given or (), columns)
        self.expects |= columns.get(EXPECT) is not None
        self.repeat = max(self.repeat, line.get("repetition") or 1)
        if result["exit_code"] in COMPLETED:
            self.outputs.update(by_name(result["output"]))
        self.asserted.update([str(each.get("name")) for each in result.get("assertions") or ()])
        if run.get("id") is not None:
            self.runs.append(hash_of(run["id"]))
        self._numbers.append(
            line["row"] << REPETITION_BITS | (line.get(self.source.numbered_by) or 0)
        )
        self._places.append(place)
        self._ids.append(0 if own_id is None else digest_of(own_id))
        self._inputs.append(0 if given is None else self._digest(given))

    def _digest(self, given: Mapping[str, Any]) -> int:
        """Return the sum of the inputs' digests, from which that of a constant can be taken away; never 0."""
        total = 1
        for name, value in given.items():
            digest = digest_of(
                f"[{ORDERED.encode(name)}, {ORDERED.encode(value)}]"
            )  # a text alone takes a tenth
            total += digest
            self.given[name] += 1
            if self._values.setdefault(name, digest) != digest:
                self._values[name] = None
        return total % (1 << BITS) or 1

    def constants(self) -> Mapping[str, int]:
        """Return the digest of each input that all rows share, by the header or because each row has the same."""
        header, lines = self.source.header, len(self._numbers)
        if header is not None:
            return {
                name: digest
                for name, digest in self._values.items()
                if digest and name in header.constants
            }
        is_enough = lines // self.repeat >= MIN_ROWS
        whole = {name for name, count in self.given.items() if count == lines and is_enough}
        return {name: digest for name, digest in self._values.items() if digest and name in whole}

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self._starts)

    def _begin_rows(self) -> Iterator[int]:
        """Yield where each row's lines begin. Raises UsageProblem if several of them claim to be the same one."""
        before = 0
        for place, at in enumerate(self._order):
            number = self._numbers[at]
            if number == before:
                row = number >> REPETITION_BITS
                raise UsageProblem(
                    f"{self.name} {self.named} has several lines for row {row}",
                    "remove all but one",
                )
            if number >> REPETITION_BITS != before >> REPETITION_BITS:
                yield place
            before = number

    def _lines_of(self, row: int) -> Sequence[int]:
        end = self._starts[row + 1] if row + 1 < len(self._starts) else len(self._order)
        return self._order[self._starts[row] : end]

    def read_row(self, row: int, read: Read) -> list[ResultLine]:
        """Read the lines of a row again, by repetition. Raises UsageProblem if the file has changed."""
        return [read(self._places[at]) for at in self._lines_of(row)]

    def has_id(self, row: int) -> bool:
        return any(self._ids[at] for at in self._lines_of(row))

    def key(self, row: int, without: int, *, by_id: bool) -> int:
        """Return what pairs a row: the digest of its id, or of its inputs without some constants; 0 for neither."""
        lines = self._lines_of(row)
        own_id = max(self._ids[at] for at in lines) if by_id else 0
        given = next((self._inputs[at] for at in lines if self._inputs[at]), 0)
        return own_id or (given and ((given - without) % (1 << BITS) or 1))


def differing_constants(base: Side, new: Side) -> list[str]:
    """Return the inputs that all rows of each side share, and that differ, or that only one side has."""
    shared = base.constants(), new.constants()
    names = sorted(
        name for name in {**shared[0], **shared[1]} if shared[0].get(name) != shared[1].get(name)
    )
    sides = list(zip((base, new), shared, strict=True))
    return [
        name
        for name in names
        if all(name in known or name not in side.given for side, known in sides)
    ]


def _read_line(raw: bytes) -> ResultLine | None:
    try:
        line = decode_json(raw)
    except ValueError:
        return None
    is_document = isinstance(line, dict) and line.get("schema") == RESULT_SCHEMA
    found = parse_result_line(line_of_run(line) if is_document else line)
    return None if found is None else read_whole_line(found)


def line_of_run(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of a run that is no row: its inputs do not matter, so it is compared with any other run."""
    return {"row": 1, "id": None, "input": {}, "columns": None, "result": document}
