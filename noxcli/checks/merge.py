"""One report from the journals of a batch and its shards: each row once, with missing and repeated
rows named.
"""

import os
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from noxcli.batchdir.append_file import open_batch_file
from noxcli.batchdir.header import BatchHeader, command_to_continue, differences, route_of
from noxcli.batchdir.journal_state import FINISHED, JournalState, line_at
from noxcli.batchdir.progress_file import holder_of
from noxcli.batchdir.results_file import ResultsReader, run_of
from noxcli.batchdir.table import RowFacts
from noxcli.checks.batch_summary import BatchSummary
from noxcli.checks.row_checker import RowChecker
from noxcli.codec import decode_json
from noxcli.errors import (
    ANSWERED,
    CommandLine,
    ConfigProblem,
    ExitCode,
    Hint,
    Incomplete,
    UsageProblem,
)
from noxcli.files import JOURNAL_NAME, RESULTS_NAME
from noxcli.models import Run
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.html.batch_page import BatchAbout, rows_page
from noxcli.reports.html.markup import Page
from noxcli.reports.junit import Case, cases_of_row
from noxcli.reports.result import Outcome
from noxcli.rows.columns import EXPECT, hash_of
from noxcli.rows.selection import ALL_ROWS, Shard
from noxcli.signals import SIGNALS

UNOWNED = 0xFFFF
MAX_DIRECTORIES = 1000
MAX_COMMANDS = 20
IN_FLIGHT = frozenset({"sent", "started", "stopping"})  # steps of rows that a batch works on
NAMES = {
    "workflow": "workflow",
    "server": "server",
    "definition": "definition",
    "version": "version",
    "digest": "rows' content",
    "rows": "number of rows",
    "repeat": "number of repetitions",
    "secrets": "set of secrets",
    "columns": "set of columns",
}


@dataclass(slots=True, eq=False, repr=False)
class MergedBatch:
    """The journals of one batch, with the places of each row's last line there and of its result:
    42 bytes a row.
    """

    directories: list[Path]
    headers: list[BatchHeader]
    rows: int = 0
    empty: list[Path] = field(default_factory=list)  # directories in which no batch has begun
    absent: list[Shard] = field(default_factory=list)  # shards whose journals are missing
    # Rows that ran again: directory, offset.
    doubled: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    _stored: list[ResultsReader] = field(default_factory=list)  # of each directory
    # A directory with runs, by whether it has the definition.
    _ran: dict[bool, Path] = field(default_factory=dict)
    _owners: "array[int]" = field(default_factory=lambda: array("H", [UNOWNED]))
    _offsets: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    # The rows of the file that --only selected; None: none was left out.
    _only: set[int] | None = None
    _keeps_others: bool = True  # that an earlier call has run
    _is_whole: bool = False  # such a call left none out
    _held: set[int] = field(default_factory=set)  # directories in which a batch is running
    _facts: RowFacts | None = None
    _runs: "array[int]" = field(default_factory=lambda: array("Q", [0]))  # the hashes of their ids
    _finished: set[int] = field(default_factory=set)  # rows
    _latest: int = 0  # the directory whose call read FILE last
    # The keys of all rows then, if there are shards.
    _order: list[int] = field(default_factory=list)
    # Of rows that have another number in their journal.
    _own_numbers: dict[int, int] = field(default_factory=dict)
    _file_rows: int = 0  # the last row that FILE has
    gone: int = 0  # finished rows that FILE no longer has
    # Of their results, plus 1; empty before.
    _places: "array[int]" = field(default_factory=lambda: array("Q"))
    # Of the bytes there, which were validated.
    _hashes: "array[int]" = field(default_factory=lambda: array("q"))
    # A line of rows that never started, by the shard whose journal is missing.
    _unstarted: dict[Shard | None, ResultLine] = field(default_factory=dict)

    @classmethod
    def read(
        cls, directories: Sequence[Path], *, of_last_call: bool = False, with_gone: bool = False
    ) -> "MergedBatch":
        """Read all journals once; with `of_last_call` without the rows that it left out.

        Rows that FILE no longer has are those behind its last one, if `with_gone`. Raises
        UsageProblem for a journal that can't be read, ConfigProblem for journals of different
        batches.
        """
        directories = list({directory.resolve(): directory for directory in directories}.values())
        if len(directories) > MAX_DIRECTORIES:
            raise UsageProblem(
                f"{len(directories)} directories are too many", f"give {MAX_DIRECTORIES} at most"
            )
        empty = [each for each in directories if _has_not_begun(each)]
        if len(empty) == len(directories):
            empty = []  # reading the first journal says what is missing
        joined = cls([], [], empty=empty)
        begun = [directory for directory in directories if directory not in empty]
        journals = joined._read_journals(begun, of_last_call=of_last_call)
        if not journals:
            raise UsageProblem(
                f"{directories[0]} contains no batch", "give the --output-dir of each shard"
            )
        joined._add_all(journals, with_gone=with_gone)
        joined._note_absent()
        if of_last_call:
            joined._leave_out()
        return joined

    def _read_journals(
        self, directories: Sequence[Path], *, of_last_call: bool
    ) -> list[JournalState]:
        """Read the journals that have begun, in their order."""
        journals: list[JournalState] = []
        for directory in directories:
            is_held = not of_last_call and holder_of(directory) is not None
            journaled = JournalState.read(directory / JOURNAL_NAME)
            if journaled.header is None:
                self.empty.append(directory)
                continue
            if is_held:
                self._held.add(len(self.directories))
            self.directories.append(directory)
            self._require_same(directory, journaled, journals)
            journals.append(journaled)
            self._stored.append(ResultsReader(directory))
        return journals

    def _note_absent(self) -> None:
        there = {_shard_of(header).index for header in self.headers}
        of = _shard_of(self.header).of
        for index in range(1, of + 1):
            if index not in there:
                self.absent.append(Shard(index, of, self.header.repeat))

    def _leave_out(self) -> None:
        """Leave out the rows that the last call left out."""
        limit = self.header.limit
        if limit is not None:
            self.rows = min(self.rows, limit * self.header.repeat)
        if self._only:
            self._keeps_others = False

    @property
    def header(self) -> BatchHeader:
        return self.headers[0]

    @property
    def shard(self) -> Shard:
        """The shard of a directory alone; all rows for several directories."""
        return _shard_of(self.header) if len(self.directories) == 1 else ALL_ROWS

    @property
    def has_begun(self) -> bool:
        """True if a journal names a row."""
        return self._owners.count(UNOWNED) < len(self._owners)

    @property
    def torn(self) -> list[Path]:
        """The files of results that end within a line, once they were read."""
        return [stored.path for stored in self._stored if stored.torn]

    @property
    def is_limited(self) -> bool:
        """True if every call may have left out rows of the table."""
        if self._is_whole:
            return False
        if self.header.only is not None:
            return True
        limit = self.header.limit
        return limit is not None and self.rows >= limit * self.header.repeat

    @property
    def knows_all(self) -> bool:
        """True if a journal names each row; the ids of others are not known."""
        return UNOWNED not in self._owners[1 : self.rows + 1]

    def lines(self, checker: RowChecker, shard: Shard = ALL_ROWS) -> Iterator[ResultLine]:
        """Yield a line for each row of the shard as it is printed: judged, and with its
        repetition.
        """
        for line in self.runs(shard):
            yield checker.judged(self.header.printed(line))

    def runs(
        self, shard: Shard, wanted: Callable[[int], bool] | None = None
    ) -> Iterator[ResultLine]:
        """Yield the line of each row of the shard whose number is `wanted`, or of all: its stored
        result, or why it has none.

        Each repetition is a row of its own.
        """
        with self.open_to_read() as read:
            for number in self._numbers(shard):
                if wanted is None or wanted(number):
                    yield read(number)

    def read_all(self, shard: Shard) -> Iterator[tuple[int, ResultLine]]:
        """Read all results once, and yield the shard's rows after their numbers: those that have a
        result first.
        """
        for number, line in self._find_results():
            if self._is_in(shard, number) and self._is_selected(number):
                yield number, line
        with self.open_to_read() as read:
            for number in self._numbers(shard):
                if not self._places[number]:
                    yield number, read(number)

    def _find_results(self) -> Iterator[tuple[int, ResultLine]]:
        """Find the last result of each row's run, and yield the first one after the row's number.

        Results of one run differ at most in kept columns, until the batch that a kill has ended is
        continued.
        """
        numbers: dict[int, int] = {}  # by runs
        shared: dict[tuple[int, int], int] = {}  # of runs that a server gave to several rows
        for number in sorted(self._finished.difference(self.doubled)):
            known_run = self._runs[number]
            if known_run in numbers:
                shared[known_run, self._own_numbers.get(number, number)] = number
            numbers.setdefault(known_run, number)
        places = array("Q", bytes(8 * len(self._runs)))
        self._hashes = array("q", bytes(8 * len(self._runs)))
        for owner, stored in enumerate(self._stored):
            for begin, raw, line in stored.read_all():
                run = hash_of(run_of(line))
                row = shared.get((run, line["row"]), numbers.get(run))
                if row is None or self._owners[row] != owner:
                    continue
                if not places[row]:
                    yield row, {**line, "row": row}
                places[row] = begin + 1
                self._hashes[row] = hash(raw)
        self._places = places  # only now: a reading that stopped halfway has not found all

    def _numbers(self, shard: Shard) -> Iterator[int]:
        for number in range(1, self.rows + 1):
            if self._is_in(shard, number) and self._is_selected(number):
                yield number

    def _is_in(self, shard: Shard, number: int) -> bool:
        """True for a row of the shard; those that FILE no longer has are in each."""
        if number > self.rows:
            return False
        if shard.of == 1 or number > self._file_rows:
            return True
        row = (number - 1) // self.header.repeat
        return row < len(self._order) and shard.has(self._order[row])

    def _is_selected(self, number: int) -> bool:
        """False for a row that --only left out, and for a place that a gate has not run."""
        is_known = self._owners[number] != UNOWNED
        if number > self._file_rows:
            return is_known
        if self.header.gate is not None:
            return is_known
        if self._only is None:
            return True
        row = (number - 1) // self.header.repeat + 1
        if row in self._only:
            return True
        if not self._keeps_others:
            return False
        return is_known or self._is_whole

    @contextmanager
    def open_to_read(self) -> Iterator[Callable[[int], ResultLine]]:
        """Yield what reads the line of a row by its number."""
        if not self._places:
            for _ in self._find_results():
                pass  # only where they are is needed
        with ExitStack() as stack:
            files: list[IO[bytes]] = []
            for directory in self.directories:
                files.append(stack.enter_context(open_batch_file(directory / JOURNAL_NAME)))
            for stored in self._stored:
                stack.callback(stored.close)

            def read(number: int) -> ResultLine:
                return self._read(files, number)

            yield read

    def _read(self, files: Sequence[IO[bytes]], number: int) -> ResultLine:
        SIGNALS.check()  # a million rows take a while
        owner = self._owners[number]
        if owner == UNOWNED:
            return {**self._missing(number), **self._facts_of(files, number)}
        place = self._places[number]
        if place:
            raw = self._stored[owner].read_at(place - 1)
            if hash(raw) == self._hashes[number]:  # it may have moved since
                return {**decode_json(raw), "row": number}
        entry = {**line_at(files[owner], self._offsets[number]), "row": number}
        others = [line_at(files[one], offset) for one, offset in self.doubled.get(number, ())]
        unstored = self._unstored(entry, others)
        return {**unstored, **self._facts_of(files, number)}

    def owner_of(self, number: int) -> int:
        """Return which directory has a row, the first one for a row that none has."""
        owner = self._owners[number]
        return 0 if owner == UNOWNED else owner

    def _facts_of(self, files: Sequence[IO[bytes]], number: int) -> Mapping[str, Any]:
        """Return what is known of a row without a result."""
        if self._facts is None:
            journals = [directory / JOURNAL_NAME for directory in self.directories]
            self._facts = RowFacts(self.headers[self._latest], journals, self._lacks_result)
        own_number = self._own_numbers.get(number, number)
        return self._facts.row(files, self._owners[number], own_number, number)

    def _lacks_result(self, number: int) -> bool:
        return number >= len(self._places) or not self._places[number]

    def _add_all(self, journals: Sequence[JournalState], *, with_gone: bool) -> None:
        """Add all rows by their places in FILE, as the last call of all read it."""
        self._latest = max(range(len(journals)), key=lambda at: journals[at].read_at)
        self._order = journals[self._latest].order
        for owner, journaled in enumerate(journals):
            self._count_rows(self.headers[owner], journaled)
        for owner, journaled in enumerate(journals):
            self._add(owner, journaled, with_gone=with_gone)

    def _count_rows(self, header: BatchHeader, journaled: JournalState) -> None:
        known = [number for number in journaled.known_rows() if number <= journaled.file_rows]
        last = max(known, default=0)
        if header.only is not None:
            if self._only is None:
                self._only = set()
            self._only.update(header.only)
            last = max(last, max(self._only, default=0) * header.repeat)
        whole = min(journaled.whole, journaled.file_rows)
        self.rows = max(self.rows, last, header.rows, whole)
        self._file_rows = max(self._file_rows, journaled.file_rows, self.rows)
        if journaled.whole > 0:
            self._is_whole = True

    def _make_room(self, number: int) -> None:
        more = number + 1 - len(self._owners)
        if more > 0:
            self._owners.extend([UNOWNED] * more)
            for numbers in (self._offsets, self._runs):
                numbers.frombytes(bytes(8 * more))

    def _add(self, owner: int, journaled: JournalState, *, with_gone: bool) -> None:
        self._make_room(self.rows)
        repeat = self.header.repeat
        places = _places_in(self._order, journaled.order)
        behind = max(self.rows, self._file_rows)  # where rows that are gone are
        for own_number in journaled.known_rows():
            if own_number > journaled.file_rows:
                if journaled.state(own_number) == FINISHED:
                    self.gone += 1
                if not with_gone:
                    continue
                number = behind + own_number - journaled.file_rows
                self.rows = max(self.rows, number)
                self._make_room(number)
            elif places:
                row, repetition = divmod(own_number - 1, repeat)
                number = places[row] * repeat + repetition + 1
            else:
                number = own_number
            if number != own_number:
                self._own_numbers[number] = own_number
            self._add_row(owner, journaled, own_number, number)

    def _add_row(self, owner: int, journaled: JournalState, own_number: int, number: int) -> None:
        offset = journaled.offsets[own_number]
        run = journaled.runs[own_number]
        if self._owners[number] == UNOWNED or (run and not self._runs[number]):
            self._owners[number] = owner
            self._offsets[number] = offset
            self._runs[number] = run
            self._finished.discard(number)
            if journaled.state(own_number) == FINISHED:
                self._finished.add(number)
        elif run:
            self.doubled.setdefault(number, []).append((owner, offset))

    def _require_same(
        self, directory: Path, journaled: JournalState, others: Sequence[JournalState]
    ) -> None:
        header = journaled.header
        assert header is not None
        place = 0  # of the first one with the workflow's definition, if there is one
        for at, each in enumerate(self.headers):
            if each.definition is not None:
                place = at
                break
        self.headers.append(header)
        first = self.directories[place]
        begun = self.headers[place]
        names = [NAMES.get(each.what, f"input {each.what}") for each in differences(begun, header)]
        if begun.rows != header.rows:
            names.append(NAMES["rows"])
        elif begun.digest != header.digest and not _has_same_rows(others[place], journaled):
            names.append(NAMES["digest"])
        differ = f"{first} and {directory} are not from one batch"
        if names:
            raise ConfigProblem(f"{differ}: the {names[0]} differs")
        if _shard_of(begun).of != _shard_of(header).of:
            raise ConfigProblem(f"{differ}: shards {begun.shard} and {header.shard}")
        if any(journaled.runs):
            has_definition = header.definition is not None
            known = self._ran.setdefault(has_definition, directory)
            other = self._ran.get(not has_definition)
            if other is not None:
                what = "only one of them has the workflow's definition"
                raise ConfigProblem(f"{other} and {known} are not from one batch: {what}")

    def _missing(self, number: int) -> ResultLine:
        absent = next((shard for shard in self.absent if self._is_in(shard, number)), None)
        if absent not in self._unstarted:  # a batch that has just begun has a million such rows
            self._unstarted[absent] = _unstarted_line(absent)
        return {**self._unstarted[absent], "row": number}

    def _unstored(self, entry: ResultLine, others: Sequence[ResultLine]) -> ResultLine:
        """Return why a row has no result; `others` are the last lines of its other runs."""
        error = self._why_unstored(entry)
        if others:
            runs = ", ".join(str(each.get("run_id")) for each in (entry, *others))
            what = f"it has several runs: {runs}"
            error = Incomplete(what, "was a shard given twice?", ExitCode.USAGE)
        run = None
        run_id = entry.get("run_id")
        if run_id is not None:
            status = entry.get("status") or "queued"
            if self._is_in_flight(entry):
                status = "running"
            run = Run(run_id, self.header.workflow_id, status)
        may_exist = error.exit_code == ExitCode.START_UNKNOWN
        outcome = Outcome(run=run, may_exist=may_exist, error=error)
        return _line(entry["row"], entry.get("id"), outcome)

    def _is_in_flight(self, entry: ResultLine) -> bool:
        """True if a batch that is running now has started the row."""
        return entry["step"] in IN_FLIGHT and self._owners[entry["row"]] in self._held

    def _why_unstored(self, entry: ResultLine) -> Incomplete:
        """Return what the last line of a row's run in the journal says."""
        step = entry["step"]
        if self._is_in_flight(entry):
            what = "it is running: the batch has not ended yet"
            return Incomplete(what, None, ExitCode.NOT_FINISHED)
        if step == "again":
            what = "it was chosen for a re-run, and has not been re-run yet"
            return Incomplete(what, None, ExitCode.NOT_FINISHED)
        if step == "sent":
            what = "the batch was interrupted while starting it"
            return Incomplete(what, None, ExitCode.START_UNKNOWN)
        if step in {"started", "stopping"}:
            what = "it was started, and its result is not known here yet"
            return Incomplete(what, None, ExitCode.NOT_FINISHED)
        try:
            code = ExitCode(entry.get("exit_code", 0))
        except ValueError:
            code = ExitCode.BUG
        if step == "finished" and code == ExitCode.OK:
            what = f"it completed, but {RESULTS_NAME} has no result of it"
            line = CommandLine("fetch-output", entry["run_id"])
            hint = Hint(line.shown(route_of(self.header.command)), " has the output")
            return Incomplete(what, hint, ExitCode.UNDELIVERED)
        return Incomplete(entry.get("message") or code.meaning, None, code)

    # Reports.

    def cases(self, checker: RowChecker, shard: Shard = ALL_ROWS) -> Iterator[Case]:
        """Yield the test cases of the shard's rows and of their checks."""
        classname = f"{self.header.workflow_name or self.header.workflow_id} {self.header.source}"
        for line in self.lines(checker, shard):
            names = checker.check_names(own=EXPECT in (line["columns"] or {}))
            yield from cases_of_row(line, classname, names)

    def notes(self) -> list[str]:
        """Return what to know about the rows that are here."""
        notes = []
        if self.absent and len(self.directories) > 1:
            shards = ", ".join(map(str, self.absent))
            notes.append(f"missing the journals of shards {shards}")
        if self.is_limited:
            part = self.header.omitted_rows(self.rows // self.header.repeat)
            if part:
                notes.append(part)
        return notes

    def page(
        self,
        page: Page,
        checker: RowChecker,
        summary: BatchSummary,
        facts: Sequence[tuple[str, str]] = (),
    ) -> Iterator[bytes]:
        """Yield the HTML page, with the verdict of the summary, and with more facts."""
        header = self.header
        known = [
            ("Workflow", header.workflow),
            ("Version", header.version),
            ("Server", header.host),
        ]
        if self.shard.of > 1:
            known.append(("Shard", header.shard))
        rows = _RowsOfPage(self, checker)
        about = BatchAbout(
            header.source,
            rows.commands,
            [*self.notes(), *summary.notes()],
            [*((term, text) for term, text in known if text is not None), *facts],
            summary.verdict,
        )
        return rows_page(page, about, rows.read)


class _RowsOfPage:
    """The rows of a page with their files, and how they ended in each directory."""

    def __init__(self, joined: MergedBatch, checker: RowChecker) -> None:
        self._joined = joined
        self._checker = checker
        # Of each directory, as it was read last.
        self._codes: list[Counter[int]] = [Counter() for _ in joined.directories]

    def read(self) -> Iterator[ResultLine]:
        joined = self._joined
        for counted in self._codes:
            counted.clear()
        for run in joined.runs(joined.shard):
            line = self._checker.judged(joined.header.printed(run))
            owner = joined.owner_of(run["row"])
            self._codes[owner][line["result"]["exit_code"]] += 1
            directory = joined.directories[owner]
            folder = directory / _folder_of(run)
            if folder != directory and folder.is_dir():
                line = {**line, "folder": str(folder)}
            yield line

    def commands(self) -> list[str]:
        """Return the commands that run incomplete rows again, once all rows were read: one for
        each directory that has such rows.
        """
        lines = []
        for counted, header in zip(self._codes, self._joined.headers, strict=True):
            unfinished = sum(counted[code] for code in counted if code not in ANSWERED)
            line = command_to_continue(header.command, counted, unfinished)
            if line is not None:
                lines.append(line.shown())
        return lines[:MAX_COMMANDS]


def _has_not_begun(directory: Path) -> bool:
    """True for a directory without a journal; a missing one is reported when it is read."""
    journal = directory / JOURNAL_NAME
    # pathlib raises for long names.
    return os.path.isdir(directory) and not os.path.exists(journal)  # noqa: PTH110, PTH112


def _unstarted_line(absent: Shard | None) -> ResultLine:
    """Return the line of a row that no journal has; `absent` is the shard whose journal may."""
    why = "it was never started"
    if absent is not None:
        why = f"the journal of shard {absent} is not here"
    error = Incomplete(why, None, ExitCode.NOT_FINISHED)
    return _line(0, None, Outcome(may_exist=absent is not None, error=error))


def _line(number: int, own_id: str | None, outcome: Outcome) -> ResultLine:
    assert outcome.error is not None
    result = outcome.document(outcome.error.exit_code)
    return {"row": number, "id": own_id, "result": result, "input": None, "columns": None}


def _has_same_rows(one: JournalState, other: JournalState) -> bool:
    """True if shards have read the same rows, in any order."""
    if not one.order:
        return False
    return sorted(one.order) == sorted(other.order)


def _places_in(order: Sequence[int], own: Sequence[int]) -> list[int]:
    """Return where in `order` each row of a shard's own order is, from 0.

    Empty if both are the same.
    """
    if order == own:
        return []
    places: dict[int, deque[int]] = {}
    for place, key in enumerate(order):
        places.setdefault(key, deque()).append(place)
    return [places[key].popleft() for key in own]


def _folder_of(line: ResultLine) -> str:
    """Return the name of the directory of a row's files, empty without any."""
    for file in line["result"]["files"]:
        if file.get("path"):
            return Path(file["path"]).parent.name
    return ""


def _shard_of(header: BatchHeader) -> Shard:
    return Shard.parse(header.shard, header.repeat)
