"""Results as a CSV file that a spreadsheet opens right: lines of rows, columns of their values."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from noxcli.codec import to_json, to_utf8
from noxcli.errors import ExitCode, UsageProblem
from noxcli.outputs.values import by_name, unwrapped
from noxcli.reports.failure_groups import reason_in, run_in

# Excel and LibreOffice Calc take a text that begins like this for a formula, wherever it came from.
FORMULA = re.compile(r"[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?")
THOUSANDS = re.compile(r"-?[1-9]\d{0,2},\d{3}")
MAX_COLUMNS = 16_384  # of a sheet
# Before and after the columns of the rows' values.
BEFORE = ("row", "id")
AFTER = ("status", "seconds", "run", "error")
KINDS = ("column", "input", "output")


class _Encoder:
    """A file for `csv`, whose writer returns what `write` does: the bytes."""

    write = staticmethod(to_utf8)


@dataclass(slots=True, eq=False, repr=False)
class Sheet:
    """The columns of results, which are known once all lines were added.

    `raw` writes texts that look like formulas as they are. A spreadsheet that separates cells by
    semicolons has commas in its numbers.
    """

    raw: bool = False
    separator: str = ","
    _repeated: bool = False  # with --repeat
    _names: dict[tuple[str, str], None] = field(default_factory=dict)  # of the values, with kinds

    def add(self, line: Mapping[str, Any]) -> None:
        """Learn the columns of a line. Raises UsageProblem for more than a sheet has."""
        if "repetition" in line:
            self._repeated = True
        self._names.update(dict.fromkeys(_values(line)))
        if len(self._names) + len(BEFORE) + len(AFTER) > MAX_COLUMNS:
            raise UsageProblem(
                f"the results need more than {MAX_COLUMNS:,} columns", "drop --csv, or use jq"
            )

    def pieces(self, lines: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        """Yield the file.

        It begins with a byte order mark, without which Excel takes UTF-8 for another encoding.
        """
        names: list[tuple[str, str]] = []
        for kind in KINDS:
            names += [name for name in self._names if name[0] == kind]
        # CRLF and doubled quotes, as RFC 4180 has them.
        writer: Any = csv.writer(_Encoder(), delimiter=self.separator)
        yield codecs.BOM_UTF8 + writer.writerow(self._cells(self._header(names)))
        for line in lines:
            result = line["result"]
            run = run_in(result)
            values = _values(line)
            cells = [line["row"], line["id"]]
            if self._repeated:
                cells.append(line.get("repetition"))
            cells += [values.get(name) for name in names]
            cells.append(ExitCode(result["exit_code"]).words)
            cells += [run.get("duration_s"), run.get("id"), reason_in(result)]
            yield writer.writerow(self._cells(cells))

    def _header(self, names: Iterable[tuple[str, str]]) -> list[str]:
        header = list(BEFORE)
        if self._repeated:
            header.append("repetition")
        header += AFTER
        for kind, name in names:
            while name in header:
                name = f"{name} ({kind})"
            header.insert(len(header) - len(AFTER), name)
        return header

    def _cells(self, values: Iterable[Any]) -> list[str]:
        return [self._cell(value) for value in values]

    def _cell(self, value: Any) -> str:
        value = unwrapped(value)
        if value is None:
            return ""
        if isinstance(value, str):
            looks_like_formula = FORMULA.match(value) and not NUMBER.fullmatch(value)
            if looks_like_formula and not self.raw:
                return f"'{value}"
            return value
        text = to_json(value)
        if isinstance(value, float) and self.separator == ";":
            text = text.replace(".", ",")
            if THOUSANDS.fullmatch(text):
                text += "0"  # three decimals would also be read as thousands
        return text


def _values(line: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Return the values of a line by kind and name."""
    by_kind = [line.get("columns") or {}, line["input"] or {}, by_name(line["result"]["output"])]
    found = {}
    for kind, values in zip(KINDS, by_kind, strict=True):
        for name, value in values.items():
            found[kind, name] = value
    return found
