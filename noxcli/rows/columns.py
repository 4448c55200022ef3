"""One row, and what each of its columns is: its id, an input and how that is read, or kept next to
the result.
"""

import hashlib
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from noxcli.errors import UsageProblem, nearest, suggestion
from noxcli.inputs.parse import Inputs, item_start, parse_json, parse_value, split_item
from noxcli.inputs.sources import OnlyFiles, Sources
from noxcli.render.text import in_prose
from noxcli.rows.decimals import plain_number
from noxcli.value_class import value_class

ID, EXPECT = "$id", "$expect"
RESERVED = "$"  # a column that begins with it is kept, unless it is an input
MAX_ROWS = 20_000_000
MASK = (1 << 64) - 1


@value_class(frozen=True, slots=True)
class Row:
    """One row: its values, or its problem. `number` counts from 1, without blank lines.

    With --repeat, each repetition is a row of its own, with its own number and id; `of` is the
    number in the file. `digest` is that of what it asks, once its files were read (`RowContents`),
    and `unconverted` the same before texts became the declared types. `written` is that of its
    cells as they are in the file, and `key` says in which shard it is. Digests have 64 bits, 0 if a
    row can't be read.
    """

    number: int
    line: int  # 0 in a JSON array
    digest: int = 0
    id: str | None = None
    inputs: Inputs = field(default_factory=Inputs)
    columns: Mapping[str, Any] = field(default_factory=dict)  # those that are kept
    problem: str | None = None
    found: str = ""  # in place of a value, if that is the problem
    of: int = 0
    side: int = 0  # of a gate: BASE is 0, NEW is 1
    written: int = 0
    unconverted: int = 0
    key: int = 0
    is_gone: bool = False  # FILE no longer has it, and its run is followed

    @property
    def file_number(self) -> int:
        return self.of or self.number

    @property
    def place(self) -> str:
        """Its readable place."""
        if self.line:
            return f"row {self.file_number} (line {self.line})"
        return f"row {self.file_number}"


@dataclass(frozen=True, slots=True)
class Columns:
    """The options about columns, and the inputs that all rows share.

    `operators` say how an input is read (`--column 'doc@'`), `renamed` has the inputs by the
    columns that they come from. `known` are the keys of the workflow's inputs, where they are
    known, and `needed` the inputs that each row must have; if they are `all_known`, other columns
    are refused.
    """

    operators: Mapping[str, str]
    common: Inputs
    id: str = ID
    keep: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    needed: Mapping[str, Collection[str | None]] = field(default_factory=dict)
    all_known: bool = False
    sources: Sources = field(default_factory=OnlyFiles)  # of the files that rows name

    @classmethod
    def parse(
        cls,
        texts: Sequence[str],
        common: Inputs,
        own_id: str | None = None,
        keep: Sequence[str] = (),
    ) -> Self:
        """Return the columns for `INPUT=COLUMN`, `INPUT@`, `INPUT:=`, `INPUT=@` and `INPUT:=@`,
        --id and --keep.

        Raises UsageProblem.
        """
        operators: dict[str, str] = {}
        renamed: dict[str, str] = {}
        for text in texts:
            if "=" not in text and "@" not in text:
                raise UsageProblem(
                    f"--column {text!r} names no input", "write INPUT=COLUMN, INPUT@ or INPUT:="
                )
            name, operator, column = split_item(text)
            if column and operator != "=":
                hint = (
                    f"write --column '{name}{operator}', and --column {name}=COLUMN if the column "
                    "has another name"
                )
                raise UsageProblem(f"--column {text!r} has text after {operator}", hint)
            if column:
                twice = column
                is_contradicted = renamed.setdefault(column, name) != name
            else:
                twice = name
                is_contradicted = operators.setdefault(name, operator) != operator
            if is_contradicted or list(renamed.values()).count(name) > 1:
                raise UsageProblem(f"--column names {twice!r} twice", "remove one of them")
        for name in keep:
            if name in renamed:
                raise UsageProblem(f"--keep and --column both name {name!r}", "remove one of them")
        operators = {renamed.get(name, name): operator for name, operator in operators.items()}
        id_column = own_id or ID
        return cls(operators, common, renamed.get(id_column, id_column), tuple(keep), renamed)

    def check_header(self, names: Collection[str]) -> None:
        """Raise UsageProblem for a column that the file must not have, or that an option names in
        vain.
        """
        self.check_options(names)
        sent = [name for name in map(self.named, names) if self.is_input(name)]
        for name in self.common.values:
            if name in sent:
                raise UsageProblem(
                    f"the input {name!r} is both a column and on the command line",
                    "remove one of them",
                )
        self._require_known(sent)

    def named(self, column: str) -> str:
        """Return the name of a column's values: of the input that it has for --column, else its
        own.
        """
        return self.renamed.get(column, column)

    def check_options(self, names: Collection[str]) -> None:
        """Raise UsageProblem if an option names a column that FILE lacks, or --keep an input."""
        column_of = {name: column for column, name in self.renamed.items()}
        own_id = () if self.id == ID else (self.id,)
        for option, given in (
            ("--column", {**self.operators, **column_of}),
            ("--keep", self.keep),
            ("--id", own_id),
        ):
            for name in given:
                column = column_of.get(name, name)
                if column not in names:
                    raise self._lacking(column, names, option)
        for name, column in column_of.items():
            if name in names:
                both = f"--column sends {column!r} as {name!r}, which the file has as well"
                raise UsageProblem(both, "remove one of them")
        for name in self.keep:
            if name in self.known:
                raise UsageProblem(
                    f"--keep names {name!r}, which is an input of the workflow", "remove it"
                )

    def _lacking(self, column: str, names: Collection[str], option: str) -> UsageProblem:
        known = ", ".join(map(repr, names)) or "none"
        hint = suggestion(nearest(column, names), f"it has {known}", quoted=True)
        name = self.renamed.get(column)
        if option == "--column" and name in names:
            hint = f"INPUT comes first: --column {shlex.quote(f'{column}={name}')}"
        return UsageProblem(f"{option} names {column!r}, but the file has no such column", hint)

    def is_kept(self, name: str) -> bool:
        """True for a column that stays next to the result, and is not sent."""
        if name in self.keep:
            return True
        if name in self.known or name == self.id:
            return False
        return name.startswith(RESERVED)

    def is_input(self, name: str) -> bool:
        """True for a column that is sent; the column of the ids may also be one."""
        if name == self.id and name not in self.known:
            return False
        return not self.is_kept(name)

    def row(
        self,
        number: int,
        line: int,
        fields: Mapping[str, Any],
        *,
        typed: bool,
        decimals: Mapping[str, str] | None = None,
    ) -> Row:
        """Return the row with these fields, or with its problem.

        `typed` ones have JSON values, others are texts; `decimals` are the marks of those that are
        numbers.
        """
        own: str | None = None
        written = 0
        key = 0
        try:
            own = _id(fields.get(self.id))
            sent = {name: value for name, value in fields.items() if self.is_input(name)}
            cells = ascii(sorted(sent.items(), key=_name_of))
            written = digest_of(ascii((own, cells)))
            key = digest_of(cells if own is None else own)
            kept = {name: value for name, value in fields.items() if self.is_kept(name)}
            if not typed and EXPECT in kept and kept[EXPECT].lstrip().startswith("{"):
                kept[EXPECT] = parse_json(kept[EXPECT], f"its {EXPECT}")
            for name, decimal in (decimals or {}).items():
                if name in sent:
                    sent[name] = _number(name, sent[name], decimal)
            inputs = self._inputs(sent, typed=typed)
            return Row(number, line, 0, own, inputs, kept, written=written, key=key)
        except UsageProblem as problem:
            text = problem.line()
            return Row(number, line, 0, own, problem=text, written=written, key=key)

    def _inputs(self, fields: Mapping[str, Any], *, typed: bool) -> Inputs:
        """Return a row's inputs. Raises UsageProblem naming the field."""
        self._require_known(fields)
        values: dict[str, Any] = dict(self.common.values)
        texts = set(self.common.texts)
        for name, value in fields.items():
            if name in values:
                raise UsageProblem(f"the input {name!r} is in the row and on the command line")
            operator = self.operators.get(name, ":=" if typed else "=")
            if typed and (operator == ":=" or name not in self.operators):
                values[name] = value
                continue
            if not isinstance(value, str):
                raise UsageProblem(
                    f"{name!r} must be text, since --column reads it as {name}{operator}"
                )
            # In a file, unlike on a command line, nothing needs escaping from the shell or from us.
            if operator == "=":
                values[name] = value
            else:
                values[name] = parse_value(name, operator, value, self.sources)
            if operator in {"=", "=@"}:
                texts.add(name)
        return Inputs(values, frozenset(texts), self.common.secret)

    def _require_known(self, names: Collection[str]) -> None:
        """Raise UsageProblem for columns that are neither inputs nor kept, naming all of them and
        what to do.
        """
        if not self.all_known or self.known.issuperset(names):
            return
        others = [name for name in names if name not in self.known]
        near = {name: nearest(name, self.known.difference(names)) for name in others}
        meant = [
            f"did you mean {each!r} for {name!r}?"
            for name, each in near.items()
            if each is not None
        ]
        unmeant = [name for name in others if near[name] is None or len(others) == 1]
        hints = []
        if self.id == ID:
            for name in unmeant:
                if name.casefold() == "id":
                    hints.append(f"name the rows with --id {name}")
                    unmeant.remove(name)
                    break
        given = {*names, *self.common.values, *near.values()}
        missing = [key for key, keys in self.needed.items() if given.isdisjoint(keys)]
        hints += _ways_to_name(unmeant, missing)
        if hints:
            meant.append(in_prose(hints))
        are = "is not an input" if len(others) == 1 else "are not inputs"
        raise UsageProblem(
            f"{in_prose(list(map(repr, others)))} {are} of the workflow", " ".join(meant)
        )


def _ways_to_name(columns: Sequence[str], missing: Sequence[str]) -> list[str]:
    """Say how to send columns as inputs that are missing, in their order, and to keep others."""
    sent: dict[str, str] = {}
    for key, column in zip(missing, columns, strict=False):
        if not column.startswith("@"):
            sent[column] = key
    kept = [column for column in columns if column not in sent]
    which = "one of them" if kept else "it"
    ways = []
    for column, key in sent.items():
        item = shlex.quote(item_start(key, None) + column)
        ways.append(f"send {which} as {key!r} (as in --column {item})")
    if kept:
        options = " ".join(f"--keep {shlex.quote(column)}" for column in kept)
        ways.append(f"keep what is not sent with {options}")
    return ways


def _name_of(cell: tuple[str, Any]) -> str:
    return cell[0]


def _number(name: str, cell: str, decimal: str) -> str:
    try:
        return plain_number(cell, decimal)
    except UsageProblem as problem:
        raise UsageProblem(f"its {name!r}: {problem.message}") from None


def _id(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UsageProblem("its id is neither a text nor a whole number")


def id_of_repetition(row_id: str | None, repetition: int, repeat: int) -> str | None:
    """Return the id of a repetition, which is the row's own if it runs once."""
    if row_id is None or repeat == 1:
        return row_id
    return f"{row_id}#{repetition}"


def without_repetition(own_id: str | None) -> str | None:
    """Return the row's id, which stands before the last `#` of a repetition's."""
    if own_id is None:
        return None
    return own_id.rpartition("#")[0]


def hash_of(text: str | None) -> int:
    """Return 64 bits that distinguish texts in this process alone, such as rows' own ids and runs.

    0 for none.
    """
    if text is None:
        return 0
    return (hash(text) & MASK) or 1


def digest_of(text: str) -> int:
    """Return the 64-bit digest of a text, the same in each process."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
