"""Every finished row's result with its output, in the batch's own file, even if stdout is lost."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Self

from noxcli.batchdir.append_file import (
    CONTINUE,
    AppendFile,
    JournalTrouble,
    lines_in,
    open_batch_file,
)
from noxcli.codec import decode_json, to_json
from noxcli.errors import HAD_RUN, ExitCode, NoxError, UsageProblem
from noxcli.files import RESULTS_NAME, reason_of
from noxcli.masking import Mask
from noxcli.outputs.filenames import safe_stem
from noxcli.reports.failure_groups import run_in
from noxcli.reports.result import Outcome
from noxcli.rows.columns import MAX_ROWS, Row, hash_of
from noxcli.safe_dir import SafeDir

MAX_RESULT = 1 << 30  # the longest line to read back, in bytes
CODES = frozenset(ExitCode)
NONE = type(None)
LINE_KINDS: Mapping[str, tuple[type, ...]] = {
    "row": (int,),
    "id": (str, NONE),
    "repetition": (int, NONE),
    "result": (dict,),
    "input": (dict, NONE),
    "columns": (dict, NONE),
}
LINE_KEYS = LINE_KINDS.keys() - {"repetition"}
RESULT_KINDS: Mapping[str, tuple[type, ...]] = {
    "exit_code": (int,),
    "run": (dict, NONE),
    "error": (dict, NONE),
}
RESULT_KEYS = RESULT_KINDS.keys() | {"output"}
RUN_KINDS: Mapping[str, tuple[type, ...]] = {
    "duration_s": (int, float, NONE),
    "id": (str, NONE),
    "workflow_id": (str, NONE),
    "workflow_name": (str, NONE),
    "version_id": (str, NONE),
    "created_at": (str, NONE),
    "finished_at": (str, NONE),
}
ERROR_KINDS: Mapping[str, tuple[type, ...]] = {"message": (str, NONE), "hint": (str, NONE)}
MAX_RUN = 1e12  # seconds
MAX_REPETITIONS = 1000  # of a row


@dataclass(eq=False, repr=False)  # without slots: it keeps what is computed from it
class RowResult:
    """A row's result in this call, as the server gave it.

    `interrupted` if noxcli itself stopped its run, which must be started again; `took` is how long
    its run took, if that was measured; with a `fatal_error`, no other row would succeed either.
    """

    row: Row
    result: dict[str, Any]
    code: ExitCode
    input: Mapping[str, Any]
    columns: Mapping[str, Any]
    interrupted: bool = False
    took: float | None = None
    fatal_error: NoxError | None = None
    times_run: int = 1  # with this one
    # Its document with the verdict of --assert and --expect.
    judged: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Row, outcome: Outcome, mask: Mask, route: str) -> Self:
        """Return the row with the result in the outcome.

        The mask hides secrets, the route leads lines to paste to the batch's server.
        """
        if outcome.error is not None:
            outcome.error.lead_to(route)
        code = outcome.error.exit_code if outcome.error else ExitCode.OK
        document = outcome.document(code, mask)
        inputs = mask.whole(row.inputs.shown())
        return cls(row, document, code, inputs, mask.whole(row.columns))

    @property
    def final(self) -> bool:
        """True if the row's run is over, so that --resume skips it."""
        if self.interrupted or self.code not in HAD_RUN:
            return False
        return bool(run_in(self.result).get("confirmed"))

    @cached_property
    def document(self) -> dict[str, Any]:
        """What its line contains."""
        return {
            "row": self.row.number,
            "id": self.row.id,
            "result": self.result,
            "asked": self.times_run,
            "input": self.input,
            "columns": self.columns,
        }

    @cached_property
    def line(self) -> str:
        """Its line in the results."""
        return f"{to_json(self.document)}\n"


MAX_ID = 60  # bytes of a row's own id in the name of its directory


def row_folder(row: Row, *, by_content: bool = False) -> str:
    """Return the name of the directory of a row's files: by its place and its id, or `by_content`
    without one.

    Where rows have had other places, a place alone may be that of several rows.
    """
    stem = f"{row.number:06}"
    if row.id is not None:
        return f"{stem}-{safe_stem(row.id, MAX_ID)}"
    return f"{stem}-{row.digest:016x}" if by_content else stem


class ResultsFile:
    """The results of one directory, written by one thread.

    The journal's lock keeps other processes out.

    A line is added before the journal records its row as finished, so a kill in between may add it
    twice. Of several lines of a run, the last one counts; the others, and those of runs that later
    ones replace, are removed when the file is closed. Lines that noxcli does not understand stay
    where they are.
    """

    def __init__(
        self, place: SafeDir, runs: Sequence[int] = (), replaced: Collection[int] = ()
    ) -> None:
        """Move an incomplete last line to another file.

        `runs` are those that the journal has for each row, and `replaced` those of rows that have
        run again. Raises UsageProblem if the file can't be written.
        """
        self.path = place.path / RESULTS_NAME
        self._place = place
        self._runs = runs
        self._replaced = set(replaced)
        self._replaced_with: dict[int, int] = {}  # runs, by the row whose next result replaces them
        self._has_replaced = False
        try:
            self._lines = AppendFile(place, RESULTS_NAME, "the results")
            self._lines.move_torn_aside()
            self._reader = ResultsReader(place.path)
            self.places: dict[int, int] = {}  # of the lines of each run, when this was opened
            for begin, _, line in self._reader.read_all():
                run = hash_of(run_of(line))
                self._note_line(run)
                self.places[run] = begin
        except OSError as error:
            raise UsageProblem(
                f"can't write the results {self.path}: {reason_of(error)}", "check --output-dir"
            ) from None

    def _note_line(self, run: int) -> None:
        if run in self.places or run in self._replaced:
            self._has_replaced = True

    def close(self) -> None:
        """Remove lines that others replace. Raises JournalTrouble if writing fails."""
        self._reader.close()
        self._lines.close()
        try:
            if self._has_replaced:
                self._remove_replaced()
        except OSError as error:
            raise JournalTrouble(
                f"can't write the results {self.path}: {reason_of(error)}", CONTINUE
            ) from None

    def _remove_replaced(self) -> None:
        last: dict[object, int] = {}
        dropped: set[int] = set()  # where lines begin
        shared = _several_times(self._runs)  # a server gave them to several rows
        for begin, _, line in ResultsReader(self._place.path).read_all():
            run = hash_of(run_of(line))
            key: object = (run, line["row"]) if run in shared else run
            if run in self._replaced:
                dropped.add(begin)
            elif key in last:
                dropped.add(last[key])
            last[key] = begin
        with self._place.replacing(RESULTS_NAME) as new:
            for begin, raw in lines_in(self.path, MAX_RESULT):
                if begin not in dropped:
                    new.write(raw)

    def read_raw(self, run: int) -> bytes:
        """Return the line that a run had when this was opened, empty without one."""
        begin = self.places.get(run)
        return b"" if begin is None else self._reader.read_at(begin)

    def append(self, rows: Iterable[RowResult]) -> None:
        """Add rows' lines, which replace those that they have. Raises as `AppendFile.append`."""
        lines = []
        for row in rows:
            run = hash_of(run_of(row.document))
            self._note_line(run)
            self._note_run_before(row.row.number, run)
            lines.append(row.line)
        self.append_lines(lines)

    def replace_with(self, number: int, run: int) -> None:
        """Let the next result of a row replace the line of this run."""
        self._replaced_with[number] = run

    def _note_run_before(self, number: int, run: int) -> None:
        before = {self._replaced_with.get(number, 0)}
        if number < len(self._runs):
            before.add(self._runs[number])
        before -= {0, run}  # 0 is none
        if before:
            self._replaced |= before
            self._has_replaced = True

    def append_lines(self, lines: Sequence[str]) -> None:
        """Add lines. Raises as `append`."""
        if lines:
            self._lines.append("".join(lines).encode("utf-8", "surrogateescape"))

    def replace_lines(self, lines: Sequence[str]) -> None:
        """Add lines of runs that have one. Raises as `append`."""
        self.append_lines(lines)
        if lines:
            self._has_replaced = True


def _several_times(runs: Iterable[int]) -> set[int]:
    """Return the runs that are there several times."""
    seen: set[int] = set()
    found: set[int] = set()
    for run in runs:
        if run and run in seen:
            found.add(run)
        seen.add(run)
    return found


class ResultsReader:
    """The lines of results of one directory that can be read; without a file, none.

    `torn` if the file ended within a line when all were read, since its writer was killed.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / RESULTS_NAME
        self.torn = False
        self._file: IO[bytes] | None = None

    def read_all(self) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        """Yield where each line begins, its bytes and what they say.

        Raises UsageProblem if the file can't be read.
        """
        try:
            for begin, raw in lines_in(self.path, MAX_RESULT):
                self.torn = not raw.endswith(b"\n")
                if self.torn:
                    continue
                line = parse_line(raw)
                if line is not None:
                    yield begin, raw, line
        except FileNotFoundError:
            return
        except OSError as error:
            raise UsageProblem(f"can't read the results {self.path}: {reason_of(error)}") from None

    def read_at(self, begin: int) -> bytes:
        """Return the line that begins there."""
        if self._file is None:
            self._file = open_batch_file(self.path)
        self._file.seek(begin)
        return self._file.readline(MAX_RESULT)

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = None


def parse_line(raw: bytes) -> dict[str, Any] | None:
    """Return a line of results, None for anything else."""
    try:
        return parse_result_line(decode_json(raw))
    except ValueError:
        return None


def run_of(line: Mapping[str, Any]) -> str | None:
    """Return the id of the run that a line of results is about, None without one."""
    return run_in(line["result"]).get("id")


def parse_result_line(value: Any) -> dict[str, Any] | None:
    """Return a JSON value as a line of results if it is one."""
    if not isinstance(value, dict) or not value.keys() >= LINE_KEYS or not _has(value, LINE_KINDS):
        return None
    if not 0 < value["row"] <= MAX_ROWS:
        return None
    if not 0 < (value.get("repetition") or 1) <= MAX_REPETITIONS:
        return None
    return value if _is_result(value["result"]) else None


def _is_result(result: Mapping[str, Any]) -> bool:
    if not result.keys() >= RESULT_KEYS or not _has(result, RESULT_KINDS):
        return False
    if result["exit_code"] not in CODES:
        return False
    checks = result.get("assertions", [])
    if not isinstance(checks, list) or not all(isinstance(each, dict) for each in checks):
        return False
    error = result["error"]
    if error is not None and not _has(error, ERROR_KINDS):
        return False
    run = result["run"]
    if run is None:
        return True
    if not _has(run, RUN_KINDS):
        return False
    seconds: float = run.get("duration_s") or 0
    return abs(seconds) < MAX_RUN  # also false of nan


def _has(value: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> bool:
    # Called for each line of large files: a loop takes half the time of `all`.
    for name, fitting in kinds.items():
        each = value.get(name)
        if type(each) not in fitting and (not isinstance(each, fitting) or isinstance(each, bool)):
            return False
    return True
