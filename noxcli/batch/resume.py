"""Which rows of a batch remain, and how a later call continues it."""

import hashlib
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from noxcli.batch.spec import ALLOW, BatchSpec
from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal_state import FINISHED, NEW, SENT, STARTED, JournalState
from noxcli.batchdir.results_file import DigestIndex, ResultsFile, ResultsReader, key_of, parse_line
from noxcli.codec import to_json
from noxcli.errors import UsageProblem, WrongInputs
from noxcli.files import JOURNAL_NAME, RESULTS_NAME
from noxcli.inputs.definition import InputNode
from noxcli.inputs.preflight import validate_inputs
from noxcli.inputs.sources import STDIN_NAMES
from noxcli.masking import Mask
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, part_of
from noxcli.rows.columns import Row, hash_of
from noxcli.rows.reader import RowReader
from noxcli.rows.selection import Shard

MAX_SIBLINGS = 1000  # other directories in the parent of a shard's
MISTAKES_KEPT, MAX_NAMED = 20, 20
MAX_CHANGED = 1000  # results that are written together


@dataclass(slots=True, eq=False, repr=False)
class RowCounts:
    """The totals of a file's rows.

    `mistakes` of the `wrong` rows have the first such row, the number of them, and the number of the last.
    """

    rows: int = 0
    repeat: int = 1  # each row is counted as often
    states: list[int] = field(
        default_factory=lambda: [0] * 4
    )  # the rows of this shard in each state
    wrong: int = 0  # each row of the file counts once, also below
    mistakes: dict[str, tuple[Row, int, int]] = field(default_factory=dict)
    _last_wrong: int = 0
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
        self.kept.update(dict.fromkeys(row.columns))
        if state != FINISHED and row.problem is not None:
            self.wrong += row.file_number != self._last_wrong
            self._last_wrong = row.file_number
            if row.problem in self.mistakes or len(self.mistakes) < MISTAKES_KEPT:
                first, count, last = self.mistakes.get(row.problem, (row, 0, 0))
                self.mistakes[row.problem] = (
                    first,
                    count + (row.file_number != last),
                    row.file_number,
                )

    def require_right(self, workflow: str, complain: Callable[[str], None]) -> None:
        """List the mistakes, and raise WrongInputs if there are any."""
        wrong, listed = self.wrong, 0
        for problem, (first, count, _) in self.mistakes.items():
            listed += count
            others = f" and {amount(count - 1, 'more row')}" if count > 1 else ""
            complain(f"noxcli: {first.place}{others}: {problem}{first.found}")
        if wrong:
            more = f" (the first {listed} are listed)" if wrong > listed else ""
            of = f"{part_of(wrong, self.in_shard // self.repeat, 'row')} {'is' if wrong == 1 else 'are'} wrong{more}"
            raise WrongInputs(
                f"{of}; nothing was started",
                f"see: noxcli inputs {shlex.quote(workflow)}",
            )


class RemainingRows:
    """The rows of one call: compared with those of earlier calls, and checked against the workflow's definition."""

    def __init__(
        self,
        spec: BatchSpec,
        journaled: JournalState,
        nodes: Sequence[Sequence[InputNode] | None],
        terminal: Terminal,
    ) -> None:
        """`nodes` are those of each side, None if rows are not checked."""
        self._spec, self._journaled, self._nodes, self._terminal = spec, journaled, nodes, terminal
        self._written: set[str] = set()  # messages about all rows, which are written once
        self._finished: int | None = (
            None  # how many rows had ended when the survey found none that remains
        )

    def survey(self) -> RowCounts:
        """Return the survey of the rows.

        Raises UsageProblem for a file that can't be read, for an option that names a column which it lacks, for a row
        that was started and has changed, and for one that has an earlier row's id.
        """
        rows, digest = self._spec.rows, hashlib.sha256()
        found = RowCounts(repeat=rows.repeat, only=None if rows.only is None else [])
        ids = DigestIndex(self._counted(found, digest))
        rows.require_named()
        if repeated := sorted((later, first) for first, later in ids.repeated()):
            places = {row.number: row.place for row in rows.repeated() if row.number in repeated[0]}
            later, first = (places[number] for number in repeated[0])
            count = len(repeated) // rows.repeat
            more = f" (the first of {count} such rows)" if count > 1 else ""
            raise UsageProblem(
                f"{later} has the id of {first}{more}; nothing was started",
                "give each row its own id",
            )
        finished = self._journaled.count_finished(rows.most)
        if not self._spec.changed and rows.only is None and found.states[FINISHED] < finished:
            raise UsageProblem(
                f"{rows.name} now has {found.rows} rows, without some of the {finished} that have finished",
                f"restore them, {self._spec.other_way}",
            )
        self._finished = finished if found.states[FINISHED] == found.in_shard else None
        found.digest = digest.hexdigest()
        return found

    def _counted(self, found: RowCounts, digest: Any) -> Iterator[tuple[int, int]]:
        """Count each row, and yield the digest of its id with its number."""
        for row in self._spec.rows.selected():
            found.rows += 1
            digest.update(row.digest.to_bytes(8, "big"))
            if found.only is not None:
                found.only += [] if row.file_number in found.only[-1:] else [row.file_number]
            if self._spec.shard.has(row.number):
                state = self._state_of(row)
                found.add(row if state == FINISHED else self._checked(row), state)
            if row.id is not None:
                yield hash_of(row.id), row.number

    def to_do(self, wanted: Collection[int] | None = None) -> Iterator[Row | None]:
        """Yield the remaining rows, if they are `wanted`, and None for each other one, so that no step takes long."""
        if self._finished == self._journaled.count_finished(self._spec.rows.most):
            return
        for row in self._spec.rows.selected():
            if not self._spec.shard.has(row.number) or (
                wanted is not None and row.number not in wanted
            ):
                yield None
                continue
            if self._state_of(row) == FINISHED:
                yield None
            else:
                yield self._checked(self._spec.rows.filled(row))

    def _state_of(self, row: Row) -> int:
        """Return the state of a row. Raises UsageProblem if a started one has changed, and that was not accepted."""
        journaled, number = self._journaled, row.number
        state = journaled.state(number)
        if (
            state != NEW
            and journaled.digests[number] != row.digest
            and number not in journaled.outdated
        ):
            raise UsageProblem(
                f"{row.place} differs from the row that was started",
                f"give the same rows again, {self._spec.other_way}",
            )
        return state

    def _checked(self, row: Row) -> Row:
        """Return the row with its texts converted to the declared types, or with its problem."""
        nodes = self._nodes[row.side]
        if row.problem is not None or nodes is None:
            return row
        try:
            columns = row.inputs.values.keys() - self._spec.common.values.keys()
            result = validate_inputs(row.inputs, nodes, self._spec.workflow, columns)
        except WrongInputs as wrong:
            return replace(row, problem=wrong.message, found=wrong.found)
        for say, lines in (
            (self._terminal.note, result.notes),
            (self._terminal.warn, result.warnings),
        ):
            for line in lines:
                kind = line.partition(":")[0] if line.startswith("'") else line
                if kind not in self._written and len(self._written) < MISTAKES_KEPT:
                    self._written.add(kind)
                    say(f"{row.place}: {line}")
        return row if result.inputs is row.inputs else replace(row, inputs=result.inputs)


def accept_changes(rows: RowReader, journaled: JournalState, shard: Shard, *, edits: bool) -> None:
    """Take the file's rows for those that the journal knows.

    Finished rows with another input are outdated then, or with `edits`, the only change that is accepted, chosen for
    a re-run. Raises UsageProblem if a row with another input may still have a run, if it is not clear which rows
    were edited, and as `_moves_in`.
    """
    moves = _moves_in(rows, journaled, shard)
    if moves is None:
        return
    states = {
        new: journaled.state(old) for new, old, digest in moves if journaled.digests[old] != digest
    }
    if not {*states.values()} <= {NEW, FINISHED}:
        hint = "continue with --resume and the rows as they were, then edit them"
        raise UsageProblem("cannot accept an edited row: its run may still be running", hint)
    if edits:
        edited = [
            (row.number, row.id) for row in rows.repeated() if states.get(row.number) == FINISHED
        ]
        _require_only_edits(rows, journaled, len(moves), edited)
        journaled.edited = edited
    journaled.accepted = moves
    journaled.renumber(moves)
    if journaled.edited:
        journaled.choose([number for number, _ in journaled.edited])


def _require_only_edits(
    rows: RowReader, journaled: JournalState, found: int, edited: Sequence[tuple[int, str | None]]
) -> None:
    known = sum(offset != 0 for offset in journaled.offsets)
    if found < known:
        raise UsageProblem(
            f"{rows.name} lacks some of the {known} rows that were started",
            f"restore them, or add {ALLOW}",
        )
    assert journaled.header is not None
    named = all(own_id is not None for _, own_id in edited)
    if not named and sum(1 for _ in rows.repeated()) != journaled.header.rows:
        raise UsageProblem(
            f"{rows.name} has another number of rows, so without ids it is not clear which were edited",
            "give rows an id",
        )


def _moves_in(
    rows: RowReader, journaled: JournalState, shard: Shard
) -> list[tuple[int, int, int]] | None:
    """Return the file's rows that the journal knows, by their ids or else by their numbers; None if none has changed.

    Each is its number now, its number before, and its digest. Raises UsageProblem if rows would move to other shards.
    """
    known = [number for number, offset in enumerate(journaled.offsets) if offset]
    numbers = DigestIndex(
        (journaled.ids[number], number) for number in known if journaled.ids[number]
    )
    moves = []
    for row in rows.repeated():
        if row.id is not None:
            old = numbers.find(hash_of(row.id))
        else:
            old = (
                row.number
                if row.number < len(journaled.offsets) and not journaled.ids[row.number]
                else None
            )
        if old is not None and journaled.offsets[old]:
            moves.append((row.number, old, row.digest))
    if (
        not journaled.outdated
        and len(moves) == len(known)
        and all(new == old and journaled.digests[old] == digest for new, old, digest in moves)
    ):
        return None
    if shard.of > 1 and any(new != old for new, old, _ in moves):
        raise UsageProblem(
            f"rows of {rows.name} have moved, and may now belong to other shards",
            "restore the file",
        )
    return moves


def require_no_results(directory: Path) -> None:
    """Raise UsageProblem if a directory without a journal has results."""
    if next(ResultsReader(directory).read_all(), None) is not None:
        _lack_rows(directory)


def require_journal_of(results: ResultsFile, journaled: JournalState) -> bool:
    """Return whether each row of the journal has one result.

    Raises UsageProblem if there are results of rows that the journal lacks: these rows would start again.
    """
    if journaled.was_renumbered:
        return False
    known = DigestIndex(
        (key_of(number, journaled.ids[number]), number)
        for number, at in enumerate(journaled.offsets)
        if at
    )
    if known.digests == results.places.digests:
        return True
    if not all(key in known for key in results.places.digests):
        _lack_rows(results.path.parent)
    return False


def _lack_rows(directory: Path) -> NoReturn:
    raise UsageProblem(
        f"{directory} has {RESULTS_NAME} with rows that its journal {JOURNAL_NAME} lacks",
        f"fetch the same batch's {JOURNAL_NAME} into it, or add --fresh, which starts each row again",
    )


def require_same_split(directory: Path, now: BatchHeader) -> None:
    """Raise UsageProblem if a sibling directory has a shard of the same table and workflow, split otherwise.

    A table is the same with the same rows, or in the same file, whose rows may have been edited or appended since.
    """
    for journal in sorted(directory.absolute().parent.glob(f"*/{JOURNAL_NAME}"))[:MAX_SIBLINGS]:
        then = JournalState.read_header(journal)
        if then is None or then.workflow_id != now.workflow_id:
            continue
        of = then.shard.partition("/")[2]
        same_file = (
            then.source == now.source not in STDIN_NAMES and of != "1"
        )  # else a trial of some rows
        if (then.digest == now.digest or same_file) and of != now.shard.partition("/")[2]:
            raise UsageProblem(
                f"{journal.parent} has shard {then.shard} of the same table, and this is {now.shard}",
                "keep the number of shards, or use directories elsewhere",
            )


def renew_columns(
    rows: RowReader, names: Sequence[str], journaled: JournalState, results: ResultsFile, mask: Mask
) -> None:
    """Store results again whose rows have other kept columns now; they are judged by what the file says today.

    `names` are those of columns that are kept now.
    """
    if not journaled.count_finished() or not (
        names or (journaled.header and journaled.header.kept)
    ):
        return
    changed: dict[int, str] = {}
    for row in rows.repeated():
        columns, raw = mask.whole(row.columns), results.read_raw(row.number, row.id)
        if journaled.state(row.number) != FINISHED or raw.endswith(
            f',"columns":{to_json(columns)}}}\n'.encode()
        ):
            continue
        line = parse_line(raw)
        if line is not None and line["columns"] != columns:
            key = key_of(row.number, journaled.ids[row.number])
            changed[key] = f"{to_json({**line, 'columns': columns})}\n"
        if len(changed) == MAX_CHANGED:
            results.append_lines(changed)
            changed.clear()
    results.append_lines(changed)


def name_runs(running: Sequence[str], unrecorded: Sequence[str]) -> str:
    """Return the end of a message that names the runs to check, empty without any."""
    ended, text = [run for run in unrecorded if run not in running], ""
    for what, named in (
        ("runs that may still be running", running),
        ("runs whose result was not saved and printed", ended),
    ):
        if runs := list(dict.fromkeys(named)):
            more = (
                f" and {len(runs) - MAX_NAMED} more (noxcli results has all)"
                if len(runs) > MAX_NAMED
                else ""
            )
            text += f"; {what}: {', '.join(runs[:MAX_NAMED])}{more}"
    return text
