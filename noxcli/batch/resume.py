"""Whether a call may continue the batch of an earlier one, and which rows remain."""

import hashlib
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from noxcli.batch.identity import differences
from noxcli.batch.journal import Journal
from noxcli.batch.lines import DigestIndex
from noxcli.batch.past import FINISHED, NEW, SENT, STARTED, Header, Past, digest_of_id
from noxcli.batch.results import Results, key_of, read_line
from noxcli.batch.rows import Row, RowFile
from noxcli.batch.shards import Shard
from noxcli.batch.tally import Tally
from noxcli.batch.work import KnownIds
from noxcli.codec import to_json
from noxcli.errors import ConfigProblem, ExitCode, UsageProblem, WrongInputs
from noxcli.inputs.definition import InputNode
from noxcli.inputs.preflight import check
from noxcli.masking import Mask
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount

MISTAKES_KEPT, MOST_NAMED = 20, 20
MOST_CHANGED = 1000  # results that are written at once
ALLOW = "--allow-changed-input"
ATTEMPT_VARIABLE, FIRST_VARIABLE = "GITHUB_RUN_ATTEMPT", "NOXCLI_FIRST"


@dataclass(slots=True, eq=False, repr=False)
class Survey:
    """The totals of a file's rows.

    `mistakes` are the first of the `wrong` rows: what is wrong, with the place of the first such row and their number.
    """

    rows: int = 0
    repeat: int = 1  # each row is counted as often
    states: list[int] = field(default_factory=lambda: [0] * 4)  # the rows of this shard in each state
    wrong: int = 0
    mistakes: dict[str, tuple[str, int]] = field(default_factory=dict)
    kept: dict[str, None] = field(default_factory=dict)  # the names of columns
    only: list[int] | None = None  # the numbers of the rows that --only selects
    digest: str = ""

    @property
    def in_shard(self) -> int:
        return sum(self.states)

    def counts(self) -> dict[str, int]:
        """Return the numbers that `--dry-run` prints: of rows, then of their runs."""
        return {
            "rows": self.rows // self.repeat,
            "in_shard": self.in_shard // self.repeat,
            "runs": self.in_shard,
            "to_start": self.states[NEW],
            "finished": self.states[FINISHED],
            "started": self.states[STARTED],
            "in_doubt": self.states[SENT],
        }

    def add(self, row: Row, state: int) -> None:
        """Count a row of this shard."""
        self.states[state] += 1
        self.kept |= dict.fromkeys(row.columns)
        if state != FINISHED and row.problem is not None:
            self.wrong += 1
            if row.problem in self.mistakes or len(self.mistakes) < MISTAKES_KEPT:
                first, count = self.mistakes.get(row.problem, (row.place, 0))
                self.mistakes[row.problem] = first, count + 1

    def require_right(self, workflow: str, complain: Callable[[str], None]) -> None:
        """List the mistakes, and raise WrongInputs if there are any."""
        wrong, listed = self.wrong // self.repeat, 0
        for mistake, (first, runs) in self.mistakes.items():
            count = runs // self.repeat
            listed += count
            others = f" and {amount(count - 1, 'more row')}" if count > 1 else ""
            complain(f"noxcli: {first}{others}: {mistake}")
        if wrong:
            more = f" (the first {listed} are listed)" if wrong > listed else ""
            of = f"{wrong} of {amount(self.in_shard // self.repeat, 'row')} {'is' if wrong == 1 else 'are'} wrong{more}"
            raise WrongInputs(
                f"{of}; nothing was started",
                f"see: noxcli inputs {shlex.quote(workflow)}",
            )


class Checker:
    """Checks rows against the workflow's definition; a message that applies to all rows is written once."""

    def __init__(self, nodes: Sequence[InputNode] | None, named: str, terminal: Terminal) -> None:
        """`nodes` is None if rows are not checked."""
        self._nodes = nodes
        self._named = named
        self._terminal = terminal
        self._said: set[str] = set()

    def checked(self, row: Row) -> Row:
        """Return the row with its texts converted to the declared types, or with its problem."""
        if row.problem is not None or self._nodes is None:
            return row
        try:
            result = check(row.inputs, self._nodes, self._named)
        except WrongInputs as wrong:
            return replace(row, problem=wrong.message)
        for say, lines in ((self._terminal.note, result.notes), (self._terminal.warn, result.warnings)):
            for line in lines:
                self._tell(say, line, row)
        return row if result.inputs is row.inputs else replace(row, inputs=result.inputs)

    def _tell(self, say: Callable[[str], None], line: str, row: Row) -> None:
        kind = line.partition(":")[0] if line.startswith("'") else line
        if kind not in self._said and len(self._said) < MISTAKES_KEPT:
            self._said.add(kind)
            say(f"{row.place}: {line}")


@dataclass(frozen=True, slots=True)
class RemainingRows:
    """The rows of one call; `changed` accepts rows that are not those of the earlier call."""

    checker: Checker
    shard: Shard
    past: Past
    changed: bool

    def survey(self, rows: RowFile) -> Survey:
        """Return the survey of the rows.

        Raises UsageProblem for a file that can't be read, for an option that names a column which it lacks, for a row
        that was started and has changed, and for one that has an earlier row's id.
        """
        found, digest = Survey(repeat=rows.repeat), hashlib.sha256()
        if rows.only is not None:
            found.only = []
        ids = DigestIndex(self._counted(rows, found, digest))
        rows.check_options()
        rows.require_selected()
        _require_own_ids(rows, ids)
        if not self.changed and found.states[FINISHED] < self.past.finished:
            raise UsageProblem(
                f"{rows.name} now has {found.rows} rows, without some of the {self.past.finished} that have finished",
                f"restore them, or add {ALLOW}",
            )
        found.digest = digest.hexdigest()
        return found

    def _counted(self, rows: RowFile, found: Survey, digest: Any) -> Iterator[tuple[int, int]]:
        """Count each row, and yield the digest of its id with its number."""
        for row in rows.selected():
            found.rows += 1
            digest.update(row.digest.to_bytes(8, "big"))
            if found.only is not None:
                found.only += [] if row.file_number in found.only[-1:] else [row.file_number]
            if self.shard.has(row.number):
                self._require_same(row)
                state = self.past.state(row.number)
                found.add(row if state == FINISHED else self.checker.checked(row), state)
            if row.id is not None:
                yield digest_of_id(row.id), row.number

    def to_do(self, rows: RowFile, journal: Journal, tally: Tally) -> Iterator[Row]:
        """Yield the remaining rows, and note their total once all are read; runs in the reading thread."""
        number, mine, ids, only = 0, 0, KnownIds(), dict[int, None]()
        for row in rows.selected():
            number = row.number
            if rows.is_stream and rows.only is not None:
                only[row.file_number] = None
            if not self.shard.has(number):
                continue
            mine += 1
            self._require_same(row)
            if rows.is_stream and row.id is not None and not ids.claim(row.id):
                row = replace(row, problem="it has the id of an earlier row")
            if self.past.state(number) != FINISHED:
                yield self.checker.checked(row)
        tally.total = mine
        journal.end(number, [*only] or None)

    def _require_same(self, row: Row) -> None:
        """Raise UsageProblem if a row that was started has changed in the file."""
        past, number = self.past, row.number
        if past.state(number) == NEW or past.digests[number] == row.digest or number in past.outdated:
            return
        if not self.changed:
            raise UsageProblem(
                f"{row.place} differs from the row that was started", f"give the same rows again, or add {ALLOW}"
            )
        # A file was renumbered before; the rows of a stream are known too late for that.
        what = "differs from" if past.ids[number] == digest_of_id(row.id) else "has another id than"
        raise UsageProblem(f"{row.place} {what} the row that was started", "give the rows as a file")


def require_first(journal: Journal, terminal: Terminal, *, resume: bool, fresh: bool) -> None:
    """Raise UsageProblem for --resume without a journal in a repeated job on GitHub, unless the user knows better.

    Without --resume, a warning says that every row starts.
    """
    directory, attempt = journal.path.parent, terminal.environ.get(ATTEMPT_VARIABLE, "")
    if journal.is_open or fresh or not attempt.isdecimal() or int(attempt) < 2:
        return
    if not resume:
        terminal.warn(f"this is attempt {attempt} of the job, and it starts every row; --resume continues a batch")
    elif not terminal.environ.get(FIRST_VARIABLE):
        raise UsageProblem(
            f"there is no batch in {directory}, and this is attempt {attempt} of the job: rows that an earlier attempt "
            "started would start again",
            f"fetch that attempt's artifact into {directory}, or start a new run of the GitHub workflow, or set "
            f"{FIRST_VARIABLE}=1 if this job has started nothing before",
        )


def require_resumed(past: Past, directory: Path) -> None:
    """Raise UsageProblem if there is a batch, which the user did not want to continue."""
    if past.header is not None:
        of = "" if past.header.rows is None else f" of {past.header.rows}"
        what = "rows" if past.header.repeat == 1 else "runs"
        raise UsageProblem(
            f"{directory} already has a batch, of which {past.finished}{of} {what} have finished",
            "continue it with --resume, start over with --fresh, or choose another --output-dir",
        )


def accept_changes(rows: RowFile, past: Past, shard: Shard) -> None:
    """Take the file's rows for those that the journal knows; finished ones with another input are then outdated.

    Raises UsageProblem if a row with another input may still have a run, and as `_accepted`.
    """
    past.accepted = _accepted(rows, past, shard)
    if past.accepted is not None:
        _edited_in(past.accepted, past)
        past.renumber(past.accepted)


def accept_edits(rows: RowFile, past: Past, shard: Shard) -> None:
    """Take the file's rows for those that the journal knows, and choose those that were edited, to be asked again.

    Raises UsageProblem if rows are missing, if an edited row may still have a run, if it is not clear which rows were
    edited, and as `_accepted`.
    """
    moves = _accepted(rows, past, shard)
    if moves is None:
        return
    known = sum(offset != 0 for offset in past.offsets)
    if len(moves) < known:
        raise UsageProblem(
            f"{rows.name} lacks some of the {known} rows that were started", f"restore them, or add {ALLOW}"
        )
    states = _edited_in(moves, past)
    edited = [(row.number, row.id) for row in rows.repeated() if states.get(row.number) == FINISHED]
    named = all(own_id is not None for _, own_id in edited)
    if not named and past.header is not None and past.header.rows not in (None, sum(1 for _ in rows.repeated())):
        raise UsageProblem(
            f"{rows.name} has another number of rows, so without ids it is not clear which were edited",
            "give rows an id",
        )
    past.accepted, past.edited = moves, edited
    past.renumber(moves)
    if edited:
        past.choose([number for number, _ in edited])


def _edited_in(moves: Sequence[tuple[int, int, int]], past: Past) -> Mapping[int, int]:
    """Return the states of rows with another input. Raises UsageProblem if the run of one may still go on."""
    states = {new: past.state(old) for new, old, digest in moves if past.digests[old] != digest}
    if not {*states.values()} <= {NEW, FINISHED}:
        hint = "continue with --resume and the rows as they were, then edit them"
        raise UsageProblem("a row was edited whose run may still go on", hint)
    return states


def require_same_batch(directory: Path, then: Header, now: Header, *, changed: bool) -> None:
    """Raise ConfigProblem for another batch, unless a difference may have `changed`."""
    if then.shard != now.shard:
        raise ConfigProblem(
            f"the batch in {directory} is for shard {then.shard}, and this is {now.shard}", "see --output-dir"
        )
    for each in differences(then, now):
        if each.what == "definition":
            raise ConfigProblem(
                f"the workflow has changed since the batch in {directory} began: {each.now}",
                "add --version-id VERSION, a saved version with the definition of then, or start over with --fresh",
            )
        if not each.allowed:
            raise ConfigProblem(
                f"the batch in {directory} is for {each.what} {each.was}, and this is {each.now}", "see --output-dir"
            )
        if not changed:
            raise ConfigProblem(
                f"the batch in {directory} began with {each.what} {each.was}, and this is {each.now}", f"or add {ALLOW}"
            )


def _require_own_ids(rows: RowFile, ids: DigestIndex) -> None:
    """Raise UsageProblem if two rows have the same id."""
    repeated = sorted((later, first) for first, later in ids.repeated())
    if repeated:
        first, places = repeated[0], {}
        for row in rows.repeated():
            if row.number in first:
                places[row.number] = row.place
        count = len(repeated) // rows.repeat
        more = f" (the first of {count} such rows)" if count > 1 else ""
        raise UsageProblem(
            f"{places[first[0]]} has the id of {places[first[1]]}{more}; nothing was started",
            "give each row its own id",
        )


def _accepted(rows: RowFile, past: Past, shard: Shard) -> list[tuple[int, int, int]] | None:
    """Return the file's rows that the journal knows, by their ids or else by their numbers; None if none has changed.

    Each is its number now, its number before, and its digest. Raises UsageProblem if rows would move to other shards.
    """
    known = [number for number, offset in enumerate(past.offsets) if offset]
    numbers = DigestIndex((past.ids[number], number) for number in known if past.ids[number])
    moves = []
    for row in rows.repeated():
        if row.id is not None:
            old = numbers.find(digest_of_id(row.id))
        else:
            old = row.number if row.number < len(past.offsets) and not past.ids[row.number] else None
        if old is not None and past.offsets[old]:
            moves.append((row.number, old, row.digest))
    if (
        not past.outdated
        and len(moves) == len(known)
        and all(new == old and past.digests[old] == digest for new, old, digest in moves)
    ):
        return None
    if shard.of > 1 and any(new != old for new, old, _ in moves):
        raise UsageProblem(f"rows of {rows.name} have moved, and may now belong to other shards", "restore the file")
    return moves


def reopen_lost(past: Past, results: Results, journal: Path) -> None:
    """Read the runs of finished rows again whose results are not in the file."""
    for number, state in enumerate(past.states):
        if state >= FINISHED and not results.kept.has(key_of(number, past.ids[number])):
            past.reopen(number, journal)


def renew_columns(rows: RowFile, names: Sequence[str], past: Past, results: Results, mask: Mask) -> None:
    """Store results again whose rows have other kept columns now; they are judged by what the file says today.

    `names` are those of columns that are kept now.
    """
    if rows.is_stream or not past.finished or not (names or (past.header and past.header.kept)):
        return
    changed: list[Mapping[str, Any]] = []
    for row in rows.repeated():
        columns, raw = mask.whole(row.columns), results.kept.read_raw(row.number, row.id)
        if past.state(row.number) != FINISHED or raw.endswith(f',"columns":{to_json(columns)}}}\n'.encode()):
            continue
        line = read_line(raw)
        if line is not None and line["columns"] != columns:
            changed.append({**line, "columns": columns})
        if len(changed) == MOST_CHANGED:
            results.replace(changed)
            changed.clear()
    results.replace(changed)


def name_runs(going_on: Sequence[str], lineless: Sequence[str]) -> str:
    """Return the end of a message that names the runs to look at, empty without any."""
    ended = [run for run in lineless if run not in going_on]
    parts = (("runs that may go on", going_on), ("runs without a stored and printed line", ended))
    return "".join(f"; {what}: {_some(dict.fromkeys(runs))}" for what, runs in parts if runs)


def _some(runs: Collection[str]) -> str:
    more = len(runs) - MOST_NAMED
    return ", ".join(islice(runs, MOST_NAMED)) + (f" and {more} more (noxcli results has all)" if more > 0 else "")


def command_to_continue(
    argv: Sequence[str], codes: Mapping[int, int], left: int, *, outdated: bool = False
) -> str | None:
    """Return the command for the incomplete rows, `left` of which can still be finished; None if there are none.

    `argv` is the command line of this call; `outdated` says that rows were edited since they ran.
    """
    again = {"failed": ExitCode.RUN_FAILED, "stopped": ExitCode.RUN_STOPPED}
    flags = [f"--again {name}" for name, code in again.items() if codes.get(code)]
    flags = ["--resume"] if left else flags
    flags = ["--again edited"] if outdated else flags
    return line_with(argv, flags) if flags else None


def line_with(argv: Sequence[str], flags: Sequence[str]) -> str:
    """Return a command line that continues with these flags, which one that started over does not."""
    begun = shlex.join(["noxcli", *(word for word in argv if word != "--fresh")])
    return " ".join([begun, *(flag for flag in flags if f" {flag} " not in f"{begun} ")])
