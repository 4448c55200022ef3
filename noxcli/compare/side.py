"""One side of a comparison: what its lines are about, in a few values for each.

A line is read again by its number.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from noxcli.batchdir.header import BatchHeader
from noxcli.checks.expectations import EMPTY
from noxcli.checks.merge import MergedBatch
from noxcli.checks.row_checker import of_version, version_in, with_judgement
from noxcli.codec import to_sorted_json
from noxcli.errors import COMPLETED, UsageProblem
from noxcli.outputs.values import by_name
from noxcli.reports.failure_groups import ResultLine, run_in
from noxcli.rows.columns import EXPECT, digest_of
from noxcli.timing import parse_time

BITS = 64  # of a digest
Read = Callable[[int], ResultLine]


class Directory:
    """The lines of a batch, each by its number in the journal."""

    kind = "directory"
    is_limited = False  # rows of its table may have been left out, by --limit or --only

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        """Raises UsageProblem for one that is not the directory of a batch."""
        self.joined = MergedBatch.read([path])
        self.header = self.joined.header
        self._warn = warn
        if self.header.gate is not None:
            raise UsageProblem(
                f"{path} has both sides of a gate", "judge it with the noxcli gate that began it"
            )
        self.is_limited = self.joined.is_limited

    def lines(self) -> Iterator[tuple[int, ResultLine]]:
        """Yield the lines after their numbers. Warns of an incomplete last one."""
        for number, line in self.joined.read_all(self.joined.shard):
            yield number, of_version(self.header.printed(line), self.header.version_id)
        for torn in self.joined.torn:
            self._warn(f"{torn} has an incomplete last line, which was ignored")

    def numbers_of(self, row: int) -> Sequence[int]:
        """Return the numbers of a row's lines: one for each repetition."""
        last = row * self.header.repeat
        return range(last - self.header.repeat + 1, last + 1)

    @contextmanager
    def open_to_read(self) -> Iterator[Read]:
        """Yield what reads the line of a number again."""
        with self.joined.open_to_read() as read_stored:

            def read(number: int) -> ResultLine:
                return of_version(self.header.printed(read_stored(number)), self.header.version_id)

            yield read


class GateSide(Directory):
    """One side of a gate's directory, by its answers of rounds; the first of a row classes it."""

    kind = "gate"

    def __init__(
        self,
        joined: MergedBatch,
        numbers: Mapping[int, Sequence[int]],
        header: BatchHeader,
        judgement_at: int | None,
    ) -> None:
        """`numbers` are those of each row's answers, and `header` is that of the side alone.

        `judgement_at` is how far the number of a judgement is above that of its answer.
        """
        self.joined = joined
        self._judgement_at = judgement_at
        self.header = header
        self._numbers = numbers

    def lines(self) -> Iterator[tuple[int, ResultLine]]:
        with self.open_to_read() as read:
            for numbers in self._numbers.values():
                for number in numbers:
                    yield number, read(number)

    def numbers_of(self, row: int) -> Sequence[int]:
        return self._numbers[row]

    @contextmanager
    def open_to_read(self) -> Iterator[Read]:
        with self.joined.open_to_read() as read_stored:

            def read(number: int) -> ResultLine:
                return self.joined.header.printed(read_stored(number))

            def answer(number: int) -> ResultLine:
                line = of_version(read(number), self.header.version_id)
                if self._judgement_at is None:
                    return line
                return with_judgement(line, read(number + self._judgement_at))

            yield answer


class Side:
    """What is known of one side before anything is judged.

    Names, constants, and what pairs its rows.
    """

    def __init__(
        self, name: str, named: str, source: Directory, see: Callable[[ResultLine], None]
    ) -> None:
        """Read all lines once, and let `see` each. Raises UsageProblem."""
        header = source.header
        self.name = name
        self.named = named
        self.source = source
        self.header = header
        self.workflow_name = header.workflow_name or None
        self.repeat = header.repeat
        self.began_at: datetime | None = None  # the first run
        self.ended_at: datetime | None = None  # the last one
        self.outputs = {*(header.outputs or ())}  # of the workflow, and of completed rows
        self.columns = {*header.kept, *header.constants, *header.secrets}  # and inputs
        self.columns.update(column.rstrip("=@:") for column in header.columns or ())
        self.record_versions: set[str] = set()  # that the records of its runs name
        self.expects = False  # rows have their own expectation
        self.has_ids = False
        self.has_unnamed = False
        # By the row's number. Digests of 64 bits, which take a fifth of what a list of them takes.
        self._ids: list[str | None] = []
        self._digests = array("Q")  # of its inputs
        self._has_inputs = bytearray()  # False: it never started
        self._is_here = bytearray()
        self._values: dict[str, int | None] = {}  # of each input; None: rows differ
        for _, line in source.lines():
            self._know(line)
            see(line)

    def _know(self, line: ResultLine) -> None:
        row = line["row"]
        result = line["result"]
        run = run_in(result)
        columns = line["columns"] or {}
        self._make_place(row)
        if line["id"] is not None:
            self.has_ids = True
            self._ids[row] = line["id"]
        if line["input"] is not None:
            self._digests[row] = self._digest(line["input"])
            self._has_inputs[row] = True
            self.columns.update(line["input"])
        elif line["id"] is None:
            self.has_unnamed = True
        self.columns.update(columns)
        if columns.get(EXPECT) not in EMPTY:
            self.expects = True
        if result["exit_code"] in COMPLETED:
            self.outputs.update(by_name(result["output"]))
        if self.workflow_name is None:
            self.workflow_name = run.get("workflow_name")
        version_id = version_in(line)
        if version_id is not None:
            self.record_versions.add(version_id)
        created = parse_time(run.get("created_at"))
        if created is not None:
            self.began_at = min(self.began_at or created, created)
        finished = parse_time(run.get("finished_at"))
        if finished is not None:
            self.ended_at = max(self.ended_at or finished, finished)

    def _make_place(self, row: int) -> None:
        missing = row + 1 - len(self._ids)
        if missing > 0:
            self._ids.extend([None] * missing)
            self._digests.frombytes(bytes(missing * self._digests.itemsize))
            self._has_inputs.extend(bytes(missing))
            self._is_here.extend(bytes(missing))
        self._is_here[row] = True

    def _digest(self, given: Mapping[str, Any]) -> int:
        """Return the sum of the inputs' digests: that of a constant can be taken away."""
        total = 0
        for name, value in given.items():
            # A text alone takes a tenth of the time of a list.
            digest = digest_of(f"[{to_sorted_json(name)}, {to_sorted_json(value)}]")
            total += digest
            if self._values.setdefault(name, digest) != digest:
                self._values[name] = None
        return total % (1 << BITS)

    def constant(self, name: str) -> int | None:
        """Return the digest of an input that all rows share, None if they do not."""
        is_shared = name in self.header.constants or name in self.header.secrets
        return self._values.get(name) if is_shared else None

    def may_lack(self, name: str) -> bool:
        """True for an input that all rows share, and for one that none has."""
        return name not in self._values or self.constant(name) is not None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(self._is_here)

    def row_numbers(self) -> Iterator[int]:
        """Yield the number of each row."""
        for row, is_here in enumerate(self._is_here):
            if is_here:
                yield row

    def read_row(self, row: int, read: Read) -> list[ResultLine]:
        """Read the lines of a row again, by repetition."""
        return [read(number) for number in self.source.numbers_of(row)]

    def id_of(self, row: int) -> str | None:
        return self._ids[row]

    def inputs_of_row(self, row: int, without: Sequence[str]) -> int | None:
        """Return the digest of a row's inputs without some constants, None if it never started."""
        if not self._has_inputs[row]:
            return None
        digest = self._digests[row]
        for name in without:
            constant = self.constant(name)
            if constant is not None:
                digest -= constant
        return digest % (1 << BITS)


def differing_constants(base: Side, new: Side) -> list[str]:
    """Return the inputs that all rows of a side share, and that differ or lack on the other."""
    names = []
    shared = {*base.header.constants, *base.header.secrets}
    shared.update(new.header.constants, new.header.secrets)
    for name in sorted(shared):
        is_shared = base.may_lack(name) and new.may_lack(name)
        if is_shared and base.constant(name) != new.constant(name):
            names.append(name)
    return names
