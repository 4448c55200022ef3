"""Two sets of results, paired row by row: a few numbers for each line in memory, the lines in temporary files."""

import json
import pickle
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import groupby, zip_longest
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from noxcli.batch.past import NUMBER_BITS, DigestIndex, digest_of_id, opened
from noxcli.batch.results import LONGEST_RESULT, as_line
from noxcli.batch.rows import digest_of
from noxcli.decode import decode_json
from noxcli.errors import ExitCode, Undelivered, UsageProblem
from noxcli.files import reason_of
from noxcli.render.text import amount
from noxcli.reports.comparison import Change, Line, Pair, is_good
from noxcli.reports.result import RESULT_SCHEMA
from noxcli.signals import SIGNALS
from noxcli.timing import show_seconds, within

COMPARISON_SCHEMA = "noxcli.comparison/1"
DIGEST_BITS = 64
ANY = 1  # the key of a result that is compared with the only other one, even if they are about different things
SHARES, TERMS = {"median_s": 0.5, "p95_s": 0.95}, {"median_s": "median", "p95_s": "95% within"}
WHAT_FITS = "give the directory of a batch, lines of batch or results, a run's --json, or a run id"


class Side:
    """The judged results of one side: some 40 bytes in memory for each."""

    def __init__(self, name: str, source: str, file: IO[bytes]) -> None:
        self.name, self.source = name, source
        self.workflow_id: str | None = None
        self.rows = self.passed = self.runs = 0  # runs: good results of which no row is known
        self.seconds = array("d")  # of each run
        self._ids, self._inputs, self._places = array("Q"), array("Q"), array("Q")
        self._index, self._by_id = DigestIndex(()), False
        self._file = file

    def __len__(self) -> int:
        return len(self._places)

    @property
    def has_ids(self) -> bool:
        return any(self._ids)

    @property
    def unnamed(self) -> int:
        """The number of results with neither an id nor inputs: runs, and rows that never started."""
        return sum(not own and not given for own, given in zip(self._ids, self._inputs, strict=True))

    def add(self, line: Line) -> None:
        """Add a judged line. Raises OSError if the file can't be written."""
        given, run = line["input"], line["result"]["run"] or {}
        self.workflow_id = self.workflow_id or run.get("workflow_id")
        is_nameless = given is None and line["id"] is None
        self.runs += is_nameless and line["result"]["exit_code"] == ExitCode.OK
        self._ids.append(digest_of_id(line["id"]))
        self._inputs.append(0 if given is None else digest_of(json.dumps(given, sort_keys=True).encode()))
        self._places.append(self._file.tell())
        pickle.dump(line, self._file)

    def index(self, *, by_id: bool, single: bool) -> None:
        """Find rows by their ids or else by their inputs, a single one by anything."""
        self._by_id = by_id
        named = zip(self._ids, self._inputs, self._places, strict=True)
        keys = ((own if by_id and own else ANY if single else given, place) for own, given, place in named)
        # Nothing is known about a row without a key, but that it has not run.
        self._index = DigestIndex((key, place) for key, place in keys if key)
        self.rows = len(self) - len(self._index)

    def keys(self) -> Iterator[int]:
        """Yield the key of each line, in order."""
        return iter(self._index)

    def rows_at(self, key: int) -> list[list[Line]]:
        """Return the lines of each row with this key. Raises UsageProblem if several lines claim to be the same."""
        rows: dict[int, list[Line]] = {}
        for place in self._index.all(key):
            self._file.seek(place)
            line = pickle.load(self._file)  # noqa: S301 - from `add`
            rows.setdefault(line["row"], []).append(line)
        for number, lines in rows.items():
            if len({line.get("repetition") for line in lines}) < len(lines):
                raise UsageProblem(
                    f"{self.name} {self.source} has several lines for row {number}", "remove all but one"
                )
        first = next(iter(rows.values()), [{"id": None}])[0]["id"]
        if self._by_id and len(rows) > 1 and first is not None:
            raise UsageProblem(f"{self.name} {self.source} has {len(rows)} rows with the id {first!r}", "keep one")
        return [rows[number] for number in sorted(rows)]

    def count(self, lines: Sequence[Line], each: int | None) -> None:
        """Add a row to the totals."""
        self.rows += bool(lines)
        self.passed += bool(is_good(lines, each))
        for line in lines:
            took = (line["result"]["run"] or {}).get("duration_s")
            if took is not None:
                self.seconds.append(took)

    def document(self) -> dict[str, Any]:
        """Return its totals."""
        took = sorted(self.seconds)
        at = {name: within(took, share) if took else None for name, share in SHARES.items()}
        rate = round(self.passed / self.rows, 4) if self.rows else None
        about = {"source": self.source, "workflow_id": self.workflow_id}
        return {**about, "rows": self.rows, "passed": self.passed, "pass_rate": rate, **at}


@contextmanager
def side_of(name: str, source: str, lines: Iterable[Line]) -> Iterator[Side]:
    """Read all lines, and keep them until the block ends.

    Raises Undelivered if there is no room for them, and what `lines` raises.
    """
    with TemporaryFile() as file:
        side = Side(name, source, file)
        try:
            for line in lines:
                SIGNALS.check()
                side.add(line)
        except OSError as error:
            raise Undelivered(f"can't write a temporary file: {reason_of(error)}", "set TMPDIR to another") from None
        yield side


class Comparison:
    """The rows of both sides in pairs: the number of each class, and in which order those that differ are listed."""

    def __init__(self, base: Side, new: Side, each: int | None) -> None:
        """Pair and count all rows. Raises UsageProblem if nothing fits together, or it is not clear what does."""
        self.base, self.new, self.each = base, new, each
        self.counts: Counter[Change] = Counter()
        self.slower = 0  # of any class
        self._order: list[int] = []  # class, row and key of each pair to list, in one number
        by_id = base.has_ids and new.has_ids
        single = len(base) == len(new) == 1
        for side, other in ((base, new), (new, base)):
            if side.unnamed == len(side) == 1 != len(other):
                raise UsageProblem(f"{side.source} is one run, and {other.source} is a batch", "compare two of a kind")
            if side.runs and not single:
                raise UsageProblem(f"{side.source} has a result with neither an id nor inputs", "give the rows an id")
            side.index(by_id=by_id, single=single and not by_id)
        ranks, paired = {change: rank for rank, change in enumerate(Change)}, 0
        for key, pair in self._by_key():
            change = pair.change
            self.counts[change] += 1
            self.slower += pair.is_slower
            paired += bool(pair.base and pair.new)
            base.count(pair.base, each)
            new.count(pair.new, each)
            if change is not Change.SAME:
                self._order.append((ranks[change] << NUMBER_BITS | pair.row) << DIGEST_BITS | key)
        self._order.sort()
        if not paired and any(base.keys()) and any(new.keys()):
            what = "id" if by_id else "input"
            raise UsageProblem(
                f"no row of {new.source} has the {what} of a row of {base.source}", "give the rows an id"
            )

    @property
    def listed(self) -> int:
        """The number of pairs that are not the same."""
        return len(self._order)

    def summary(self) -> Iterator[str]:
        """Yield the totals, for people."""
        for side in (self.base, self.new):
            told = side.document()
            took = ", ".join(
                f"{name} {show_seconds(told[key])}" for key, name in TERMS.items() if told[key] is not None
            )
            passed = f"{side.passed:,} of {amount(side.rows, 'row')} passed ({told['pass_rate'] or 0:.1%})"
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

    def pairs(self) -> Iterator[Pair]:
        """Yield the pairs that are not the same, the worst first."""
        for entry in self._order:
            key, row = entry & (1 << DIGEST_BITS) - 1, entry >> DIGEST_BITS & (1 << NUMBER_BITS) - 1
            change = list(Change)[entry >> DIGEST_BITS + NUMBER_BITS]
            yield from (pair for pair in self._pairs_at(key) if (pair.row, pair.change) == (row, change))

    def all_pairs(self) -> Iterator[Pair]:
        """Yield all pairs: those that `pairs` yields, then the others."""
        yield from self.pairs()
        yield from (pair for _, pair in self._by_key() if pair.change is Change.SAME)

    def _by_key(self) -> Iterator[tuple[int, Pair]]:
        for key, _ in groupby(merge(self.base.keys(), self.new.keys())):
            SIGNALS.check()
            yield from ((key, pair) for pair in self._pairs_at(key))

    def _pairs_at(self, key: int) -> Iterator[Pair]:
        base, new = self.base.rows_at(key), self.new.rows_at(key)
        return (Pair(old or (), now or (), self.each) for old, now in zip_longest(base, new))


def read_lines(path: Path, warn: Callable[[str], None]) -> Iterator[Line]:
    """Yield the lines of a file that batch, results or --json wrote; tell of an incomplete last one.

    Raises UsageProblem if it can't be read, or has another line.
    """
    try:
        with opened(path) as file:
            number = 0
            while raw := file.readline(LONGEST_RESULT):
                number += 1
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
    return as_line({"row": 1, "id": None, "result": line} if is_document else line)
