"""Which rows of a batch remain, and how a later call continues it."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from noxcli.batch.matching import KnownRows, Matches, TableRows, match_rows, moves_of
from noxcli.batch.spec import EDITED, BatchSpec
from noxcli.batchdir.append_file import open_batch_file
from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.journal_state import FINISHED, NEW, SENT, STARTED, JournalState, Move
from noxcli.batchdir.results_file import ResultsFile, ResultsReader, parse_line
from noxcli.batchdir.table import RowFacts
from noxcli.codec import to_json
from noxcli.errors import CommandLine, Hint, UsageProblem, WrongInputs
from noxcli.files import JOURNAL_NAME, RESULTS_NAME
from noxcli.inputs.definition import InputNode
from noxcli.inputs.parse import Inputs
from noxcli.inputs.preflight import line_to_inputs, validate_inputs
from noxcli.inputs.sources import STDIN_NAMES
from noxcli.masking import Mask
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, in_prose, part_of
from noxcli.reports.failure_groups import ResultLine
from noxcli.rows.columns import Row, hash_of, id_of_repetition
from noxcli.rows.content import RowContents
from noxcli.rows.reader import RowReader

ACCEPT = "--again edited"
MAX_SIBLINGS = 1000  # other directories in the parent of a shard's
MISTAKES_KEPT = 20
MAX_NAMED = 20
MAX_CHANGED = 1000  # results that are written together


@dataclass(slots=True, eq=False, repr=False)
class RowCounts:
    """The totals of a file's rows.

    `mistakes` of the `wrong` rows have the first such row, the number of them, and the number of
    the last.
    """

    rows: int = 0
    repeat: int = 1  # each row is counted as often
    # The rows of this shard in each state.
    states: list[int] = field(default_factory=lambda: [0] * 4)
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
        if state == FINISHED or row.problem is None:
            return
        number = row.file_number
        if number != self._last_wrong:  # and not another repetition of the last one
            self.wrong += 1
            self._last_wrong = number
        if row.problem in self.mistakes or len(self.mistakes) < MISTAKES_KEPT:
            first, count, last = self.mistakes.get(row.problem, (row, 0, 0))
            if number != last:
                count += 1
            self.mistakes[row.problem] = (first, count, number)

    def require_right(self, shown_by: CommandLine, complain: Callable[[str], None]) -> None:
        """List the mistakes, and raise WrongInputs if there are any."""
        listed = 0
        for problem, (first, count, _) in self.mistakes.items():
            listed += count
            others = f" and {amount(count - 1, 'more row')}" if count > 1 else ""
            complain(f"noxcli: {first.place}{others}: {problem}{first.found}")
        if not self.wrong:
            return
        verb = "is" if self.wrong == 1 else "are"
        what = f"{part_of(self.wrong, self.in_shard // self.repeat, 'row')} {verb} wrong"
        if self.wrong > listed:
            what += f" (the first {listed} are listed)"
        raise WrongInputs(f"{what}; nothing was started", Hint("see: ", shown_by))


class RemainingRows:
    """The rows of one call: compared with those of earlier calls, and checked against the
    workflow's definition.
    """

    def __init__(
        self,
        spec: BatchSpec,
        journaled: JournalState,
        nodes: Sequence[Sequence[InputNode] | None],
        terminal: Terminal,
    ) -> None:
        """`nodes` are those of each side that the table has rows of, None if they are unchecked."""
        self._spec = spec
        self._journaled = journaled
        self._nodes = nodes
        self._terminal = terminal
        shared = spec.rows.shared_names
        self.contents = [RowContents(each, shared) for each in nodes]
        self._shown_by = line_to_inputs(spec.workflow)
        self.order: list[int] = []  # of a shard: the keys of all rows
        self.moves: list[Move] = []  # of rows that have other places than in the journal
        self.edited: list[tuple[int, str | None]] = []  # rows that are chosen for a re-run
        self.gone: list[int] = []  # the numbers of rows that FILE no longer has
        # What was read of each row of the file, so that it is known once it is edited.
        self._written: list[int] = []
        self._digests: list[list[int]] = [[] for _ in nodes]
        self._unconverted: list[list[int]] = [[] for _ in nodes]
        self._messages: set[str] = set()  # about all rows, which are written once
        # How many rows had ended when the survey found none that remains.
        self._finished: int | None = None

    # The rows of earlier calls.

    def match(self, journal: Journal) -> None:
        """Find the rows of earlier calls in FILE, and let the journal's state have their places.

        Raises UsageProblem if rows were edited, or if it is not clear that this is the same table.
        """
        table = self._read_table()
        known = KnownRows(self._journaled)
        if self._spec.shard.of > 1:
            self._require_ids_as_before(known, table)
        found = match_rows(known, table)
        self._require_same_table(known, found)
        edited = self._edited_rows(known, found, table)
        self.moves = moves_of(known, found, table, journal)
        if self.moves:
            self._journaled.renumber(self.moves)
        end = len(table.digests) * known.repeat
        self.gone = [number for number in self._journaled.known_rows() if number > end]
        if edited:
            self.edited = edited
            numbers = [number for number, _ in edited]
            self._journaled.choose(numbers, numbers)

    def _read_table(self) -> TableRows:
        rows = self._spec.rows
        table = TableRows()
        ids = UniqueIds()
        for row in rows.rows():
            ids.add(row)
            table.ids.append(row.id)
            table.hashes.append(hash_of(row.id))
            self._note_read(row, self._checked(row))
            at = row.file_number - 1
            table.digests.append(self._digests[row.side][at])
            table.unconverted.append(self._unconverted[row.side][at])
        ids.require_unique(rows)
        return table

    def _require_ids_as_before(self, known: KnownRows, table: TableRows) -> None:
        has_ids = any(table.hashes)
        had_ids = any(known.id_hash(place) for place in known.places)
        if known.places and has_ids != had_ids:
            change = "has ids now" if has_ids else "no longer has ids"
            raise UsageProblem(
                f"{self._spec.rows.name} {change}, so its rows belong to other shards",
                "restore the file, or start over with --fresh in all shards",
            )

    def _require_same_table(self, known: KnownRows, found: Matches) -> None:
        """Raise UsageProblem if other rows are where most of the finished ones were, and that is
        not accepted.
        """
        finished = sum(known.is_finished(place) for place in known.places)
        lost = sum(known.is_finished(place) for place in found.gone)
        others = self._count_others(found)
        if 2 * lost <= finished or not others or EDITED in self._spec.again:
            return
        lacks = f"lacks {lost} of the {amount(finished, 'row')} that finished"
        has = f"has {amount(others, 'other row')}{self._renamed_columns()}"
        raise UsageProblem(
            f"{self._spec.rows.name} {lacks}, and {has}",
            f"restore it, run the other rows with {ACCEPT}, or start over with --fresh",
        )

    def _count_others(self, found: Matches) -> int:
        """Return how many rows of this shard are in FILE alone."""
        others = 0
        for at, before in enumerate(found.before):
            if not before and self._is_in_shard(at):
                others += 1
        return others

    def _is_in_shard(self, at: int) -> bool:
        shard = self._spec.shard
        if shard.of == 1:
            return True  # and the order is not known
        return shard.has(self.order[at])

    def _renamed_columns(self) -> str:
        """Say which columns have another name, if that is known."""
        header = self._journaled.header
        assert header is not None
        now = {_name_of(column) for column in self._spec.rows.sent() or ()}
        then = {_name_of(column) for column in header.columns or ()}
        lost = sorted(then - now)
        new = sorted(now - then)
        if not lost or not new:
            return ""
        columns_then = in_prose([repr(name) for name in lost])
        columns_now = in_prose([repr(name) for name in new])
        return f" (columns {columns_then} then, {columns_now} now)"

    def _edited_rows(
        self, known: KnownRows, found: Matches, table: TableRows
    ) -> list[tuple[int, str | None]]:
        """Return the rows to re-run, by their new numbers: all repetitions of those with another
        input.

        Raises UsageProblem without --again edited, and for one whose run may still be running.
        """
        if not found.edited:
            return []
        ids = [repr(table.ids[place - 1]) for place in found.edited[:MAX_NAMED]]
        named = ", ".join(ids)
        if len(found.edited) > MAX_NAMED:
            named += f" and {len(found.edited) - MAX_NAMED} more"
        rows = f"{amount(len(found.edited), 'row')} of {self._spec.rows.name}"
        they = "it" if len(found.edited) == 1 else "they"
        what = f"{rows} had another input when {they} ran: {named}"
        if EDITED not in self._spec.again:
            raise UsageProblem(
                what, f"restore the file, or re-run {_these(found.edited)} with {ACCEPT}"
            )
        chosen: list[tuple[int, str | None]] = []
        for place in found.edited:
            before = found.before[place - 1]
            if not {NEW, FINISHED}.issuperset(known.states(before)):
                raise UsageProblem(
                    f"{what}, and {table.ids[place - 1]!r} may still be running",
                    "continue with --resume and the rows as they were, then edit them",
                )
            for number in known.numbers(before):
                repetition = (number - 1) % known.repeat + 1
                own_id = id_of_repetition(table.ids[place - 1], repetition, known.repeat)
                chosen.append(((place - 1) * known.repeat + repetition, own_id))
        return chosen

    # The rows of this call.

    def survey(self) -> RowCounts:
        """Return the survey of the rows.

        Raises UsageProblem for a file that can't be read, for an option that names a column which
        it lacks, and for a row that has an earlier row's id.
        """
        rows = self._spec.rows
        digest = hashlib.sha256()
        found = RowCounts(repeat=rows.repeat)
        if rows.only is not None:
            found.only = []
        last = 0  # row of the file
        ids = UniqueIds()
        for row in rows.selected():
            found.rows += 1
            digest.update(row.written.to_bytes(8, "big"))
            if found.only is not None and row.file_number != last:
                found.only.append(row.file_number)
            last = row.file_number
            ids.add(row)
            checked = self._checked(row)
            if self._is_of_table(row):
                self._note_read(row, checked)
            if self._spec.shard.has(row.key):
                found.add(checked, self._journaled.state(row.number))
        rows.require_named()
        ids.require_unique(rows)
        self._finished = None
        if found.states[FINISHED] == found.in_shard:
            self._finished = self._journaled.count_finished(rows.most)
        found.digest = digest.hexdigest()
        return found

    def _is_of_table(self, row: Row) -> bool:
        """False for one that is made of an answer while the batch runs."""
        return row.side < len(self._nodes)

    def _note_read(self, row: Row, checked: Row) -> None:
        """Note what was read of a row, and the digests of what it asks.

        0 for a row of another shard.
        """
        at = row.file_number - 1
        digests = self._digests[row.side]
        unconverted = self._unconverted[row.side]
        if row.side == 0:
            _put(self._written, at, row.written)
            if self._spec.shard.of > 1:
                _put(self.order, at, row.key)
        if at >= len(digests) or not digests[at]:
            digest = self._digest_of(checked)
            _put(digests, at, digest)
            if checked.inputs is not row.inputs:  # texts became the declared types
                digest = self._digest_of(row)
            _put(unconverted, at, digest)

    def _with_digests(self, row: Row) -> Row:
        at = row.file_number - 1
        digest = self._digests[row.side][at]
        return replace(row, digest=digest, unconverted=self._unconverted[row.side][at])

    def _digest_of(self, row: Row) -> int:
        if row.problem is not None or not self._spec.shard.has(row.key):
            return 0
        try:
            return self.contents[row.side].digest(row)
        except UsageProblem:
            return 0  # its file has gone since it was checked, so that the row is not started

    def to_do(self, wanted: Collection[int] | None = None) -> Iterator[Row | None]:
        """Yield the remaining rows, if they are `wanted`, and None for each other one, so that no
        step takes long.

        Raises UsageProblem for a row that was edited since the survey.
        """
        yield from self._running_rows_that_are_gone()
        if self._finished == self._journaled.count_finished(self._spec.rows.most):
            return
        for row in self._spec.rows.selected():
            at = row.file_number - 1
            if at >= len(self._written) or self._written[at] != row.written:
                raise UsageProblem(
                    f"{row.place} of {self._spec.rows.name} was edited while the batch ran",
                    "continue with --resume",
                )
            is_wanted = wanted is None or row.number in wanted
            if not is_wanted or not self._spec.shard.has(row.key):
                yield None
                continue
            if self._journaled.state(row.number) == FINISHED:
                yield None
                continue
            if self._is_of_table(row):
                row = self._with_digests(row)
            yield self._checked(self._spec.rows.filled(row))

    def _running_rows_that_are_gone(self) -> Iterator[Row]:
        running = [number for number in self.gone if self._journaled.state(number) == STARTED]
        if not running:
            return
        header = self._journaled.header
        assert header is not None
        path = self._spec.directory / JOURNAL_NAME
        facts = RowFacts(header, [path], lambda _: False)
        with open_batch_file(path) as journal:
            for number in running:
                about = facts.row([journal], 0, number, number)
                yield Row(
                    number,
                    0,
                    self._journaled.digests[number],
                    about.get("id"),
                    Inputs(about.get("input") or {}),
                    about.get("columns") or {},
                    of=(number - 1) // header.repeat + 1,
                    is_gone=True,
                )

    def _checked(self, row: Row) -> Row:
        """Return the row with its texts converted to the declared types, or with its problem."""
        if row.problem is not None or not self._is_of_table(row):
            return row
        nodes = self._nodes[row.side]
        if nodes is None:
            return row
        try:
            columns = row.inputs.values.keys() - self._spec.common.values.keys()
            result = validate_inputs(row.inputs, nodes, self._shown_by, columns)
        except WrongInputs as wrong:
            return replace(row, problem=wrong.message, found=wrong.found)
        self._say_once(self._terminal.note, row, result.notes)
        self._say_once(self._terminal.warn, row, result.warnings)
        if result.inputs is row.inputs:
            return row
        return replace(row, inputs=result.inputs)

    def _say_once(self, say: Callable[[str], None], row: Row, lines: Sequence[str]) -> None:
        """Say of the first row what may be true of many."""
        for line in lines:
            kind = line
            if line.startswith("'"):  # the name of an input
                kind = line.partition(":")[0]
            if kind not in self._messages and len(self._messages) < MISTAKES_KEPT:
                self._messages.add(kind)
                say(f"{row.place}: {line}")


class UniqueIds:
    """The ids of the rows of a file, each of which is to be another one."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}  # by the hashes of their ids
        self._repeated: tuple[int, int] | None = None  # the first row with an earlier row's id
        self._count = 0
        self._last = 0  # row of the file

    def add(self, row: Row) -> None:
        """Add a row of the file, of whose repetitions the first counts."""
        if row.id is None or row.file_number == self._last:
            return
        self._last = row.file_number
        own_id = hash_of(row.id)
        if own_id in self._rows:
            self._count += 1
            if self._repeated is None:
                self._repeated = (row.file_number, self._rows[own_id])
        self._rows.setdefault(own_id, row.file_number)

    def require_unique(self, rows: RowReader) -> None:
        """Raise UsageProblem for a row that has an earlier row's id."""
        if self._repeated is None:
            return
        later, first = self._repeated
        places = {row.number: row.place for row in rows.rows() if row.number in self._repeated}
        more = ""
        if self._count > 1:
            more = f" (the first of {self._count} such rows)"
        raise UsageProblem(
            f"{places[later]} has the id of {places[first]}{more}; nothing was started",
            "give each row its own id",
        )


def _put(numbers: list[int], at: int, number: int) -> None:
    """Put a number where it belongs, with 0 for others that are missing."""
    while len(numbers) <= at:
        numbers.append(0)
    numbers[at] = number


def _name_of(column: str) -> str:
    return column.rstrip("=@:")


def _these(rows: Sequence[int]) -> str:
    return "it" if len(rows) == 1 else "them"


def require_no_results(directory: Path) -> None:
    """Raise UsageProblem if a directory without a journal has results."""
    if next(ResultsReader(directory).read_all(), None) is not None:
        _lack_rows(directory)


def require_journal_of(
    results: ResultsFile, journaled: JournalState, moves: Sequence[Move]
) -> None:
    """Raise UsageProblem if there are results of rows that the journal lacks: these would start
    again.

    A power cut may cost the journal the run of a row whose start it has; then the row's next result
    replaces this one.
    """
    runs = {*journaled.runs, *journaled.replaced}
    for run in results.places:
        if run in runs:
            continue
        line = parse_line(results.read_raw(run))
        number = None if line is None else _number_now(line, journaled, moves)
        if number is None:
            _lack_rows(results.path.parent)
        results.replace_with(number, run)


def _number_now(line: ResultLine, journaled: JournalState, moves: Sequence[Move]) -> int | None:
    """Return the number of the row that a line of results is about, None if the journal lacks the
    row.
    """
    number: int = line["row"]
    for move in moves:
        if move.before == number and move.id == line["id"]:
            return move.number
    if number >= len(journaled.offsets) or not journaled.offsets[number]:
        return None
    return number if journaled.has_id(number, line["id"]) else None


def _lack_rows(directory: Path) -> NoReturn:
    raise UsageProblem(
        f"{directory} has {RESULTS_NAME} with rows that its journal {JOURNAL_NAME} lacks",
        f"fetch the same batch's {JOURNAL_NAME} into it, or add --fresh, which starts each row "
        "again",
    )


def require_same_split(directory: Path, now: BatchHeader) -> None:
    """Raise UsageProblem if a sibling directory has a shard of the same table and workflow, split
    otherwise.

    A table is the same with the same rows, or in the same file, whose rows may have been edited or
    appended since.
    """
    for journal in sorted(directory.absolute().parent.glob(f"*/{JOURNAL_NAME}"))[:MAX_SIBLINGS]:
        then = JournalState.read_header(journal)
        if then is None or then.workflow_id != now.workflow_id:
            continue
        of = then.shard.partition("/")[2]
        if of == now.shard.partition("/")[2]:
            continue
        is_same_file = then.source == now.source and now.source not in STDIN_NAMES
        is_whole = of == "1"  # it may be a trial of some rows
        if then.digest == now.digest or (is_same_file and not is_whole):
            what = f"{journal.parent} has shard {then.shard} of the same table"
            raise UsageProblem(
                f"{what}, and this is {now.shard}",
                "keep the number of shards, or use directories elsewhere",
            )


def renew_lines(
    rows: RowReader,
    remaining: RemainingRows,
    names: Sequence[str],
    journaled: JournalState,
    results: ResultsFile,
    mask: Mask,
) -> None:
    """Store results again whose rows have other kept columns, another id or another place now.

    They are judged and named by what the file says today; `names` are those of columns that are
    kept now.
    """
    header = journaled.header
    assert header is not None
    if not names and not header.kept and not remaining.moves:
        return
    moved = {move.number for move in remaining.moves}
    changed: list[str] = []
    for row in rows.repeated():
        if journaled.state(row.number) != FINISHED:
            continue
        raw = results.read_raw(journaled.runs[row.number])
        columns = mask.whole(row.columns)
        same_columns = raw.endswith(f',"columns":{to_json(columns)}}}\n'.encode())
        if same_columns and row.number not in moved:
            continue
        line = parse_line(raw)
        if line is None:
            continue
        renewed = {**line, "row": row.number, "id": row.id, "columns": columns}
        if renewed != line:
            changed.append(f"{to_json(renewed)}\n")
        if len(changed) == MAX_CHANGED:
            results.replace_lines(changed)
            changed = []
    results.replace_lines(changed)


def name_runs(running: Sequence[str], unrecorded: Sequence[str]) -> str:
    """Return the end of a message that names the runs to check, empty without any."""
    ended = [run for run in unrecorded if run not in running]
    text = ""
    for what, named in (
        ("runs that may still be running", running),
        ("runs whose result was not saved and printed", ended),
    ):
        runs = list(dict.fromkeys(named))
        if not runs:
            continue
        text += f"; {what}: {', '.join(runs[:MAX_NAMED])}"
        if len(runs) > MAX_NAMED:
            text += f" and {len(runs) - MAX_NAMED} more (noxcli results has all)"
    return text
