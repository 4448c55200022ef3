"""One report from the journals of a batch and its shards: each row once, with missing and repeated rows named."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from noxcli.batch.judge import Judge
from noxcli.batch.past import JOURNAL_NAME, Header, Past, line_at, opened
from noxcli.batch.results import KeptResults
from noxcli.batch.resume import command_to_continue
from noxcli.batch.row import FINAL
from noxcli.batch.shards import Shard
from noxcli.batch.work import row_folder
from noxcli.errors import ConfigProblem, ExitCode, UsageProblem
from noxcli.masking import Mask
from noxcli.reports.html.rows import BatchAbout, rows_page
from noxcli.reports.junit import Case, JunitReport, assertion_cases, unchecked_cases, verdict_on

NOBODY = 0xFFFF
MOST_DIRECTORIES = 1000
MOST_COMMANDS = 20
NAMES = {"workflow_id": "workflow", "digest": "rows' content", "rows": "number of rows", "version_id": "version"}


@dataclass(frozen=True, slots=True)
class RowReport:
    """The journals' data about one row, judged if there is a judge. `duration_s` is in seconds."""

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
    """The journals of one batch, with the position of each row's last line: ten bytes for each row."""

    directories: list[Path]
    headers: list[Header]
    rows: int = 0
    absent: list[Shard] = field(default_factory=list)  # shards whose journals are missing
    doubled: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # rows that ran again: directory, offset
    _owners: "array[int]" = field(default_factory=lambda: array("H", [NOBODY]))
    _offsets: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    _ran: bytearray = field(default_factory=lambda: bytearray(1))

    @classmethod
    def read(cls, directories: Sequence[Path]) -> "Joined":
        """Read all journals once.

        Raises UsageProblem for one that can't be read, ConfigProblem for journals of different batches.
        """
        directories = list({directory.resolve(): directory for directory in directories}.values())
        if len(directories) > MOST_DIRECTORIES:
            raise UsageProblem(f"{len(directories)} directories are too many", f"give {MOST_DIRECTORIES} at most")
        joined = cls(directories, [])
        for owner, directory in enumerate(directories):
            past = Past.read(directory / JOURNAL_NAME)
            if past.header is None:
                raise UsageProblem(f"{directory} contains no batch", "give the --output-dir of each shard")
            joined._require_same(directory, past.header)
            joined._add(owner, past)
        there = {Shard.parse(header.shard).index for header in joined.headers}
        of = Shard.parse(joined.header.shard).of
        joined.absent = [Shard(index, of) for index in range(1, of + 1) if index not in there]
        return joined

    @property
    def header(self) -> Header:
        return self.headers[0]

    @property
    def shard(self) -> Shard:
        """The shard of a directory alone; all rows for several directories."""
        return Shard.parse(self.header.shard) if len(self.directories) == 1 else Shard()

    def reports(self, judge: Judge | None = None, shard: Shard | None = None) -> Iterator[RowReport]:
        """Yield every row of the shard, or all, in their order; a judge judges the results that are stored."""
        with ExitStack() as stack:
            files = [stack.enter_context(opened(directory / JOURNAL_NAME)) for directory in self.directories]
            asks = judge is not None and judge.has_questions
            kept = [stack.enter_context(KeptResults(directory)) for directory in self.directories] if asks else []
            for number in filter((shard or Shard()).has, range(1, self.rows + 1)):
                owner = self._owners[number] if number < len(self._owners) else NOBODY
                if owner == NOBODY:
                    yield self._missing(number)
                    continue
                line = line_at(files[owner], self._offsets[number])
                more = [str(line_at(files[one], at).get("run_id")) for one, at in self.doubled.get(number, ())]
                report = self._report(number, line, str(self.directories[owner]), more)
                yield _judged(report, kept[owner], judge) if judge is not None and kept else report

    def _add(self, owner: int, past: Past) -> None:
        header, rows = self.headers[-1], len(past.offsets) - 1
        more = rows + 1 - len(self._owners)
        if more > 0:
            self._owners.extend([NOBODY] * more)
            self._offsets.extend([0] * more)
            self._ran.extend(bytes(more))
        for number, offset in enumerate(past.offsets):
            if not offset:
                continue
            self.rows = max(self.rows, number)
            ran = past.runs[number] != 0
            if self._owners[number] == NOBODY or (ran and not self._ran[number]):
                self._owners[number], self._offsets[number] = owner, offset
            elif ran:
                self.doubled.setdefault(number, []).append((owner, offset))
            self._ran[number] |= ran
        self.rows = max(self.rows, header.rows or past.rows)

    def _require_same(self, directory: Path, header: Header) -> None:
        self.headers.append(header)
        first, begun = self.directories[0], self.header
        for what in ("workflow_id", "version_id", "host", "rows", "digest"):
            if getattr(begun, what) != getattr(header, what):
                name = NAMES.get(what, what)
                raise ConfigProblem(f"{first} and {directory} are not from one batch: the {name} differs")
        if Shard.parse(begun.shard).of != Shard.parse(header.shard).of:
            raise ConfigProblem(
                f"{first} and {directory} are not from one batch: shards {begun.shard} and {header.shard}"
            )

    def _missing(self, number: int) -> RowReport:
        absent = next((shard for shard in self.absent if shard.has(number)), None)
        why = f"the journal of shard {absent} is not here" if absent else "it was never started"
        return RowReport(number, None, None, self.header.workflow_id, None, int(ExitCode.NOT_FINISHED), None, why, None)

    def _report(self, number: int, line: Mapping[str, Any], directory: str, more: Sequence[str]) -> RowReport:
        code, message = line.get("exit_code", 0), line.get("message")
        match line["step"]:
            case "sent":
                code, message = ExitCode.START_UNKNOWN, "the batch was interrupted while starting it"
            case "started" | "stopping":
                code, message = ExitCode.NOT_FINISHED, "the batch was interrupted while it was running"
        if more:
            message = f"it has several runs: {', '.join([str(line.get('run_id')), *more])}"
        return RowReport(
            number,
            line.get("id"),
            line.get("run_id"),
            self.header.workflow_id,
            line.get("status"),
            int(code),
            line.get("duration_s"),
            message,
            directory,
        )

    # Reports.

    def write_junit(self, target: Path, mask: Mask, judge: Judge | None = None, shard: Shard | None = None) -> None:
        """Write the rows of the shard, or all, and their assertions as test cases. Raises Undelivered."""
        asserted = () if judge is None else judge.names
        with JunitReport(target, self.header.source, mask) as report:
            for row in self.reports(judge, shard):
                for case in row.cases(self.header.workflow_id, asserted):
                    report.add(case)

    def page(self, judge: Judge | None, mask: Mask, base: Path, argv: Sequence[str] | None = None) -> Iterator[bytes]:
        """Yield the HTML page. `argv` is the command line of the batch, None if unknown.

        Links to rows' files are relative to the directory `base`.
        """

        def rows() -> Iterator[Mapping[str, Any]]:
            for row in self.reports(judge, self.shard):
                folder = Path(row.directory) / row_folder(row.row, row.id) if row.directory is not None else None
                there = {"folder": str(folder)} if folder is not None and folder.is_dir() else {}
                yield {**row.document(), **there}

        shards = ", ".join(map(str, self.absent))
        notes = [f"missing the journals of shards {shards}"] if self.absent and len(self.directories) > 1 else []
        about = BatchAbout(self.header.source, self.header.workflow_id, self._commands(rows(), argv), notes)
        return rows_page(about, rows, mask, base)

    def _commands(self, rows: Iterator[Mapping[str, Any]], argv: Sequence[str] | None) -> list[str]:
        """Return the commands that run incomplete rows again: one for each directory that has such rows."""
        codes: dict[str, Counter[int]] = {str(directory): Counter() for directory in self.directories}
        for row in rows:
            codes[row["directory"] or str(self.directories[0])][row["exit_code"]] += 1
        lines = []
        for (directory, counted), header in zip(codes.items(), self.headers, strict=True):
            begun = _line_of(header, directory) if argv is None else argv
            unfinished = sum(counted[code] for code in counted if code not in {*FINAL, ExitCode.NOT_AS_ASSERTED})
            if line := command_to_continue(begun, counted, unfinished):
                lines.append(line)
        return lines[:MOST_COMMANDS]


def _line_of(header: Header, directory: str) -> list[str]:
    """Return the line as far as the journal knows it, without inputs that all rows share."""
    shard = [] if Shard.parse(header.shard).of == 1 else ["--shard", header.shard]
    place = [] if directory == f"{header.source}.batch" else ["--output-dir", directory]
    return ["batch", header.workflow_id, header.source, *place, *shard]


def _judged(report: RowReport, kept: KeptResults, judge: Judge) -> RowReport:
    if report.exit_code != ExitCode.OK or report.run_id is None:
        return report
    line = kept.document(report.row, report.id, report.run_id)
    if line is None:
        message = "its result is not stored, so its assertions can't be checked"
        return replace(report, exit_code=int(ExitCode.UNDELIVERED), message=message)
    result = judge.judged({**line, "row": report.row})["result"]
    why, assertions = (result["error"] or {}).get("message"), result.get("assertions", ())
    return replace(report, exit_code=result["exit_code"], message=why, assertions=assertions)
