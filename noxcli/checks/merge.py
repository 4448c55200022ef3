"""One report from the journals of a batch and its shards: each row once, with missing and repeated rows named."""

import os
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from noxcli.batchdir.append_file import open_batch_file
from noxcli.batchdir.header import BatchHeader, command_to_continue, differences
from noxcli.batchdir.journal_state import FINISHED, JournalState, line_at
from noxcli.batchdir.progress_file import holder_of
from noxcli.batchdir.results_file import DigestIndex, ResultsReader, key_of, row_folder, run_of
from noxcli.batchdir.table import RowFacts
from noxcli.checks.batch_summary import BatchSummary
from noxcli.checks.row_checker import RowChecker
from noxcli.codec import decode_json
from noxcli.errors import ANSWERED, ConfigProblem, ExitCode, Incomplete, UsageProblem
from noxcli.files import JOURNAL_NAME, RESULTS_NAME
from noxcli.models import Run
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.html.batch_page import BatchAbout, rows_page
from noxcli.reports.html.markup import Page
from noxcli.reports.junit import Case, cases_of_row
from noxcli.reports.result import Outcome
from noxcli.rows.columns import EXPECT, hash_of
from noxcli.rows.selection import Shard
from noxcli.signals import SIGNALS

UNOWNED = 0xFFFF
MAX_DIRECTORIES = 1000
MAX_COMMANDS = 20
IN_FLIGHT = frozenset({"sent", "started", "stopping"})  # steps of rows that a batch works on
NAMES = {
    **{what: what for what in ("workflow", "server", "definition", "version")},
    "digest": "rows' content",
    "rows": "number of rows",
    "repeat": "number of repetitions",
    "secrets": "set of secrets",
    "columns": "set of columns",
}


@dataclass(slots=True, eq=False, repr=False)
class MergedBatch:
    """The journals of one batch, with the places of each row's last line there and of its result: 42 bytes a row."""

    directories: list[Path]
    headers: list[BatchHeader]
    rows: int = 0
    empty: list[Path] = field(default_factory=list)  # directories in which no batch has begun
    absent: list[Shard] = field(default_factory=list)  # shards whose journals are missing
    doubled: dict[int, list[tuple[int, int]]] = field(
        default_factory=dict
    )  # rows that ran again: directory, offset
    _stored: list[ResultsReader] = field(default_factory=list)  # of each directory
    _ran: dict[bool, Path] = field(
        default_factory=dict
    )  # a directory with runs, by whether it has the definition
    _owners: "array[int]" = field(default_factory=lambda: array("H", [UNOWNED]))
    _offsets: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    outdated: set[tuple[int, int]] = field(
        default_factory=set
    )  # rows that were edited since: directory, number
    _only: set[int] | None = (
        None  # the rows of the file that --only selected; None: none was left out
    )
    _keeps_others: bool = True  # that an earlier call has run
    _is_whole: bool = False  # such a call left none out
    _held: set[int] = field(default_factory=set)  # directories in which a batch is running
    _facts: RowFacts | None = None
    _keys: "array[int]" = field(
        default_factory=lambda: array("Q", [0])
    )  # of the results of finished rows; else 0
    _runs: "array[int]" = field(default_factory=lambda: array("Q", [0]))  # the digests of their ids
    _places: "array[int]" = field(
        default_factory=lambda: array("Q")
    )  # of their results, plus 1; empty before
    _hashes: "array[int]" = field(
        default_factory=lambda: array("q")
    )  # of the bytes there, which were validated

    @classmethod
    def read(cls, directories: Sequence[Path], *, of_last_call: bool = False) -> "MergedBatch":
        """Read all journals once; with `of_last_call` without the rows that it left out.

        Raises UsageProblem for one that can't be read, ConfigProblem for journals of different batches.
        """
        directories = list({directory.resolve(): directory for directory in directories}.values())
        if len(directories) > MAX_DIRECTORIES:
            raise UsageProblem(
                f"{len(directories)} directories are too many", f"give {MAX_DIRECTORIES} at most"
            )
        begun = [
            each
            for each in directories
            if os.path.exists(each / JOURNAL_NAME) or not os.path.isdir(each)  # noqa: PTH110, PTH112 - pathlib raises for long names
        ] or directories
        joined = cls([], [], empty=[each for each in directories if each not in begun])
        for directory in begun:
            is_held = not of_last_call and holder_of(directory) is not None
            journaled = JournalState.read(directory / JOURNAL_NAME)
            if journaled.header is None:
                joined.empty.append(directory)
                continue
            if is_held:
                joined._held.add(len(joined.directories))
            joined.directories.append(directory)
            joined._require_same(directory, journaled.header, ran=any(journaled.runs))
            joined._add(len(joined.headers) - 1, journaled)
            joined._stored.append(ResultsReader(directory))
        if not joined.headers:
            raise UsageProblem(
                f"{directories[0]} contains no batch", "give the --output-dir of each shard"
            )
        there = {_shard_of(header).index for header in joined.headers}
        of, repeat = _shard_of(joined.header).of, joined.header.repeat
        joined.absent = [
            Shard(index, of, repeat) for index in range(1, of + 1) if index not in there
        ]
        limit = joined.header.limit
        joined.rows = min(
            joined.rows, joined.rows if limit is None or not of_last_call else limit * repeat
        )
        joined._keeps_others = not (of_last_call and joined._only)
        return joined

    @property
    def header(self) -> BatchHeader:
        return self.headers[0]

    @property
    def shard(self) -> Shard:
        """The shard of a directory alone; all rows for several directories."""
        return _shard_of(self.header) if len(self.directories) == 1 else Shard()

    @property
    def torn(self) -> list[Path]:
        """The files of results that end within a line, once they were read."""
        return [stored.path for stored in self._stored if stored.torn]

    @property
    def is_limited(self) -> bool:
        """True if every call may have left out rows of the table."""
        limit = self.header.limit
        reached = limit is not None and self.rows >= limit * self.header.repeat
        return not self._is_whole and (reached or self.header.only is not None)

    @property
    def knows_all(self) -> bool:
        """True if a journal names each row; the ids of others are not known."""
        return UNOWNED not in self._owners[1 : self.rows + 1]

    def lines(self, checker: RowChecker, shard: Shard | None = None) -> Iterator[ResultLine]:
        """Yield a line for each row of the shard, or all, as it is printed: judged, and with its repetition."""
        return (checker.judged(self.header.printed(line)) for line in self.runs(shard or Shard()))

    def runs(
        self, shard: Shard, wanted: Callable[[int], bool] = lambda _: True
    ) -> Iterator[ResultLine]:
        """Yield the line of each row of the shard whose number is `wanted`: its stored result, or why it has none.

        Each repetition is a row of its own.
        """
        with self.open_to_read() as read:
            yield from map(read, filter(wanted, self._numbers(shard)))

    def read_all(self, shard: Shard) -> Iterator[tuple[int, ResultLine]]:
        """Read all results once, and yield the shard's rows after their numbers: those that have a result first."""
        for number, line in self._find_results():
            if number <= self.rows and shard.has(number) and self._is_selected(number):
                yield number, line
        with self.open_to_read() as read:
            yield from (
                (number, read(number))
                for number in self._numbers(shard)
                if not self._places[number]
            )

    def _find_results(self) -> Iterator[tuple[int, ResultLine]]:
        """Find the last result of each row's run, and yield the first one after the row's number.

        Results of one run differ at most in kept columns, until the batch that a kill has ended is continued.
        """
        rows = DigestIndex(
            (key, row) for row, key in enumerate(self._keys) if key and row not in self.doubled
        )
        places, self._hashes = (
            array("Q", bytes(8 * len(self._keys))),
            array("q", bytes(8 * len(self._keys))),
        )
        for owner, stored in enumerate(self._stored):
            for begin, raw, line in stored.read_all():
                number = rows.find(key_of(line["row"], hash_of(line["id"])))
                if number is None or (self._owners[number], self._runs[number]) != (
                    owner,
                    hash_of(run_of(line)),
                ):
                    continue
                if not places[number]:
                    yield number, {**line, "row": number}
                places[number], self._hashes[number] = begin + 1, hash(raw)
        self._places = places  # only now: a reading that stopped halfway has not found all

    def _numbers(self, shard: Shard) -> Iterator[int]:
        return (
            number
            for number in range(1, self.rows + 1)
            if shard.has(number) and self._is_selected(number)
        )

    def _is_selected(self, number: int) -> bool:
        """False for a row that --only left out, and for a place that a gate has not run."""
        is_known = self._owners[number] != UNOWNED
        if self.header.gate is not None or self._only is None:
            return is_known or self.header.gate is None
        row = (number - 1) // self.header.repeat + 1
        return row in self._only or (self._keeps_others and (self._is_whole or is_known))

    @contextmanager
    def open_to_read(self) -> Iterator[Callable[[int], ResultLine]]:
        """Yield what reads the line of a row by its number."""
        if not self._places:
            deque(self._find_results(), maxlen=0)
        with ExitStack() as stack:
            files = [
                stack.enter_context(open_batch_file(directory / JOURNAL_NAME))
                for directory in self.directories
            ]
            for stored in self._stored:
                stack.callback(stored.close)
            yield partial(self._read, files)

    def _read(self, files: Sequence[IO[bytes]], number: int) -> ResultLine:
        SIGNALS.check()  # a million rows take a while
        owner = self._owners[number]
        if owner == UNOWNED:
            return {**self._missing(number), **self._facts_of(files, number)}
        if place := self._places[number]:
            raw = self._stored[owner].read_at(place - 1)
            if hash(raw) == self._hashes[number]:  # it may have moved since
                return {**decode_json(raw), "row": number}
        entry = {**line_at(files[owner], self._offsets[number]), "row": number}
        others = [line_at(files[one], offset) for one, offset in self.doubled.get(number, ())]
        unstored = self._unstored(entry, others, is_outdated=(owner, number) in self.outdated)
        return {**unstored, **self._facts_of(files, number)}

    def _facts_of(self, files: Sequence[IO[bytes]], number: int) -> Mapping[str, Any]:
        """Return what is known of a row without a result."""
        if self._facts is None:
            journals = [directory / JOURNAL_NAME for directory in self.directories]
            self._facts = RowFacts(
                self.header, journals, lambda number: not any(self._places[number : number + 1])
            )
        return self._facts.row(files, self._owners[number], number)

    def _add(self, owner: int, journaled: JournalState) -> None:
        header = self.headers[-1]
        last = max((number for number, offset in enumerate(journaled.offsets) if offset), default=0)
        if header.only is not None:
            self._only = {*(self._only or ()), *header.only}
            last = max(last, max(self._only, default=0) * header.repeat)
        self.rows = max(self.rows, last, header.rows, journaled.whole)
        if (more := self.rows + 1 - len(self._owners)) > 0:
            self._owners.extend([UNOWNED] * more)
            for numbers in (self._offsets, self._keys, self._runs):
                numbers.frombytes(bytes(8 * more))
        for number, offset in enumerate(journaled.offsets):
            if not offset:
                continue
            ran = journaled.runs[number] != 0
            if self._owners[number] == UNOWNED or (ran and not self._runs[number]):
                self._owners[number], self._offsets[number] = owner, offset
                is_known = journaled.state(number) == FINISHED and number not in journaled.outdated
                self._keys[number] = key_of(number, journaled.ids[number]) if is_known else 0
                self._runs[number] = journaled.runs[number]
            elif ran:
                self.doubled.setdefault(number, []).append((owner, offset))
        self._is_whole |= journaled.whole > 0
        self.outdated |= {(owner, number) for number in journaled.outdated}

    def _require_same(self, directory: Path, header: BatchHeader, *, ran: bool) -> None:
        place = next(
            (place for place, each in enumerate(self.headers) if each.definition is not None), 0
        )
        self.headers.append(header)
        first, begun = self.directories[place], self.headers[place]
        names = [NAMES.get(each.what, f"input {each.what}") for each in differences(begun, header)]
        names += [
            NAMES[what]
            for what in ("rows", "digest")
            if getattr(begun, what) != getattr(header, what)
        ]
        differ = f"{first} and {directory} are not from one batch"
        if names:
            raise ConfigProblem(f"{differ}: the {names[0]} differs")
        if _shard_of(begun).of != _shard_of(header).of:
            raise ConfigProblem(f"{differ}: shards {begun.shard} and {header.shard}")
        if ran:
            known = self._ran.setdefault(header.definition is not None, directory)
            if len(self._ran) > 1:
                other = self._ran[header.definition is None]
                what = "only one of them has the workflow's definition"
                raise ConfigProblem(f"{other} and {known} are not from one batch: {what}")

    def _missing(self, number: int) -> ResultLine:
        absent = next((shard for shard in self.absent if shard.has(number)), None)
        why = f"the journal of shard {absent} is not here" if absent else "it was never started"
        outcome = Outcome(
            may_exist=absent is not None, error=Incomplete(why, None, ExitCode.NOT_FINISHED)
        )
        return _line(number, None, outcome)

    def _unstored(
        self, entry: ResultLine, others: Sequence[ResultLine], *, is_outdated: bool
    ) -> ResultLine:
        """Return the line of a row by the journal's last one about it, and by those of `others` that also ran it.

        The result of a row that was edited since it ran is of another input.
        """
        code = next((each for each in ExitCode if each == entry.get("exit_code", 0)), ExitCode.BUG)
        message, hint = entry.get("message") or code.meaning, None
        is_held = entry["step"] in IN_FLIGHT and self._owners[entry["row"]] in self._held
        match entry["step"]:
            case _ if is_held:
                code = ExitCode.NOT_FINISHED
                message = "it is running: the batch has not ended yet"
            case "again":
                code, message = (
                    ExitCode.NOT_FINISHED,
                    "it was chosen for a re-run, and has not been re-run yet",
                )
            case "sent":
                code, message = (
                    ExitCode.START_UNKNOWN,
                    "the batch was interrupted while starting it",
                )
            case "started" | "stopping":
                code, message = (
                    ExitCode.NOT_FINISHED,
                    "it was started, and its result is not known here yet",
                )
            case "finished" if is_outdated:
                code, message = (
                    ExitCode.NOT_FINISHED,
                    f"its input in {self.header.source} is not that of its run",
                )
                hint = "re-run it with --again edited"
            case "finished" if code == ExitCode.OK:
                code, message = (
                    ExitCode.UNDELIVERED,
                    f"it completed, but {RESULTS_NAME} has no result of it",
                )
                hint = f"noxcli fetch-output {entry['run_id']} has the output"
        if others:
            runs = ", ".join(str(each.get("run_id")) for each in (entry, *others))
            code, message, hint = (
                ExitCode.USAGE,
                f"it has several runs: {runs}",
                "was a shard given twice?",
            )
        run_id, run = entry.get("run_id"), None
        if run_id is not None:
            run = Run(run_id, self.header.workflow_id, entry.get("status") or "queued")
        error, may_exist = Incomplete(message, hint, code), code == ExitCode.START_UNKNOWN
        return _line(
            entry["row"], entry.get("id"), Outcome(run=run, may_exist=may_exist, error=error)
        )

    # Reports.

    def cases(self, checker: RowChecker, shard: Shard | None = None) -> Iterator[Case]:
        """Yield the test cases of the shard's rows, or of all, and of their checks."""
        classname = f"{self.header.workflow_name or self.header.workflow_id} {self.header.source}"
        for line in self.lines(checker, shard):
            names = checker.check_names(own=EXPECT in (line["columns"] or {}))
            yield from cases_of_row(line, classname, names)

    def notes(self) -> list[str]:
        """Return what to know about the rows that are here."""
        shards = ", ".join(map(str, self.absent))
        notes = (
            [f"missing the journals of shards {shards}"]
            if self.absent and len(self.directories) > 1
            else []
        )
        part = self.header.omitted_rows(self.rows // self.header.repeat) if self.is_limited else ""
        return [*notes, part] if part else notes

    def page(
        self,
        page: Page,
        checker: RowChecker,
        summary: BatchSummary,
        facts: Sequence[tuple[str, str]] = (),
    ) -> Iterator[bytes]:
        """Yield the HTML page, with the verdict of the summary, and with more facts."""
        codes: list[Counter[int]] = [Counter() for _ in self.directories]

        def rows() -> Iterator[ResultLine]:
            for counted in codes:
                counted.clear()
            for run in self.runs(self.shard):
                owner, line = self._owners[run["row"]], checker.judged(self.header.printed(run))
                owner = 0 if owner == UNOWNED else owner
                codes[owner][line["result"]["exit_code"]] += 1
                folder = self.directories[owner] / row_folder(run["row"], run["id"])
                yield {**line, "folder": str(folder)} if folder.is_dir() else line

        commands, header = partial(self._commands, codes), self.header
        known = [
            ("Workflow", header.workflow),
            ("Version", header.version),
            ("Server", header.host),
        ]
        known += [("Shard", header.shard)] if self.shard.of > 1 else []
        about = BatchAbout(
            header.source,
            commands,
            [*self.notes(), *summary.notes()],
            [*((term, text) for term, text in known if text is not None), *facts],
            summary.verdict,
        )
        return rows_page(page, about, rows)

    def _commands(self, codes: Sequence[Counter[int]]) -> list[str]:
        """Return the commands that run incomplete rows again: one for each directory that has such rows."""
        lines = []
        for counted, header in zip(codes, self.headers, strict=True):
            unfinished = sum(counted[code] for code in counted if code not in ANSWERED)
            if line := command_to_continue(
                header.command, counted, unfinished, outdated=bool(self.outdated)
            ):
                lines.append(line)
        return lines[:MAX_COMMANDS]


def _line(number: int, own_id: str | None, outcome: Outcome) -> ResultLine:
    assert outcome.error is not None
    result = outcome.document(outcome.error.exit_code)
    return {"row": number, "id": own_id, "result": result, "input": None, "columns": None}


def _shard_of(header: BatchHeader) -> Shard:
    return Shard.parse(header.shard, header.repeat)
