"""What rows are expected to have as outputs (--expect), and which rows no check is about."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self

from noxcli.codec import to_json
from noxcli.errors import COMPLETED, UsageProblem, nearest, suggestion
from noxcli.inputs.parse import Inputs
from noxcli.inputs.sources import Sources
from noxcli.render.text import amount, part_of
from noxcli.rows.columns import EXPECT, Columns, Row, digest_of
from noxcli.rows.reader import RowReader

OPTION = "--expect"
ROW = "row"  # the column that says for which row a line is
MAX_NAMED = 5  # ids in a message
KINDS = {"id": "an id", "row": "a row's number", "line": "neither an id nor a row's number"}
EMPTY = (None, "")
Key = str | int  # a row's id or number: two name spaces


class Expectations:
    """The expected outputs, all held in memory. Only keys that an expected output names count."""

    def __init__(self, by_key: Mapping[Key, Inputs], kinds: Collection[str]) -> None:
        """`kinds` are those of the keys.

        Only lines that noxcli printed have both, since some rows have no id.
        """
        self._by_key = by_key
        self._kinds = kinds
        self._unmet = set(by_key)

    @classmethod
    def read(cls, path: str, sources: Sources) -> Self:
        """Read a file in the format of the rows: a line has outputs, and a row's $id, its number as
        `row`, or neither.

        Raises UsageProblem for a file that can't be read or expects nothing, for lines of mixed
        kinds, and for a line that expects nothing or that another one is also for.
        """
        if path == "-":
            raise UsageProblem(f"{OPTION} - is not a file", "give a JSON lines, CSV or TSV file")
        by_key: dict[Key, Inputs] = {}
        kinds: dict[str, str] = {}  # each with the place of its first line
        source = RowReader(path, None, Columns({}, Inputs()), sources)
        source.is_expected = True
        if source.is_pipe:
            source.copy_pipe()
        for row in source.rows():
            if row.problem is not None:
                raise UsageProblem(f"{OPTION} {path}, {row.place}: {row.problem}")
            kind, key, outputs = _expected(row)
            kinds.setdefault(kind, row.place)
            if len(kinds) > 1 and not _was_printed(row):
                what = " and ".join(f"{KINDS[kind]} ({place})" for kind, place in kinds.items())
                raise UsageProblem(
                    f"{OPTION} {path} has lines with {what}", "write the same in each line"
                )
            if key in by_key:
                raise UsageProblem(f"{OPTION} {path}, {row.place}: {key!r} appears twice")
            if outputs is None:
                continue
            if outputs.values:
                by_key[key] = outputs
            elif not source.is_table:
                raise UsageProblem(
                    f"{OPTION} {path}, {row.place}: it names no output",
                    "name one, or remove the line",
                )
        if not by_key:
            raise UsageProblem(
                f"{OPTION} {path} expects nothing", "give lines with the outputs of rows"
            )
        return cls(by_key, kinds)

    def mark_seen(self, row: int, own_id: str | None) -> bool:
        """Record that there is this row, and return whether its output is expected."""
        key = self._key(row, own_id)
        self._unmet.discard(key)
        return key in self._by_key

    def require_used(self) -> None:
        """Raise UsageProblem for expected outputs whose rows do not exist."""
        unmet = [repr(key) for key in self._by_key if key in self._unmet]
        if not unmet:
            return
        named = ", ".join(unmet[:MAX_NAMED])
        raise UsageProblem(
            f"{OPTION} has {amount(len(unmet), 'output')} without a row: {named}",
            "name the rows' ids in $id, their numbers in row, or number the lines as the rows",
        )

    def require_outputs(self, known: Collection[str], where: str) -> None:
        """Raise UsageProblem for a line that names another output than these, so that it could
        never hold.
        """
        named: dict[str, Key] = {}
        for key, wanted in self._by_key.items():
            named |= dict.fromkeys(wanted.values, key)
        _require_known(OPTION, named, known, where)

    def digest(self) -> str:
        """Return a digest of all expected outputs."""
        wanted = sorted((str(key), to_json(inputs.values)) for key, inputs in self._by_key.items())
        return f"{digest_of(to_json(wanted)):016x}"

    def of(self, row: int, own_id: str | None) -> Inputs | None:
        """Return the row's expected outputs, None if it has none."""
        return self._by_key.get(self._key(row, own_id))

    def _key(self, row: int, own_id: str | None) -> Key:
        if "id" not in self._kinds:
            return row
        if own_id:
            return own_id
        return row if len(self._kinds) > 1 else ""


def _require_known(
    option: str, named: Mapping[str, Key], known: Collection[str], where: str
) -> None:
    for name, key in named.items():
        if name not in known:
            hint = suggestion(nearest(name, known), quoted=True)
            raise UsageProblem(
                f"{option} names {name!r} for {key!r}, but {where} has no such output", hint
            )


def _expected(row: Row) -> tuple[str, Key, Inputs | None]:
    """Return the kind of a line, the row that it is for, and the outputs.

    Of a line that noxcli printed, those of a completed run, and else None.
    """
    outputs = row.inputs
    values = outputs.values
    if _was_printed(row):
        output = values["result"].get("output")
        found = None
        if values["result"].get("exit_code") in COMPLETED and isinstance(output, dict):
            found = Inputs(output)
        own_id = values.get("id")
        if isinstance(own_id, str) and own_id:
            return "id", own_id, found
        return "row", values[ROW], found
    if row.id:
        return "id", row.id, outputs
    number = values.get(ROW)
    if number is None or isinstance(number, bool) or not str(number).isdecimal():
        return "line", row.number, outputs
    others = {key: value for key, value in values.items() if key != ROW}
    return "row", int(number), Inputs(others, outputs.texts - {ROW})


def _was_printed(row: Row) -> bool:
    values = row.inputs.values
    return values.keys() >= {ROW, "result"} and isinstance(values["result"], dict)


class Coverage:
    """How many rows of a table each check is about."""

    def __init__(self, expected: Expectations | None, columns: Sequence[str]) -> None:
        """`columns` are those that assertions read."""
        self._expected = expected
        self._columns = [name for name in columns if not name.startswith("$")]
        self._rows = 0
        self._expecting = 0
        self._empty: Counter[str] = Counter()
        self._own_outputs: dict[str, Key] = {}  # that rows expect themselves, and a row that does

    def add(self, number: int, own_id: str | None, values: Mapping[str, Any]) -> None:
        """Count a row of the table with its inputs and columns.

        Raises UsageProblem for one that expects nothing.
        """
        self._rows += 1
        own = values.get(EXPECT)
        if own == {}:
            raise UsageProblem(
                f"row {number} expects no output: its {EXPECT} is {{}}",
                "name one, or leave it empty",
            )
        if isinstance(own, dict):
            self._own_outputs |= dict.fromkeys(own, own_id or number)
        if self._expected is None:
            expects = own not in EMPTY
        else:
            expects = self._expected.mark_seen(number, own_id)
        if expects:
            self._expecting += 1
        for name in self._columns:
            if values.get(name) in EMPTY:
                self._empty[name] += 1

    def add_line(self, line: Mapping[str, Any]) -> None:
        """Count the row of a line of results, once for all its repetitions.

        Not one that never started.
        """
        never_started = line["input"] is None and line["columns"] is None
        if never_started or line.get("repetition") not in (None, 1):
            return
        self.add(line["row"], line["id"], {**(line["input"] or {}), **(line["columns"] or {})})

    def require(
        self,
        warn: Callable[[str], None],
        outputs: Collection[str],
        where: str,
        *,
        own: bool,
        is_whole: bool,
    ) -> None:
        """Warn of rows that a check is not about; `own` says that there is a column `$expect`.

        Raises UsageProblem if these are all rows, and for an output that no row has, if the
        `outputs` are known, or, once the `is_whole` table was counted, that no row is for.
        """
        if self._expected is not None and is_whole:
            self._expected.require_used()
        if self._expected is None and outputs:
            _require_known(EXPECT, self._own_outputs, outputs, where)
        for name in dict.fromkeys(self._columns):
            self._warn_of(warn, self._empty[name], f"an empty {name!r}, which --assert reads")
        without = self._rows - self._expecting
        if self._expected is not None:
            self._warn_of(warn, without, f"no expected output ({OPTION})")
        elif own:
            self._warn_of(warn, without, f"no expected output ({EXPECT})")

    def _warn_of(self, warn: Callable[[str], None], count: int, what: str) -> None:
        """Warn of this many rows that have `what`. Raises UsageProblem if these are all rows."""
        if count == 0:
            return
        if count == self._rows:
            raise UsageProblem(f"each row has {what}, so nothing is checked", "fill it in")
        have = "has" if count == 1 else "have"
        warn(f"{part_of(count, self._rows, 'row')} {have} {what}")
