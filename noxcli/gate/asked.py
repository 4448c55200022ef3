"""What a gate was asked: its table when the gate began, and a digest of each file of a row.

Both are in the gate's directory before the first start. A row's place is that in this table,
wherever it is now.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from noxcli.batchdir.append_file import JournalTrouble
from noxcli.codec import decode_json, to_json, to_sorted_json
from noxcli.errors import UsageProblem
from noxcli.files import ASKED_NAME, ASKED_ROWS_NAME, reason_of
from noxcli.inputs.uploads import Upload
from noxcli.rows.columns import Row, digest_of
from noxcli.safe_dir import SafeDir

ASKED_SCHEMA = "noxcli.asked/1"
# Of a file's SHA-256, as of a row's: with all 64, short rows would take thrice as much.
HEX_DIGITS = 16
MAX_NAMED = 3  # rows that differ

NotedFiles = Mapping[str, Sequence[str]]  # digests of the rows in order, "" for none, by the input


class AskedRow(NamedTuple):
    """A row and what it asks: its own inputs, where a file stands for its content."""

    row: Row
    values: Mapping[str, Any]
    files: Mapping[str, str]  # the digest of each, by its input

    @property
    def name(self) -> str:
        """Its id, or its number."""
        return str(self.row.file_number) if self.row.id is None else self.row.id

    @property
    def question(self) -> str:
        """What it asks, as a text that differs if that does."""
        return to_sorted_json([self.row.id, self.values, self.files])

    def differing_inputs(self, other: "AskedRow") -> list[str]:
        """Return the inputs that differ, the files of which are named so."""
        names = []
        for name in {**self.values, **other.values}:
            if self.values.get(name) != other.values.get(name):
                names.append(name)
        for name in {**self.files, **other.files}:
            if self.files.get(name) != other.files.get(name):
                names.append(f"the file of {name}")
        return names


@dataclass(frozen=True, slots=True)
class Asked:
    """The bytes of a table, and the rows that were read of them."""

    content: bytes
    rows: Sequence[AskedRow]

    def write(self, place: SafeDir) -> None:
        """Write it to the gate's directory, where it is on the disk when this returns.

        Raises JournalTrouble.
        """
        files: dict[str, list[str]] = {}
        for index, asked in enumerate(self.rows):
            for name, digest in asked.files.items():
                digests = files.setdefault(name, [""] * len(self.rows))
                digests[index] = digest
        joined = {name: " ".join(digests) for name, digests in files.items()}
        about = {"schema": ASKED_SCHEMA, "files": joined}
        try:
            with place.replacing(ASKED_ROWS_NAME) as file:
                file.write(self.content)
            with place.replacing(ASKED_NAME) as file:
                file.write(f"{to_json(about)}\n".encode())
        except OSError as error:
            what = f"can't write {place.path / ASKED_NAME}: {reason_of(error)}"
            raise JournalTrouble(what, "check --output-dir") from None

    def with_columns(self, names: Collection[str]) -> "Asked":
        """Return it with these kept columns as a part of what each row asks."""
        rows = []
        for asked in self.rows:
            read = {f"row.{name}": asked.row.columns.get(name) for name in names}
            kept = {name: value for name, value in read.items() if value is not None}
            rows.append(asked._replace(values={**asked.values, **kept}))
        return replace(self, rows=rows)

    @property
    def columns_digest(self) -> str:
        """What tells its kept columns and expectations from others."""
        columns = [asked.row.columns for asked in self.rows]
        return f"{digest_of(to_sorted_json(columns)):016x}"


class Compared(NamedTuple):
    """The rows of a table in the places that they had, and what differs in what they ask."""

    rows: Sequence[AskedRow]
    differences: Sequence[str]


def compare_rows(then: Sequence[AskedRow], now: Sequence[AskedRow]) -> Compared:
    """Return today's rows in the places of those that were asked.

    The k-th of equal rows has the k-th place.
    """
    waiting: dict[str, list[int]] = {}
    for place, asked in enumerate(then):
        waiting.setdefault(_known_by(asked), []).append(place)
    placed: list[AskedRow | None] = [None] * len(then)
    differences: list[str] = []
    more = 0
    for asked in now:
        places = waiting.get(_known_by(asked))
        if not places:
            more += 1
            continue
        place = places.pop(0)
        number = then[place].row.number
        placed[place] = asked._replace(row=replace(asked.row, number=number))
        for name in then[place].differing_inputs(asked):
            differences.append(f"{name} in row {asked.name}")
    fewer = placed.count(None)
    if len(differences) > MAX_NAMED or more or fewer:
        differences = [*differences[:MAX_NAMED], "rows"]
    return Compared([asked for asked in placed if asked is not None], differences)


def _known_by(asked: AskedRow) -> str:
    return asked.question if asked.row.id is None else f"id {asked.row.id}"


def read_asked(directory: Path, fresh: str) -> tuple[bytes, NotedFiles]:
    """Return the table that a gate began with, and the digests of its files.

    Raises UsageProblem with `fresh`, the way to start over.
    """
    try:
        content = (directory / ASKED_ROWS_NAME).read_bytes()
        about = decode_json((directory / ASKED_NAME).read_bytes())
        files = {name: digests.split(" ") for name, digests in about["files"].items()}
        if about["schema"] == ASKED_SCHEMA:
            return content, files
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    raise UsageProblem(
        f"{directory} has a gate, but not what it was asked: another edition of noxcli began it",
        fresh,
    )


def asked_of(
    row: Row,
    common: Mapping[str, Any],
    operators: Mapping[str, str],
    index: int,
    files: NotedFiles | None,
    hash_file: Callable[[str], str],
) -> AskedRow:
    """Return what the row at this index of the table asks.

    `files` are the digests that were noted, None to read the files now.
    `operators` say which inputs are read as files, and `common` are the inputs that all rows share.
    `hash_file` returns the digest of a file that is uploaded, by its path.
    """
    values: dict[str, Any] = {}
    digests: dict[str, str] = {}
    for name, value in row.inputs.values.items():
        if name in common:
            continue
        if "@" not in operators.get(name, ""):
            values[name] = value
        elif files is not None:
            noted = files.get(name, ())
            digests[name] = noted[index] if index < len(noted) else ""
        elif isinstance(value, Upload):
            digests[name] = hash_file(value.path)[:HEX_DIGITS]
        else:
            digests[name] = _hash_of_read(value)[:HEX_DIGITS]
    return AskedRow(row, values, digests)


def _hash_of_read(value: Any) -> str:
    """Return the digest of an input that was read from a file."""
    text = value if isinstance(value, str) else to_sorted_json(value)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
