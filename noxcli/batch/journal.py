"""The journal of what happens to each row, written before and after each step; lines are only ever added.

A row is on disk as `sent` before the first byte of its start leaves. So even after a kill, a row that is not was never
started, and one that is will not be started again unless the user asks for it.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from noxcli.batch.past import BATCH_SCHEMA, JOURNAL_NAME, LONGEST_LINE, MOST_ROWS, Header, Past, Pending
from noxcli.batch.row import FinishedRow
from noxcli.batch.rows import Row
from noxcli.encode import to_json
from noxcli.errors import ExitCode, NoxError, UsageProblem
from noxcli.files import reason_of
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.place import Place
from noxcli.timing import Clock

try:
    import fcntl
except ImportError:  # Windows has no such lock; there, the user must not run two batches on one directory
    fcntl = None  # type: ignore[assignment]

INTERRUPTED = "the batch was interrupted and stopped its run; --resume starts the row again"
BLOCK = 1 << 16


class JournalTrouble(NoxError):
    """The journal can't be written, so nothing more may be started."""

    exit_code = ExitCode.UNDELIVERED


class Journal:
    """The journal of one directory, locked for one process; thread-safe."""

    def __init__(self, directory: Path, clock: Clock, mask: Mask | None = None, *, named: bool = True) -> None:
        """Open the journal, and keep its directory open as `place`; if the user `named` it, it may be a link.

        An incomplete last line is moved to another file. Raises UsageProblem if the journal can't be opened, or another
        process has it.
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
            move_torn_aside(self.place, JOURNAL_NAME, self._file)
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

    def past(self) -> Past:
        """Return the past of the batch. Raises UsageProblem for a journal that this noxcli does not understand."""
        return Past.read(self.path)

    def begin(self, header: Header) -> None:
        self._add({"batch": BATCH_SCHEMA, **asdict(header)}, durable=True)

    def renumber(self, moves: Iterable[tuple[int, int, int]]) -> None:
        """Accept rows as they are in the file now: new number, number before, digest."""
        for new, before, digest in moves:
            self._add({"step": "moved", "row": new, "from": before, "row_digest": f"{digest:016x}"})
        self._add({"step": "renumbered"}, durable=True)

    def intend(self, row: Row) -> None:
        """The row is next; nothing of its start has been sent."""
        if row.number > MOST_ROWS:
            raise JournalTrouble(f"a batch has at most {MOST_ROWS} rows")
        self._add(self._step(row, "intent", row_digest=f"{row.digest:016x}"))

    def sent(self, row: Row, input_digest: str, server_now: datetime | None) -> Pending:
        """Call this before the first byte of the start leaves; it is on disk when this returns.

        Raises JournalTrouble if it is not.
        """
        at = server_now.isoformat(timespec="milliseconds") if server_now is not None else None
        self._add(self._step(row, "sent", input_digest=input_digest, server_at=at), durable=True)
        return Pending(row.number, row.id, input_digest, self._now(), at)

    def withdraw(self, row: Row, error: NoxError) -> None:
        """Nothing was started after all."""
        self._add(self._step(row, "withdrawn", exit_code=int(error.exit_code), message=error.message))

    def started(self, row: Row, run: Run) -> None:
        facts = {"run_id": run.id, "workflow_id": run.workflow_id, "created_at": run.created_at}
        self._add(self._step(row, "started", **facts))

    def adopted(self, doubt: Pending, run: Run) -> None:
        """The row in doubt takes a run that the list shows."""
        self.started(Row(doubt.number, 0, 0, doubt.id), run)

    def stopping(self, rows: Iterable[tuple[Row, Run]]) -> None:
        """Call this before noxcli stops these rows' runs, so that --resume can distinguish its own stops from others'.

        It is on the disk when this returns. Raises JournalTrouble if it is not.
        """
        lines = [self._step(row, "stopping", run_id=run.id) for row, run in rows]
        for place, line in enumerate(lines, 1):
            self._add(line, durable=place == len(lines))

    def interrupted(self, row: Row, run_id: str, status: str) -> None:
        """noxcli itself stopped the row's run: the row must be started again."""
        self._add(self._interrupted(row, run_id, status))

    def told(self, rows: Iterable[FinishedRow]) -> None:
        """These rows' results are known, permanently if they are `final`; all lines are one write."""
        content = b"".join(self._encoded(self._line_of(one)) for one in rows)
        if content:
            self._write(content)

    def end(self, rows: int) -> None:
        """All rows have been read; this is their number."""
        self._add({"step": "end", "rows": rows}, durable=True)

    def _line_of(self, finished: FinishedRow) -> dict[str, Any]:
        run, error = finished.result["run"] or {}, finished.result["error"] or {}
        if finished.interrupted:
            return self._interrupted(finished.row, run["id"], run["status"])
        return self._step(
            finished.row,
            "finished" if finished.final else "left",
            run_id=run.get("id"),
            workflow_id=run.get("workflow_id"),
            status=run.get("status"),
            exit_code=int(finished.code),
            duration_s=run.get("duration_s"),
            message=error.get("message"),
        )

    def _interrupted(self, row: Row, run_id: str, status: str) -> dict[str, Any]:
        code = int(ExitCode.NOT_FINISHED)
        return self._step(row, "interrupted", run_id=run_id, status=status, exit_code=code, message=INTERRUPTED)

    def _step(self, row: Row, step: str, **facts: Any) -> dict[str, Any]:
        return {"row": row.number, "step": step, "id": row.id, **facts}

    def _add(self, line: Mapping[str, Any], *, durable: bool = False) -> None:
        self._write(self._encoded(line), durable=durable)

    def _encoded(self, line: Mapping[str, Any]) -> bytes:
        content = f"{to_json(self._mask.whole({**line, 'at': self._now()}))}\n".encode()
        if len(content) > LONGEST_LINE:
            raise JournalTrouble(f"a line of the journal would have {len(content)} bytes")
        return content

    def _write(self, content: bytes, *, durable: bool = False) -> None:
        """Add whole lines in one write. Raises JournalTrouble if they do not fit; then none of them remains."""
        try:
            with self._write_lock:
                if self._file < 0:
                    raise JournalTrouble("the batch has ended")
                written = os.write(self._file, content)
                if written != len(content):
                    os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                    raise JournalTrouble(
                        f"can't write the journal {self.path}: only a part fitted",
                        "free some space, and continue with --resume",
                    )
                self._written += 1
                mine = self._written
            if durable:
                self._flushed.reach(mine, self._flush)
        except OSError as error:
            raise JournalTrouble(
                f"can't write the journal {self.path}: {reason_of(error)}",
                "free some space, and continue with --resume",
            ) from error

    def _now(self) -> str:
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


def move_torn_aside(place: Place, name: str, file: int) -> None:
    """Move an incomplete last line, which a kill leaves, to the end of NAME.torn. Raises OSError."""
    size = end = os.fstat(file).st_size
    while end:
        begin = max(0, end - BLOCK)
        found = os.pread(file, end - begin, begin).rfind(b"\n")
        end = begin + found + 1 if found >= 0 else begin
        if found >= 0:
            break
    if end == size:
        return
    torn = place.opened(f"{name}.torn", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for begin in range(end, size, BLOCK):
            os.write(torn, os.pread(file, min(BLOCK, size - begin), begin))
        os.write(torn, b"\n")
        os.fsync(torn)
    finally:
        os.close(torn)
    os.ftruncate(file, end)
