"""Two sets of results, paired row by row in a temporary database: memory hardly grows with their number."""

import json
import pickle
import sqlite3
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import groupby, zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from noxcli.batch.past import lines_in
from noxcli.batch.results import LONGEST_RESULT, read_result_line
from noxcli.batch.rows import digest_of
from noxcli.codec import decode_json
from noxcli.errors import ExitCode, Undelivered, UsageProblem
from noxcli.files import reason_of
from noxcli.render.text import amount
from noxcli.reports.comparison import Change, Line, Pair, is_good
from noxcli.reports.result import RESULT_SCHEMA
from noxcli.signals import SIGNALS
from noxcli.timing import show_seconds, within

COMPARISON_SCHEMA = "noxcli.comparison/1"
SHARES, TERMS = {"median_s": 0.5, "p95_s": 0.95}, {"median_s": "median", "p95_s": "95% within"}
WHAT_FITS = "give the directory of a batch, lines of batch or results, a run's --json, or a run id"
# `base` and `new` are the row's numbers there. Only this call reads the file, so nothing in it need survive a crash.
TABLES = """
PRAGMA journal_mode = OFF;
CREATE TABLE line (side, own, given, row, content);
CREATE TABLE pair (rank, row, key, base, new);
"""
KEYED = """
CREATE INDEX keys ON line ({key}, side, row);
CREATE VIEW keyed AS SELECT {key} AS key, side, row, content, rowid AS place FROM line WHERE {key} IS NOT NULL;
"""
RANKS = {change: rank for rank, change in enumerate(Change)}


class Side:
    """The totals of one side: of a row without a key, nothing is known but that it has not run."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source
        self.workflow_id: str | None = None
        self.has_ids = False
        self.unnamed = 0  # lines with neither an id nor inputs: rows that never started
        self.rows = self.passed = 0
        self._seconds = array("d")  # of each run

    def stored(self, line: Line) -> tuple[Any, ...]:
        """Return a judged line for the table. Raises UsageProblem for a good one of an unknown row."""
        SIGNALS.check()
        own, given, run = line["id"], line["input"], line["result"]["run"] or {}
        self.workflow_id = self.workflow_id or run.get("workflow_id")
        self.rows += 1
        self.has_ids |= own is not None
        if own is None and given is None:
            self.unnamed += 1
            if line["result"]["exit_code"] == ExitCode.OK:
                raise UsageProblem(f"{self.source} has a result with neither an id nor inputs", "give the rows an id")
        key = None if given is None else digest_of(json.dumps(given, sort_keys=True).encode()).to_bytes(8, "big")
        return self.name, None if own is None else json.dumps(own), key, line["row"], pickle.dumps(line)

    def count(self, lines: Sequence[Line], each: int | None) -> None:
        """Judge a row, whose lines count as one. Raises UsageProblem if several of them claim to be the same."""
        if len({line.get("repetition") for line in lines}) < len(lines):
            raise UsageProblem(
                f"{self.name} {self.source} has several lines for row {lines[0]['row']}", "remove all but one"
            )
        self.rows -= max(0, len(lines) - 1)
        self.passed += bool(is_good(lines, each))
        took = ((line["result"]["run"] or {}).get("duration_s") for line in lines)
        self._seconds.extend(seconds for seconds in took if seconds is not None)

    def document(self) -> dict[str, Any]:
        """Return its totals."""
        took = sorted(self._seconds)
        at = {name: within(took, share) if took else None for name, share in SHARES.items()}
        rate = round(self.passed / self.rows, 4) if self.rows else None
        about = {"source": self.source, "workflow_id": self.workflow_id}
        return {**about, "rows": self.rows, "passed": self.passed, "pass_rate": rate, **at}


class Comparison:
    """The rows of both sides in pairs: the number of each class, and those that differ in order."""

    def __init__(self, base: str, new: str, database: sqlite3.Connection) -> None:
        self.base, self.new = Side("BASE", base), Side("NEW", new)
        self.counts: Counter[Change] = Counter()
        self.slower = 0  # of any class
        self._database = database
        self._each: int | None = None

    @classmethod
    @contextmanager
    def opened(cls, base: str, new: str) -> Iterator[Self]:
        """Yield one of these sources without rows, which has them until the block ends.

        Raises Undelivered if there is no room for them.
        """
        try:
            with closing(sqlite3.connect("")) as database:  # a temporary one, on the disk where it is large
                database.executescript(TABLES)
                yield cls(base, new, database)
        except sqlite3.Error as error:
            raise Undelivered(f"can't write a temporary file: {error}", "set TMPDIR to another") from None

    def read(self, side: Side, lines: Iterable[Line]) -> None:
        """Store the lines of a side. Raises what `lines` raises."""
        self._database.executemany("INSERT INTO line VALUES (?, ?, ?, ?, ?)", map(side.stored, lines))

    def pair(self, each: int | None) -> None:
        """Pair and count all rows. Raises UsageProblem if nothing fits together, or it is not clear what does."""
        base, new = self.base, self.new
        by_id = base.has_ids and new.has_ids
        self._each = each
        self._database.executescript(KEYED.format(key="ifnull(own, given)" if by_id else "given"))
        found = set()
        for key, base_row, new_row in self._keys():
            pair = self._pair(key, base_row, new_row)
            change = pair.change
            self.counts[change] += 1
            self.slower += pair.is_slower
            found.add((bool(pair.base), bool(pair.new)))
            base.count(pair.base, each)
            new.count(pair.new, each)
            listed = RANKS[change], pair.row, key, base_row, new_row
            self._database.execute("INSERT INTO pair VALUES (?, ?, ?, ?, ?)", listed)
        if found == {(True, False), (False, True)}:
            what = "id" if by_id else "input"
            raise UsageProblem(
                f"no row of {new.source} has the {what} of a row of {base.source}", "give the rows an id"
            )

    def pairs(self, *, same: bool = False) -> Iterator[Pair]:
        """Yield the pairs that differ, the worst first; and then those that are the `same`, if asked for."""
        most = RANKS[Change.SAME] - (not same)
        found = self._database.execute("SELECT key, base, new FROM pair WHERE rank <= ? ORDER BY rank, row", (most,))
        return (self._pair(*each) for each in found)

    def _keys(self) -> Iterator[tuple[Any, int | None, int | None]]:
        """Yield the key of each pair with its rows. Raises UsageProblem for an id of several rows of a side."""
        sides = self.base, self.new
        found = self._database.execute("SELECT DISTINCT key, side, row FROM keyed ORDER BY key, side, row")
        for key, group in groupby(found, itemgetter(0)):
            SIGNALS.check()
            rows: dict[str, list[int]] = {side.name: [] for side in sides}
            for _, name, row in group:
                rows[name].append(row)
            for side in sides:
                if isinstance(key, str) and (count := len(rows[side.name])) > 1:
                    own = json.loads(key)
                    raise UsageProblem(f"{side.name} {side.source} has {count} rows with the id {own!r}", "keep one")
            yield from ((key, base, new) for base, new in zip_longest(*rows.values()))

    def _pair(self, key: Any, base: int | None, new: int | None) -> Pair:
        return Pair(self._lines(key, self.base, base), self._lines(key, self.new, new), self._each)

    def _lines(self, key: Any, side: Side, row: int | None) -> list[Line]:
        """Return the lines of a row, one for each repetition."""
        found = self._database.execute(
            "SELECT content FROM keyed WHERE key = ? AND side = ? AND row = ? ORDER BY place", (key, side.name, row)
        )
        return [pickle.loads(content) for (content,) in found]  # noqa: S301 - from `Side.stored`

    @property
    def listed(self) -> int:
        """The number of pairs that are not the same."""
        return self.counts.total() - self.counts[Change.SAME]

    def summary(self) -> Iterator[str]:
        """Yield the totals, for people."""
        for side in (self.base, self.new):
            totals = side.document()
            took = ", ".join(
                f"{name} {show_seconds(totals[key])}" for key, name in TERMS.items() if totals[key] is not None
            )
            passed = f"{side.passed:,} of {amount(side.rows, 'row')} passed ({totals['pass_rate'] or 0:.1%})"
            yield f"{side.name} {side.source}: {', '.join(filter(None, [passed, took]))}"
        yield ", ".join(f"{self.counts[change]:,} {change}" for change in Change if self.counts[change]) or "no rows"

    def totals(self, code: ExitCode) -> dict[str, Any]:
        """Return `noxcli.comparison/1` without its rows."""
        return {
            "schema": COMPARISON_SCHEMA,
            "ok": code == ExitCode.OK,
            "exit_code": int(code),
            "base": self.base.document(),
            "new": self.new.document(),
            "classes": {str(change): self.counts[change] for change in Change},
            "slower": self.slower,
        }


def read_lines(path: Path, warn: Callable[[str], None]) -> Iterator[Line]:
    """Yield the lines of a file that batch, results or --json wrote; tell of an incomplete last one.

    Raises UsageProblem if it can't be read, or has another line.
    """
    try:
        for number, (_, raw) in enumerate(lines_in(path, LONGEST_RESULT), 1):
            line = _line(raw)
            if line is not None:
                yield line
            elif raw.strip() and raw.endswith(b"\n"):
                raise UsageProblem(f"line {number} of {path} is not a result", WHAT_FITS)
            elif raw.strip():
                warn(f"{path} ends in an incomplete line, which was left out")
    except OSError as error:
        raise UsageProblem(f"can't read {path}: {reason_of(error)}", WHAT_FITS) from None


def _line(raw: bytes) -> Line | None:
    try:
        line = decode_json(raw)
    except ValueError:
        return None
    is_document = isinstance(line, dict) and line.get("schema") == RESULT_SCHEMA
    return read_result_line(line_of_run(line) if is_document else line)


def line_of_run(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of a run that is no row: its inputs do not matter, so it is compared with any other run."""
    return {"row": 1, "id": None, "input": {}, "columns": None, "result": document}
