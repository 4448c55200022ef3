"""What a journal says about its rows, in a few numbers for each; it may be anybody's, so each line is checked."""

import json
import os
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Self

from noxcli.batch.rows import digest_of
from noxcli.decode import decode_json
from noxcli.errors import UsageProblem
from noxcli.files import reason_of
from noxcli.fixed import fixed
from noxcli.formats import require_readable
from noxcli.models import Run
from noxcli.place import open_regular
from noxcli.signals import SIGNALS

JOURNAL_NAME = "batch.jsonl"
BATCH_SCHEMA = "noxcli.batch/1"
LONGEST_LINE = 16 * 1024 * 1024  # bytes
MOST_ROWS = 20_000_000
NEW, SENT, STARTED, FINISHED = range(4)  # a finished row's exit code is added to its state

TEXT, MAYBE_TEXT, NUMBER, MAYBE_NUMBER = (str,), (str, type(None)), (int,), (int, type(None))
KINDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("step", "row_digest", "input_digest", "at"), TEXT),
    **dict.fromkeys(("id", "run_id", "workflow_id", "created_at", "server_at", "status", "message"), MAYBE_TEXT),
    **dict.fromkeys(("row", "from", "exit_code", "rows"), NUMBER),
    "duration_s": (int, float, type(None)),
}
KINDS_OF_HEADER: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("workflow_id", "host", "source", "shard"), TEXT),
    **dict.fromkeys(("version_id", "digest"), MAYBE_TEXT),
    "constants": (dict,),
    "columns": (list, type(None)),
    "secrets": (list,),
    "rows": MAYBE_NUMBER,
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    "intent": ("row", "id", "row_digest"),
    "sent": ("row", "id", "input_digest", "at"),
    "started": ("row", "id", "run_id", "created_at"),
    "stopping": ("row",),
    "interrupted": ("row", "exit_code"),
    "withdrawn": ("row",),
    "left": ("row", "exit_code"),
    "finished": ("row", "run_id", "exit_code"),
    "moved": ("row", "from", "row_digest"),
    "renumbered": (),
    "end": ("rows",),
}


@dataclass(frozen=True, slots=True)
class Header:
    """The identity of a batch. `rows` and `digest` are None if rows are streamed, `columns` if they are JSON."""

    workflow_id: str
    version_id: str | None
    host: str
    source: str
    shard: str
    constants: Mapping[str, str]  # inputs of all rows, in short
    secrets: list[str]  # the names of those that are secret
    columns: list[str] | None
    rows: int | None = None
    digest: str | None = None

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """Return the header in a line."""
        return cls(**{name: line[name] for name in cls.__slots__})


@fixed
class Pending:
    """A row whose start may have been sent. `at` is our time of that, `server_at` the server's, if known."""

    number: int
    id: str | None
    input_digest: str
    at: str
    server_at: str | None = None
    run_id: str | None = None
    created_at: str | None = None  # of its run


@dataclass(slots=True, eq=False, repr=False)
class Past:
    """The content of a journal: 33 bytes for each row, and more only for rows that were not finished.

    Digests of rows, of their own ids and of their runs have 64 bits; 0 for none.
    """

    header: Header | None = None
    states: bytearray = field(default_factory=lambda: bytearray(1))
    digests: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    ids: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    runs: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    offsets: "array[int]" = field(default_factory=lambda: array("Q", [0]))  # of each row's last line
    pending: dict[int, Pending] = field(default_factory=dict)
    stopping: set[int] = field(default_factory=set)  # rows whose runs noxcli itself was about to stop
    rows: int = 0  # of the file, once all were read
    _moves: list[tuple[int, int, int]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises UsageProblem for a journal that can't be read, or has a line that noxcli did not write."""
        past = cls()
        for offset, line in lines_of(path):
            past.take(line, offset)
        return past

    def codes(self, codes: Collection[int]) -> dict[int, int]:
        """Return the number of finished rows with each of the codes."""
        return {code: self.states.count(FINISHED + code) for code in codes}

    @property
    def finished(self) -> int:
        """The number of rows that already had their run."""
        return sum(state >= FINISHED for state in self.states)

    def state(self, number: int) -> int:
        return min(FINISHED, self.states[number]) if number < len(self.states) else NEW

    def code(self, number: int) -> int:
        """Return a finished row's exit code."""
        return self.states[number] - FINISHED

    def digest(self, number: int) -> int:
        return self.digests[number] if number < len(self.digests) else 0

    def own_id(self, number: int) -> int:
        """Return the digest of the row's own id."""
        return self.ids[number] if number < len(self.ids) else 0

    def forget(self, number: int) -> None:
        """Count a row as new."""
        self.pending.pop(number, None)
        self.stopping.discard(number)
        if number < len(self.states):
            self.states[number] = NEW

    def forget_all(self, codes: Collection[int]) -> None:
        """Count finished rows with one of these codes as new."""
        for number, state in enumerate(self.states):
            if state - FINISHED in codes:
                self.forget(number)

    def reopen(self, number: int, path: Path) -> None:
        """Count a finished row as started, since its result is lost; its run is read again."""
        line = line_at(path, self.offsets[number])
        self.states[number] = STARTED
        self.pending[number] = Pending(number, line.get("id"), "", line["at"], None, line["run_id"])

    def adopt(self, number: int, run: Run) -> None:
        """Count a row in doubt as started."""
        self.states[number], self.runs[number] = STARTED, digest_of_id(run.id)
        self.pending[number] = replace(self.pending[number], run_id=run.id, created_at=run.created_at)

    def take(self, line: Mapping[str, Any], offset: int = 0) -> None:
        """Apply one line."""
        if "batch" in line:
            self.header = Header.of(line)
            return
        match line["step"]:
            case "end":
                self.rows = line["rows"]
                return
            case "moved":
                self._moves.append((line["row"], line["from"], int(line["row_digest"], 16)))
                return
            case "renumbered":
                moves, self._moves = self._moves, []
                self.renumber(moves)
                return
        self._moves.clear()  # whoever wrote them was killed before the last one
        self._take_step(line["row"], line)
        self.offsets[line["row"]] = offset

    def _take_step(self, number: int, line: Mapping[str, Any]) -> None:
        self._make_room(number)
        match line["step"]:
            case "intent":
                self.forget(number)
                self.digests[number] = int(line["row_digest"], 16)
                self.ids[number] = digest_of_id(line["id"])
            case "sent":
                self.states[number] = SENT
                self.pending[number] = Pending(
                    number, line["id"], line["input_digest"], line["at"], line.get("server_at")
                )
            case "started":
                self.states[number], self.runs[number] = STARTED, digest_of_id(line["run_id"])
                self.stopping.discard(number)
                before = self.pending.get(number) or Pending(number, line["id"], "", line["at"])
                self.pending[number] = replace(before, run_id=line["run_id"], created_at=line["created_at"])
            case "stopping":
                self.stopping.add(number)
            case "withdrawn" | "interrupted":
                self.forget(number)
            case "finished":
                self.forget(number)
                self.states[number] = FINISHED + line["exit_code"]

    def _make_room(self, number: int) -> None:
        more = number + 1 - len(self.states)
        if more > 0:
            more = max(more, len(self.states))  # as much again, so that few rows move the others
            self.states.extend(bytes(more))
            for numbers in (self.digests, self.ids, self.runs, self.offsets):
                numbers.frombytes(bytes(8 * more))

    def renumber(self, moves: Sequence[tuple[int, int, int]]) -> None:
        """Accept rows as they are in the file now: new number, number before, digest. Others are no longer there."""
        self._make_room(max((old for _, old, _ in moves), default=0))
        states, pending, stopping = self.states, self.pending, self.stopping
        ids, runs, offsets = self.ids, self.runs, self.offsets
        size = 1 + max((new for new, _, _ in moves), default=0)
        self.states, self.pending, self.stopping = bytearray(size), {}, set()
        self.digests, self.ids, self.runs, self.offsets = (array("Q", bytes(8 * size)) for _ in range(4))
        for new, old, digest in moves:
            self.states[new], self.digests[new] = states[old], digest
            self.ids[new], self.runs[new], self.offsets[new] = ids[old], runs[old], offsets[old]
            if old in pending:
                self.pending[new] = replace(pending[old], number=new)
            if old in stopping:
                self.stopping.add(new)


class DigestIndex:
    """Digests with a number each, sixteen bytes for a pair; of several pairs with one digest, the last one counts."""

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        digests, numbers = array("Q"), array("Q")
        for digest, number in pairs:
            digests.append(digest)
            numbers.append(number)
        order = sorted(range(len(digests)), key=digests.__getitem__)  # equal ones stay in their order
        self._digests = array("Q", (digests[place] for place in order))
        self._numbers = array("Q", (numbers[place] for place in order))

    def find(self, digest: int) -> int | None:
        """Return the digest's last number, None if it has none."""
        place = bisect_right(self._digests, digest) - 1
        return self._numbers[place] if place >= 0 and self._digests[place] == digest else None

    def repeated(self) -> Iterator[tuple[int, int]]:
        """Yield each number that is followed by another one of the same digest, with the next one."""
        for place in range(len(self._digests) - 1):
            if self._digests[place] == self._digests[place + 1]:
                yield self._numbers[place], self._numbers[place + 1]


def digest_of_id(text: str | None) -> int:
    """Return the 64-bit digest of a row's own id, or of a run's; 0 for none."""
    return 0 if text is None else digest_of(text.encode("utf-8", "surrogatepass"))


def lines_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the journal's lines with their offsets, without an incomplete last one.

    Raises UsageProblem if it can't be read, a newer noxcli wrote it, or a line is not one of a journal.
    """
    try:
        with opened(path) as file:
            offset = number = 0
            while raw := file.readline(LONGEST_LINE):
                SIGNALS.check()
                number += 1
                if not raw.endswith(b"\n") and len(raw) < LONGEST_LINE:
                    return
                line = _parsed(raw, path)
                if line is None:
                    raise UsageProblem(
                        f"line {number} of the journal {path} is not one that this noxcli wrote; nothing was changed",
                        "upgrade noxcli if a newer one wrote it; else restore the journal, or choose another directory",
                    )
                yield offset, line
                offset += len(raw)
    except OSError as error:
        raise UsageProblem(f"can't read the journal {path}: {reason_of(error)}") from None


def opened(path: Path) -> IO[bytes]:
    """Open a file of a batch for reading, and nothing else in its place. Raises OSError."""
    return os.fdopen(open_regular(path, os.O_RDONLY), "rb")


def line_at(path: Path, offset: int) -> Mapping[str, Any]:
    """Return the journal's line at that offset."""
    with opened(path) as file:
        file.seek(offset)
        line: Mapping[str, Any] = json.loads(file.readline())
        return line


def _parsed(raw: bytes, path: Path) -> dict[str, Any] | None:
    """Return the line, or None for one that this version does not write."""
    try:
        line = decode_json(raw)
        if not isinstance(line, dict):
            return None
        if "batch" in line:
            # Checked first: a later version may have other fields.
            require_readable(path, line["batch"], BATCH_SCHEMA)
        return line if _is_sound(line) else None
    except ValueError:
        return None


def _is_sound(line: Mapping[str, Any]) -> bool:
    """Raises ValueError for texts that are neither a number nor a time."""
    header = "batch" in line
    needed = tuple(KINDS_OF_HEADER) if header else NEEDED.get(str(line.get("step")))
    if needed is None or not all(name in line for name in needed):
        return False
    kinds = {**KINDS, **KINDS_OF_HEADER} if header else KINDS
    for name, value in line.items():
        if name in kinds and type(value) not in kinds[name]:  # True is not a number here
            return False
    if line.get("step") in {"started", "finished"} and line["run_id"] is None:
        return False
    if header and not _are_texts(*line["constants"].values(), *line["secrets"], *(line["columns"] or ())):
        return False
    return _in_range(line) and ("at" not in line or datetime.fromisoformat(line["at"]).tzinfo is not None)


def _are_texts(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _in_range(line: Mapping[str, Any]) -> bool:
    numbers = 0 < line.get("row", 1) <= MOST_ROWS and 0 < line.get("from", 1) <= MOST_ROWS
    counts = numbers and 0 <= (line.get("rows") or 0) <= MOST_ROWS and 0 <= line.get("exit_code", 0) <= 255 - FINISHED
    return counts and not int(line.get("row_digest", "0"), 16) >> 64
