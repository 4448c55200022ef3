"""Results as a CSV file that a spreadsheet opens right: a line for each row, a column for each input and output."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from noxcli.codec import to_json, to_utf8
from noxcli.errors import ExitCode, UsageProblem
from noxcli.outputs.values import by_name, unwrapped
from noxcli.reports.failure_groups import reason_in

# Excel and LibreOffice Calc take a text that begins like this for a formula, wherever it came from.
FORMULA = re.compile(r"[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?")
MAX_COLUMNS = 16_384  # of a sheet
AROUND = (
    ("row", "id"),
    ("status", "seconds", "run", "error"),
)  # before and after the columns of the rows' values
KINDS = ("column", "input", "output")


class _Encoder:
    """A file for `csv`, whose writer returns what `write` does: the bytes."""

    write = staticmethod(to_utf8)


@dataclass(slots=True, eq=False, repr=False)
class Sheet:
    """The columns of results, which are known once all lines were added. `raw` writes texts that look like formulas.

    A spreadsheet that separates cells by semicolons has commas in its numbers.
    """

    raw: bool = False
    separator: str = ","
    _repeated: bool = False  # with --repeat
    _names: dict[tuple[str, str], None] = field(
        default_factory=dict
    )  # of the values: their kind and name

    def add(self, line: Mapping[str, Any]) -> None:
        """Learn the columns of a line. Raises UsageProblem for more than a sheet has."""
        self._repeated |= "repetition" in line
        self._names.update(dict.fromkeys(_values(line)))
        if len(self._names) + sum(map(len, AROUND)) > MAX_COLUMNS:
            raise UsageProblem(
                f"the results need more than {MAX_COLUMNS:,} columns", "drop --csv, or use jq"
            )

    def pieces(self, lines: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        """Yield the file. It begins with a byte order mark, without which Excel takes UTF-8 for another encoding."""
        names = sorted(self._names, key=lambda name: KINDS.index(name[0]))
        writer: Any = csv.writer(
            _Encoder(), delimiter=self.separator
        )  # CRLF and doubled quotes, as RFC 4180 has them
        yield codecs.BOM_UTF8 + writer.writerow(map(self._cell, self._header(names)))
        for line in lines:
            values, result = _values(line), line["result"]
            run, words = result["run"] or {}, ExitCode(result["exit_code"]).words
            after = words, run.get("duration_s"), run.get("id"), reason_in(result)
            before = [
                line["row"],
                line["id"],
                *([line.get("repetition")] if self._repeated else []),
            ]
            yield writer.writerow(map(self._cell, [*before, *map(values.get, names), *after]))

    def _header(self, names: Iterable[tuple[str, str]]) -> list[str]:
        before, after = AROUND
        header = [*before, *(["repetition"] if self._repeated else []), *after]
        for kind, name in names:
            while name in header:
                name = f"{name} ({kind})"
            header.insert(len(header) - len(after), name)
        return header

    def _cell(self, value: Any) -> str:
        value = unwrapped(value)
        if not isinstance(value, str):
            text = "" if value is None else to_json(value)
            return (
                text.replace(".", ",")
                if isinstance(value, float) and self.separator == ";"
                else text
            )
        guarded = FORMULA.match(value) and not NUMBER.fullmatch(value) and not self.raw
        return f"'{value}" if guarded else value


def _values(line: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Return the values of a line by kind and name."""
    values = line.get("columns") or {}, line["input"] or {}, by_name(line["result"]["output"])
    kinds = zip(KINDS, values, strict=True)
    return {(kind, name): value for kind, values in kinds for name, value in values.items()}
