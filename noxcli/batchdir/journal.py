"""The journal of what happens to each row; lines are only ever added.

A row is on disk as `sent` before the first byte of its start is sent. So even after a kill, a row
that is not was never started, and one that is will not be started again unless the user requests
it.
"""

import fcntl
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from noxcli.batchdir.append_file import CONTINUE, AppendFile, JournalTrouble, Reserve
from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal_state import (
    BATCH_SCHEMA,
    KEY_DIGITS,
    MAX_LINE,
    JournalState,
    Move,
    SentStart,
)
from noxcli.batchdir.results_file import RowResult
from noxcli.codec import to_json
from noxcli.errors import ExitCode, NoxError, Unavailable, UsageProblem
from noxcli.files import (
    ASKED_NAME,
    ASKED_ROWS_NAME,
    HOLDER_NAME,
    JOURNAL_NAME,
    PROGRESS_NAME,
    RESULTS_NAME,
    reason_of,
)
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.reports.failure_groups import run_in
from noxcli.rows.columns import MAX_ROWS, Row
from noxcli.safe_dir import SafeDir
from noxcli.timing import Clock

MAX_HOLDER = 1024  # bytes
# What a call that started nothing removes, the journal last.
OF_THE_CALL = (
    ASKED_ROWS_NAME,
    ASKED_NAME,
    RESULTS_NAME,
    PROGRESS_NAME,
    HOLDER_NAME,
    JOURNAL_NAME,
)
MAX_ABOUT = 1024 * 1024  # characters of a row's inputs and columns; longer ones are not noted
KEYS_IN_A_LINE = 100_000
INTERRUPTED = "the batch was interrupted and stopped its run; --resume starts the row again"


class Journal(AbstractContextManager["Journal"]):
    """The journal of one directory, locked for one process; thread-safe."""

    def __init__(
        self, directory: Path, clock: Clock, mask: Mask | None = None, *, named: bool = True
    ) -> None:
        """Open the journal if there is one; `begin` creates it.

        If the user `named` the directory, it may be a link.

        An incomplete last line is moved to another file. Raises UsageProblem if the journal can't
        be opened or locked, Unavailable if another process has it.
        """
        self.path = directory / JOURNAL_NAME
        self._clock = clock
        self._mask = mask or Mask()
        self._named = named
        self._count_lock = threading.Lock()
        self._lines: AppendFile | None = None
        self._is_new = self._made_directory = self._holds = False
        # Starts that were sent in this call, but for those that the server was too busy to take.
        self._starts = 0
        if os.path.lexists(self.path):
            self._open()

    @property
    def is_open(self) -> bool:
        """True if there is a journal, which no other process has."""
        return self._lines is not None

    def create(self) -> None:
        """Create a journal without content.

        Raises as the constructor, and Unavailable if there is one by now.
        """
        made = not os.path.lexists(self.path.parent)
        lines = self._open()
        self._is_new, self._made_directory = os.fstat(lines.file).st_size == 0, made
        if not self._is_new:  # it did not exist before this had the lock
            self.close()
            hint = "continue that one with --resume, or choose another --output-dir"
            raise Unavailable(
                f"another batch has begun in {self.path.parent} meanwhile", hint, sent=False
            )

    def discard(self) -> bool:
        """Remove a journal that this call has created, with its directory, unless a start was sent.

        Return if so.
        """
        if not self._is_new or self._starts:
            return False
        with suppress(OSError):
            for name in OF_THE_CALL:
                self.place.remove(name)
            if self._made_directory:
                self.path.parent.rmdir()
        return True

    def _open(self) -> AppendFile:
        """Open it, and keep other processes out, also those of other machines."""
        directory = self.path.parent
        try:
            self.place = (SafeDir.open_named if self._named else SafeDir.open_derived)(
                directory, make=True
            )
            self._reserve = Reserve(self.place)
            self._lines = AppendFile(self.place, JOURNAL_NAME, "the journal")
            fcntl.flock(self._lines.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = self.path.stat() if self.path.exists() else None
            if there is None or not os.path.samestat(
                os.fstat(self._lines.file), there
            ):  # moved or removed meanwhile
                raise Unavailable(
                    f"another batch is ending in {directory}", "retry in a moment", sent=False
                )
            with suppress(OSError), self.place.replacing(HOLDER_NAME, durable=False) as file:
                file.write(f"process {os.getpid()} on {os.uname().nodename}".encode())
                self._holds = True
            self._lines.move_torn_aside()
        except NoxError:
            self.close()
            raise
        except BlockingIOError:
            what = f"another batch is running in {directory}"
            with suppress(OSError):
                what += f": {self.place.read(HOLDER_NAME, MAX_HOLDER).decode(errors='replace')}"
            self.close()
            hint = "retry once it has ended, or choose another --output-dir"
            raise Unavailable(what, hint, sent=False) from None
        except OSError as error:
            self.close()
            what = f"can't write the journal {self.path}: {reason_of(error)}"
            raise UsageProblem(what, "check --output-dir") from None
        return self._lines

    def close(self) -> None:
        """Close the journal and its directory; nothing more is written."""
        if self._lines is not None:
            if self._holds:
                with suppress(OSError):
                    self.place.remove(HOLDER_NAME)
            self._lines.close()
            self._reserve.close()
            self.place.close()
        self._lines = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def move_aside(self) -> Path | None:
        """Move the directory of an earlier batch aside, and return where, None without one.

        `begin` makes a new one. Raises UsageProblem.
        """
        directory = self.path.parent
        if not self.is_open and not (directory / RESULTS_NAME).exists():
            return None
        others = (directory.with_name(f"{directory.name}.{number}") for number in count(1))
        try:
            aside = next(path for path in others if not os.path.lexists(path))
            directory.rename(aside)
        except (OSError, ValueError) as error:
            raise UsageProblem(
                f"can't move {directory} aside: {reason_of(error)}", "choose another --output-dir"
            ) from None
        self.close()
        return aside

    def begin(
        self,
        header: BatchHeader,
        journaled: JournalState,
        moves: Sequence[Move] = (),
        order: Sequence[int] = (),
        edited: Sequence[tuple[int, str | None]] = (),
    ) -> None:
        """Say which batch this is, and what is new in FILE, unless its `journaled` does: all of it,
        or nothing.

        `moves` are of rows that have other places, `order` has the keys of all rows for a shard,
        and `edited` rows are chosen for a re-run. Raises UsageProblem as the constructor.
        """
        if not self.is_open:
            self.create()
        lines: list[Mapping[str, Any]] = []
        for move in moves:
            lines.append({"row": move.number, "step": "moved", "from": move.before, "id": move.id})
        if moves:
            lines.append({"step": "renumbered"})
        if journaled.header != header:
            lines.append({"batch": BATCH_SCHEMA, **asdict(header)})
        if list(order) != journaled.order:
            lines += _order(order)
        if edited:
            lines += [{**line, "edited": True} for line in _again(edited)]
            lines.append({"step": "chosen"})
        self._append(*lines, durable=True)

    def choose(self, rows: Sequence[tuple[int, str | None]]) -> None:
        """Choose rows, by number and id, to re-run: all of them, or none if this is interrupted.

        They are on disk when this returns. Raises JournalTrouble if they are not.
        """
        self._append(*_again(rows), {"step": "chosen"}, durable=True)

    def note_rerun_done(self) -> None:
        """All chosen rows have been re-run."""
        self._append({"step": "answered"}, durable=True)

    def note_version_sent(self, name: str, definition: str) -> None:
        """Call this before a version of this name is saved. Raises JournalTrouble."""
        with self._count_lock:
            self._starts += 1  # the directory is kept: a later call looks for the version
        self._append({"step": "version", "name": name, "definition": definition}, durable=True)

    def note_version_saved(self, name: str, version_id: str | None) -> None:
        """It was saved. Raises JournalTrouble."""
        self._append({"step": "saved", "name": name, "version_id": version_id}, durable=True)

    def note_version_refused(self, name: str, error: NoxError) -> None:
        """It was not saved. Raises JournalTrouble."""
        with self._count_lock:
            self._starts -= 1
        self._append({"step": "refused", "name": name, "message": error.message})

    def note_sent(self, row: Row, input_digest: str, server_now: datetime | None) -> SentStart:
        """Call this before the first byte of the start is sent; it is on disk when this returns.

        Raises JournalTrouble if it is not.
        """
        if row.number > MAX_ROWS:
            raise JournalTrouble(f"a batch has at most {MAX_ROWS} rows")
        at = server_now.isoformat(timespec="milliseconds") if server_now is not None else None
        facts: dict[str, Any] = {
            "row_digest": f"{row.digest:016x}",
            "unconverted": f"{row.unconverted:016x}",
            "input_digest": input_digest,
            "server_at": at,
        }
        about = {"input": row.inputs.shown(), "columns": row.columns}
        if len(to_json(about)) <= MAX_ABOUT:
            facts |= about
        try:
            self._reserve.keep()
        except OSError as error:
            what = f"can't write the journal {self.path}: {reason_of(error)}"
            raise JournalTrouble(what, CONTINUE) from None
        with self._count_lock:
            self._starts += 1
        self._append(self._step(row, "sent", **facts), durable=True)
        return SentStart(
            row.number, row.id, input_digest, (server_now or self._clock.now()).timestamp()
        )

    def withdraw(self, row: Row, error: NoxError) -> None:
        """Nothing was started after all."""
        with self._count_lock:
            if isinstance(error, Unavailable):
                self._starts -= 1
        self._append_after_start(
            self._step(row, "withdrawn", exit_code=int(error.exit_code), message=error.message)
        )

    def note_started(self, row: Row | SentStart, run: Run) -> None:
        """The row has this run: the server's answer to its start, or one that it takes from the
        list.
        """
        self._append_after_start(
            self._step(row, "started", run_id=run.id, created_at=run.created_at)
        )

    def _append_after_start(self, line: Mapping[str, Any]) -> None:
        """Add the outcome of a start: some space is kept for it. Raises JournalTrouble."""
        try:
            self._append(line)
        except JournalTrouble:
            if not self._reserve.give():
                raise
            self._append_after_start(line)

    def note_stopping(self, rows: Iterable[tuple[Row, Run]]) -> None:
        """Call this before noxcli stops these rows' runs, so that --resume can distinguish its own
        stops from others'.

        It is on the disk when this returns. Raises JournalTrouble if it is not.
        """
        self._append(
            *(self._step(row, "stopping", run_id=run.id) for row, run in rows), durable=True
        )

    def note_ended(self, rows: Iterable[RowResult]) -> None:
        """These rows' results are known, permanently if `final`; all lines are one write."""
        lines = []
        for finished in rows:
            run, error = run_in(finished.result), finished.result["error"] or {}
            step, code, message = (
                "finished" if finished.final else "left",
                finished.code,
                error.get("message"),
            )
            if finished.interrupted:  # noxcli itself stopped its run: it must be started again
                step, code, message = "interrupted", ExitCode.NOT_FINISHED, INTERRUPTED
            facts = {"run_id": run.get("id"), "status": run.get("status"), "message": message}
            lines.append(self._step(finished.row, step, exit_code=int(code), **facts))
        self._append(*lines)

    def _step(self, row: Row | SentStart, step: str, **facts: Any) -> dict[str, Any]:
        return {"row": row.number, "step": step, "id": row.id, **facts}

    def _append(self, *lines: Mapping[str, Any], durable: bool = False) -> None:
        """Add lines in one write.

        Raises JournalTrouble if they can't all be written; then none of them remains.
        """
        if self._lines is None:
            raise JournalTrouble("the batch has ended")
        at = self._clock.now().isoformat(timespec="milliseconds")
        encoded = [f"{to_json({**self._mask.whole(line), 'at': at})}\n".encode() for line in lines]
        if (longest := max(map(len, encoded), default=0)) > MAX_LINE:
            raise JournalTrouble(f"a line of the journal would have {longest} bytes")
        if encoded:
            self._lines.append(b"".join(encoded), durable=durable)


def _order(keys: Sequence[int]) -> list[dict[str, Any]]:
    lines = []
    for begin in range(0, max(1, len(keys)), KEYS_IN_A_LINE):
        part = keys[begin : begin + KEYS_IN_A_LINE]
        text = "".join(f"{key:0{KEY_DIGITS}x}" for key in part)
        lines.append({"step": "order", "first": begin + 1, "keys": text})
    return lines


def _again(rows: Sequence[tuple[int, str | None]]) -> list[dict[str, Any]]:
    return [{"row": number, "step": "again", "id": own_id} for number, own_id in rows]
