"""The journal of what happens to each row, written before and after each step; lines are only ever added.

An intent is on disk before its start is sent. So even after a kill, a row without an intent was never started, and
one with an intent is not started again unless the user asks for it.
"""

import os
import re
import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from noxcli.batch.plan import RowResult
from noxcli.batch.sound import LONGEST_LINE, MOST_ROWS, parsed
from noxcli.encode import to_json
from noxcli.errors import ExitCode, NoxError, UsageProblem
from noxcli.files import reason_of
from noxcli.fixed import fixed
from noxcli.formats import require_readable
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.place import Place, open_regular
from noxcli.runs.likeness import Likeness
from noxcli.timing import Clock

try:
    import fcntl
except ImportError:  # Windows has no such lock; there, the user must not run two batches on one directory
    fcntl = None  # type: ignore[assignment]

JOURNAL_NAME = "batch.jsonl"
BATCH_SCHEMA = "noxcli.batch/1"
HEADER_BEGINS = re.compile(rb'\{"batch": ?"([^"\\]*)"')
INTERRUPTED = "the batch was interrupted and stopped its run; --resume starts the row again"
NEW, INTENDED, STARTED, FINISHED = range(4)  # a finished row's exit code is added to its state


class JournalTrouble(NoxError):
    """The journal can't be written, so nothing more may be started."""

    exit_code = ExitCode.UNDELIVERED


@dataclass(frozen=True, slots=True)
class Header:
    """The identity of a batch. `rows` and `digest` are None if rows are streamed."""

    workflow_id: str
    host: str
    source: str
    shard: str
    rows: int | None = None
    digest: str | None = None

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """Return the header in a line. Raises KeyError if there is none."""
        return cls(**{name: line[name] for name in cls.__slots__})


@fixed
class Pending:
    """A row that was not finished.

    `at` is our time of its intent and `server_at` the server's, if known; `created_at` is the server's time of its
    run.
    """

    number: int
    id: str | None
    at: str
    input_digest: str
    run_id: str | None = None
    created_at: str | None = None
    input_shape: str = ""
    server_at: str | None = None


@dataclass(slots=True, eq=False, repr=False)
class Past:
    """The content of a journal. Two numbers per row, and more only for rows that were not finished."""

    header: Header | None = None
    states: bytearray = field(default_factory=lambda: bytearray(1))
    digests: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    pending: dict[int, Pending] = field(default_factory=dict)
    codes: Counter[int] = field(default_factory=Counter)  # of finished rows
    stopping: set[int] = field(default_factory=set)  # rows whose runs noxcli itself was about to stop

    @property
    def finished(self) -> int:
        """The number of rows that already had their run."""
        return sum(self.codes.values())

    def state(self, number: int) -> int:
        return min(FINISHED, self.states[number]) if number < len(self.states) else NEW

    def digest(self, number: int) -> int:
        return self.digests[number] if number < len(self.digests) else 0

    def forget(self, number: int) -> None:
        """Count a row as new."""
        self.pending.pop(number, None)
        self.stopping.discard(number)
        if number < len(self.states):
            if self.states[number] >= FINISHED:
                self.codes[self.states[number] - FINISHED] -= 1
            self.states[number] = NEW

    def take(self, line: Mapping[str, Any], *, retry_failed: bool = False) -> None:
        """Apply one line. Raises KeyError, TypeError or ValueError for one that no journal has."""
        if "batch" in line:
            self.header = Header.of(line)
            return
        step = line["step"]
        if step == "end":
            return
        number = int(line["row"])
        while number >= len(self.states):
            self.states.extend(bytes(len(self.states)))
            self.digests.extend([0] * len(self.digests))
        match step:
            case "intent":
                self.forget(number)
                self.states[number], self.digests[number] = INTENDED, int(line["row_digest"], 16)
                self.pending[number] = Pending(
                    number,
                    line["id"],
                    line["at"],
                    line["input_digest"],
                    input_shape=line.get("input_shape", ""),
                    server_at=line.get("server_at"),
                )
            case "started":
                before = self.pending[number]
                self.states[number] = STARTED
                self.pending[number] = replace(before, run_id=line["run_id"], created_at=line["created_at"])
                self.stopping.discard(number)
            case "stopping":
                self.stopping.add(number)
            case "withdrawn" | "interrupted":
                self.forget(number)
            case "finished":
                self.forget(number)
                code = int(line["exit_code"])
                if not (retry_failed and code != ExitCode.OK):
                    self.states[number] = FINISHED + code
                    self.codes[code] += 1


class Journal:
    """The journal of one directory, locked for one process; thread-safe."""

    def __init__(self, directory: Path, clock: Clock, mask: Mask | None = None, *, named: bool = True) -> None:
        """Open the journal, and keep its directory open as `place`; if the user `named` it, it may be a link.

        Raises UsageProblem if it can't be opened, or another process has it.
        """
        self.path = directory / JOURNAL_NAME
        self._clock = clock
        self._mask = mask or Mask()
        self._write_lock = threading.Lock()
        self._written, self._flushed = 0, Flushed()
        try:
            self.place = (Place.named if named else Place.derived)(directory, make=True)
            self._file = self.place.opened(JOURNAL_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise UsageProblem(
                f"can't write the journal {self.path}: {reason_of(error)}", "check --output-dir"
            ) from None
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._torn = _ends_torn(self._file)
        except BlockingIOError:
            os.close(self._file)
            raise UsageProblem(
                f"another batch is running in {directory}", "wait for it, or choose another --output-dir"
            ) from None
        except OSError as error:
            os.close(self._file)
            raise UsageProblem(f"can't lock the journal {self.path}: {reason_of(error)}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._write_lock:
            os.close(self._file)
            self._file = -1
        self.place.close()

    def past(self, *, retry_failed: bool = False) -> Past:
        """Return the past of the batch; with `retry_failed`, rows whose run failed or was stopped count as new."""
        past = Past()
        for _, line in lines_of(self.path):
            try:
                past.take(line, retry_failed=retry_failed)
            except (KeyError, TypeError, ValueError):
                continue  # the incomplete last line of a killed process, or a line of a later version
        return past

    def begin(self, header: Header) -> None:
        self._add({"batch": BATCH_SCHEMA, **asdict(header), "at": self._time()}, durable=True)

    def intend(
        self,
        number: int,
        own_id: str | None,
        row_digest: int,
        input: Likeness,
        server_now: datetime | None,
    ) -> None:
        """Call this before the start is sent; the intent is on disk when it returns.

        Raises JournalTrouble if it is not.
        """
        if number > MOST_ROWS:
            raise JournalTrouble(f"a batch has at most {MOST_ROWS} rows")
        self._add(
            {
                "row": number,
                "step": "intent",
                "id": own_id,
                "row_digest": f"{row_digest:016x}",
                "input_digest": input.digest,
                "input_shape": input.shape,
                "at": self._time(),
                "server_at": server_now.isoformat(timespec="milliseconds") if server_now is not None else None,
            },
            durable=True,
        )

    def withdraw(self, number: int, own_id: str | None, error: NoxError) -> None:
        """Nothing was started after all."""
        told = {"exit_code": int(error.exit_code), "message": error.message}
        self._add({"row": number, "step": "withdrawn", "id": own_id, **told, "at": self._time()})

    def started(self, number: int, own_id: str | None, run: Run) -> None:
        self._add(
            {
                "row": number,
                "step": "started",
                "id": own_id,
                "run_id": run.id,
                "workflow_id": run.workflow_id,
                "created_at": run.created_at,
                "at": self._time(),
            }
        )

    def stopping(self, rows: Iterable[tuple[int, str | None, Run]]) -> None:
        """Call this before noxcli stops these rows' runs, so that --resume can distinguish its own stops from others'.

        It is on the disk when this returns. Raises JournalTrouble if it is not.
        """
        lines = [
            {"row": number, "step": "stopping", "id": own_id, "run_id": run.id, "at": self._time()}
            for number, own_id, run in rows
        ]
        for place, line in enumerate(lines, 1):
            self._add(line, durable=place == len(lines))

    def interrupted(self, number: int, own_id: str | None, run_id: str, status: str) -> None:
        """noxcli itself stopped the row's run: the row must be started again."""
        self._add(self._line_of_interrupted(number, own_id, run_id, status))

    def _line_of_interrupted(self, number: int, own_id: str | None, run_id: str, status: str) -> dict[str, Any]:
        told = {"run_id": run_id, "status": status, "exit_code": int(ExitCode.NOT_FINISHED)}
        return {"row": number, "step": "interrupted", "id": own_id, **told, "message": INTERRUPTED, "at": self._time()}

    def told(self, results: Iterable[RowResult]) -> None:
        """These rows' results are known, permanently if they are `final`; all lines are one write."""
        content = b"".join(self._encoded(self._line_of(one)) for one in results)
        if content:
            self._write(content)

    def _line_of(self, told: RowResult) -> dict[str, Any]:
        row, run, error = told.row, told.result["run"] or {}, told.result["error"] or {}
        if told.interrupted:
            return self._line_of_interrupted(row.number, row.id, run["id"], run["status"])
        return {
            "row": row.number,
            "step": "finished" if told.final else "left",
            "id": row.id,
            "run_id": run.get("id"),
            "workflow_id": run.get("workflow_id"),
            "status": run.get("status"),
            "exit_code": int(told.code),
            "duration_s": run.get("duration_s"),
            "message": error.get("message"),
            **({"assertions": told.result["assertions"]} if "assertions" in told.result else {}),
            "at": self._time(),
        }

    def end(self, rows: int) -> None:
        """All rows have been read; this is their number."""
        self._add({"step": "end", "rows": rows, "at": self._time()}, durable=True)

    def _add(self, line: Mapping[str, Any], *, durable: bool = False) -> None:
        self._write(self._encoded(line), durable=durable)

    def _encoded(self, line: Mapping[str, Any]) -> bytes:
        content = f"{to_json(self._mask.whole(line))}\n".encode()
        if len(content) > LONGEST_LINE:
            raise JournalTrouble(f"a line of the journal would have {len(content)} bytes")
        return content

    def _write(self, content: bytes, *, durable: bool = False) -> None:
        """Add whole lines in one write. Raises JournalTrouble if they do not fit."""
        try:
            with self._write_lock:
                if self._file < 0:
                    raise JournalTrouble("the batch has ended")
                written = os.write(self._file, b"\n" + content if self._torn else content)
                whole = written == len(content) + self._torn
                # The next entry must begin on a new line.
                self._torn = not whole
                self._written += 1
                mine = self._written
            if durable and whole:
                self._flushed.reach(mine, self._flush)
        except OSError as error:
            raise JournalTrouble(
                f"can't write the journal {self.path}: {reason_of(error)}",
                "free some space, and continue with --resume",
            ) from error
        if not whole:
            raise JournalTrouble(
                f"only half a line fitted into the journal {self.path}", "free some space, and continue with --resume"
            )

    def _time(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")

    def _flush(self) -> int:
        """Flush, and return the number of lines written before that."""
        upto = self._written
        os.fsync(self._file)
        return upto


class Flushed:
    """The number of lines on disk; one flush serves all threads whose line was written before it."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._count = 0
        self._at_it = False

    def reach(self, count: int, flush: Callable[[], int]) -> None:
        """Return once that many lines are on disk: one thread flushes at a time, and the others wait for it.

        Raises OSError if this thread's own flush fails; the others then try themselves.
        """
        with self._change:
            self._change.wait_for(lambda: self._count >= count or not self._at_it)
            if self._count >= count:
                return
            self._at_it = True
        reached = 0
        try:
            reached = flush()
        finally:
            with self._change:
                self._at_it = False
                self._count = max(self._count, reached)
                self._change.notify_all()


def lines_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the journal's lines with their offsets, without those that no journal has.

    Raises UsageProblem if it can't be read, or a newer noxcli wrote it.
    """
    try:
        with opened(path) as file:
            offset, whole = 0, True
            while raw := file.readline(LONGEST_LINE):
                begins, whole = whole, raw.endswith(b"\n")
                if begins and (header := HEADER_BEGINS.match(raw)):
                    # Checked first: a later version may have other fields.
                    require_readable(path, header[1].decode(errors="replace"), BATCH_SCHEMA)
                line = parsed(raw) if begins and whole else None
                if line is not None:
                    yield offset, line
                offset += len(raw)
    except OSError as error:
        raise UsageProblem(f"can't read the journal {path}: {reason_of(error)}") from None


def opened(path: Path) -> IO[bytes]:
    """Open a journal for reading, and nothing else in its place. Raises OSError."""
    return os.fdopen(open_regular(path, os.O_RDONLY), "rb")


def header_in(path: Path) -> Header | None:
    """Return the last header of the journal.

    Raises UsageProblem if it can't be read.
    """
    header = None
    for _, line in lines_of(path):
        if "batch" in line:
            with suppress(KeyError):
                header = Header.of(line)
    return header


def _ends_torn(file: int) -> bool:
    size = os.fstat(file).st_size
    return size > 0 and os.pread(file, 1, size - 1) != b"\n"
