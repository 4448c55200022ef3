"""What a journal says about its rows, in a few numbers each; every line of it is validated."""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from noxcli.batchdir.append_file import lines_in, open_batch_file
from noxcli.batchdir.header import HEADER, BatchHeader
from noxcli.codec import decode_json
from noxcli.errors import UsageProblem, suggestion
from noxcli.files import reason_of, require_readable
from noxcli.models import Run
from noxcli.rows.columns import MAX_ROWS, hash_of, without_repetition
from noxcli.timing import parse_time

BATCH_SCHEMA, EARLIER_SCHEMA = "noxcli.batch/2", "noxcli.batch/1"
MAX_LINE = 16 * 1024 * 1024  # bytes
NEW, SENT, STARTED, FINISHED = range(4)  # a finished row's exit code is added to its state

NOT_ZERO = {"row", "from", "repeat", "first"}
KEY_DIGITS = 16  # of a row's key in hexadecimal

# The fields of each step that are read.
TEXT, MAYBE_TEXT, NUMBER = (str,), (str, type(None)), (int,)
ROW = {"row": NUMBER, "id": MAYBE_TEXT}
ENDED = {
    **ROW,
    "run_id": MAYBE_TEXT,
    "status": MAYBE_TEXT,
    "exit_code": NUMBER,
    "message": MAYBE_TEXT,
}
STEPS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "sent": {
        **ROW,
        "row_digest": TEXT,
        "unconverted": TEXT,
        "input_digest": TEXT,
        "server_at": MAYBE_TEXT,
        "at": TEXT,
    },
    "started": {**ROW, "run_id": TEXT, "created_at": MAYBE_TEXT, "at": TEXT},
    "stopping": ROW,
    "withdrawn": {**ROW, "exit_code": NUMBER},
    **dict.fromkeys(("interrupted", "left"), ENDED),
    "finished": {**ENDED, "run_id": TEXT},
    "moved": {"row": NUMBER, "from": NUMBER, "id": MAYBE_TEXT},
    "renumbered": {},
    "order": {"first": NUMBER, "keys": TEXT},
    "again": ROW,
    "chosen": {},
    "answered": {},
    "version": {"name": TEXT, "definition": TEXT},
    "saved": {"name": TEXT, "version_id": MAYBE_TEXT},
    "refused": {"name": TEXT, "message": TEXT},
}


class SentStart(NamedTuple):
    """A row whose start may have been sent.

    `sent_at` is in seconds since 1970, by the server's clock if known.
    """

    number: int
    id: str | None
    input_digest: str = ""
    sent_at: float = 0.0
    run_id: str | None = None
    created_at: str | None = None  # of its run


class Move(NamedTuple):
    """A row that is in another place of FILE now, or that has another id.

    Numbers of rows in the journal.
    """

    number: int
    before: int
    id: str | None


@dataclass(slots=True, eq=False, repr=False)
class JournalState:
    """The content of a journal: 41 bytes for each row, and more only for rows that were not
    finished.

    A row's number is its place in FILE as the last call read it; rows that FILE no longer has are
    behind its last one. Digests of rows, of their own ids and of their runs have 64 bits; 0 for
    none.
    """

    header: BatchHeader | None = None
    states: bytearray = field(default_factory=lambda: bytearray(1))
    digests: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    unconverted: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    ids: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    runs: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    # Of each row's last line.
    offsets: "array[int]" = field(default_factory=lambda: array("Q", [0]))
    pending: dict[int, SentStart] = field(default_factory=dict)
    # Rows whose runs noxcli itself was about to stop.
    stopping: set[int] = field(default_factory=set)
    whole: int = 0  # the rows of the file, in the last call that left none out
    # How often each row that had ended started again.
    reruns: Counter[int] = field(default_factory=Counter)
    starts: Counter[int] = field(default_factory=Counter)  # of a gate: how often each place was run
    began: float = inf  # the server's time at the first start; never, if that is not known
    read_at: str = ""  # when the last call read FILE
    order: list[int] = field(default_factory=list)  # of a shard: the keys of all rows of FILE
    replaced: set[int] = field(default_factory=set)  # runs of rows that have run again
    was_renumbered: bool = False
    choice_is_open: bool = False  # not all rows that were chosen last have been re-run
    # Versions that may have been saved, by name; their ids where the server said them.
    versions: dict[str, str | None] = field(default_factory=dict)
    _moves: list[Move] = field(default_factory=list)
    _has_sent: bool = False
    # Rows, and where their lines begin.
    _chosen: list[tuple[int, int]] = field(default_factory=list)
    _edited: set[int] = field(default_factory=set)  # of those, rows with another input

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a journal, without an incomplete last line.

        Raises UsageProblem if it can't be read, a newer noxcli wrote it, or a line is not one of a
        journal.
        """
        journaled = cls()
        try:
            for number, (offset, raw) in enumerate(lines_in(path, MAX_LINE), 1):
                if not raw.endswith(b"\n") and len(raw) < MAX_LINE:
                    break
                if not journaled.apply_line(raw, offset, path):
                    raise UsageProblem(
                        f"line {number} of the journal {path} is not one that this noxcli wrote; "
                        "nothing was changed",
                        "upgrade noxcli if a newer one wrote it; else restore the journal, or "
                        "choose another directory",
                    )
        except NotADirectoryError:
            near = path.parent.with_name(f"{path.parent.name}.batch")
            hint = suggestion(
                str(near) if near.is_dir() else None, "give the --output-dir of a batch"
            )
            raise UsageProblem(f"{path.parent} is not a batch's directory", hint) from None
        except OSError as error:
            what_fits = (
                "give the --output-dir of a batch" if isinstance(error, FileNotFoundError) else None
            )
            raise UsageProblem(
                f"can't read the journal {path}: {reason_of(error)}", what_fits
            ) from None
        return journaled

    @classmethod
    def read_header(cls, path: Path) -> BatchHeader | None:
        """Return the first header of a journal, None for anything else."""
        journaled = cls()
        with suppress(OSError, UsageProblem, StopIteration):
            offset, raw = next(iter(lines_in(path, MAX_LINE)))
            journaled.apply_line(raw, offset, path)
        return journaled.header

    def count_finished(self, most: int | None = None) -> int:
        """Return the number of rows that already had a run, up to the row `most`."""
        return sum(state >= FINISHED for state in self.states[: None if most is None else most + 1])

    @property
    def doubtful(self) -> list[SentStart]:
        """The rows whose start may have been sent, and whose run is not known."""
        return [one for one in self.pending.values() if one.run_id is None]

    def pop_pending(self, number: int) -> SentStart:
        """Return what is known of a row's start, and leave the row to the caller."""
        return self.pending.pop(number)

    @property
    def running_runs(self) -> list[str]:
        """The runs that may still be running, of rows that were not taken."""
        return [one.run_id for one in self.pending.values() if one.run_id is not None]

    def own_runs(self, path: Path) -> list[str]:
        """Return the first and the last run that the journal names."""
        known = [number for number, run in enumerate(self.runs) if run]
        if not known:
            return []
        with open_batch_file(path) as file:
            runs = [
                line_at(file, self.offsets[number]).get("run_id")
                for number in (known[0], known[-1])
            ]
        return list(dict.fromkeys(filter(None, runs)))

    def state(self, number: int) -> int:
        return min(FINISHED, self.states[number]) if number < len(self.states) else NEW

    def reset_row(self, number: int) -> None:
        """Count a row as new."""
        self.pending.pop(number, None)
        self.stopping.discard(number)
        if number < len(self.states):
            self.states[number] = NEW

    def restore_row(self, number: int, written: "JournalState") -> None:
        """Count a row as what is written of it, which is not that it has finished."""
        self._make_room(number)
        self.states[number] = written.states[number]
        self.digests[number] = written.digests[number]
        self.unconverted[number] = written.unconverted[number]
        self.pending[number] = written.pending[number]

    def choose(self, numbers: Sequence[int], edited: Collection[int] = ()) -> None:
        """Count rows as new that are to be re-run.

        An edited one has another input, which never ran.
        """
        self._make_room(max(numbers, default=0))
        for number in numbers:
            self.reset_row(number)
            self.reruns[number] = 0 if number in edited else self.reruns[number] + 1
        self.choice_is_open = True

    def reset_all(self, codes: Collection[int]) -> None:
        """Count finished rows with one of these codes as new."""
        for number, state in enumerate(self.states):
            if state - FINISHED in codes:
                self.reset_row(number)
                self.reruns[number] += 1

    def reopen_lost(self, is_kept: Callable[[int], bool], path: Path) -> None:
        """Count finished rows as started whose results are lost, by their runs: these are read
        again.
        """
        with open_batch_file(path) as file:
            for number, state in enumerate(self.states):
                if state >= FINISHED and not is_kept(self.runs[number]):
                    line = line_at(file, self.offsets[number])
                    self.states[number] = STARTED
                    self.pending[number] = SentStart(number, line["id"], run_id=line["run_id"])

    def adopt(self, number: int, run: Run) -> None:
        """Count a row in doubt as started."""
        self._start(number, self.pending[number], run.id, run.created_at)

    def apply_line(self, raw: bytes, offset: int, path: Path) -> bool:
        """Apply one line; return False for one that this version does not write."""
        try:
            line = decode_json(raw)
            if isinstance(line, dict) and "batch" in line:
                # Checked first: a later version may have other fields.
                require_readable(path, line["batch"], BATCH_SCHEMA)
                if line["batch"] == EARLIER_SCHEMA:
                    raise UsageProblem(
                        f"{path.parent} has a batch of an earlier noxcli",
                        "add --fresh, which starts each row again, or use that noxcli",
                    )
                _require_fields(line, HEADER)
                self.header = BatchHeader(**{name: line[name] for name in HEADER})
                self.read_at = str(line.get("at"))
                if self.header.limit is None and self.header.only is None:
                    self.whole = self.header.rows
                return True
            _require_fields(line, STEPS[line["step"]])
            self._apply(line["step"], line, offset)
        except (ValueError, TypeError, KeyError, OverflowError):
            return False
        return True

    def _apply(self, step: str, line: Mapping[str, Any], offset: int) -> None:
        match step:
            case "moved":
                self._moves.append(Move(line["row"], line["from"], line["id"]))
            case "renumbered":
                self.renumber(self._moves)
                self._moves = []
            case "order":
                del self.order[line["first"] - 1 :]
                self.order += keys_of_line(line["keys"])
            case "again":
                self._chosen.append((line["row"], offset))
                if line.get("edited") is True:
                    self._edited.add(line["row"])
            case "chosen":
                self._apply_choice()
            case "answered":
                self.choice_is_open = False
            case "version" | "saved" | "refused":
                self._apply_to_version(step, line)
            case _:
                if self.header is not None and self.header.gate is not None:
                    self._count_start(step, line["row"])
                if self._moves or self._chosen:  # their writer was killed before the last one
                    self._moves.clear()
                    self._chosen.clear()
                    self._edited.clear()
                self._apply_to_row(step, line["row"], line)
                self.offsets[line["row"]] = offset

    def _count_start(self, step: str, number: int) -> None:
        if step == "sent":
            self.starts[number] += 1
        elif step == "withdrawn":
            self.starts[number] -= 1

    def _apply_to_version(self, step: str, line: Mapping[str, Any]) -> None:
        name = line["name"]
        if step == "version":
            self.versions[name] = None
        elif step == "saved":
            self.versions[name] = line["version_id"]
        else:
            self.versions.pop(name, None)

    def _apply_choice(self) -> None:
        self.choose([number for number, _ in self._chosen], self._edited)
        for number, begins in self._chosen:
            self.offsets[number] = begins
        self._chosen.clear()
        self._edited.clear()

    def _apply_to_row(self, step: str, number: int, line: Mapping[str, Any]) -> None:
        self._make_room(number)
        if step == "sent" or not self.ids[number]:  # later steps name the same id
            self.ids[number] = self._hash_of_id(line["id"])
        match step:
            case "sent":
                self._apply_sent(number, line)
            case "started":
                before = self.pending.get(number) or SentStart(number, line["id"])
                self._start(number, before, line["run_id"], line["created_at"])
            case "stopping":
                self.stopping.add(number)
            case "left" if line["run_id"] is not None and self.state(number) == SENT:
                # Its start could not be recorded.
                self._start(number, self.pending[number], line["run_id"], None)
            case "withdrawn" | "interrupted":
                self.reset_row(number)
            case "finished":
                known = self.pending.pop(number, None)
                if known is None or known.run_id != line["run_id"]:
                    # Its start could not be recorded.
                    self._note_run(number, line["run_id"])
                self.stopping.discard(number)
                self.states[number] = FINISHED + line["exit_code"]

    def _apply_sent(self, number: int, line: Mapping[str, Any]) -> None:
        if self.states[number] >= FINISHED:
            self.reruns[number] += 1
        self.stopping.discard(number)
        self.states[number] = SENT
        self.digests[number] = int(line["row_digest"], 16)
        self.unconverted[number] = int(line["unconverted"], 16)
        by_server = parse_time(line["server_at"])
        sent = by_server or parse_time(line["at"])
        if sent is None:
            raise ValueError("no time")
        self.pending[number] = SentStart(number, line["id"], line["input_digest"], sent.timestamp())
        if not self._has_sent:
            self._has_sent = True
            if by_server is not None:
                self.began = by_server.timestamp()

    def _start(self, number: int, before: SentStart, run_id: str, created_at: str | None) -> None:
        self.states[number] = STARTED
        self._note_run(number, run_id)
        self.pending[number] = SentStart(
            number, before.id, before.input_digest, before.sent_at, run_id, created_at
        )

    def _make_room(self, number: int) -> None:
        more = number + 1 - len(self.states)
        if more > 0:
            more = max(more, len(self.states))  # as much again, so that few rows move the others
            self.states.extend(bytes(more))
            for numbers in self._numbers:
                numbers.frombytes(bytes(8 * more))

    def _note_run(self, number: int, run_id: str) -> None:
        before = self.runs[number]
        self.runs[number] = hash_of(run_id)
        if before not in (0, self.runs[number]):
            self.replaced.add(before)

    def _hash_of_id(self, own_id: str | None) -> int:
        """Return the hash of a row's own id, which its repetitions share."""
        if self.header is not None and self.header.repeat > 1:
            own_id = without_repetition(own_id)
        return hash_of(own_id)

    def has_id(self, number: int, own_id: str | None) -> bool:
        """True if the row of that number has that id."""
        return self.ids[number] == self._hash_of_id(own_id)

    @property
    def file_rows(self) -> int:
        """The number of the last row that FILE had when a call last read it.

        Those after it are gone.
        """
        if self.header is None:
            return 0
        return max(self.header.rows, self.header.table_rows * self.header.repeat)

    def known_rows(self) -> list[int]:
        """Return the numbers of the rows that a call has sent."""
        return [number for number, offset in enumerate(self.offsets) if offset]

    def renumber(self, moves: Sequence[Move]) -> None:
        """Give rows the numbers of their places in FILE; others stay where they are."""
        self._make_room(max((max(each.number, each.before) for each in moves), default=0))
        self.was_renumbered = True
        taken = [self._take(each.before) for each in moves]
        for move, known in zip(moves, taken, strict=True):
            self._put(move, known)

    @property
    def _numbers(self) -> tuple["array[int]", ...]:
        return self.digests, self.unconverted, self.ids, self.runs, self.offsets

    def _take(self, number: int) -> "_KnownRow":
        known = _KnownRow(
            self.states[number],
            self.digests[number],
            self.unconverted[number],
            self.runs[number],
            self.offsets[number],
            self.pending.pop(number, None),
            self.reruns.pop(number, 0),
            self.starts.pop(number, 0),
            number in self.stopping,
        )
        self.stopping.discard(number)
        self.states[number] = NEW
        for numbers in self._numbers:
            numbers[number] = 0
        return known

    def _put(self, move: Move, known: "_KnownRow") -> None:
        number = move.number
        self.states[number] = known.state
        self.digests[number] = known.digest
        self.unconverted[number] = known.unconverted
        self.ids[number] = self._hash_of_id(move.id)
        self.runs[number] = known.run
        self.offsets[number] = known.offset
        if known.pending is not None:
            self.pending[number] = known.pending._replace(number=number, id=move.id)
        if known.reruns:
            self.reruns[number] = known.reruns
        if known.starts:
            self.starts[number] = known.starts
        if known.is_stopping:
            self.stopping.add(number)


class _KnownRow(NamedTuple):
    """What is known of one row, while it moves."""

    state: int
    digest: int
    unconverted: int
    run: int
    offset: int
    pending: SentStart | None
    reruns: int
    starts: int
    is_stopping: bool


def keys_of_line(text: str) -> list[int]:
    """Return the keys of rows that a line of the journal has in hexadecimal. Raises ValueError."""
    if len(text) % KEY_DIGITS:
        raise ValueError("keys")
    begins = range(0, len(text), KEY_DIGITS)
    return [int(text[begin : begin + KEY_DIGITS], 16) for begin in begins]


def line_at(file: IO[bytes], offset: int) -> Mapping[str, Any]:
    """Return the journal's line at that offset."""
    file.seek(offset)
    line: Mapping[str, Any] = json.loads(file.readline())
    return line


def _require_fields(line: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]]) -> None:
    """Raise KeyError for a line without one of them, ValueError for another type or a number out of
    range.
    """
    for name, kinds in fields.items():
        value = line[name]
        kind = type(value)
        if kind not in kinds:  # True is not a number here
            raise ValueError(name)
        if kind is int and not (name in NOT_ZERO) <= value <= MAX_ROWS:
            raise ValueError(name)
        if kind is list and not all(
            type(each) is str if name != "only" else type(each) is int and 0 < each <= MAX_ROWS
            for each in value
        ):
            raise ValueError(name)
