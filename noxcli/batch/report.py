"""One report from the journals of a batch and its shards: each row once, with missing and repeated rows named."""

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from noxcli.batch.journal import JOURNAL_NAME, Header, header_in, lines_of, opened
from noxcli.batch.shards import Shard
from noxcli.errors import ConfigProblem, ExitCode, UsageProblem
from noxcli.reports.junit import Case
from noxcli.reports.testcase import assertion_cases, unchecked_cases, verdict_on

NOBODY = 0xFFFF
MOST_DIRECTORIES = 1000
MOST_ASSERTED = 1000  # names of assertions to keep: a journal is untrusted
TELLING = frozenset({"intent", "started", "withdrawn", "left", "interrupted", "finished"})


@dataclass(frozen=True, slots=True)
class RowReport:
    """The journals' data about one row. `duration_s` is in seconds."""

    row: int
    id: str | None
    run_id: str | None
    workflow_id: str
    status: str | None
    exit_code: int
    duration_s: float | None
    message: str | None
    directory: str | None
    assertions: Sequence[Mapping[str, Any]] = ()

    def document(self) -> dict[str, Any]:
        """Return the row's line of the report."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields if self.assertions else {name: fields[name] for name in fields if name != "assertions"}

    def cases(self, classname: str, asserted: Iterable[str]) -> Iterator[Case]:
        """Yield the row as a test case, then each of its assertions; `asserted` names those of the other rows."""
        code = ExitCode.of(self.exit_code)
        name = f"row {self.row}" + (f" ({self.id})" if self.id is not None else "")
        yield Case(
            name=name,
            classname=classname,
            seconds=self.duration_s,
            verdict=verdict_on(code),
            type=code.name,
            message=self.message or code.meaning,
            text=f"run {self.run_id}" if self.run_id else "",
        )
        yield from assertion_cases(name, classname, self.assertions)
        if not self.assertions and code is not ExitCode.OK:
            yield from unchecked_cases(name, classname, asserted)


@dataclass(slots=True, eq=False, repr=False)
class Joined:
    """The journals of one batch, with the position of each row's last line: eleven bytes per row."""

    directories: list[Path]
    header: Header
    headers: Mapping[str, Header]  # by directory
    rows: int = 0
    absent: list[Shard] = field(default_factory=list)  # shards whose journals are missing
    doubled: dict[int, list[str]] = field(default_factory=dict)  # rows with runs in several journals
    asserted: dict[str, None] = field(default_factory=dict)  # the names of the rows' assertions
    _owners: "array[int]" = field(default_factory=lambda: array("H"))
    _offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    _ran: bytearray = field(default_factory=bytearray)

    @classmethod
    def read(cls, directories: Sequence[Path]) -> "Joined":
        """Read all journals once.

        Raises UsageProblem for one that can't be read, ConfigProblem for journals of different batches.
        """
        directories = list({directory.resolve(): directory for directory in directories}.values())
        if len(directories) > MOST_DIRECTORIES:
            raise UsageProblem(f"{len(directories)} directories are too many", f"give {MOST_DIRECTORIES} at most")
        headers = [_header_of(directory) for directory in directories]
        joined = cls(directories, headers[0], dict(zip(map(str, directories), headers, strict=True)))
        for directory, header in zip(directories, headers, strict=True):
            joined._require_same(directory, header)
        joined._find_absent([Shard.parse(header.shard) for header in headers])
        for owner, directory in enumerate(directories):
            joined._take(owner, directory / JOURNAL_NAME)
        return joined

    def reports(self) -> Iterator[RowReport]:
        """Yield every row from the first to the last."""
        with ExitStack() as stack:
            files = [stack.enter_context(opened(directory / JOURNAL_NAME)) for directory in self.directories]
            for number in range(1, self.rows + 1):
                owner = self._owners[number] if number < len(self._owners) else NOBODY
                if owner == NOBODY:
                    yield self._missing(number)
                else:
                    line = _line_at(files[owner], self._offsets[number])
                    yield self._report(number, line, str(self.directories[owner]))

    def _take(self, owner: int, path: Path) -> None:
        for offset, line in lines_of(path):
            rows = line.get("rows")
            if isinstance(rows, int):
                self.rows = max(self.rows, rows)
            number, step = line.get("row"), line.get("step")
            if step not in TELLING or not isinstance(number, int) or number < 1:
                continue
            self.rows = max(self.rows, number)
            self._grow_to(number)
            if self._owners[number] in {NOBODY, owner} or (step == "started" and not self._ran[number]):
                self._owners[number], self._offsets[number] = owner, offset
            elif step == "started":
                self.doubled.setdefault(number, []).append(str(line.get("run_id")))
            self._ran[number] |= step == "started"
            if len(self.asserted) < MOST_ASSERTED:
                self.asserted.update((each["name"], None) for each in _assertions_in(line))

    def _grow_to(self, number: int) -> None:
        """Make room for the row, and as much again, so that few rows move the others."""
        grow = number + 1 - len(self._owners)
        if grow > 0:
            self._owners.extend([NOBODY] * max(grow, len(self._owners)))
            self._offsets.extend([0] * max(grow, len(self._offsets)))
            self._ran.extend(bytes(len(self._owners) - len(self._ran)))

    def _require_same(self, directory: Path, header: Header) -> None:
        first = self.directories[0]
        for what in ("workflow_id", "host", "rows", "digest"):
            one, other = getattr(self.header, what), getattr(header, what)
            if one != other:
                name = {"workflow_id": "workflow", "digest": "rows' content", "rows": "number of rows"}.get(what, what)
                raise ConfigProblem(f"{first} and {directory} are not from one batch: the {name} differs")
        if Shard.parse(self.header.shard).of != Shard.parse(header.shard).of:
            raise ConfigProblem(
                f"{first} and {directory} are not from one batch: shards {self.header.shard} and {header.shard}"
            )

    def _find_absent(self, shards: Sequence[Shard]) -> None:
        of = shards[0].of
        there = {shard.index for shard in shards}
        self.absent = [Shard(index, of) for index in range(1, of + 1) if index not in there]

    def _missing(self, number: int) -> RowReport:
        absent = next((shard for shard in self.absent if shard.has(number)), None)
        why = f"the journal of shard {absent} is not here" if absent else "it was never started"
        return RowReport(number, None, None, self.header.workflow_id, None, int(ExitCode.NOT_FINISHED), None, why, None)

    def _report(self, number: int, line: Mapping[str, Any], directory: str) -> RowReport:
        code, message = line.get("exit_code"), line.get("message")
        match line["step"]:
            case "intent":
                code, message = ExitCode.START_UNKNOWN, "the batch was interrupted while starting it"
            case "started":
                code, message = ExitCode.NOT_FINISHED, "the batch was interrupted while it was running"
        if number in self.doubled:
            message = f"it has several runs: {', '.join([str(line.get('run_id')), *self.doubled[number]])}"
        return RowReport(
            number,
            line.get("id"),
            line.get("run_id"),
            self.header.workflow_id,
            line.get("status"),
            int(code or 0),
            line.get("duration_s"),
            message,
            directory,
            _assertions_in(line),
        )


def _assertions_in(line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the assertions of a journal's line, which is untrusted."""
    kinds = {"name": str, "holds": bool, "message": str | None, "diff": str | None}
    listed = [each for each in line.get("assertions", []) if isinstance(each, dict)]
    fields = [{name: each.get(name) for name in kinds} for each in listed]
    return [each for each in fields if all(isinstance(each[name], kind) for name, kind in kinds.items())]


def _header_of(directory: Path) -> Header:
    header = header_in(directory / JOURNAL_NAME)
    if header is None:
        raise UsageProblem(f"{directory} contains no batch", "give the --output-dir of each shard")
    return header


def _line_at(file: IO[bytes], offset: int) -> Mapping[str, Any]:
    file.seek(offset)
    line: Mapping[str, Any] = json.loads(file.readline())
    return line
